"""Files that are whole or not there, whatever fails in between."""

from __future__ import annotations

import math
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.errors import UserError
from search.system.csv_files import append_csv, read_csv, write_csv
from search.system.files import folder_bytes, make_folder, read_json, write_atomically, write_json, writing_to

LIMIT = 1 << 20


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond `LIMIT` bytes: the write breaks off there, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("content", ["löwe\n", b"\x00\xff"])
def test_writing_replaces_the_whole_file(tmp_path: Path, content: str | bytes, durable: bool) -> None:
    path = tmp_path / "file"
    path.write_text("a longer content than the new one")
    write_atomically(path, content, durable=durable)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.usefixtures("full_disk")
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="large"):
        write_atomically(path, bytes(2 * LIMIT), durable=durable)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_rename_leaves_nothing_beside(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "folder", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, "ü"]}, [], 0, math.inf])
def test_json_comes_back(tmp_path: Path, value: object) -> None:
    write_json(tmp_path / "file.json", value)
    assert read_json(tmp_path / "file.json") == value


@pytest.mark.parametrize("content", [None, b"", b'{"a": [1, 2', b"\xff\xfe", b"\x00" * 50])
def test_damaged_json_is_none(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file.json"
    if content is not None:
        path.write_bytes(content)
    assert read_json(path) is None


def test_csv_cells(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    rows: list[dict[str, Any]] = [{"a": 1, "b": math.nan, "c": 'say "x", y', "other": 3}, {"a": None, "c": 1e-9}]
    write_csv(path, ["a", "b", "c"], rows)
    append_csv(path, ["a", "b", "c"], [{"a": 0, "b": False, "c": math.inf}])
    assert path.read_text() == 'a,b,c\n1,,"say ""x"", y"\n,,1e-09\n0,False,inf\n'
    assert read_csv(path)[0] == {"a": "1", "b": "", "c": 'say "x", y'}


def test_a_torn_last_line_is_ignored_at_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    write_csv(path, ["a", "b"], [{"a": 1, "b": "é"}, {"a": 2, "b": "x"}])
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        expected = max(whole[:length].count(b"\n") - 1, 0)
        assert [row["a"] for row in read_csv(path)] == ["1", "2"][:expected]
    assert read_csv(tmp_path / "missing.csv") == []


def test_folder_bytes(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "file").write_bytes(bytes(10))
    (tmp_path / "file").write_bytes(bytes(5))
    (tmp_path / "broken").symlink_to("nowhere")
    assert folder_bytes(tmp_path) == 15 + len("nowhere")
    assert folder_bytes(tmp_path / "missing") == 0


def test_a_path_that_cannot_be_written_is_the_users_to_choose(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b", "--to")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/b cannot be written: Not a directory\. Choose another --to\.$"):
        make_folder(tmp_path / "file" / "b", "--to")
    with (
        pytest.raises(UserError, match=r"page cannot be written: No such file or directory\.$"),
        writing_to(Path("page")),
    ):
        write_atomically(tmp_path / "none" / "page", "text")
