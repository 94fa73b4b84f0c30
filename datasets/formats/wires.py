"""Wires: a class of the drawn scenes that is both thin and rare, like cracks, vessels or cables.

Unlike everything else in a scene, their width is counted in pixels: one to three, whatever the size of the scene. So in
a scene that is reduced to train on it, they are thinner than a pixel.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

# Wires are drawn until they cover so much of a scene.
_LEAST_SHARE, _MOST_SHARE = 0.007, 0.013
_STEP = 4.0  # between two bends, in pixels


def draw_wires(
    rng: np.random.Generator, image: Image.Image, mask: Image.Image, *, label: int, oversampling: int
) -> None:
    """Draw winding dark wires over a scene.

    Args:
        rng: decides where.
        image: RGB, drawn on.
        mask: class ids, drawn on.
        label: class id of the wires.
        oversampling: pixels of `image` per pixel of the scene.
    """
    target = round(rng.uniform(_LEAST_SHARE, _MOST_SHARE) * image.width * image.height)
    while (missing := target - np.count_nonzero(np.asarray(mask) == label)) > 0:
        width = int(rng.integers(1, 4)) * oversampling
        # In a small scene the last wire would otherwise cover more than all of them should.
        length = min(float(rng.uniform(32, 96)) * oversampling, missing / width + width)
        line = _winding_line(rng, image.size, length, _STEP * oversampling)
        shade = int(rng.integers(14, 44))
        ImageDraw.Draw(image).line(line, fill=(shade, shade, shade + 6), width=width, joint="curve")
        ImageDraw.Draw(mask).line(line, fill=label, width=width, joint="curve")


def _winding_line(rng: np.random.Generator, size: tuple[int, int], length: float, step: float) -> list[float]:
    """Corners of a line that begins somewhere in an image of `size` (width, height), as Pillow takes them."""
    count = max(1, round(length / step))
    angles = rng.uniform(0, 2 * math.pi) + np.cumsum(rng.normal(0, 0.25, count))
    steps = length / count * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    start = rng.uniform((0, 0), size)
    points: list[float] = np.concatenate([start[None], start + np.cumsum(steps, axis=0)]).ravel().tolist()
    return points
