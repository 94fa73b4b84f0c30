"""The `compare` command: studies side by side, as a table, as CSV, and as one report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search.errors import UserError
from search.report.comparison import COLUMNS, comparison_columns, comparison_rows, comparison_values
from search.study import Study, open_studies
from search.system.csv_files import write_csv
from search.system.files import make_folder, writing_to
from search.terminal import make_console, plain_table

if TYPE_CHECKING:
    from search.report.history import History


def compare_studies(folders: Sequence[Path], target: Path | None) -> None:
    """Print studies side by side; with `target`, also write `comparison.csv` and `comparison.html` there.

    Raises:
        UserError: fewer than two folders, one holds no study, two have one name, or `target` cannot be written.
    """
    if len(folders) < 2:
        raise UserError(f"given {len(folders)} study folder; expected two or more to compare.")
    histories = _histories(open_studies(folders))
    console = make_console()
    # A column per study: two or three studies, and many numbers of each.
    table = plain_table("")
    for history in histories:
        table.add_column(history.name, overflow="fold")
    columns = zip(*comparison_rows(histories), strict=True)
    for title, values in list(zip(comparison_columns(), columns, strict=True))[1:]:
        table.add_row(title, *values)
    console.print(table)
    if target is None:
        return
    from search.report import write_comparison

    make_folder(target, "--to")
    with writing_to(target, "--to"):
        write_csv(target / "comparison.csv", list(COLUMNS), [comparison_values(history) for history in histories])
    page = write_comparison(folders, target / "comparison.html")
    console.print(f"\n{target / 'comparison.csv'}\n{page}", soft_wrap=True)


def _histories(studies: Sequence[Study]) -> list[History]:
    from search.report.history import read_history

    return [read_history(study) for study in studies]
