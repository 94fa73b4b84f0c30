"""Splits that are made: whole, repeatable, true to shares, groups and classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from datasets import DataError, SplitSettings, open_dataset
from datasets.formats.splits import make_splits


def made(
    names: list[str], presence: np.ndarray | None = None, groups: list[str] | None = None, **split: Any
) -> dict[str, list[str]]:
    held = np.ones((len(names), 1), bool) if presence is None else presence
    assigned = make_splits(names, SplitSettings(**split), lambda place: held[place], groups)
    found: dict[str, list[str]] = {name: [] for name in ("train", "val", *["test"] * bool(split.get("test")))}
    for name, chosen in assigned.items():
        found[chosen].append(name)
    return found


def numbered(count: int) -> list[str]:
    return [f"{number:03d}" for number in range(count)]


SHARES = st.tuples(st.floats(0.05, 0.45), st.one_of(st.just(0.0), st.floats(0.05, 0.45)))


def wanted(count: int, val: float, test: float) -> dict[str, float]:
    """How large each split should be."""
    return {"train": (1 - val - test) * count, "val": val * count} | ({"test": test * count} if test else {})


@given(count=st.integers(3, 120), shares=SHARES, seed=st.integers(0, 9), density=st.floats(0, 1))
@settings(deadline=None)
def test_a_partition_of_the_right_sizes_whatever_the_order(
    count: int, shares: tuple[float, float], seed: int, density: float
) -> None:
    (val, test), names = shares, numbered(count)
    presence = np.random.default_rng(seed).random((count, 5)) < density
    found = made(names, presence, val=val, test=test, seed=seed)
    assert sorted(name for split in found.values() for name in split) == names
    for split, size in wanted(count, val, test).items():
        assert len(found[split]) >= 1
        # More than one off only for the sake of splits that would otherwise be empty.
        assert abs(len(found[split]) - size) <= (1 if min(wanted(count, val, test).values()) >= 0.5 else 2)
    order = np.random.default_rng(seed).permutation(count)
    assert made([names[place] for place in order], presence[order], val=val, test=test, seed=seed) == found


@given(
    sizes=st.lists(st.integers(1, 12), min_size=3, max_size=40),
    shares=SHARES,
    seed=st.integers(0, 99),
    density=st.floats(0, 1),
)
@settings(deadline=None)
def test_sizes_are_within_the_largest_group_of_the_shares(
    sizes: list[int], shares: tuple[float, float], seed: int, density: float
) -> None:
    (val, test), count = shares, sum(sizes)
    assume(min(wanted(count, val, test).values()) >= max(sizes) / 2)
    names, groups = numbered(count), [str(group) for group, size in enumerate(sizes) for _ in range(size)]
    presence = np.random.default_rng(seed).random((count, 5)) < density
    found = made(names, presence, groups, val=val, test=test, seed=seed)
    for split, size in wanted(count, val, test).items():
        assert abs(len(found[split]) - size) <= max(sizes)
    homes = [{groups[int(name)] for name in listed} for listed in found.values()]
    assert sum(map(len, homes)) == len(sizes)


def test_another_seed_gives_another_split() -> None:
    assert made(numbered(40), val=0.3, seed=1) != made(numbered(40), val=0.3, seed=2)


@given(sizes=st.lists(st.integers(3, 15), min_size=2, max_size=11), shares=SHARES, seed=st.integers(0, 99))
@settings(deadline=None)
def test_each_class_reaches_each_split_that_has_room_for_all(
    sizes: list[int], shares: tuple[float, float], seed: int
) -> None:
    """One class per image, so that a split needs as many images as there are classes."""
    val, test = shares
    assume(min(wanted(sum(sizes), val, test).values()) >= len(sizes))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    names = numbered(len(labels))
    found = made(names, np.eye(len(sizes), dtype=bool)[labels], val=val, test=test, seed=seed)
    for listed in found.values():
        assert {labels[int(name)] for name in listed} == set(range(len(sizes)))


def test_rare_classes_reach_each_split_and_common_ones_keep_their_proportions() -> None:
    errors = []
    for seed in range(20):
        presence = np.random.default_rng(seed).random((200, 12)) < np.geomspace(0.03, 0.9, 12)
        found = made(numbered(200), presence, val=0.2, test=0.1, seed=seed)
        assert [len(listed) for listed in found.values()] == [140, 40, 20]
        for listed in found.values():
            held = presence[[int(name) for name in listed]]
            assert held[:, presence.sum(axis=0) >= 3].any(axis=0).all()
            errors.append(np.abs(held.mean(axis=0) - presence.mean(axis=0)).mean())
    assert np.mean(errors) < 0.02  # 0.036 where chance alone decides


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


def test_samples_without_a_group_stay_alone() -> None:
    found = made(numbered(40), val=0.5, groups=["a"] * 10 + [""] * 30)
    assert [len(listed) for listed in found.values()] == [20, 20]
    found = made(["a1", "a2", "a3", *numbered(7)], val=0.3, group=r"^a(x)?")
    assert any({"a1", "a2", "a3"} <= set(listed) for listed in found.values())
    assert [len(listed) for listed in found.values()] == [7, 3]


@pytest.mark.parametrize(
    ("names", "split", "match"),
    [
        (["a", "b"], {"val": 0.3, "test": 0.3}, r"2 images \(a, b\) cannot make 3 splits"),
        (numbered(9), {"val": 0.3, "group": "x"}, "matches no image; images are named 000, 001, 002"),
        (["a1", "a2", "a3"], {"val": 0.3, "group": "^a"}, r"3 images \(a1, a2, a3\) in 1 group cannot make 2"),
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
    read: list[tuple[int, int]] = []
    data = open_dataset(
        "folder",
        path=unsplit,
        image_size=(24, 32),
        split={"val": 0.2, "test": 0.1},
        progress=lambda *done: read.append(done),
    )
    assert read[-1] == (20, 20)
    assigned = data.assigned_splits()
    assert assigned is not None
    assert [data.length(split) for split in ("train", "val", "test")] == [14, 4, 2]
    assert data.read("val", 0).mask.shape == (24, 32)
    again = open_dataset(
        "folder", path=unsplit, image_size=(24, 32), split={"val": 0.2, "test": 0.1}, assigned=assigned
    )
    assert again.fingerprint() == data.fingerprint()
    assert [again.read("val", place).name for place in range(4)] == [data.read("val", place).name for place in range(4)]
    with pytest.raises(DataError, match=r"have changed since splits were made of them: new is missing\. Restore them"):
        open_dataset(
            "folder", path=unsplit, image_size=(24, 32), split={"val": 0.2}, assigned={**assigned, "new": "val"}
        )
    other = open_dataset("folder", path=unsplit, image_size=(24, 32), split={"val": 0.2, "test": 0.1, "seed": 1})
    assert other.fingerprint() != data.fingerprint()


@pytest.mark.parametrize(
    ("split", "match"),
    [
        ({"test": 0.1}, "split.val"),
        ({"val": 0.6, "test": 0.5}, "nothing to train"),
        ({"val": 0.1, "group": "("}, "'\\('"),
    ],
)
def test_mistakes_in_split(tmp_path: Path, split: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        open_dataset("folder", path=tmp_path, image_size=(24, 32), split=split)


def test_splits_that_come_with_the_data_are_kept(make_folder) -> None:
    root = make_folder({"train": 10, "val": 3})
    with pytest.raises(DataError, match=r"come with the splits train, val, so that \[data\] split must not make val"):
        open_dataset("folder", path=root, image_size=(24, 32), split={"val": 0.2})


def test_validation_may_be_taken_out_of_training(make_folder) -> None:
    root = make_folder({"train": 10, "val": 3})
    (root / "val").rename(root / "test")
    data = open_dataset("folder", path=root, image_size=(24, 32), split={"val": 0.2})
    assert [data.length(split) for split in ("train", "val", "test")] == [8, 2, 3]


def test_splits_made_before_are_taken_over_without_reading_masks(make_folder) -> None:
    """Also where train and test hold images of the same names, as in most data that are numbered."""
    root = make_folder({"train": 12, "val": 3})
    (root / "val").rename(root / "test")
    for file in (root / "test").rglob("val*"):
        file.rename(file.with_stem(file.stem.replace("val", "train")))
    for number in range(12):  # of one class each, so that masks decide
        Image.fromarray(np.full((24, 32), number % 3, np.uint8)).save(root / f"train/masks/train{number}.png")
    options: dict[str, Any] = {"path": root, "image_size": (24, 32), "split": {"val": 0.25}}
    data = open_dataset("folder", **options)
    for mask in root.rglob("masks/*.png"):
        mask.write_bytes(b"not a mask")
    again = open_dataset("folder", **options, assigned=data.assigned_splits())
    assert [again.length(split) for split in again.splits] == [9, 3, 3]
    assert again.assigned_splits() == data.assigned_splits()


@pytest.mark.parametrize("change", ["new", "missing"])
def test_data_that_changed_since_splits_were_made_are_refused(make_folder, change: str) -> None:
    root = make_folder({"train": 12, "val": 3})
    (root / "val").rename(root / "test")
    options: dict[str, Any] = {"path": root, "image_size": (24, 32), "split": {"val": 0.25}}
    assigned = open_dataset("folder", **options).assigned_splits()
    for kind in ("images", "masks"):
        image = root / "train" / kind / "train4.png"
        image.rename(image.with_stem("other")) if change == "new" else image.unlink()
    with pytest.raises(
        DataError,
        match=f"changed since splits were made of them: {'other is new' if change == 'new' else 'train4 is missing'}",
    ):
        open_dataset("folder", **options, assigned=assigned)


def test_without_strict_what_cannot_be_split_is_reported_with_everything_else(make_folder) -> None:
    root = make_folder({"train": 3, "val": 2})
    (root / "train/masks/train1.png").unlink()
    for options in ({"split": {"val": 0.2}}, {}):
        path = root if options else root / "train"
        data = open_dataset("folder", path=path, image_size=(24, 32), classes=3, strict=False, **options)  # type: ignore[arg-type]
        messages = [problem.message for problem in data.layout_problems()]
        assert "has no mask" in messages[0]
        assert "[data] split" in messages[1]
        assert data.length("train") == 2
