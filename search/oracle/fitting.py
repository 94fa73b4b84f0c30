"""The largest schedule that fits a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from search.oracle.schedule import make_schedule
from search.study.config import ConfirmSection, HyperbandSection

# Steps that a finalist should train, and the numbers of epochs that are offered.
STEPS = 3000
EPOCHS = (81, 54, 36, 27, 18, 12, 9, 6, 3)
# Share of the time that is planned: an estimate is no promise.
PLANNED = 0.85
# Brackets, and configurations and seeds that are confirmed: from what is worth most to what must do.
PLANS = ((3, 3, 2), (2, 3, 2), (2, 2, 2), (2, 1, 2), (1, 1, 2), (1, 0, 1))
MOST_ITERATIONS = 9


class Speed(NamedTuple):
    """What trials take on a machine, in seconds: an epoch, and the start of a trial; and how many run at a time."""

    epoch: float
    start: float
    workers: int


class Fitted(NamedTuple):
    """`[hyperband]` and `[confirm]`, with the seconds that they are expected to take."""

    hyperband: HyperbandSection
    confirm: ConfirmSection
    seconds: float


def fit_schedule(images: int, batch_size: int, speed: Speed, hours: float) -> Fitted | None:
    """The largest schedule that fits the time; None where not even the smallest does.

    Args:
        images: to train.
        batch_size: of the recipe.
        speed: of a typical configuration.
        hours: that the search may take.
    """
    wanted = min(EPOCHS[0], max(EPOCHS[-1], STEPS * batch_size / images))
    # Long trainings first, but a confirmation is worth more than the longest; without one as the last resort.
    for plans in (PLANS[:-1], PLANS[-1:]):
        for least in _halved(wanted):
            for brackets, top, seeds in plans:
                for max_epochs in (epochs for epochs in EPOCHS if least <= epochs <= 1.5 * wanted):
                    confirm = ConfirmSection(top=top, seeds=seeds)
                    fitting = _filled(max_epochs, brackets, confirm, speed, hours * 3600 * PLANNED)
                    if fitting is not None:
                        return fitting
    return None


def _halved(epochs: float) -> Iterator[float]:
    """So many epochs, half of them, and so on, down to the fewest that are offered."""
    while epochs > EPOCHS[-1]:
        yield epochs
        epochs /= 2
    yield EPOCHS[-1]


def _filled(max_epochs: int, brackets: int, confirm: ConfirmSection, speed: Speed, seconds: float) -> Fitted | None:
    """A schedule of so many brackets with as many iterations as the time allows; None where one is too many."""
    min_epochs = max(1, max_epochs // 3 ** (brackets - 1))
    best = None
    for iterations in range(1, MOST_ITERATIONS + 1):
        hyperband = HyperbandSection(max_epochs=max_epochs, min_epochs=min_epochs, iterations=iterations)
        expected = expected_seconds(hyperband, confirm, speed)
        if expected > seconds:
            break
        best = Fitted(hyperband, confirm, expected)
    return best


def expected_seconds(hyperband: HyperbandSection, confirm: ConfirmSection, speed: Speed) -> float:
    """How long a schedule takes."""
    schedule = make_schedule(hyperband, confirm)
    return (schedule.epochs * speed.epoch + schedule.trials * speed.start) / speed.workers


def smallest_seconds(speed: Speed) -> float:
    """How long the smallest schedule takes that `fit_schedule` may choose, with some time to spare."""
    shortest = HyperbandSection(max_epochs=EPOCHS[-1], min_epochs=EPOCHS[-1])
    return expected_seconds(shortest, ConfirmSection(), speed) / PLANNED
