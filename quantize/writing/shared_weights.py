"""Weights that several layers share in float, and so in integers."""

import hashlib

import onnx_ir as ir

from zoosmith.optimize.values import name_of
from zoosmith.quantize.writing.stored_weights import FEWEST


def share_equal_weights(model: ir.Model) -> None:
    """Let layers of equal int8 weights read the same initializer, in place.

    Some transformers have one layer many times, each over the same weights. Written for each of them, int8 weights took
    twice the space of the float ones (a net of 14 such layers).
    """
    first: dict[tuple[tuple[int, ...], bytes], ir.Value] = {}
    for value in list(model.graph.initializers.values()):
        tensor = value.const_value
        if tensor is None or tensor.dtype != ir.DataType.INT8 or tensor.size < FEWEST:
            continue
        key = tuple(tensor.shape.numpy()), hashlib.sha256(tensor.tobytes()).digest()
        kept = first.setdefault(key, value)
        if kept is not value:
            value.replace_all_uses_with(kept)
            del model.graph.initializers[name_of(value)]
