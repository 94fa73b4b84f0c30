"""Schedules that fit a time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from search.oracle.fitting import EPOCHS, PLANNED, Speed, expected_seconds, fit_schedule, smallest_seconds

SPEEDS = st.builds(Speed, epoch=st.floats(0.5, 600), start=st.floats(1, 120), workers=st.integers(1, 8))


@given(images=st.integers(2, 50_000), batch=st.integers(1, 16), speed=SPEEDS, hours=st.floats(0.05, 200))
def test_it_fits_and_is_none_only_where_the_smallest_does_not(
    images: int, batch: int, speed: Speed, hours: float
) -> None:
    found = fit_schedule(images, batch, speed, hours)
    if found is None:
        assert smallest_seconds(speed) > 0.99 * hours * 3600
        return
    assert found.seconds == expected_seconds(found.hyperband, found.confirm, speed)
    assert found.seconds <= PLANNED * hours * 3600
    assert found.hyperband.max_epochs in EPOCHS
    assert 1 <= found.hyperband.min_epochs <= found.hyperband.max_epochs


def test_more_time_gives_longer_trainings_then_confirmation_then_more_configurations() -> None:
    speed = Speed(epoch=60, start=10, workers=1)
    found = [fit_schedule(400, 8, speed, hours) for hours in (0.5, 2, 8, 48)]
    assert [fitted is not None for fitted in found] == [True] * 4
    kept = [fitted for fitted in found if fitted is not None]
    epochs = [fitted.hyperband.max_epochs for fitted in kept]
    assert epochs == sorted(epochs)
    assert kept[-1].confirm.top == 3
    assert kept[-1].hyperband.min_epochs < kept[-1].hyperband.max_epochs
    assert kept[1].confirm.top >= 1


def test_few_images_need_many_epochs_and_many_images_few() -> None:
    speed = Speed(epoch=1, start=10, workers=1)
    few, many = fit_schedule(30, 4, speed, 1000), fit_schedule(20_000, 8, speed, 1000)
    assert few is not None
    assert many is not None
    assert few.hyperband.max_epochs == EPOCHS[0]
    assert many.hyperband.max_epochs == EPOCHS[-1]
