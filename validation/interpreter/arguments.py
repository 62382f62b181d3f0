"""One operator of a net as the operator functions see it: arguments in all of Caffe2's spellings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from zoosmith.convert.proto.caffe2_pb2 import Argument, OperatorDef
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.interpreter.nested import blobs_read, blobs_written
from zoosmith.validation.interpreter.values import Value

RunNet: TypeAlias = Callable[[str, Mapping[str, Value], Sequence[str]], Mapping[str, np.ndarray]]


def _no_net(name: str, blobs: Mapping[str, Value], wanted: Sequence[str]) -> Mapping[str, np.ndarray]:
    raise ValidationError(f"there is no net {name!r} to run")


class Operator:
    """Read access to an OperatorDef; a wrong or missing argument raises ValidationError naming it."""

    def __init__(self, definition: OperatorDef, where: str):
        self.type = definition.type
        self.inputs: tuple[str, ...] = tuple(definition.input)
        self.outputs: tuple[str, ...] = tuple(definition.output)
        # The blobs that it may read and write, those of its nets included.
        self.reads, self.writes = blobs_read(definition), blobs_written(definition)
        self.arguments: dict[str, Argument] = {argument.name: argument for argument in definition.arg}
        device = definition.device_option
        # The seed of what it draws at random, None where that differs each time.
        self.seed: int | None = device.random_seed if device.HasField("random_seed") else None
        # Runs one of its nets on blobs of its own, and gives those that are wanted; set where the net is planned.
        self.run_net: RunNet = _no_net
        # Whether floating outputs are Caffe2 DOUBLE; preset from the inputs, set by operators that choose a type.
        self.double = False
        self._where = where

    def __str__(self) -> str:
        return f"{self._where} {self.type} (output {', '.join(map(repr, self.outputs)) or 'none'})"

    def error(self, message: str) -> ValidationError:
        """The exception to raise about this operator."""
        return ValidationError(f"{self}: {' '.join(message.split())}")

    def has(self, *names: str) -> bool:
        """Whether all these arguments are given."""
        return all(name in self.arguments for name in names)

    def integer(self, name: str, default: int | None = None) -> int:
        """An integer argument; required where no default is given."""
        return self._single(name, "i", "an integer", default)

    def number(self, name: str, default: float | None = None) -> float:
        """A float argument; an integer in its place is an error, as in Caffe2."""
        return self._single(name, "f", "a float", default)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean argument, which Caffe2 keeps as an integer."""
        return bool(self.integer(name, int(default)))

    def text(self, name: str, default: str = "") -> str:
        """A text argument."""
        return self._single(name, "s", "a string", default.encode()).decode(errors="replace")

    def integers(self, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        """A list of integers."""
        return self._repeated(name, "ints", "integers", default)

    def numbers(self, name: str, default: Sequence[float] = ()) -> tuple[float, ...]:
        """A list of floats."""
        return self._repeated(name, "floats", "floats", default)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(text.decode(errors="replace") for text in self._repeated(name, "strings", "strings", ()))

    @property
    def order(self) -> str:
        """Layout of images: `NCHW` (the default) or `NHWC`."""
        order = self.text("order", "NCHW").upper()
        if order not in {"NCHW", "NHWC"}:
            raise self.error(f"argument order is {order!r}, expected NCHW or NHWC")
        return order

    @property
    def channels_last(self) -> bool:
        """Whether the layout is NHWC."""
        return self.order == "NHWC"

    def axis(self, rank: int, default: int = 1, name: str = "axis") -> int:
        """An axis argument counted from the front; one outside of the rank is an error."""
        return self.canonical(self.integer(name, default), rank, name)

    def canonical(self, axis: int, rank: int, name: str = "axis") -> int:
        """The axis counted from the front."""
        if not -rank <= axis < rank:
            raise self.error(f"{name} {axis} is outside of an input with {rank} dimensions")
        return axis % rank

    def _single(self, name: str, field: str, expected: str, default: Any) -> Any:
        argument = self.arguments.get(name)
        if argument is None:
            if default is None:
                raise self.error(f"argument {name!r} is missing")
            return default
        if not argument.HasField(field):
            raise self.error(f"argument {name!r} must be {expected}")
        return getattr(argument, field)

    def _repeated(self, name: str, field: str, expected: str, default: Sequence) -> tuple:
        argument = self.arguments.get(name)
        if argument is None:
            return tuple(default)
        values = tuple(getattr(argument, field))
        if not values and any(descriptor.name != "name" for descriptor, _ in argument.ListFields()):
            raise self.error(f"argument {name!r} must be a list of {expected}")
        return values
