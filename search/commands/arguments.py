"""Arguments that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.system.paths import expand_home


def path_of(text: str) -> Path:
    """A path as typed; `~` is the home, also where no shell has replaced it."""
    return Path(expand_home(text))


StudyFile = Annotated[
    Path, typer.Argument(metavar="STUDY.toml", help="The study file.", show_default=False, parser=path_of)
]
StudyFolder = Annotated[Path, typer.Argument(metavar="DIR", help="A study folder.", show_default=False, parser=path_of)]
StudyFolders = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="Study folders.", show_default=False, parser=path_of)
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="An exported model, or a study folder.", parser=path_of)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value of the file, as in hyperband.max_epochs=9."),
]
Directory = Annotated[
    str | None, typer.Option(help="Where study folders are kept.  \\[default: the file's, 'results']")
]
