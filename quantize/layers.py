"""Where the accuracy goes: each integer layer's output held against the float one."""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
import onnx_ir as ir

from zoosmith.execution import give_back
from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.mapped import size_in_bytes
from zoosmith.optimize.values import name_of
from zoosmith.quantize.calibration import Samples, Watched, by_channel
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.plan.partition import Partition
from zoosmith.quantize.writing.integer_writer import Encoding
from zoosmith.quantize.writing.quantization_parameters import LEVELS

# Samples that layers are measured on: enough for a figure of two digits.
MEASURED = 8
# bytes of a model from which on a second one beside it takes more memory than the values of its layers
_LARGE = 64 << 20


def measure_layers(
    exact: onnx.ModelProto,
    integer: onnx.ModelProto,
    parts: Partition,
    encodings: Mapping[str, Encoding],
    samples: Samples,
    *,
    needed: Mapping[str, tuple[float, float]] | None = None,
    signed: bool = False,
) -> tuple[Layer, ...]:
    """Run both models, and compare the values of each layer that has an encoding of its own.

    Args:
        exact: the float model.
        integer: the integer model that was made of it.
        parts: which nodes became integer.
        encodings: the uint8 values of the integer model, by name of the float value.
        samples: the inputs of both, by name; the first ones are run.
        needed: bounds outside of which no reader sees how large a value is, by name.
        signed: the values are int8, of zero points that are 128 lower than the encodings say.

    Returns:
        The layers in the order of the model.

    Raises:
        ValidationError: a model cannot be run.
    """
    steps = {
        name_of(step.output): step.node for step in parts.steps if step.form and step.encodes and not step.form.moves
    }
    seen = {name: _Compared(encodings[name], (needed or {}).get(name, (-np.inf, np.inf))) for name in steps}
    measured = samples[:MEASURED]
    wanted_values: Iterable[dict[str, Array]] = Watched(exact, seen).run(measured)
    if size_in_bytes(exact) >= _LARGE:
        wanted_values = list(wanted_values)
        give_back(size_in_bytes(exact))
    elem_type = onnx.TensorProto.INT8 if signed else onnx.TensorProto.UINT8
    integers = Watched(integer, [encodings[name].tensor for name in seen], elem_type)
    for wanted, found in zip(wanted_values, integers.run(measured), strict=True):
        for name, compared in seen.items():
            compared.add(wanted[name], found[encodings[name].tensor])
    return tuple(compared.layer(name, steps[name]) for name, compared in seen.items() if compared.count)


def signal_to_noise(signal: float, noise: float) -> float | None:
    """Decibels of one power over another; None where there is no noise."""
    if noise == 0:
        return None
    # more digits differ from machine to machine
    return round(10 * float(np.log10(max(signal, np.finfo(np.float64).tiny) / noise)), 1)


class _Compared:
    """What is kept of one layer while the samples go by."""

    def __init__(self, encoding: Encoding, needed: tuple[float, float]) -> None:
        self._encoding = encoding
        self._needed = needed
        self._signal = self._noise = 0.0
        self._low, self._high = np.inf, -np.inf
        self._outside = self.count = 0

    def add(self, wanted: Array, found: Array) -> None:
        if wanted.shape != found.shape or not wanted.size:
            # how many values there are depends on other values, as after a NonMaxSuppression
            return
        moved = 128 if found.dtype == np.int8 else 0
        exact = np.clip(by_channel(wanted).astype(np.float64), *self._needed)
        scale = self._encoding.parameters.scale[:, None]
        zero_point = self._encoding.parameters.zero_point[:, None]
        error = (by_channel(found).astype(np.float64) + moved - zero_point) * scale - exact
        place = exact / scale + zero_point
        self._signal += float(np.sum(exact * exact))
        self._noise += float(np.sum(error * error))
        self._low, self._high = min(self._low, float(exact.min())), max(self._high, float(exact.max()))
        self._outside += int(np.count_nonzero((place < -0.5) | (place > LEVELS + 0.5)))
        self.count += exact.size

    def layer(self, name: str, node: ir.Node) -> Layer:
        return Layer(
            name,
            node.op_type,
            signal_to_noise(self._signal, self._noise),
            float(f"{self._low:.4g}"),
            float(f"{self._high:.4g}"),
            round(self._outside / self.count, 6),
        )
