"""CSV files that grow while they are read."""

from __future__ import annotations

from pathlib import Path

from search.system.csv_files import GrowingCsv, append_csv, write_csv

COLUMNS = ("name", 'quoted, "too"')


def rows(*names: str) -> list[dict[str, str]]:
    return [dict.fromkeys(COLUMNS, name) for name in names]


def test_each_row_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "epochs.csv"
    reader = GrowingCsv(path, COLUMNS)
    assert reader.read() == [], "there is no file yet"
    write_csv(path, COLUMNS, [])
    assert reader.read() == []
    append_csv(path, COLUMNS, rows("a", "b"))
    assert reader.read() == rows("a", "b")
    assert reader.read() == []
    append_csv(path, COLUMNS, rows("c"))
    assert reader.read() == rows("c")


def test_a_torn_last_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "epochs.csv"
    write_csv(path, COLUMNS, rows("a"))
    reader = GrowingCsv(path, COLUMNS)
    with path.open("a") as file:
        file.write("b,")
        file.flush()
        assert reader.read() == rows("a")
        file.write("b\n")
    assert reader.read() == rows("b")


def test_of_a_file_that_was_replaced_the_rows_read_before_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "epochs.csv"
    write_csv(path, COLUMNS, rows("a", "b"))
    reader = GrowingCsv(path, COLUMNS)
    assert reader.read() == rows("a", "b")
    write_csv(path, COLUMNS, rows("longer than before", "b"))
    append_csv(path, COLUMNS, rows("c"))
    assert reader.read() == rows("c")


def test_a_file_with_other_columns_holds_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "epochs.csv"
    write_csv(path, ("name",), [{"name": "a"}])
    assert GrowingCsv(path, COLUMNS).read() == []
