"""What a report is made of: sections with text, plots, tables and pictures. Plain data; `page` draws it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from search.system import wording

if TYPE_CHECKING:
    import plotly.graph_objects as go

# Rows of a table that are shown; all of them are in the CSV files.
MOST_ROWS = 100


@dataclass(frozen=True)
class Table:
    """Cells as text, with a caption that says what they are."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left_out: int = 0


@dataclass(frozen=True)
class Plot:
    """A plotly figure with what it shows in words and in numbers; it scrolls if narrower than `min_width` pixels."""

    name: str
    title: str
    figure: go.Figure
    summary: str
    table: Table
    height: int = 420
    min_width: int = 0


@dataclass(frozen=True)
class Picture:
    """A JPEG with what it shows."""

    jpeg: bytes
    caption: str

    @property
    def source(self) -> str:
        """The picture as a `data:` address."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


@dataclass(frozen=True)
class Section:
    """A part of the page. `notes` are paragraphs; `listing` is text to copy."""

    name: str
    title: str
    notes: Sequence[str] = ()
    facts: Sequence[tuple[str, str]] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    network: Any = None
    listings: Sequence[tuple[str, str]] = ()
    narrow_plots: bool = False


@dataclass(frozen=True)
class Report:
    """A whole page."""

    title: str
    verdict: str
    notes: Sequence[str]
    facts: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default_factory=list)


def table_of(frame: pd.DataFrame, caption: str, columns: dict[str, str]) -> Table:
    """A table of some columns of a DataFrame, under the names given."""
    shown = frame.head(MOST_ROWS)
    rows = [[cell(value) for value in row] for row in shown[list(columns)].itertuples(index=False)]
    return Table(caption, list(columns.values()), rows, left_out=len(frame) - len(shown))


def cell(value: Any) -> str:
    """A value of a DataFrame as people read it."""
    # A comparison with pandas's missing value gives neither true nor false.
    return wording.cell(None if value is pd.NA else value)
