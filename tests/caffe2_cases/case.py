"""What a case of an operator is, and how to write one in a line."""

from dataclasses import dataclass, field

import numpy as np

from tests.validation.caffe2_nets import add_argument, single
from zoosmith.convert.proto.caffe2_pb2 import NetDef

FILLS = {
    "float32": "GivenTensorFill",
    "float64": "GivenTensorDoubleFill",
    "bool": "GivenTensorBoolFill",
    "int16": "GivenTensorInt16Fill",
    "int32": "GivenTensorIntFill",
    "int64": "GivenTensorInt64Fill",
}
"""The operators that make a tensor of given values, by its type."""


@dataclass(frozen=True)
class OperatorCase:
    """A net that shows one operator at work, with the data for its inputs.

    Args:
        operator: type of the operator that the case is about.
        net: the predict net; its external inputs without parameter are fed.
        inputs: array of each fed blob.
        parameters: the init net.
        label: what tells the case from others of the operator.
        real: whether the real Caffe2 runs the net on a CPU.
    """

    operator: str
    net: NetDef
    inputs: dict[str, np.ndarray]
    parameters: NetDef = field(default_factory=NetDef)
    label: str = ""
    real: bool = True

    def __str__(self) -> str:
        return self.label or self.operator


def fill(blob: str, value: np.ndarray) -> NetDef:
    """An init net that makes one blob."""
    net = NetDef(name="init")
    op = net.op.add(type=FILLS[value.dtype.name], output=[blob])
    add_argument(op, "shape", list(value.shape))
    values = value.ravel().tolist()
    if values:
        add_argument(op, "values", values if value.dtype.kind == "f" else [int(v) for v in values])
    return net


def case(
    operator: str,
    *arrays: np.ndarray,
    outputs: int = 1,
    parameters: int = 0,
    real: bool = True,
    **arguments: object,
) -> OperatorCase:
    """One operator that reads the arrays as blobs `i0`, `i1`, … and writes `o0`, `o1`, …

    Args:
        operator: Caffe2's name of the operator.
        arrays: the inputs, of any shape that the operator takes; float32, integers or bool.
        outputs: how many outputs it has.
        parameters: how many of the last inputs an init net fills.
        real: whether the real Caffe2 knows the operator.
        arguments: Caffe2's arguments by name; an int, a float, a text or a list of one of them.
    """
    net, inputs = single(operator, arguments, list(arrays), outputs)
    init = NetDef(name="init")
    for blob in list(inputs)[len(inputs) - parameters :]:
        init.MergeFrom(fill(blob, inputs.pop(blob)))
    label = " ".join([operator, *(f"{name}={value}" for name, value in arguments.items())])
    return OperatorCase(operator, net, inputs, init, label, real)


class Data:
    """Seeded arrays for cases."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.RandomState(seed)

    def floats(self, *shape: int) -> np.ndarray:
        """Normal float32 values."""
        return np.asarray(self._random.standard_normal(shape), np.float32)

    def fractions(self, *shape: int) -> np.ndarray:
        """Float32 values from 0.05 to 0.95: inside the domain of every function, and no variance is negative."""
        return np.asarray(self._random.random_sample(shape) * 0.9 + 0.05, np.float32)

    def integers(self, *shape: int, low: int = 0, high: int = 10, dtype: type[np.integer] = np.int64) -> np.ndarray:
        """Integers from `low` up to but without `high`."""
        return np.asarray(self._random.randint(low, high, shape), dtype)

    def booleans(self, *shape: int) -> np.ndarray:
        """Booleans, about half of them true."""
        return np.asarray(self._random.random_sample(shape) > 0.5)
