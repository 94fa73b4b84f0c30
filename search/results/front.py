"""The Pareto front: trials that no other one beats in score at as few MACs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def pareto_front(items: Iterable[Item], cost: Callable[[Item], float], goodness: Callable[[Item], float]) -> list[Item]:
    """The items that no other one beats in both measures, the cheapest first; of equals, the first.

    Args:
        items: in any order.
        cost: the less, the better.
        goodness: the more, the better.
    """
    front: list[Item] = []
    for item in sorted(items, key=lambda item: (cost(item), -goodness(item))):
        if not front or goodness(item) > goodness(front[-1]):
            front.append(item)
    return front
