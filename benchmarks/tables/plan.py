"""What a table of trained configurations is made of: the configurations, drawn from a space, and the scenes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deeplab import Architecture
from recipe import Recipe

SEED, EPOCHS, BATCH_SIZE = 1, 27, 8
IMAGE_SIZE = (64, 96)
IMAGES = {"train": 128, "val": 64, "test": 64}
# Each configuration is trained from several seeds, whose differences are the noise of the table.
REPEATS = 2
# The space of `studies/demo.toml`, wider in its training choices.
SPACE: dict[str, Any] = {
    "encoder": "MobileNetV2",
    "output_stride": 8,
    "aspp_tap": "stage3",
    "aspp_pooling": False,
    "aspp_filters": [32, 64, 128],
    "aspp_branches": {"min": 0, "max": 3},
    "aspp_rate": {"min": 1, "max": 3},
    "aspp_gap_2": {"min": 1, "max": 3},
    "aspp_gap_3": {"min": 1, "max": 3},
    "decoder_depth": {"min": 0, "max": 3},
    "decoder_filters": [32, 64, 128],
    "learning_rate": {"min": 1e-4, "max": 3e-2, "sampling": "log"},
    "weight_decay": {"min": 1e-5, "max": 0.3, "sampling": "log"},
    "augment": ["none", "flip"],
}


@dataclass(frozen=True)
class Configuration:
    """A point of the space: KerasTuner's values, what they mean, and the cost of the network at `IMAGE_SIZE`."""

    number: int
    values: dict[str, Any]
    architecture: dict[str, Any]
    recipe: dict[str, Any]
    parameters: int
    macs: int

    def network(self) -> Architecture:
        """The network, validated."""
        return Architecture(**self.architecture)

    def training(self) -> Recipe:
        """The training choices, validated."""
        return Recipe(**self.recipe)


@dataclass(frozen=True)
class Scenes:
    """The images uint8 `[N, H, W, 3]` and masks uint8 `[N, H, W]` of each split, and the classes' names."""

    train: tuple[np.ndarray, np.ndarray]
    val: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """What is to be trained, on which scenes."""

    configurations: list[Configuration]
    scenes: Scenes

    def groups(self) -> list[list[Configuration]]:
        """Configurations whose networks differ in dilation rates alone, which one compilation serves."""
        found: dict[str, list[Configuration]] = defaultdict(list)
        for configuration in self.configurations:
            alike = {**configuration.architecture, "aspp_rates": len(configuration.architecture["aspp_rates"])}
            found[json.dumps(alike, sort_keys=True)].append(configuration)
        return list(found.values())


def make_plan(count: int) -> Plan:
    """`count` independent draws from `SPACE`, and the scenes. Needs all of the project's dependencies."""
    from deeplab import cost
    from search.oracle.configurations import Configurations
    from search.oracle.points import Rejection
    from search.oracle.samplers.random import RandomSampler
    from space import Space

    base = Recipe(batch_size=BATCH_SIZE, precision="float32")
    space = Space.parse(SPACE, recipe=base, image_size=IMAGE_SIZE)
    draws = Configurations(
        RandomSampler(space.hyperparameters(), SEED),
        lambda values: None if space.admits(values) else Rejection("a dilation rate sees only padding"),
        lambda values: json.dumps(values, sort_keys=True),
    )
    scenes = _draw_scenes()
    found = []
    for number, values in enumerate(draws.preview(count, frozenset())):
        architecture, recipe = space.architecture(values), space.recipe_of(values)
        costs = cost(architecture, IMAGE_SIZE, len(scenes.class_names))
        dumps = architecture.model_dump(mode="json"), recipe.model_dump(mode="json")
        found.append(Configuration(number, values, *dumps, costs.parameters, costs.macs))
    return Plan(found, scenes)


def _draw_scenes() -> Scenes:
    from datasets.formats import open_dataset

    sizes: dict[str, Any] = {f"{split}_images": count for split, count in IMAGES.items()}
    data = open_dataset("synthetic", image_size=IMAGE_SIZE, seed=SEED, **sizes)
    splits = {}
    for split, count in IMAGES.items():
        samples = [data.read(split, index) for index in range(count)]
        splits[split] = (np.stack([each.image for each in samples]), np.stack([each.mask for each in samples]))
    return Scenes(splits["train"], splits["val"], splits["test"], data.class_names)


def write_plan(plan: Plan, folder: Path) -> None:
    """Write a plan, for machines that lack some of the project's dependencies."""
    folder.mkdir(parents=True, exist_ok=True)
    scenes = plan.scenes
    with (folder / "scenes.npz").open("wb") as file:
        np.savez_compressed(
            file,
            **{f"{split}_images": getattr(scenes, split)[0] for split in IMAGES},
            **{f"{split}_masks": getattr(scenes, split)[1] for split in IMAGES},
            class_names=np.array(scenes.class_names),
        )
    rows = [asdict(configuration) for configuration in plan.configurations]
    (folder / "configurations.json").write_text(json.dumps(rows), encoding="utf-8")


def read_plan(folder: Path) -> Plan:
    """Read what `write_plan` wrote."""
    rows = json.loads((folder / "configurations.json").read_text(encoding="utf-8"))
    with np.load(folder / "scenes.npz") as arrays:
        train, val, test = ((arrays[f"{split}_images"], arrays[f"{split}_masks"]) for split in IMAGES)
        names = tuple(str(name) for name in arrays["class_names"])
    return Plan([Configuration(**row) for row in rows], Scenes(train, val, test, names))


def member_seed(number: int, repeat: int) -> int:
    """The seed of one training: of its initial weights, the order of its images and their flips."""
    return int(np.random.SeedSequence([SEED, number, repeat]).generate_state(1)[0] >> 1)


def epoch_orders(seed: int, images: int, batch_size: int, flips: bool) -> tuple[np.ndarray, np.ndarray]:
    """The images of each batch int32 `[EPOCHS, steps, B]`, ordered as `Pipeline` does, and which ones are mirrored."""
    orders, mirrored = [], []
    for epoch in range(1, EPOCHS + 1):
        rng = np.random.default_rng([seed, epoch])
        orders.append(rng.permutation(images)[: images // batch_size * batch_size].reshape(-1, batch_size))
        mirrored.append((rng.random(orders[-1].shape) < 0.5) & flips)
    return np.stack(orders).astype(np.int32), np.stack(mirrored)


def in_batches(split: Sequence[np.ndarray], size: int) -> list[np.ndarray]:
    """Arrays `[N, ...]` as `[N / size, size, ...]`; N must be a multiple of `size`."""
    return [array.reshape(-1, size, *array.shape[1:]) for array in split]
