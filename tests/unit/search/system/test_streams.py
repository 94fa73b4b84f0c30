"""Output whose reader has gone."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from search.system.streams import enduring


@pytest.mark.parametrize("open_pair", [os.pipe, pty.openpty], ids=["pipe", "terminal"])
def test_what_is_written_after_the_reader_has_gone_goes_nowhere(open_pair, capfd: pytest.CaptureFixture[str]) -> None:
    reader, writer = open_pair()
    with os.fdopen(writer, "w") as file:
        stream = enduring(file)
        assert stream is not None
        assert stream.isatty() == (open_pair is pty.openpty)
        stream.write("read\n")
        stream.flush()
        assert os.read(reader, 100).startswith(b"read")
        os.close(reader)
        for _ in range(3):
            stream.write("unread\n" * 10_000)
            stream.flush()
    assert capfd.readouterr() == ("", "")


def test_other_errors_stay_errors() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    file = Path("/dev/full").open("w")  # noqa: SIM115 - closing it would be the error again
    stream = enduring(file)
    assert stream is not None
    with pytest.raises(OSError, match="No space left"):
        stream.write("a" * 100_000)
    os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())
    file.close()


def test_no_stream_stays_none() -> None:
    assert enduring(None) is None
