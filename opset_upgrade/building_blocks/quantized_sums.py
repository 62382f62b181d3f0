"""Quantized values in single precision: integer sums are exact in doubles, rounding is to even."""

import numpy as np
from onnx import TensorProto, helper

from zoosmith.opset_upgrade.writer import Writer


def shift_and_clip(g: Writer, rounded: str, zero: str, kind: int, output: str) -> None:
    """Emit `output`, integers of type `kind`: rounded floats plus the zero point (empty: none), saturated."""
    bounds = np.iinfo(helper.tensor_dtype_to_np_dtype(kind))
    shifted = g.op("Add", rounded, zero) if zero else rounded
    limits = (g.constant(bound, dtype=np.float32) for bound in (bounds.min, bounds.max))
    g.op("Cast", g.op("Clip", shifted, *limits, opset=11), to=kind, output=output)


def to_single(g: Writer, name: str) -> str:
    """The value as single precision; emits a Cast if it is of another type."""
    return name if g.element_type(name) == TensorProto.FLOAT else g.op("Cast", name, to=TensorProto.FLOAT)
