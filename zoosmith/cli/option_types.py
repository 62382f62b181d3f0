"""Types of options that several commands share: a command takes them as values, ready for its service."""

from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from zoosmith.validation.accuracy.state import Shard
    from zoosmith.validation.inputs.random_values import InputShape
    from zoosmith.validation.runtimes.targets import Target

PATH = click.Path(path_type=Path)


class Number(click.FloatRange):
    """A number between limits. `nan` is between none: every comparison with it is false; `inf` would be no limit."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is not a {'' if isnan(number) else 'finite '}number", param, ctx)
        return number


class OutputPath(click.Path):
    """A file to write; `-` is the standard output. One that cannot be written is refused before any work is done."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        from zoosmith.onnx_model.files import STANDARD_OUTPUT, refuse_unwritable

        path = Path(super().convert(value, param, ctx))  # type: ignore[arg-type]  # click's stub asks for a str
        if path == Path("-"):
            return STANDARD_OUTPUT
        refuse_unwritable(path)
        return path


OUTPUT_PATH = OutputPath()


class PagePath(click.Path):
    """A page to write. Its name ends in .html, so that no model is overwritten by a mistake."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        path = Path(super().convert(value, param, ctx))  # type: ignore[arg-type]  # click's stub asks for a str
        if path.suffix.lower() not in {".html", ".htm"}:
            self.fail(f"{str(path)!r}: expected a name that ends in .html", param, ctx)
        from zoosmith.onnx_model.files import refuse_unwritable

        refuse_unwritable(path)
        return path


PAGE_PATH = PagePath()


class Dimension(click.ParamType):
    """`NAME=SIZE`: the size of a symbolic dimension."""

    name = "NAME=SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return name and size."""
        if isinstance(value, tuple):
            return value
        name, _, size = value.rpartition("=")
        if not name or not size.isdecimal():
            self.fail(f"{value!r}: expected NAME=SIZE, as in batch=2", param, ctx)
        return name, int(size)


class OpsetVersion(click.ParamType):
    """`13`, or `ai.onnx.ml=3`: the version of a domain."""

    name = "OPSET"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        """Return the domain, empty for the default one, and its version."""
        if isinstance(value, tuple):
            return value
        domain, _, version = value.rpartition("=")
        if not version.isdecimal() or value.startswith("="):
            self.fail(
                f"{value!r}: expected an opset, as in 13, or one of another domain, as in ai.onnx.ml=3", param, ctx
            )
        return "" if domain == "ai.onnx" else domain, int(version)


class FreedSize(click.ParamType):
    """`INPUT:AXIS=NAME`: a dimension of an input that becomes symbolic."""

    name = "INPUT:AXIS=NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int, str]:
        """Return input, axis and the name of the size."""
        if isinstance(value, tuple):
            return value
        place, _, name = value.rpartition("=")
        port, _, axis = place.rpartition(":")
        if not port or not axis.removeprefix("-").isdecimal() or not name.isidentifier():
            self.fail(f"{value!r}: expected INPUT:AXIS=NAME, as in x:0=N", param, ctx)
        return port, int(axis), name


class Renaming(click.ParamType):
    """`OLD=NEW`: a new name."""

    name = "OLD=NEW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the old name and the new one."""
        if isinstance(value, tuple):
            return value
        old, _, new = value.rpartition("=")
        if not old or not new:
            self.fail(f"{value!r}: expected OLD=NEW, as in input.1=x", param, ctx)
        return old, new


class RuntimeTarget(click.ParamType):
    """`onnxruntime==1.6`: a row of the table of targets.

    Args:
        lists: whether `list` is taken, and stays as it is.
    """

    name = "RUNTIME"

    def __init__(self, *, lists: bool = False) -> None:
        self._lists = lists

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Target | str":
        """Return the newest row that is named."""
        from zoosmith.validation import ValidationError
        from zoosmith.validation.runtimes.targets import target_for

        if not isinstance(value, str) or (self._lists and value == "list"):
            return value
        try:
            return target_for(value)
        except ValidationError as error:
            self.fail(f"{error}; zoosmith opset --for list prints all", param, ctx)


class NamedShape(click.ParamType):
    """`NAME=1,3,64,64` or `NAME=int64:N,4`: the shape of an input, and its type."""

    name = "NAME=[TYPE:]SHAPE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "tuple[str, InputShape]":
        """Return the input's name and its shape."""
        if isinstance(value, tuple):
            return value
        from zoosmith.onnx_model.errors import ModelError
        from zoosmith.onnx_model.ports import element_type
        from zoosmith.validation.inputs.random_values import InputShape

        name, _, description = value.rpartition("=")
        kind, _, sizes = description.rpartition(":")
        if not name:
            self.fail(f"{value!r}: expected NAME=SHAPE, as in data=1,3,224,224", param, ctx)
        try:
            elem_type = element_type(kind) if kind else None
        except ModelError as error:
            self.fail(f"{value!r}: {error}", param, ctx)
        parts = [size.strip() for size in sizes.split(",") if size]
        return name, InputShape(tuple(self._size(part, value, param, ctx) for part in parts), elem_type)

    def _size(self, text: str, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if text.isdecimal():
            return int(text)
        if text.removeprefix("-").isdecimal():
            self.fail(f"{value!r}: size {text} is negative", param, ctx)
        if not text.isidentifier():
            self.fail(f"{value!r}: size {text!r} is neither a number nor a name", param, ctx)
        return text


class Names(click.ParamType):
    """`A,B`: names, separated by commas."""

    name = "LIST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """Return the names."""
        if isinstance(value, list):
            return value
        names = [name.strip() for name in value.split(",")]
        if not all(names):
            self.fail(f"{value!r}: expected names separated by commas", param, ctx)
        return names


class Counts(click.ParamType):
    """`1,2`: numbers from 1, each taken once."""

    name = "LIST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Return the numbers."""
        if isinstance(value, list):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() and int(part) for part in parts):
            self.fail(f"{value!r}: expected numbers from 1, as in 1,2", param, ctx)
        return list(dict.fromkeys(map(int, parts)))


class ShardOf(click.ParamType):
    """`3/16`: one of equal parts."""

    name = "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "Shard":
        """Return the part."""
        from zoosmith.validation import ValidationError
        from zoosmith.validation.accuracy.state import Shard

        if isinstance(value, Shard):
            return value
        number, _, of = value.partition("/")
        if not (number.isdecimal() and of.isdecimal()):
            self.fail(f"{value!r}: expected I/N, as in 3/16", param, ctx)
        try:
            return Shard(int(number), int(of))
        except ValidationError as error:
            self.fail(str(error), param, ctx)
