"""Errors told apart by who can mend them, and room on the disk."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import tensorflow as tf

from datasets import DataError
from search.errors import SearchStopped
from search.system.disk import check_room, free_bytes, is_disk_full
from search.trial.failures import status_of


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (
            OSError("Can't write data (file write failed: time = Tue, errno = 28, error message = 'No space left')"),
            True,
        ),
        (OSError(errno.ENOENT, "No such file"), False),
        (OSError("Can't open file (errno = 2, error message = 'No such file')"), False),
        (ValueError("errno = 28,"), False),
    ],
)
def test_a_full_disk_is_told_apart(error: Exception, full: bool) -> None:
    assert is_disk_full(error) is full
    assert (status_of(error) == "interrupted") is full


def test_room_for_the_checkpoints_of_a_trial(tmp_path: Path) -> None:
    check_room(tmp_path, 1000)
    with pytest.raises(SearchStopped, match=r"MiB are left on the disk of .* needs up to .* Make room"):
        check_room(tmp_path, free_bytes(tmp_path) // 36)


def test_memory_that_runs_out_is_told_apart() -> None:
    assert status_of(MemoryError()) == "out_of_memory"
    with pytest.raises(tf.errors.ResourceExhaustedError) as caught:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    assert status_of(caught.value) == "out_of_memory"


def test_data_at_fault_are_told_apart_also_where_tensorflow_wraps_them() -> None:
    def read(_: object) -> object:
        raise DataError("Image a.png is missing.")

    data = tf.data.Dataset.range(1).map(lambda index: tf.numpy_function(read, [index], tf.int64))
    with pytest.raises(tf.errors.OpError) as caught:
        list(data)
    assert status_of(caught.value) == "interrupted"
    assert status_of(DataError("gone")) == "interrupted"
    assert status_of(ValueError("negative dimension")) == "failed"


def test_free_bytes_of_a_folder_yet_to_be_made(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") > 0
