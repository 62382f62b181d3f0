"""Parts of a page that speak of accuracy: shares with intervals, agreement of models, pictures with answers."""

import base64
import binascii
from collections.abc import Mapping, Sequence

from zoosmith.html_report.cells import amount, rate
from zoosmith.html_report.charts import Interval, agreement, shares
from zoosmith.html_report.figures import share
from zoosmith.html_report.page import Cell, Part, Picture, Pictures, Table
from zoosmith.html_report.values import Values

_START_OF_JPEG = b"\xff\xd8\xff"


def accuracy_parts(rates: Mapping[str, Mapping[str, Values]], of: str) -> list[Part]:
    """The plot and the table of top-1 and top-5.

    Args:
        rates: by `top-1` and `top-5` the share of each model: `percent`, `interval_95`, `images`.
        of: what they were measured on.
    """
    names = list(dict.fromkeys(name for series in rates.values() for name in series))
    intervals = {series: [_interval(name, found) for name, found in each.items()] for series, each in rates.items()}
    rows = []
    for name in names:
        cells = [Cell(name)]
        for series in rates.values():
            found = series.get(name)
            each = None if found is None else _interval(name, found)
            cells.append(rate(None if each is None else each.value))
            cells.append(Cell("-" if each is None else f"{share(each.low)} to {share(each.high)}"))
        rows.append(cells)
    columns = ["Model", *(heading for series in rates for heading in (series, f"{series}, 95 % interval"))]
    plot = shares(f"Accuracy on {of}", intervals)
    return [*([] if plot is None else [plot]), Table(f"Accuracy on {of}", columns, rows)]


def agreement_parts(pairs: Sequence[Values], called: Mapping[str, str] | None = None) -> list[Part]:
    """The matrix and the table of how far models agree.

    Args:
        pairs: `first`, `second`, `same_top1` and the logit errors of each.
        called: what the page calls models; None for their names.
    """
    if not pairs:
        return []
    rates = {}
    rows = []
    for pair in pairs:
        first, second = (_called(pair.text(key, "-"), called) for key in ("first", "second"))
        found = pair.object("same_top1")
        each = None if found is None else _interval(first, found)
        if each is not None:
            rates[first, second] = each.value
        rows.append(
            (
                Cell(first),
                Cell(second),
                rate(None if each is None else each.value),
                Cell("-" if each is None else f"{share(each.low)} to {share(each.high)}"),
                *(amount(pair.number(f"{kind}_logit_error")) for kind in ("mean", "max")),
            )
        )
    columns = ("First", "Second", "Same top-1", "95 % interval", "Mean logit error", "Largest logit error")
    plot = agreement(rates)
    table = Table("Agreement of models; errors in standard deviations of the first one's logits", columns, rows)
    return [*([] if plot is None else [plot]), table]


def picture_parts(pictures: Sequence[Values], called: Mapping[str, str] | None = None) -> list[Part]:
    """Pictures with the best answers of each model: `image`, `label`, `jpeg`, `answers` of each; `called` as above."""
    made = [_picture(each, called) for each in pictures if _is_jpeg(each.text("jpeg"))]
    return [Pictures("Sample pictures with the five best answers of each model", made)] if made else []


def _called(model: str, called: Mapping[str, str] | None) -> str:
    return model if called is None else called.get(model, model)


def _picture(found: Values, called: Mapping[str, str] | None) -> Picture:
    answers = {}
    for model in (found.object("answers") or Values({}, "")).keys:
        listed = (found.object("answers") or Values({}, "")).objects(model)
        scores = [each.number("score") or 0.0 for each in listed[:5]]
        decimals = 3 if all(abs(score) <= 1 for score in scores) else 2
        answers[_called(model, called)] = [
            (each.text("name") or f"class {each.count('class')}", f"{score:.{decimals}f}",
             each.count("class") is not None and each.count("class") == found.count("label"))
            for each, score in zip(listed[:5], scores, strict=True)
        ]  # fmt: skip
    label = "unlabelled" if found.count("label") is None else f"class {found.count('label')}"
    return Picture(found.text("image", "-"), found.text("name") or label, found.text("jpeg"), answers)


def _is_jpeg(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(_START_OF_JPEG)
    except (binascii.Error, ValueError):
        return False


def _interval(name: str, found: Values) -> Interval:
    value = found.number("percent") or 0.0
    low, high = (*found.numbers("interval_95"), value, value)[:2]
    return Interval(name, value / 100, low / 100, high / 100)
