"""A browser for the tests of pages; they do not install one, and say so if there is none."""

from __future__ import annotations

import pytest

from tests.browser.browser import NAMES, find_browser


@pytest.fixture(scope="session", autouse=True)
def browser() -> str:
    """The path of the browser."""
    found = find_browser()
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed (Debian: apt-get install chromium)")
    return found
