"""Procedural aerial scenes: what they consist of, and how they are drawn.

They are designed to require both context and detail. A scene covers two or three lands: town, meadow and steppe.
Striped plots look alike in all of them, in shape, size and colour. The land around a plot determines what it is: in
town a roof; in the meadow dark rows of crop on bare ground; in the steppe light rows of crop on dark ground. So to
classify a pixel inside a plot, a network needs both what lies beyond the plot's edge, up to a third of the image away,
and the row that the pixel is in, a few pixels wide. Tracks and vehicles are just as small, and trees span a tenfold
range of sizes. All lengths are fractions of the image's shorter side, so a scene looks the same at every size.
`benchmarks/scenes.py` shows how well different networks do on them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from datasets.dataset import UInt8Array
from datasets.formats.wires import draw_wires

SCENE_CLASSES = ("ground", "crop", "roof", "road", "tree", "vehicle")
GROUND, CROP, ROOF, ROAD, TREE, VEHICLE = range(len(SCENE_CLASSES))
# Only in scenes with thin objects.
WIRE = len(SCENE_CLASSES)

Points = npt.NDArray[np.float64]
Color = tuple[int, int, int]


class Land(NamedTuple):
    """The two colours of its mottled ground, and the classes of the dark and the light rows of its plots."""

    colors: tuple[Color, Color]
    rows: tuple[int, int]


TOWN = Land(((120, 122, 132), (142, 140, 146)), (ROOF, ROOF))
MEADOW = Land(((84, 118, 62), (112, 132, 72)), (CROP, GROUND))
STEPPE = Land(((176, 148, 92), (152, 124, 80)), (GROUND, CROP))
LANDS = (TOWN, MEADOW, STEPPE)

# Scenes are drawn at twice the size and then reduced, which smooths the edges.
_OVERSAMPLING = 2
# How often a plot is shrunk to fit into its land.
_TRIES = 8
_SHADOW = 0.45
_TURNS = np.linspace(0, 2 * math.pi, 16, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1)


def draw_scene(
    rng: np.random.Generator, height: int, width: int, *, thin: bool = False
) -> tuple[UInt8Array, UInt8Array]:
    """A scene as RGB uint8 [height, width, 3] and its mask uint8 [height, width] with ids of `SCENE_CLASSES`.

    With `thin`, there are wires too, of the class `WIRE`.
    """
    scene = _Scene(rng, height * _OVERSAMPLING, width * _OVERSAMPLING)
    for _ in range(rng.integers(10, 18)):
        scene.add_plot()
    roads = [scene.add_road() for _ in range(rng.integers(1, 3))]
    for _ in range(rng.integers(4, 14)):
        scene.add_vehicle(roads[rng.integers(len(roads))])
    # Trees come last, because from above their crowns hide whatever they overlap.
    for _ in range(rng.integers(3, 13)):
        scene.add_tree()
    if thin:
        draw_wires(rng, scene.image, scene.mask, label=WIRE, oversampling=_OVERSAMPLING)
    return scene.finish(height, width)


class _Scene:
    """A canvas with its mask; each `add_` method draws one object, randomized by `rng`, onto both."""

    def __init__(self, rng: np.random.Generator, height: int, width: int) -> None:
        self.rng = rng
        self.height, self.width = height, width
        self.unit = float(min(height, width))
        self.land = self._lay_land()
        self.image = self._ground()
        self.mask = Image.new("L", (width, height), GROUND)
        self.draw = ImageDraw.Draw(self.image)
        self.draw_mask = ImageDraw.Draw(self.mask)

    def add_plot(self) -> None:
        """Draw a striped rectangle in one land, shrunk until there is room for it; nothing if there is no room."""
        center = self.rng.uniform((0, 0), (self.width, self.height))
        length, breadth = self._between(0.5, 1.3), self._between(0.4, 0.9)
        angle = self._between(0, math.pi)
        (land,) = self._lands_at(center[None])
        for _ in range(_TRIES):
            # A margin of the same land around the plot, so that its surroundings say what it is.
            around = self._rectangle(center, 1.3 * length, 1.3 * breadth, angle)
            if self._lands_at(_outline(around)) <= {land}:
                self._stripes(self._rectangle(center, length, breadth, angle), LANDS[land].rows)
                return
            length, breadth = 0.8 * length, 0.8 * breadth

    def add_road(self) -> Points:
        """Draw and return a curve from edge to edge: a track one or two pixels wide, or a road with a centre line."""
        start, end = self._edge_point(), self._edge_point()
        bend = (start + end) / 2 + self.rng.normal(0, 0.25, 2) * self.unit
        t = np.linspace(0, 1, 24)[:, None]
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        points = _flat(curve)
        wide = self.rng.random() < 0.5
        width = self._width(self._between(0.06, 0.11) if wide else self._between(0.016, 0.03))
        color = self._color((126, 122, 120), 14) if wide else self._color((176, 158, 124), 16)
        self.draw.line(points, fill=color, width=width, joint="curve")
        self.draw_mask.line(points, fill=ROAD, width=width, joint="curve")
        if wide:
            for first in range(0, len(curve) - 1, 2):
                self.draw.line(_flat(curve[first : first + 2]), fill=(214, 210, 196), width=self._width(0.008))
        return curve

    def add_vehicle(self, road: Points) -> None:
        """Draw a small bright rectangle along a road; nothing where another object hides the road."""
        at = int(self.rng.integers(1, len(road) - 1))
        x, y = (int(side) for side in road[at])
        # The mask is asked, because later objects, such as another vehicle, may cover the road.
        if not (0 <= x < self.width and 0 <= y < self.height) or self.mask.getpixel((x, y)) != ROAD:
            return
        direction = road[at + 1] - road[at - 1]
        angle = math.atan2(direction[1], direction[0])
        center = road[at] + self.rng.normal(0, 0.012, 2) * self.unit
        corners = self._rectangle(center, self._between(0.045, 0.08), self._between(0.026, 0.036), angle)
        self._shade(corners + 0.008 * self.unit)
        palette = ((196, 48, 44), (52, 84, 180), (232, 232, 228), (226, 186, 52), (40, 42, 48))
        points = _flat(corners)
        self.draw.polygon(points, fill=self._color(palette[self.rng.integers(len(palette))], 14))
        self.draw_mask.polygon(points, fill=VEHICLE)

    def add_tree(self) -> None:
        """Draw a round crown with a lit side and a shadow; its radius is 1.2 to 14 percent of the image."""
        # Uniform in the logarithm, so that small trees are as common as large ones.
        radius = self.unit * math.exp(self._between(math.log(0.012), math.log(0.14)))
        x, y = self.rng.uniform(0, self.width), self.rng.uniform(0, self.height)
        base = self._color((52, 88, 46), 16)
        offset = 0.25 * radius + 0.01 * self.unit
        self._shade(_circle(x + offset, y + offset, radius))
        lobes = [(x, y, radius * 0.86)]
        lobes += [
            (x + 0.45 * radius * math.cos(turn), y + 0.45 * radius * math.sin(turn), 0.55 * radius)
            for turn in self.rng.uniform(0, 2 * math.pi, 5)
        ]
        for lobe in lobes:
            crown = _flat(_circle(*lobe))
            self.draw.polygon(crown, fill=base)
            self.draw_mask.polygon(crown, fill=TREE)
        for turn in self.rng.uniform(0.75 * math.pi, 1.75 * math.pi, 4):
            reach = 0.4 * radius
            lit = tuple(min(255, channel + 22) for channel in base)
            spot = _circle(x + reach * math.cos(turn), y + reach * math.sin(turn), 0.28 * radius)
            self.draw.polygon(_flat(spot), fill=lit)

    def finish(self, height: int, width: int) -> tuple[UInt8Array, UInt8Array]:
        """The scene reduced to its final size, with random lighting and noise."""
        small = np.asarray(self.image.reduce(_OVERSAMPLING), dtype=np.float32)
        light = self._between(0.75, 1.2) * (1 + self.rng.normal(0, 0.04, 3).astype(np.float32))
        grain = self.rng.standard_normal((height, width, 1), dtype=np.float32) * self._between(2.0, 7.0)
        image = np.clip(small * light + grain, 0, 255).astype(np.uint8)
        # The mask takes every second pixel, because class ids cannot be averaged.
        return image, np.asarray(self.mask)[::_OVERSAMPLING, ::_OVERSAMPLING].copy()

    def _lay_land(self) -> npt.NDArray[np.uint8]:
        """Indices into `LANDS` [height, width]: two or three lands, separated by winding borders."""
        lands = self.rng.permutation(len(LANDS))[: self.rng.integers(2, 4)]
        turn = self._between(0, 2 * math.pi)
        x, y = np.meshgrid(np.linspace(-1, 1, self.width), np.linspace(-1, 1, self.height))
        nearness = []
        for place in range(len(lands)):
            angle = turn + 2 * math.pi * place / len(lands)
            wander = _smooth(self.rng.normal(0, 0.25, (4, 4)).astype(np.float32), (self.width, self.height))
            nearness.append(x * math.cos(angle) + y * math.sin(angle) + wander)
        return lands[np.argmax(nearness, axis=0)].astype(np.uint8)

    def _ground(self) -> Image.Image:
        """The land's colours, mottled in soft patches."""
        cells = (24, 24)
        coarse = _smooth(self.rng.random((6, 6), dtype=np.float32), cells)
        mottled = np.clip(0.7 * coarse + 0.3 * self.rng.random(cells, dtype=np.float32), 0, 1)
        blend = _smooth(mottled.astype(np.float32), (self.width, self.height))[..., None]
        colors = np.array([[self._color(color, 10) for color in land.colors] for land in LANDS], np.float32)
        first, second = colors[self.land, 0], colors[self.land, 1]
        return Image.fromarray(np.clip(first + (second - first) * blend, 0, 255).astype(np.uint8))

    def _lands_at(self, points: Points) -> set[int]:
        """The lands at the points [N, 2] (x, y), without points outside the scene."""
        x, y = np.floor(points).astype(np.int64).T
        inside = (x >= 0) & (x < self.width) & (y >= 0) & (y < self.height)
        return set(self.land[y[inside], x[inside]].tolist())

    def _stripes(self, corners: Points, rows: tuple[int, int]) -> None:
        """Fill a polygon with dark and light rows of the classes `rows`, which look alike in all lands."""
        low, high = self._bounds(corners)
        if (high <= low).any():
            return
        angle, period = self._between(0, math.pi), self.unit * self._between(0.1, 0.18)
        x = np.arange(low[0], high[0], dtype=np.float32)[None, :]
        y = np.arange(low[1], high[1], dtype=np.float32)[:, None]
        wave = np.sin((x * math.cos(angle) + y * math.sin(angle)) * (2 * math.pi / period))
        palette = ((176, 106, 78), (188, 160, 92), (132, 134, 74), (150, 128, 122))
        dark = np.array(self._color(palette[self.rng.integers(len(palette))], 18), np.float32) * 0.6
        light = dark * self._between(1.5, 1.9)
        blend = np.clip(0.5 + 2.5 * wave, 0, 1)[..., None]
        texture = Image.fromarray(np.clip(dark + (light - dark) * blend, 0, 255).astype(np.uint8))
        ids = Image.fromarray(np.where(wave < 0, *rows).astype(np.uint8))
        inside = Image.new("L", texture.size)
        ImageDraw.Draw(inside).polygon(_flat(corners - low), fill=255)
        at = (int(low[0]), int(low[1]))
        self.image.paste(texture, at, inside)
        self.mask.paste(ids, at, inside)

    def _shade(self, outline: Points) -> None:
        """Darken a polygon in the image; the mask keeps the classes under the shadow."""
        low, high = self._bounds(outline)
        if (high <= low).any():
            return
        shade = Image.new("L", (int(high[0] - low[0]), int(high[1] - low[1])))
        ImageDraw.Draw(shade).polygon(_flat(outline - low), fill=int(255 * _SHADOW))
        soft = shade.filter(ImageFilter.BoxBlur(self.unit * 0.005))
        self.image.paste((20, 24, 34), (int(low[0]), int(low[1])), soft)

    def _bounds(self, points: Points) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The part of the canvas that contains `points`: its first corner (x, y), and the one past its last."""
        low = np.maximum(np.floor(points.min(axis=0)).astype(np.int64), 0)
        high = np.minimum(np.ceil(points.max(axis=0)).astype(np.int64) + 1, (self.width, self.height))
        return low, high

    def _rectangle(self, center: Points, length: float, breadth: float, angle: float) -> Points:
        along = np.array((math.cos(angle), math.sin(angle))) * length / 2 * self.unit
        across = np.array((-math.sin(angle), math.cos(angle))) * breadth / 2 * self.unit
        far, near = center + along, center - along
        return np.array((near - across, far - across, far + across, near + across))

    def _edge_point(self) -> Points:
        along = self.rng.random()
        side = self.rng.integers(4)
        x, y = ((along, -0.05), (along, 1.05), (-0.05, along), (1.05, along))[side]
        return np.array((x * self.width, y * self.height))

    def _color(self, base: Color, spread: int) -> Color:
        red, green, blue = np.clip(base + self.rng.integers(-spread, spread + 1, 3), 0, 255)
        return int(red), int(green), int(blue)

    def _between(self, low: float, high: float) -> float:
        return float(self.rng.uniform(low, high))

    def _width(self, fraction: float) -> int:
        return max(_OVERSAMPLING, round(fraction * self.unit))  # one pixel after reduction


def _circle(x: float, y: float, radius: float) -> Points:
    return np.array((x, y)) + radius * _CIRCLE


def _outline(corners: Points) -> Points:
    """Points along a polygon's edges, four per edge."""
    after = np.roll(corners, -1, axis=0)
    steps = np.linspace(0, 1, 4, endpoint=False)[:, None, None]
    return (corners + (after - corners) * steps).reshape(-1, 2)


def _flat(points: Points) -> list[float]:
    """Points [N, 2] in the form that Pillow accepts."""
    flat: list[float] = points.ravel().tolist()
    return flat


def _smooth(grid: npt.NDArray[np.float32], size: tuple[int, int]) -> npt.NDArray[np.float32]:
    return np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)
