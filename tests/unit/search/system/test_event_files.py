"""The framing of event files, cut off anywhere."""

from __future__ import annotations

from pathlib import Path

from search.system.event_files import is_whole, records, scalar_event, version, whole_records

FIRST, SECOND = records([version()]), records([scalar_event(1, {"validation/loss": 0.5}, 10.0)])


def test_records_before_the_one_that_is_cut_off_are_kept(tmp_path: Path) -> None:
    content, file = FIRST + SECOND, tmp_path / "events"
    for size in range(len(content) + 1):
        kept = b"" if size < len(FIRST) else FIRST if size < len(content) else content
        assert whole_records(content[:size]) == kept
        file.write_bytes(content[:size])
        assert is_whole(file) == (size in (len(FIRST), len(content)))


def test_a_file_that_is_not_there_is_not_whole(tmp_path: Path) -> None:
    assert not is_whole(tmp_path / "none")
