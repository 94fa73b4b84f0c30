"""The schedule: KerasTuner's own sizes and epochs, and the totals that `plan` promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras_tuner.oracles import HyperbandOracle

from search.oracle.schedule import make_schedule
from search.study.config import HyperbandSection


@given(
    max_epochs=st.integers(1, 400),
    factor=st.integers(2, 6),
    iterations=st.integers(1, 3),
    data=st.data(),
)
def test_equals_stock_keras_tuner(max_epochs: int, factor: int, iterations: int, data: st.DataObject) -> None:
    min_epochs = data.draw(st.integers(1, max_epochs))
    stock = HyperbandOracle(objective="val_loss", max_epochs=max_epochs, factor=factor)
    stock.min_epochs = min_epochs
    schedule = make_schedule(
        HyperbandSection(max_epochs=max_epochs, factor=factor, iterations=iterations, min_epochs=min_epochs)
    )
    numbers = list(reversed(range(stock._get_num_brackets())))
    assert [(b.iteration, b.number) for b in schedule.brackets] == [(i, n) for i in range(iterations) for n in numbers]
    for bracket in schedule.brackets:
        rungs = range(stock._get_num_rounds(bracket.number))
        assert [rung.size for rung in bracket.rungs] == [stock._get_size(bracket.number, rung) for rung in rungs]
        ends = [stock._get_epochs(bracket.number, rung) for rung in rungs]
        assert [(rung.first_epoch, rung.last_epoch) for rung in bracket.rungs] == list(
            zip([0, *ends[:-1]], ends, strict=True)
        )


@given(max_epochs=st.integers(1, 100), factor=st.integers(2, 5), iterations=st.integers(1, 3))
def test_configurations_are_numbered_without_gaps(max_epochs: int, factor: int, iterations: int) -> None:
    schedule = make_schedule(HyperbandSection(max_epochs=max_epochs, factor=factor, iterations=iterations))
    numbers = [b.first_config + slot for b in schedule.brackets for slot in range(b.rungs[0].size)]
    assert numbers == list(range(schedule.configurations))
    assert all(bracket.rungs[-1].last_epoch == max_epochs for bracket in schedule.brackets)


@pytest.mark.parametrize(("max_epochs", "epochs"), [(27, 375), (81, 1767)])
def test_epochs_really_trained(max_epochs: int, epochs: int) -> None:
    alone = make_schedule(HyperbandSection(max_epochs=max_epochs, factor=3, baseline=False))
    beside = make_schedule(HyperbandSection(max_epochs=max_epochs, factor=3, baseline=True))
    assert alone.epochs == epochs
    assert beside.epochs == epochs + max_epochs
    assert beside.trials == alone.trials + 1
    twice = make_schedule(HyperbandSection(max_epochs=max_epochs, factor=3, baseline=False, iterations=2))
    assert (twice.epochs, twice.trials) == (2 * alone.epochs, 2 * alone.trials)


def test_the_widest_bracket_halves_to_one() -> None:
    first = make_schedule(HyperbandSection(max_epochs=81, factor=3)).brackets[0]
    assert [(rung.size, rung.last_epoch) for rung in first.rungs] == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]


def test_a_small_space_leaves_a_smaller_schedule() -> None:
    full = make_schedule(HyperbandSection(max_epochs=9))
    small = full.limited_to(11)
    assert [[rung.size for rung in bracket.rungs] for bracket in small.brackets] == [[9, 3, 1], [2, 2]]
    assert full.limited_to(0).trials == 1
    assert full.limited_to(full.configurations) == full
