"""The functions on which samplers are compared: their known optima, and how little early scores say of them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks._hartmann import OPTIMA, SETTINGS, Setting, regret, value

# Surjanovic & Bingham 2013, "Virtual Library of Simulation Experiments".
BEST = {3: (0.114614, 0.555649, 0.852547), 6: (0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573)}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: f"{setting.dimensions}D {setting.name}")
def test_at_full_fidelity_the_optimum_is_the_known_one(setting: Setting) -> None:
    point = BEST[setting.dimensions]
    assert value(setting, point, 81, 81, 0) == pytest.approx(OPTIMA[setting.dimensions], abs=1e-4)
    assert regret(setting, point) == pytest.approx(0, abs=1e-4)
    others = np.random.default_rng(0).random((200, setting.dimensions))
    assert min(regret(setting, other) for other in others) > 0


def test_early_scores_are_lower_and_noisy_in_the_same_way_every_time() -> None:
    setting = SETTINGS[2]
    point = BEST[3]
    scores = [value(setting, point, epochs, 81, 0) for epochs in (1, 3, 9, 27, 81)]
    assert scores[-1] > max(scores[:-1])
    noise = [value(setting, point, 1, 81, seed) for seed in range(500)]
    peak = value(Setting("noiseless", 3, setting.bias, 0.0), point, 1, 81, 0)
    assert max(noise) <= peak
    # The mean of the size of a normal number is the root of 2 / pi.
    assert peak - np.mean(noise) == pytest.approx(setting.noise * np.sqrt(2 / np.pi), rel=0.1)
    assert value(setting, point, 1, 81, 7) == noise[7]
