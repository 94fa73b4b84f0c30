"""The numbered configurations of a study: what the sampler proposes, without what is rejected or known already."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from search.oracle.points import NOTHING, Rejection, Seen, Values
from search.oracle.samplers import Sampler

# Proposals for one configuration before the space counts as exhausted, and networks measured for it, which takes
# seconds each.
MAX_DRAWS = 1000
MAX_MEASURED = 100

log = logging.getLogger(__name__)


class Configurations:
    """Draws the configurations of a study, one number after the other.

    Args:
        sampler: proposes points.
        reject: `(values) -> Rejection`, for points that must not take a trial (limits, degenerate rates); else None.
        config_id: `(values) -> str`, equal for points that are the same configuration.
        start: points that are proposed first, for configurations 0, 1, ...

    Attributes:
        rejected: reason -> number of proposals rejected for it.
    """

    def __init__(
        self,
        sampler: Sampler,
        reject: Callable[[Values], Rejection | None],
        config_id: Callable[[Values], str],
        start: Sequence[Values] = (),
    ) -> None:
        self._sampler, self._reject, self._config_id, self._start = sampler, reject, config_id, start
        self.rejected: Counter[str] = Counter()

    def id_of(self, values: Values) -> str:
        """The id of the configuration at a point."""
        return self._config_id(values)

    def draw(self, number: int, taken: AbstractSet[str], seen: Seen = NOTHING) -> tuple[Values, str] | None:
        """Values and id of configuration `number`, not rejected and none of `taken`; None if there are no more."""
        measured: set[str] = set()
        for attempt in range(MAX_DRAWS):
            values = self._propose(number, attempt, seen)
            config_id = self._config_id(values)
            if config_id in taken:
                continue
            rejection = self._reject(values)
            if rejection is None:
                log.debug("configuration %d: %s after %d proposals", number, config_id, attempt + 1)
                return values, config_id
            self.rejected[rejection.reason] += 1
            measured |= {rejection.measured} if rejection.measured else set()
            # Distinct networks, not new measurements: a continued study must give up at the same draw.
            if len(measured) == MAX_MEASURED:
                break
        log.debug("configuration %d: the space is exhausted, %d configurations are taken", number, len(taken))
        return None

    def _propose(self, number: int, attempt: int, seen: Seen) -> Values:
        if attempt == 0 and number < len(self._start):
            return dict(self._start[number])
        return self._sampler.propose(number, attempt, seen)

    def preview(self, count: int, taken: AbstractSet[str]) -> list[Values]:
        """Configurations 0 to `count - 1`, all different and none of `taken`; fewer where the space has no more.

        A sampler that learns draws others once it has seen results.
        """
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
