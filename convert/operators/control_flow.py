"""Operators that run nets of their own, as ONNX operators with subgraphs."""

import numpy as np

from zoosmith.convert.graph import Value
from zoosmith.convert.operator import Operator, ReadBlob
from zoosmith.convert.registry import at_least, translator
from zoosmith.convert.subnets import BRANCHES


@translator("IsEmpty")
def is_empty(op: Operator) -> None:
    """IsEmpty: whether there are no elements, a scalar."""
    x = op.inputs[0]
    sizes = x.shape
    if sizes is not None and (0 in sizes or (None not in sizes and not any(isinstance(size, str) for size in sizes))):
        op.bind(0, op.constant(np.array(0 in sizes)))
        return
    op.emit("Equal", op.emit("Size", x), op.constant(np.array(0, np.int64)), to=0)


@translator("If", inputs=at_least(1))
def choose(op: Operator) -> None:
    """If; of a condition that is known, the one branch that it chooses.

    Its inputs after the condition and its outputs are the blobs that its branches find and leave: see `subnets.py`.
    """
    condition, *found = op.inputs
    blobs = dict(zip(op.definition.input[1:], found, strict=True))
    if condition.constant is not None:
        chosen = BRANCHES[0] if condition.constant.array().item() else BRANCHES[1]
        read = op.translate_net(op.net(chosen), blobs, op.graph)
        for index, blob in enumerate(op.definition.output):
            op.bind(index, read(blob))
        return
    op.require(11, "below it both branches of ONNX's If have to make the same shapes")
    bodies, results = [], []
    for name in BRANCHES:
        body = op.graph.body(name.removesuffix("_net"))
        read = op.translate_net(op.net(name), blobs, body)
        results.append([_result(op, read, blob) for blob in op.definition.output])
        bodies.append(body)
    if not op.definition.output:
        return
    for body, values in zip(bodies, results, strict=True):
        body.close(values, [op.reserve_name() for _ in values])
    then_branch, else_branch = (body.proto for body in bodies)
    made = op.emit_many("If", [condition], range(len(results[0])), then_branch=then_branch, else_branch=else_branch)
    for value, *both in zip(made, *results, strict=True):
        _merge(op, value, *both)


def _result(op: Operator, read: ReadBlob, blob: str) -> Value:
    """What a branch leaves in a blob, of a known type."""
    value = read(blob)
    op.constant_type(value)
    return value


def _merge(op: Operator, value: Value, left: Value, right: Value) -> None:
    """State what is known of a value that is one of two."""
    if left.elem_type != right.elem_type:
        op.refuse(f"its branches make {value.name!r} of two element types, {left.elem_type} and {right.elem_type}")
    one, other = left.shape, right.shape
    if one is not None and other is not None and len(one) == len(other):
        value.set_type(left.elem_type, tuple(a if a == b else None for a, b in zip(one, other, strict=True)))
    else:
        value.set_type(left.elem_type, None)
        # a branch of constants stands for the absence of what the other one computes
        computed = one if right.stored is not None else other
        value.likely_shape = (None,) * len(computed) if computed is not None else None
    if (left.scale, left.zero_point) == (right.scale, right.zero_point):
        value.scale, value.zero_point = left.scale, left.zero_point
