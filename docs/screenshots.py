"""Take the documentation's screenshots of a study's report: light, dark, and on a phone.

`python -m docs.screenshots results/demo` requires Chromium and the extra [dev].
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from search.report import write_report
from tests.browser.browser import visit

DOCS = Path(__file__).parent
PAGE = {"viewport": {"width": 1000, "height": 1500}}
PHONE = {"viewport": {"width": 390, "height": 1300}}
LOOKS: dict[str, dict[str, Any]] = {
    "light": PAGE,
    "dark": {**PAGE, "color_scheme": "dark"},
    "phone": PHONE,
}


def main(folder: Path) -> None:
    """Write `docs/report-LOOK.png` for each look."""
    report = write_report(folder)
    for look, options in LOOKS.items():
        with tempfile.TemporaryDirectory() as profile, visit(Path(profile), **options) as seen:
            seen.page.goto(report.resolve().as_uri())
            seen.page.wait_for_selector("html[data-ready]")
            shot = Image.open(io.BytesIO(seen.page.screenshot()))
        # 128 colours are enough for plots and text, and a fraction of the size.
        shot.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(DOCS / f"report-{look}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
