"""Plots as SVG elements of a page: drawn by matplotlib, without styles, scripts or links, the same bytes every time."""

import io
import logging
import re
import warnings
from xml.etree import ElementTree

from zoosmith.html_report.page import Plot

_WIDTH = 4.1  # inches: on a phone, too, its letters are those of the page
_SVG, _LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
# what is drawn in this colour takes that of the page's text
_INK = "#010203"
_SETTINGS = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # names are no formulas
    "font.size": 9.0,
    "legend.fontsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    **{f"{name}.color": _INK for name in ("text", "xtick", "ytick", "grid")},
    **{f"axes.{name}": _INK for name in ("edgecolor", "labelcolor", "titlecolor")},
}
_KEPT = {
    "fill", "fill-opacity", "fill-rule", "stroke", "stroke-width", "stroke-opacity", "stroke-linecap",
    "stroke-linejoin", "stroke-dasharray", "stroke-dashoffset", "stroke-miterlimit", "opacity", "text-anchor",
    "font-size",
}  # fmt: skip


def can_draw() -> bool:
    """Whether matplotlib, of the extra `report`, is installed."""
    try:
        import matplotlib.figure  # noqa: F401 - whether it can be imported
    except ImportError:
        return False
    return True


def to_svg(plot: Plot, name: str) -> str:
    """Draw a plot.

    Args:
        plot: what to draw.
        name: unique on the page; ids begin with it.

    Returns:
        An `svg` element in HTML, which states neither title nor text: these stand beside it.
    """
    import matplotlib
    from matplotlib.figure import Figure

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that its fonts lack, which the browser has
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        matplotlib.rcParams["svg.hashsalt"] = name
        figure = Figure(figsize=(_WIDTH, plot.height), layout="constrained")
        plot.draw(figure)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _element(file.getvalue(), name)


def _element(drawn: str, name: str) -> str:
    root = ElementTree.fromstring(drawn)
    used = set(re.findall(r"#([\w-]+)", " ".join(value for each in root.iter() for value in each.attrib.values())))
    for parent in root.iter():
        for child in [each for each in parent if each.tag == f"{_SVG}style" or not each.tag.startswith(_SVG)]:
            parent.remove(child)
        parent[:] = [each for each in parent if each.tag != f"{_SVG}metadata"]
        parent.text, parent.tail = ((text if text and text.strip() else None) for text in (parent.text, parent.tail))
    for each in root.iter():
        each.tag = each.tag.removeprefix(_SVG)
        each.attrib = _attributes(dict(each.attrib), used, name)
    box = root.attrib["viewBox"]
    root.attrib = {"viewBox": box, "stroke-linejoin": "round", "stroke-linecap": "butt"}
    return ElementTree.tostring(root, encoding="unicode")


def _attributes(given: dict[str, str], used: set[str], name: str) -> dict[str, str]:
    """The attributes without `style`, which the page's policy would not apply, and with ids of this plot alone."""
    found: dict[str, str] = {}
    for key, value in given.items():
        if key == "style":
            found |= _styles(value)
        elif key == "id":
            if value in used:
                found["id"] = f"{name}-{value}"
        elif key == _LINK:
            found["href"] = value.replace("#", f"#{name}-", 1)
        else:
            found[key] = re.sub(r"url\(#", f"url(#{name}-", value)
    return {key: "currentColor" if value.lower() == _INK else value for key, value in found.items()}


def _styles(style: str) -> dict[str, str]:
    pairs = [part.split(":", 1) for part in style.split(";") if ":" in part]
    stated = {key.strip(): value.strip() for key, value in pairs}
    size = re.search(r"([\d.]+)px", stated.pop("font", ""))
    if size:
        stated["font-size"] = size[1]
    return {key: value.removesuffix("px") for key, value in stated.items() if key in _KEPT}
