"""Splits that are made: whole, repeatable, true to shares, groups and classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import DataError, SplitSettings, open_dataset
from datasets.formats.splits import make_splits


def made(
    names: list[str], presence: np.ndarray | None = None, groups: list[str] | None = None, **split: Any
) -> dict[str, list[str]]:
    held = np.ones((len(names), 1), bool) if presence is None else presence
    places = make_splits(names, SplitSettings(**split), split.get("seed", 0), lambda place: held[place], groups)
    return {name: [names[place] for place in found] for name, found in places.items()}


def numbered(count: int) -> list[str]:
    return [f"{number:03d}" for number in range(count)]


@given(
    count=st.integers(3, 120),
    val=st.floats(0.05, 0.5),
    test=st.one_of(st.just(0.0), st.floats(0.05, 0.4)),
    seed=st.integers(0, 9),
)
@settings(deadline=None)
def test_a_partition_of_the_right_sizes_whatever_the_order(count: int, val: float, test: float, seed: int) -> None:
    names = numbered(count)
    found = made(names, val=val, test=test, seed=seed)
    assert sorted(name for split in found.values() for name in split) == names
    shares = {"train": 1 - val - test, "val": val} | ({"test": test} if test else {})
    for split, share in shares.items():
        assert abs(len(found[split]) - share * count) <= 2
        assert found[split]
    shuffled = list(np.random.default_rng(seed).permutation(names))
    assert made(shuffled, val=val, test=test, seed=seed) == found


def test_another_seed_gives_another_split() -> None:
    assert made(numbered(40), val=0.3, seed=1) != made(numbered(40), val=0.3, seed=2)


@given(seed=st.integers(0, 99), count=st.integers(10, 80), classes=st.integers(1, 6))
@settings(deadline=None)
def test_each_class_reaches_each_split_where_it_can(seed: int, count: int, classes: int) -> None:
    presence = np.random.default_rng(seed).random((count, classes)) < np.linspace(0.05, 0.9, classes)
    names = numbered(count)
    found = made(names, presence, val=0.2, test=0.1)
    # The rarest class is dealt out first, so that nothing is in its way.
    counts = presence.sum(axis=0)
    rarest = int(np.argmin(np.where(counts > 0, counts, count + 1)))
    if counts[rarest] >= 3:
        for split in found.values():
            assert any(presence[names.index(name), rarest] for name in split)


@given(seed=st.integers(0, 99), sizes=st.lists(st.integers(1, 12), min_size=3, max_size=30))
@settings(deadline=None)
def test_groups_stay_together(seed: int, sizes: list[int]) -> None:
    names = [f"scene{group}_{number:02d}" for group, size in enumerate(sizes) for number in range(size)]
    found = made(names, val=0.3, test=0.2, seed=seed, group=r"scene(\d+)")
    home = {split: {name.partition("_")[0] for name in listed} for split, listed in found.items()}
    assert all(home.values())
    assert sum(len(scenes) for scenes in home.values()) == len(sizes)


def test_groups_may_be_given_instead() -> None:
    found = made(numbered(12), val=0.5, groups=["a"] * 6 + ["b"] * 6)
    assert sorted(map(tuple, found.values())) == [tuple(numbered(12)[:6]), tuple(numbered(12)[6:])]


@pytest.mark.parametrize(
    ("names", "split", "match"),
    [
        (["a", "b"], {"val": 0.3, "test": 0.3}, "2 images cannot make 3 splits"),
        (numbered(9), {"val": 0.3, "group": "x"}, "matches no image; images are named 000, 001, 002"),
        (["a1", "a2", "a3"], {"val": 0.3, "group": "^a"}, "1 groups of images cannot make 2"),
    ],
)
def test_what_cannot_be_split(names: list[str], split: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        made(names, **split)


def test_a_folder_without_splits(make_folder, tmp_path: Path) -> None:
    root = make_folder({"train": 20, "val": 2})
    unsplit = tmp_path / "unsplit"
    (root / "train").rename(unsplit)
    (root / "classes.json").rename(unsplit / "classes.json")
    with pytest.raises(DataError, match=r"come without splits; set \[data\] split"):
        open_dataset("folder", path=unsplit, image_size=(24, 32))
    data = open_dataset("folder", path=unsplit, image_size=(24, 32), split={"val": 0.2, "test": 0.1})
    assert [data.length(split) for split in ("train", "val", "test")] == [14, 4, 2]
    assert data.read("val", 0).mask.shape == (24, 32)
    again = open_dataset(
        "folder", path=unsplit, image_size=(24, 32), split={"val": 0.2, "test": 0.1}, assigned=data.assigned_splits()
    )
    assert again.fingerprint() == data.fingerprint()
    assert [again.read("val", place).name for place in range(4)] == [data.read("val", place).name for place in range(4)]
    other = open_dataset("folder", path=unsplit, image_size=(24, 32), split={"val": 0.2, "test": 0.1, "seed": 1})
    assert other.fingerprint() != data.fingerprint()


def test_splits_that_come_with_the_data_are_kept(make_folder) -> None:
    root = make_folder({"train": 10, "val": 3})
    with pytest.raises(DataError, match=r"come with the splits train, val, so that \[data\] split must not make val"):
        open_dataset("folder", path=root, image_size=(24, 32), split={"val": 0.2})


def test_validation_may_be_taken_out_of_training(make_folder) -> None:
    root = make_folder({"train": 10, "val": 3})
    (root / "val").rename(root / "test")
    data = open_dataset("folder", path=root, image_size=(24, 32), split={"val": 0.2})
    assert [data.length(split) for split in ("train", "val", "test")] == [8, 2, 3]
