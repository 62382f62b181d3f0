"""How close two sets of outputs are, and whether that is close enough."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import ml_dtypes
import numpy as np


@dataclass(frozen=True)
class OutputComparison:
    """One output compared; figures are None where they do not apply (integers, other shapes, empty arrays).

    Floats pass where `|actual - expected| <= atol * scale + rtol * |expected|` for every element. `scale` is the
    standard deviation of the expected values; where that is 0 (constants, a single value), their largest magnitude;
    where that is 0 too, 1. `rtol` and `atol` are the limits used: never below what the type itself resolves (2 and 1
    units in the last place of 1.0: float16 and narrower are raised). NaNs and infinities must be at the same places.
    Integers, booleans and strings must be equal.

    `max_abs` is the largest absolute error, `max_rel` the largest error relative to a nonzero expected element,
    `max_scaled` is `max_abs / scale`, `cosine` the cosine of the angle between both. `same_top1`: floats of rank 2 or
    more are taken as one row of scores per index of axis 0; whether the largest of every row is at the same place.
    """

    name: str
    passed: bool
    reason: str | None = None
    max_abs: float | None = None
    max_rel: float | None = None
    max_scaled: float | None = None
    cosine: float | None = None
    same_top1: bool | None = None
    scale: float | None = None
    rtol: float = 0.0
    atol: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """All outputs compared. The figures of the whole are those of its worst output."""

    outputs: tuple[OutputComparison, ...]

    @property
    def passed(self) -> bool:
        """Whether every output is inside its limit."""
        return all(output.passed for output in self.outputs)

    @property
    def max_abs(self) -> float | None:
        """The largest absolute error."""
        return max((o.max_abs for o in self.outputs if o.max_abs is not None), default=None)

    @property
    def max_rel(self) -> float | None:
        """The largest relative error."""
        return max((o.max_rel for o in self.outputs if o.max_rel is not None), default=None)

    @property
    def max_scaled(self) -> float | None:
        """The largest error in units of its output's `scale`."""
        return max((o.max_scaled for o in self.outputs if o.max_scaled is not None), default=None)

    @property
    def cosine(self) -> float | None:
        """The smallest cosine."""
        return min((o.cosine for o in self.outputs if o.cosine is not None), default=None)

    @property
    def same_top1(self) -> bool | None:
        """Whether every output with rows of scores has the same top-1 everywhere; None where no output has rows."""
        known = [o.same_top1 for o in self.outputs if o.same_top1 is not None]
        return all(known) if known else None

    @property
    def reason(self) -> str | None:
        """Why it failed, for the first output that did."""
        return next((f"{o.name}: {o.reason}" for o in self.outputs if not o.passed), None)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON: the figures of the whole, and `outputs` with each output's own."""
        names = ("passed", "reason", "max_abs", "max_rel", "max_scaled", "cosine", "same_top1")
        return {name: getattr(self, name) for name in names} | {"outputs": [asdict(o) for o in self.outputs]}

    def __str__(self) -> str:
        if not self.passed:
            return f"differs: {self.reason}"
        return "equal" if not self.max_abs else f"close: largest error {self.max_abs:.3g}"


def compare(
    expected: Mapping[str, Any], actual: Mapping[str, Any], *, rtol: float = 1e-3, atol: float = 1e-5
) -> Comparison:
    """Compare outputs by name; `OutputComparison` states the limits.

    Args:
        expected: the outputs of the reference. Values are numpy arrays of any type that onnx has, or lists (sequences),
            dicts (maps) and None (an empty optional) of them, whose elements are compared each under a name such as
            `boxes[2]`.
        actual: the outputs to be held against them.
        rtol: the error allowed relative to each expected element.
        atol: the error allowed in units of the standard deviation of the expected output.

    Returns:
        The comparison of every output. One that only one side has, another shape or another type is a failed output
        with its reason, never an exception.
    """
    given, got = dict(_leaves(expected)), dict(_leaves(actual))
    names = [*given, *(name for name in got if name not in given)]
    return Comparison(tuple(_compare_one(name, given, got, rtol, atol) for name in names))


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        yield from _leaf(name, value)


def _leaf(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (list, tuple)):
        # the length is compared as well, so that a shorter sequence is not only a missing element
        yield f"len({name})", np.asarray(len(value))
        for index, element in enumerate(value):
            yield from _leaf(f"{name}[{index}]", element)
    elif isinstance(value, dict):
        for key, element in value.items():
            yield from _leaf(f"{name}[{key!r}]", element)
    else:
        yield name, None if value is None else np.asarray(value)


def _compare_one(name: str, given: dict[str, Any], got: dict[str, Any], rtol: float, atol: float) -> OutputComparison:
    if name not in got or name not in given:
        return OutputComparison(name, False, "missing" if name not in got else "not expected")
    expected, actual = given[name], got[name]
    if expected is None or actual is None:
        passed = expected is actual
        return OutputComparison(name, passed, None if passed else f"{_what(actual)}, expected {_what(expected)}")
    if expected.shape != actual.shape:
        return OutputComparison(name, False, f"shape {list(actual.shape)}, expected {list(expected.shape)}")
    if expected.dtype != actual.dtype and not (_is_text(expected) and _is_text(actual)):
        return OutputComparison(name, False, f"type {actual.dtype}, expected {expected.dtype}")
    resolution = _resolution(expected.dtype)
    if resolution is None:
        return _compare_exact(name, expected, actual)
    return _compare_floats(name, expected, actual, max(rtol, 2 * resolution), max(atol, resolution))


def _compare_exact(name: str, expected: np.ndarray, actual: np.ndarray) -> OutputComparison:
    if _is_text(expected):
        expected, actual = expected.astype(str), actual.astype(str)
    unequal = int(np.count_nonzero(expected != actual))
    reason = f"{unequal} of {expected.size} elements differ" if unequal else None
    return OutputComparison(name, not unequal, reason)


def _compare_floats(name: str, expected: np.ndarray, actual: np.ndarray, rtol: float, atol: float) -> OutputComparison:
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    e, a = expected.astype(wide), actual.astype(wide)
    finite = np.isfinite(e)
    # NaN is unequal to itself, so isnan finds one where both have it
    misplaced = ~finite & ~((e == a) | (np.isnan(e) & np.isnan(a)))
    if misplaced.any() or not np.array_equal(finite, np.isfinite(a)):
        return OutputComparison(name, False, "NaNs or infinities at different places", rtol=rtol, atol=atol)
    top1 = _same_top1(e, a) if wide is np.float64 else None
    e, a = e[finite], a[finite]
    if not e.size:
        return OutputComparison(name, True, same_top1=top1, rtol=rtol, atol=atol)
    with np.errstate(all="ignore"):  # the largest float64 values overflow in a sum of squares
        error, magnitude = np.abs(a - e), np.abs(e)
        scale = float(np.std(e)) or float(magnitude.max()) or 1.0
        over = int(np.count_nonzero(~(error <= atol * scale + rtol * magnitude)))
        max_abs = float(error.max())
        nonzero = magnitude > 0
        max_rel = float((error[nonzero] / magnitude[nonzero]).max()) if nonzero.any() else None
        norms = float(np.linalg.norm(e)) * float(np.linalg.norm(a))
        cosine = float(np.abs(np.vdot(e, a)) if wide is np.complex128 else np.vdot(e, a)) / norms if norms else None
    reason = f"{over} of {e.size} elements over the limit, largest error {max_abs:.3g}" if over else None
    return OutputComparison(
        name,
        not over,
        reason,
        max_abs=_finite(max_abs),
        max_rel=_finite(max_rel),
        max_scaled=_finite(max_abs / scale),
        cosine=_finite(cosine),
        same_top1=top1,
        scale=_finite(scale),
        rtol=rtol,
        atol=atol,
    )


def _same_top1(expected: np.ndarray, actual: np.ndarray) -> bool | None:
    if expected.ndim < 2 or expected.shape[0] == 0 or expected[0].size < 2:
        return None
    rows = expected.shape[0]
    return bool(np.array_equal(expected.reshape(rows, -1).argmax(1), actual.reshape(rows, -1).argmax(1)))


def _resolution(dtype: np.dtype) -> float | None:
    """The distance from 1.0 to the next value of a float type; None for types whose values are compared exactly."""
    try:
        return float(ml_dtypes.finfo(dtype).eps)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError):
        return None


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None


def _is_text(array: np.ndarray) -> bool:
    return array.dtype.kind in "OUS"


def _what(value: np.ndarray | None) -> str:
    return "nothing" if value is None else "a value"
