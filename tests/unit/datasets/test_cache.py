"""The cache of decoded images: the same bytes, never partial, never from other data, never larger than allowed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from datasets import DataError, Dataset
from datasets.cache import build_cache, bytes_per_image, cache_folder, cached_counts, open_cache
from datasets.formats import open_dataset


def folder_of(tmp_path: Path, dataset: Dataset) -> Path:
    return cache_folder(tmp_path / "cache", dataset.fingerprint(), dataset.framing)


def all_samples(dataset: Dataset) -> list[tuple[bytes, bytes]]:
    samples = [dataset.read(split, index) for split in ("train", "val") for index in range(dataset.length(split))]
    return [(sample.image.tobytes(), sample.mask.tobytes()) for sample in samples]


def test_each_image_is_read_once_and_then_comes_from_the_cache(memory_dataset, tmp_path: Path) -> None:
    source = memory_dataset({"train": 70, "val": 3, "test": 2})
    expected = all_samples(source)
    source.reads, seen = 0, []
    built = build_cache(folder_of(tmp_path, source), source, 1e9, lambda done, total: seen.append((done, total)))
    assert source.reads == 73
    assert seen == [(done, 73) for done in range(1, 74)]
    opened = open_cache(folder_of(tmp_path, source), source)
    assert opened is not None
    for dataset in (built, opened, build_cache(folder_of(tmp_path, source), source, 1e9)):
        assert all_samples(dataset) == expected
        assert dataset.fingerprint() == source.fingerprint()
    assert source.reads == 73
    assert opened.read("test", 1).name == "test1"


@pytest.mark.parametrize(("room", "counts"), [(0, {}), (3, {"train": 3}), (5, {"train": 4, "val": 1})])
def test_a_bound_is_kept_and_the_rest_streams(
    memory_dataset, tmp_path: Path, room: int, counts: dict[str, int]
) -> None:
    source = memory_dataset({"train": 4, "val": 3})
    limit = room * bytes_per_image(source) + 1
    assert cached_counts(source, limit) == counts
    expected = all_samples(source)
    cached = build_cache(folder_of(tmp_path, source), source, limit)
    source.reads = 0
    assert all_samples(cached) == expected
    assert source.reads == 7 - sum(counts.values())
    held = sum(np.load(path).nbytes for path in tmp_path.rglob("*.npy"))
    assert held <= limit


def test_another_bound_builds_anew(memory_dataset, tmp_path: Path) -> None:
    source = memory_dataset({"train": 4, "val": 3})
    folder = folder_of(tmp_path, source)
    for limit, count in ((1e9, 7), (2 * bytes_per_image(source), 2), (1e9, 7)):
        build_cache(folder, source, limit)
        cached = open_cache(folder, source)
        assert cached is not None
        assert sum(cached.counts.values()) == count
    build_cache(folder, source, 0)
    assert open_cache(folder, source) is None


def test_images_are_cached_at_the_size_to_train_at(make_folder, tmp_path: Path) -> None:
    source = open_dataset("folder", path=make_folder(values=(2,)), image_size=(10, 14))
    cached = build_cache(folder_of(tmp_path, source), source, 1e9)
    image, mask, _ = cached.read("train", 0)
    assert (image.shape, mask.shape) == ((10, 14, 3), (10, 14))
    assert not image.flags.writeable


def test_other_data_and_other_sizes_have_other_folders(tmp_path: Path) -> None:
    folders = {
        folder_of(tmp_path, open_dataset("synthetic", image_size=size, seed=seed))
        for size in ((32, 32), (32, 64))
        for seed in (0, 1)
    }
    assert len(folders) == 4


@pytest.mark.parametrize("harm", ["cut", "missing", "text", "longer"])
def test_a_cache_that_does_not_fit_is_not_used_and_is_built_anew(memory_dataset, tmp_path: Path, harm: str) -> None:
    source = memory_dataset({"train": 4, "val": 3})
    folder = folder_of(tmp_path, source)
    build_cache(folder, source, 1e9)
    images = folder / "train.images.npy"
    if harm == "cut":
        images.write_bytes(images.read_bytes()[:-5])
    elif harm == "missing":
        (folder / "train.masks.npy").unlink()
    elif harm == "text":
        images.write_text("no array")
    else:
        source = memory_dataset({"train": 3, "val": 3})
    assert open_cache(folder, source) is None
    assert all_samples(build_cache(folder, source, 1e9)) == all_samples(source)


def test_an_unreadable_image_is_named_and_leaves_no_cache(make_folder, tmp_path: Path) -> None:
    root = make_folder()
    source = open_dataset("folder", path=root, image_size=(24, 32))
    folder = folder_of(tmp_path, source)
    (root / "val/images/val1.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"Cannot read image .*val1\.jpg"):
        build_cache(folder, source, 1e9)
    assert open_cache(folder, source) is None


def _build_and_die(source: Dataset, folder: Path) -> None:
    """Kills its process when all images except the last are written."""

    def progress(done: int, total: int) -> None:
        if done == total - 1:
            os.kill(os.getpid(), signal.SIGKILL)

    build_cache(folder, source, 1e9, progress)


def test_a_killed_build_leaves_nothing_that_is_taken_for_whole(memory_dataset, tmp_path: Path) -> None:
    source = memory_dataset({"train": 4, "val": 1})
    folder = folder_of(tmp_path, source)
    process = multiprocessing.get_context("fork").Process(target=_build_and_die, args=(source, folder))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert list(folder.parent.iterdir())  # the build had begun
    assert open_cache(folder, source) is None
    assert all_samples(build_cache(folder, source, 1e9)) == all_samples(source)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
