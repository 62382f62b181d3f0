"""Figures and values as a reader sees them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any


def number(value: float | None, digits: int = 3) -> str:
    """A number of few digits; a dash for None."""
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.{digits}g}"


def share(value: float | None, digits: int = 2) -> str:
    """A share, 0 to 1, in per cent; a dash for None."""
    return "-" if value is None else f"{100 * value:.{digits}f} %"


def size(value: float | None) -> str:
    """A number of bytes in units of 1000; a dash for None."""
    if value is None:
        return "-"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value:.0f} bytes"


def plain(value: Any) -> str:
    """Any value of JSON in words."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "; ".join(f"{name}: {plain(each)}" for name, each in value.items()) or "none"
    between = " / " if any(isinstance(each, dict) for each in value) else ", "
    return between.join(plain(each) for each in value) or "none"


# keys of comparisons and limits, as a reader calls them
_CALLED = {
    "max_abs": "largest error",
    "max_rel": "largest relative error",
    "max_scaled": "largest error in standard deviations",
    "same_top1": "same top-1",
    "atol": "atol in standard deviations",
    "scale": "standard deviation of the output",
}


def opened(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    """A value as pairs to list: the entries of an object that are not null, or the value itself under a name."""
    if isinstance(value, dict):
        return tuple(
            (f"{name}: {_CALLED.get(key, key)}", plain(each)) for key, each in value.items() if each is not None
        )
    return ((name, plain(value)),)


def last_parts(paths: Sequence[str]) -> dict[str, str]:
    """The last part of each path, or the whole path where two share it."""
    count = Counter(path.rpartition("/")[2] for path in paths)
    return {path: last if count[last := path.rpartition("/")[2]] == 1 else path for path in paths}


def shortened(text: str, most: int = 30) -> str:
    """A text with its middle left out where it is long."""
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[: most - 1 - half]}…{text[-half:]}"
