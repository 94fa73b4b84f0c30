"""A report as one HTML file: everything inside, nothing fetched, every text escaped."""

from __future__ import annotations

import base64
import gzip
import json
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import plotly
from markupsafe import Markup

from search.report.parts import Plot, Report
from search.system.files import write_atomically
from search.system.machine import now


def write_page(report: Report, path: Path) -> None:
    """Write a report as a self-contained page, in one step."""
    files = resources.files(__package__)
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (files / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plots = [plot for section in report.sections for plot in section.plots]
    page = environment.get_template("page.html").render(
        report=report,
        written=now(),
        style=Markup((files / "page.css").read_text(encoding="utf-8")),
        script=Markup((files / "page.js").read_text(encoding="utf-8")),
        figures=_script_json({plot.name: _figure(plot) for plot in plots}),
        library=_library() if plots else "",
    )
    write_atomically(path, page)


def _figure(plot: Plot) -> dict[str, Any]:
    """A figure without its own theme: the page sets its colours when it is shown, light or dark."""
    plot.figure.update_layout(template=None, height=plot.height, margin={"l": 60, "r": 16, "t": 30, "b": 50})
    plot.figure.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    figure: dict[str, Any] = json.loads(plot.figure.to_json())
    return figure


def _script_json(value: Any) -> Markup:
    """JSON for a script element, which would end at a `</script` within any text."""
    text = json.dumps(value, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _library() -> str:
    """plotly.js, compressed to a third: the browser inflates it."""
    script = (resources.files(plotly) / "package_data" / "plotly.min.js").read_bytes()
    return base64.b64encode(gzip.compress(script, 9, mtime=0)).decode()
