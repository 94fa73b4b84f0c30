"""Writing a report: of one study, or of several side by side."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search.errors import UserError
from search.study import open_studies, open_study
from search.system.files import writing_to

if TYPE_CHECKING:
    from search.report.parts import Report

# What the plots and the page are made with: the extra [report].
NEEDED = ("jinja2", "plotly")


def is_available() -> bool:
    """Whether the packages of the extra [report] are installed."""
    return all(importlib.util.find_spec(name) for name in NEEDED)


def write_report(folder: Path) -> Path:
    """Write `report.html` of a study, while it runs or after; returns its path.

    Raises:
        UserError: the folder holds no study, cannot be written, or the extra [report] is not installed.
    """
    study = open_study(folder)
    _check_available()
    from search.report.history import read_history
    from search.report.sections import study_report

    return _write(study_report(read_history(study)), study.report_file)


def write_comparison(folders: Sequence[Path], path: Path) -> Path:
    """Write one page on several studies, each with its own report's verdict; returns its path.

    Raises:
        UserError: a folder holds no study, two have the same name, `path` cannot be written, or the extra is missing.
    """
    studies = open_studies(folders)
    _check_available()
    from search.report.history import read_history
    from search.report.sections import comparison_report

    return _write(comparison_report([read_history(study) for study in studies]), path)


def _write(report: Report, path: Path) -> Path:
    from search.report.page import write_page

    with writing_to(path):
        write_page(report, path)
    return path


def _check_available() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"the report needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
            "Install the extra: pip install -e '.[report]' (`make` does)."
        )
