"""How many points a space holds, without drawing them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from hyperparameters.dimensions import Value, plain
from hyperparameters.offers import Offer
from hyperparameters.rates import STEPS, Rates

# Values of the hyperparameters that others depend on, by KerasTuner's names.
_State = tuple[tuple[str, Any], ...]


def count_points(
    offers: Sequence[Offer], fixed: Mapping[str, Value], rates: Rates, *, ignored: AbstractSet[str] = frozenset()
) -> int:
    """How many points a space holds, before limits; a range of real numbers counts as one value.

    Args:
        offers: what is searched; a parent comes before what depends on it.
        fixed: the value of every hyperparameter that is not searched.
        rates: counts the sets of dilation rates, which depend on output stride and branches.
        ignored: names of hyperparameters that do not count.
    """
    parents = {parent for offer in offers for parent in offer.scope} | {"output_stride", "aspp_branches"}
    states: Counter[_State] = Counter({(): 1})
    for offer in offers:
        # Dilation rates are counted at the end, because how many fit depends on the output stride.
        if offer.name not in ignored and offer.name not in STEPS and offer.dimension.size is not None:
            states = _with_offer(states, offer, offer.dimension.size, is_parent=offer.key in parents)
    return sum(ways * _count_rates(state, fixed, rates) for state, ways in states.items())


def _with_offer(states: Counter[_State], offer: Offer, size: int, *, is_parent: bool) -> Counter[_State]:
    """In how many ways each state comes about once a hyperparameter of `size` values has one too."""
    longer: Counter[_State] = Counter()
    for state, ways in states.items():
        if not offer.exists_at(dict(state)):
            longer[state] += ways
        elif is_parent:
            longer.update({(*state, (offer.key, value)): ways for value in offer.dimension.values()})
        else:
            # Nothing depends on its value, so the number of values is enough.
            longer[state] += ways * size
    return longer


def _count_rates(state: Iterable[tuple[str, Any]], fixed: Mapping[str, Value], rates: Rates) -> int:
    point = {**fixed, **plain(dict(state))}
    return rates.count(int(point["output_stride"]), int(point["aspp_branches"]))
