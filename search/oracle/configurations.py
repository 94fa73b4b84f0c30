"""Random points of a search space, which depend on their seed alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Set as AbstractSet

import keras_tuner

from search.oracle.points import Rejection, Values
from search.oracle.samplers.random import draw_values

# Draws of one configuration before the space counts as exhausted, and networks measured for it, which takes seconds.
MAX_DRAWS = 1000
MAX_MEASURED = 100


class Configurations:
    """The numbered configurations of a study.

    Args:
        space: the declared search space.
        seed: of the draws.
        reject: `(values) -> Rejection`, for points that must not take a trial (limits, degenerate rates); else None.
        config_id: `(values) -> str`, equal for points that are the same configuration.

    Attributes:
        rejected: reason -> points that the last preview did not take.
    """

    def __init__(
        self,
        space: keras_tuner.HyperParameters,
        seed: int,
        reject: Callable[[Values], Rejection | None],
        config_id: Callable[[Values], str],
    ) -> None:
        self._space, self._seed, self._reject, self._config_id = space, seed, reject, config_id
        self.rejected: Counter[str] = Counter()

    def draw(self, number: int, taken: AbstractSet[str]) -> tuple[Values, str] | None:
        """Values and id of configuration `number`, not rejected and none of `taken`; None where there are no more."""
        measured: set[str] = set()
        for attempt in range(MAX_DRAWS):
            values = draw_values(self._space, [self._seed, number, attempt])
            config_id = self._config_id(values)
            if config_id in taken:
                continue
            rejection = self._reject(values)
            if rejection is None:
                return values, config_id
            self.rejected[rejection.reason] += 1
            measured |= {rejection.measured} if rejection.measured else set()
            # Distinct networks, not new measurements: a continued study must give up at the same draw.
            if len(measured) == MAX_MEASURED:
                break
        return None

    def preview(self, count: int, taken: AbstractSet[str]) -> list[Values]:
        """Configurations 0 to `count - 1`, all different and none of `taken`; fewer where the space has no more."""
        seen = set(taken)
        found = []
        self.rejected.clear()
        for number in range(count):
            drawn = self.draw(number, seen)
            if drawn is None:
                break
            values, config_id = drawn
            seen.add(config_id)
            found.append(values)
        return found
