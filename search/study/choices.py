"""What a study file chooses by name: samplers, promotion rules, executors.

The tables are here, below the rooms that they point into, so that a study file can be checked against their names
without importing what an entry needs.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from typing import Any

from search.errors import UserError

SAMPLERS: dict[str, str] = {
    "random": "search.oracle.samplers.random:RandomSampler",
    "tpe": "search.oracle.samplers.tpe:TpeSampler",
}
# The samplers whose draws follow from results, so that nothing can be drawn before there are any.
LEARNING = frozenset({"tpe"})
PROMOTIONS: dict[str, str] = {"synchronous": "search.oracle.promotion.synchronous:SynchronousPromotion"}
EXECUTORS: dict[str, str] = {"local": "search.executors.local:LocalExecutor"}


class OneOf:
    """A pydantic validator: the text must be a name in a table.

    Args:
        table: names and where they are implemented, as `module:Class`.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self.table = table

    def __call__(self, name: str) -> str:
        if name not in self.table:
            raise ValueError(f"allowed are {', '.join(self.table)}")
        return name


def load_choice(table: Mapping[str, str], name: str) -> Any:
    """The class that a name in a table stands for; imports its module.

    Raises:
        UserError: a package that it needs is not installed.
    """
    try:
        return pkgutil.resolve_name(table[name])
    except ModuleNotFoundError as error:
        raise UserError(f"{name!r} needs the package {error.name}, which is not installed.") from error
