"""Models of which everything is integer that may be, whatever it costs."""

from collections.abc import Mapping
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from zoosmith.optimize import to_proto
from zoosmith.quantize.calibration import Samples, calibrate
from zoosmith.quantize.plan.partition import Partition, partition, units
from zoosmith.quantize.plan.planning import tensor_shapes
from zoosmith.quantize.quantizer import prepare, write_integer
from zoosmith.quantize.writing.integer_writer import Encoding


@dataclass(frozen=True)
class AllInteger:
    """A float model as it is quantized, and the integer one.

    Attributes:
        exact: the float model, rewritten for integers.
        integer: the integer model.
        parts: the steps of it.
        encodings: its uint8 values, by the names of the float ones.
    """

    exact: onnx.ModelProto
    integer: onnx.ModelProto
    parts: Partition
    encodings: Mapping[str, Encoding]


def all_integer(model: onnx.ModelProto, samples: Samples) -> AllInteger:
    """Quantize all that has an integer form."""
    prepared = prepare(model)
    exact = to_proto(prepared)
    ranges = calibrate(exact, samples, tensors=tensor_shapes(prepared, exact, samples))
    parts = all_steps(prepared)
    encodings = write_integer(prepared, parts, ranges)
    return AllInteger(exact, to_proto(prepared), parts, encodings)


def all_steps(prepared: ir.Model) -> Partition:
    """The steps of a prepared model, integer where they have such a form."""
    return partition(prepared, {step.name for step in units(prepared) if step.form})
