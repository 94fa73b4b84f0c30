"""The Pareto front of score and cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from search.results.front import pareto_front

POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


@given(POINTS)
def test_it_holds_exactly_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    front = pareto_front(points, lambda point: point[0], lambda point: point[1])

    def is_beaten(point: tuple[int, int]) -> bool:
        return any(other != point and other[0] <= point[0] and other[1] >= point[1] for other in points)

    assert sorted(front) == front == sorted({point for point in points if not is_beaten(point)})


@given(POINTS)
def test_adding_one_after_the_other_gives_the_same(points: list[tuple[int, int]]) -> None:
    grown: list[tuple[int, int]] = []
    for point in points:
        grown = pareto_front([*grown, point], lambda point: point[0], lambda point: point[1])
    assert grown == pareto_front(points, lambda point: point[0], lambda point: point[1])
