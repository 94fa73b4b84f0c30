"""MFHartmann: Hartmann's functions as trainings whose early scores are biased and noisy.

Hartmann's functions in 3 and 6 dimensions, at fidelity z in [0, 1]: the heights of the peaks are lowered by
`bias * (1 - z)`, and `noise * (1 - z)` times the size of a normal number is taken from the value (Kandasamy et al.
2017, "Multi-fidelity Bayesian Optimisation with Continuous Approximations"; biases and noises are those of
mf-prior-bench, as in Mallik et al. 2023, "PriorBand"). A fidelity is a number of epochs, on a logarithmic scale.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
WIDTHS = {
    3: np.array([[3.0, 10, 30], [0.1, 10, 35], [3.0, 10, 30], [0.1, 10, 35]]),
    6: np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    ),
}
CENTRES = {
    3: 1e-4 * np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]),
    6: 1e-4
    * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    ),
}
OPTIMA = {3: 3.86278, 6: 3.32237}


class Setting(NamedTuple):
    """One function.

    Attributes:
        name: how misleading the early scores are.
        dimensions: 3 or 6.
        bias, noise: of the lowest fidelity.
    """

    name: str
    dimensions: int
    bias: float
    noise: float


SETTINGS = [
    Setting(name, dimensions, bias, noise)
    for dimensions in (3, 6)
    for name, bias, noise in (("good", 2.5, 2.0), ("moderate", 3.0, 3.0), ("terrible", 4.0, 5.0))
]


def value(setting: Setting, point: Sequence[float], epochs: int, max_epochs: int, seed: int) -> float:
    """The score after so many epochs, the more the better; its noise follows from all of the arguments."""
    left = 1 - math.log(epochs) / math.log(max_epochs)
    exponents = WIDTHS[setting.dimensions] * (np.asarray(point) - CENTRES[setting.dimensions]) ** 2
    height = float((HEIGHTS - setting.bias * left) @ np.exp(-exponents.sum(axis=1)))
    noise = np.random.default_rng([seed, epochs, zlib.crc32(struct.pack(f"{len(point)}d", *point))]).normal()
    return height - abs(noise) * setting.noise * left


def regret(setting: Setting, point: Sequence[float]) -> float:
    """How far a point is from the best one, at full fidelity."""
    return OPTIMA[setting.dimensions] - value(setting, point, 2, 2, 0)
