"""What a user writes to name a runtime: `onnxruntime==1.6.0`, `onnxruntime==1.6` or `onnxruntime`."""

import re
from collections.abc import Iterable
from typing import Protocol, TypeVar

from zoosmith.validation.errors import ValidationError

_NAME = re.compile(r"([A-Za-z][\w.-]*)(?:==([\w.]+))?")


class _Named(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...


Row = TypeVar("Row", bound=_Named)


def choose(text: str, rows: Iterable[Row], what: str) -> Row:
    """Return the newest of `rows` that `text` names.

    Args:
        text: a name, or a name and a version after `==`. A shorter version stands for all that begin with it: 1.6 for
            1.6.0 and 1.6.1, not for 1.60.
        rows: values with `name` and `version`.
        what: what a row is called in a message, `runtime` for instance.

    Raises:
        ValidationError: `text` is not of this form, or no row has that name or version; the message lists those.
    """
    form = _NAME.fullmatch(text.strip())
    if form is None:
        raise ValidationError(f"{text!r}: expected a {what} as NAME or NAME==VERSION, for example onnxruntime==1.6.0")
    name, version = form[1].lower(), form[2]
    known = list(rows)
    named = [row for row in known if row.name == name]
    if not named:
        names = ", ".join(sorted({row.name for row in known}))
        raise ValidationError(f"{text}: no {what} of that name is listed; listed are {names}")
    fitting = [row for row in named if version is None or _begins(row.version, version)]
    if not fitting:
        versions = ", ".join(row.version for row in sorted(named, key=lambda row: order(row.version)))
        raise ValidationError(f"{text}: this version is not listed; listed versions of {name} are {versions}")
    return max(fitting, key=lambda row: order(row.version))


def order(version: str) -> list[tuple[int, str]]:
    """A key that sorts versions: their numbers as numbers."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in version.split(".")]


def _begins(version: str, start: str) -> bool:
    parts = start.split(".")
    return version.split(".")[: len(parts)] == parts
