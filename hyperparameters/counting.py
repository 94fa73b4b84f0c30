"""How many networks a space holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hyperparameters.dimensions import Value, plain
from hyperparameters.offers import Offer
from hyperparameters.rates import STEPS, Rates
from recipe import Recipe

# Values of the hyperparameters that others depend on, by KerasTuner's names.
_State = tuple[tuple[str, Any], ...]


def count_networks(offers: Sequence[Offer], fixed: Mapping[str, Value], rates: Rates) -> int:
    """How many networks a space holds; a range of real numbers counts as one value, and training choices do not count.

    Args:
        offers: what is searched; a parent comes before what depends on it.
        fixed: the value of every hyperparameter that is not searched.
        rates: counts the sets of dilation rates, which depend on output stride and branches.
    """
    parents = {parent for offer in offers for parent in offer.scope} | {"output_stride", "aspp_branches"}
    states: Counter[_State] = Counter({(): 1})
    for offer in offers:
        if offer.name not in Recipe.model_fields and offer.name not in STEPS and offer.dimension.size is not None:
            states = _with_offer(states, offer, is_parent=offer.key in parents)
    return sum(ways * _count_rates(state, fixed, rates) for state, ways in states.items())


def _with_offer(states: Counter[_State], offer: Offer, *, is_parent: bool) -> Counter[_State]:
    """In how many ways each state comes about once a hyperparameter has its values too."""
    longer: Counter[_State] = Counter()
    for state, ways in states.items():
        if not offer.exists_at(dict(state)):
            longer[state] += ways
        elif is_parent:
            for value in offer.dimension.values():
                longer[(*state, (offer.key, value))] += ways
        else:
            # Nothing depends on its value, so the number of values is enough.
            longer[state] += ways * (offer.dimension.size or 1)
    return longer


def _count_rates(state: Iterable[tuple[str, Any]], fixed: Mapping[str, Value], rates: Rates) -> int:
    point = {**fixed, **plain(dict(state))}
    return rates.count(int(point["output_stride"]), int(point["aspp_branches"]))
