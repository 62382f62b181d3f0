"""Concat and Split."""

import numpy as np

from convert.graph import Value
from convert.operator import Operator
from convert.registry import translator


@translator("Concat", since=1)
def concat(op: Operator) -> None:
    """Concat along `axis`; output 1 holds the sizes along it."""
    axis = op.integer("axis", 3 if op.channels_last else 1)
    inputs = op.inputs
    along = op.axis(inputs[0], axis)

    def split_info() -> Value:
        return op.constant(np.array([op.sizes(x)[along] for x in inputs], np.int32))

    op.emit("Concat", *inputs, to=0, axis=axis if axis >= 0 else along)
    op.bind(1, split_info)
