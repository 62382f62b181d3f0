"""A page model as HTML: one file that needs no other and reaches for none."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from zoosmith.escaping import html
from zoosmith.html_report.page import Page
from zoosmith.html_report.svg import can_draw, to_svg

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = Path(__file__).parent / "templates"


def render(page: Page) -> str:
    """Write a page. Its plots are drawn where matplotlib is installed; else it says how to get them.

    Whatever comes from the page model is escaped by `escaping.html`, which the template applies to every value. The
    page's policy lets nothing run but its own script and nothing style it but its own style, both known by hash.

    Args:
        page: what stands on it.

    Returns:
        The HTML; the same for the same page and the same matplotlib.
    """
    from markupsafe import Markup

    plots = [plot for section in page.sections for plot in section.plots]
    drawable = bool(plots) and can_draw()
    drawn = {id(plot): Markup(to_svg(plot, f"plot{index}")) for index, plot in enumerate(plots)} if drawable else {}
    style, script = _content("page.css"), _content("page.js")
    return _template().render(
        page=page,
        drawn=drawn,
        missing_plots=len(plots) - len(drawn),
        style=Markup(style),
        script=Markup(script),
        policy="; ".join(
            (
                "default-src 'none'",
                f"style-src '{_hash(style)}'",
                f"script-src '{_hash(script)}'",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["identity"] = id
    return environment.get_template("page.html.j2")


@cache
def _content(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
