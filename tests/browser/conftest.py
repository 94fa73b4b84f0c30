"""A browser for the tests of pages; they install none, and say so where there is none."""

from __future__ import annotations

import pytest

from tests.browser.browser import NAMES, find_browser


@pytest.fixture(scope="session", autouse=True)
def browser() -> str:
    """The browser's program."""
    found = find_browser()
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed (Debian: apt-get install chromium)")
    return found
