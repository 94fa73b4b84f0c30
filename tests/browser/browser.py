"""Headless Chromium for the tests of pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
LOCAL = ("localhost", "127.0.0.1", "::1")


def find_browser() -> str | None:
    """The path of the browser, or None if there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@dataclass
class Visit:
    """An open page, with its error messages and its requests to other hosts."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def _watch(self) -> None:
        self.page.on("console", lambda said: self._hear(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", lambda request: self._see(request.url))

    def _hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def _see(self, url: str) -> None:
        address = urlparse(url)
        if address.scheme not in ("data", "blob", "file") and address.hostname not in LOCAL:
            self.outside.append(url)


@contextmanager
def visit(profile: Path, **options: Any) -> Iterator[Visit]:
    """A browser with an empty profile and one blank page.

    Args:
        profile: a new, empty folder for the profile.
        options: for Playwright's `launch_persistent_context`: `viewport`, `color_scheme` ...
    """
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(profile), executable_path=find_browser(), args=FLAGS, headless=True, **options
        )
        try:
            seen = Visit(context.pages[0])
            seen._watch()
            yield seen
        finally:
            context.close()
