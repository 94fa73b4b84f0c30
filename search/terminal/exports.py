"""What an export has written, as tables."""

from __future__ import annotations

from rich.table import Table

from search.results.exported import MEASURED, VERIFIED, Exported
from search.terminal.layout import plain_table


def verified_table(exported: Exported) -> Table:
    """Each model with its size, its distance from the study's network, and its score."""
    table = plain_table(VERIFIED[0], numbers=VERIFIED[1:])
    for row in exported.verified_rows():
        table.add_row(*row)
    return table


def measured_table(exported: Exported) -> Table:
    """Each model's latency and throughput with one image at a time, beside its size and score."""
    table = plain_table(MEASURED[0], numbers=MEASURED[1:])
    for row in exported.measured_rows():
        table.add_row(*row)
    return table
