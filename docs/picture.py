"""Make the README's picture of a finished search.

`python docs/picture.py results/demo docs/search.svg`
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console, Group

from search.results.snapshot import snapshot_from_disk, trial_rows
from search.study.folder import open_study
from search.terminal.tables import best_line, rung_table, summary_line, trial_table


def main(folder: Path, picture: Path) -> None:
    """Write the terminal's picture of a study as SVG."""
    study = open_study(folder)
    snapshot = snapshot_from_disk(study)
    console = Console(record=True, width=88, file=io.StringIO(), force_terminal=True, highlight=False)
    parts = (rung_table(snapshot), "", trial_table(trial_rows(study), snapshot.tally.objective, limit=9), "")
    console.print(f"[bold]{summary_line(snapshot)}[/]\n", Group(*parts), f"[bold green]{best_line(snapshot)}", sep="\n")
    console.save_svg(str(picture), title="deeplab-search run studies/demo.toml")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
