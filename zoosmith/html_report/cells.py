"""Cells of tables, made of values."""

from zoosmith.html_report.figures import number, share
from zoosmith.html_report.page import Cell


def amount(value: float | None, digits: int = 3) -> Cell:
    """A number."""
    return Cell(number(value, digits), value)


def fixed(value: float | None, decimals: int) -> Cell:
    """A number with as many decimals as the others of its column."""
    return Cell("-" if value is None else f"{value:,.{decimals}f}", value)


def rate(value: float | None, digits: int = 2) -> Cell:
    """A share, 0 to 1, in per cent."""
    return Cell(share(value, digits), value)


def code(text: str) -> Cell:
    """A path, a hash or a name of a node."""
    return Cell(text, code=True)


def verdict(passed: bool | None) -> Cell:
    """Whether something passed; None where that is not known."""
    if passed is None:
        return Cell("-")
    return Cell("passed", 1, "good") if passed else Cell("failed", 0, "bad")
