"""Make the README's picture of a finished search.

`python docs/picture.py results/demo docs/search.svg`
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console, Group

from search.console import best_line, rung_table, summary_line, trial_table
from search.snapshot import snapshot_from_disk
from search.study import open_study


def main(folder: Path, picture: Path) -> None:
    """Write what the terminal shows of a study as SVG."""
    snapshot = snapshot_from_disk(open_study(folder))
    console = Console(record=True, width=88, file=io.StringIO(), force_terminal=True, highlight=False)
    parts = (rung_table(snapshot), "", trial_table(snapshot, limit=9), "")
    console.print(f"[bold]{summary_line(snapshot)}[/]\n", Group(*parts), f"[bold green]{best_line(snapshot)}", sep="\n")
    console.save_svg(str(picture), title="deeplab-search run studies/demo.toml")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
