"""Values of a JSON file that others, or an older zoosmith, may have written: each is asked for with its type."""

import json
import math
from pathlib import Path
from typing import Any

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.reading import read_regular, reading

# of a JSON file, in bytes: some thousands of models
_LARGEST = 1 << 28


class ReportError(ZoosmithError):
    """A report cannot be read or drawn."""


class Values:
    """An object of JSON, whose missing keys are None and whose wrong types raise ReportError.

    Args:
        content: the object.
        place: where it stands, for messages, as in `report.json: rows[2]`.
    """

    def __init__(self, content: Any, place: str) -> None:
        if not isinstance(content, dict):
            raise ReportError(f"{place}: expected an object, found {_kind(content)}")
        self._content: dict[str, Any] = content
        self._place = place

    def __contains__(self, key: str) -> bool:
        return self._content.get(key) is not None

    @property
    def keys(self) -> list[str]:
        """The keys, in their order."""
        return list(self._content)

    def raw(self, key: str) -> Any:
        """A value of any type; None where there is none."""
        return self._content.get(key)

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        value = self._of(key, str)
        return default if value is None else str(value)

    def flag(self, key: str) -> bool | None:
        """A truth value."""
        value = self._of(key, bool)
        return None if value is None else bool(value)

    def number(self, key: str) -> float | None:
        """A finite number; None for one that is not finite."""
        value = self._content.get(key)
        if isinstance(value, bool):
            raise self._wrong(key, "a number", value)
        if self._of(key, (int, float)) is None:
            return None
        try:
            number = float(value)  # type: ignore[arg-type]  # `_of` has checked it
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def count(self, key: str) -> int | None:
        """A whole number."""
        number = self.number(key)
        return None if number is None else int(number)

    def numbers(self, key: str) -> list[float]:
        """A list of finite numbers; those that are not finite are left out."""
        listed = self._of(key, list) or []
        each = [Values({"number": value}, f"{self._place}: {key}").number("number") for value in listed]
        return [number for number in each if number is not None]

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        return [Values({"text": value}, f"{self._place}: {key}").text("text") for value in self._of(key, list) or []]

    def object(self, key: str) -> "Values | None":
        """An object."""
        return Values(self._content[key], f"{self._place}: {key}") if key in self else None

    def objects(self, key: str) -> "list[Values]":
        """A list of objects; empty where there is none."""
        listed = self._of(key, list) or []
        return [Values(value, f"{self._place}: {key}[{index}]") for index, value in enumerate(listed)]

    def named(self, key: str) -> "dict[str, Values]":
        """Objects by name; empty where there is none."""
        content = self._of(key, dict) or {}
        return {name: Values(value, f"{self._place}: {key}: {name}") for name, value in content.items()}

    def _of(self, key: str, types: Any) -> Any:
        value = self._content.get(key)
        if value is not None and not isinstance(value, types):
            expected = {str: "text", bool: "true or false", list: "a list", dict: "an object"}.get(types, "a number")
            raise self._wrong(key, expected, value)
        return value

    def _wrong(self, key: str, expected: str, value: Any) -> ReportError:
        return ReportError(f"{self._place}: {key}: expected {expected}, found {_kind(value)}")


def read_values(path: Path) -> tuple[Values, bytes]:
    """Read a JSON file that holds an object.

    Args:
        path: the file.

    Returns:
        The object, and the bytes of the file.

    Raises:
        ReportError: it cannot be read, or is no object of JSON.
    """
    with reading(path, "an object of JSON", ReportError):
        content = read_regular(path, most=_LARGEST, error=ReportError)
        return Values(json.loads(content), str(path)), content


def _kind(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return "nothing" if value is None else names.get(type(value), type(value).__name__)
