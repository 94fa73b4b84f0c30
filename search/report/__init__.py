"""The report of a study: one page with the verdict first, then everything that it rests on."""

from search.report.writing import is_available, write_comparison, write_report

__all__ = ["is_available", "write_comparison", "write_report"]
