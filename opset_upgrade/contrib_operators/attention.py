"""Attention, MultiHeadAttention and QAttention."""

from typing import NamedTuple

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.node_editing import get_attribute, input_at, output_at
from zoosmith.opset_upgrade.registry import standard_form
from zoosmith.opset_upgrade.writer import Writer

_FILTER = -10000.0  # what is added to the score of a masked key, by default


class _Heads(NamedTuple):
    """Query, key and value, each (batch, heads, length, head size), and the number of keys that come from a past."""

    query: str
    key: str
    value: str
    past: bool


@standard_form("Attention")
def _attention(node: NodeProto, g: Writer) -> None:
    """Attention over one projection of the input to query, key and value."""
    data, weights, bias, mask, past, added = (input_at(node, k) for k in range(6))
    projected = g.op("MatMul", data, weights)
    if bias:
        projected = g.op("Add", projected, bias)
    _attend_projected(node, g, projected, g.static_shape(weights)[1], past, mask, added)


@standard_form("QAttention")
def _quantized_attention(node: NodeProto, g: Writer) -> None:
    """The projection is of integers, with a scale for all weights or for each column."""
    data, weights, bias, scale, weight_scale, mask, zero, weight_zero, past = (input_at(node, k) for k in range(9))
    total = g.op("MatMulInteger", data, weights, zero, weight_zero)
    factor = g.op("Mul", scale, weight_scale)
    projected = g.op("Mul", g.op("Cast", total, to=g.element_type(scale)), factor)
    projected = g.op("Add", projected, bias)
    _attend_projected(node, g, projected, g.static_shape(weights)[1], past, mask, "")


def _attend_projected(node: NodeProto, g: Writer, projected: str, width: int, past: str, mask: str, added: str) -> None:
    """Attention where query, key and value stand side by side in the last axis."""
    for name in ("do_rotary", "past_present_share_buffer"):
        if get_attribute(node, name, 0):
            g.refuse(f"attribute {name} has no standard form that is known")
    heads = get_attribute(node, "num_heads")
    sizes = get_attribute(node, "qkv_hidden_sizes") or [width // 3] * 3
    starts = [0, sizes[0], sizes[0] + sizes[1], sum(sizes)]
    parts = []
    for index, size in enumerate(sizes):
        ends = g.constant([starts[index]]), g.constant([starts[index + 1]])
        parts.append(_split_heads(g, g.op("Slice", projected, *ends, g.constant([2])), heads, size // heads))
    present = output_at(node, 1)
    if past:
        for index in (1, 2):
            before = g.op("Gather", past, g.constant(index - 1), axis=0)
            parts[index] = g.op("Concat", before, parts[index], axis=2)
    if present:
        both = [g.op("Unsqueeze", part, g.constant([0])) for part in parts[1:]]
        g.op("Concat", *both, axis=0, output=present)
    _attend(node, g, _Heads(parts[0], parts[1], parts[2], bool(past)), mask, added, sizes[0] // heads)


@standard_form("MultiHeadAttention")
def _multi_head_attention(node: NodeProto, g: Writer) -> None:
    """Attention over query, key and value that are given apart, or two or three of them in one tensor."""
    query, key, value, bias, mask, added, past_key, past_value = (input_at(node, k) for k in range(8))
    for index, name in ((8, "past_sequence_length"), (9, "cache_indirection")):
        if input_at(node, index):
            g.refuse(f"input {name} has no standard form that is known")
    if output_at(node, 3):
        g.refuse("output qk has no standard form that is known")
    heads = get_attribute(node, "num_heads")
    if not key:
        query, key, value = _unpack(g, query, 3)
    elif not value:
        key, value = _unpack(g, key, 2)
    names = [query, key, value]
    if bias:
        names = _add_bias(g, names, bias)
    head_size = _head_size(g, query, heads)
    parts = [name if g.rank(name) == 4 else _split_heads(g, name, heads, -1) for name in names]
    if past_key:
        parts[1] = g.op("Concat", past_key, parts[1], axis=2, output=output_at(node, 1))
        parts[2] = g.op("Concat", past_value, parts[2], axis=2, output=output_at(node, 2))
    else:
        for index in (1, 2):
            if output_at(node, index):
                g.op("Identity", parts[index], output=output_at(node, index))
    _attend(node, g, _Heads(parts[0], parts[1], parts[2], bool(past_key)), mask, added, head_size)


def _attend(node: NodeProto, g: Writer, parts: _Heads, mask: str, added: str, head_size: int) -> None:
    """softmax(scale * query * key' + masks) * value, the heads side by side again."""
    scale = get_attribute(node, "scale", 0.0) or 1 / np.sqrt(head_size)
    scores = g.op("MatMul", parts.query, g.op("Transpose", parts.key, perm=[0, 1, 3, 2]))
    scores = g.op("Mul", scores, g.scalar_like(scores, scale))
    if added:
        scores = g.op("Add", scores, added)
    if mask:
        hidden = _hidden_keys(g, parts, mask)
        kind, amount = g.element_type(parts.query), get_attribute(node, "mask_filter_value", _FILTER)
        zero, most = (g.typed_constant(np.asarray(each), kind) for each in (0.0, amount))
        scores = g.op("Add", scores, g.op("Where", hidden, most, zero))
    if get_attribute(node, "unidirectional", 0):
        # after the mask: what comes later is out of reach, where a masked key is unlikely
        kind = g.element_type(parts.query)
        lowest = -65504.0 if kind == TensorProto.FLOAT16 else float(np.finfo(np.float32).min)
        scores = g.op("Where", _later(g, parts), g.typed_constant(np.asarray(lowest), kind), scores)
    kind = g.element_type(parts.query)
    g.state_type(scores, helper.make_tensor_type_proto(kind, [None] * 4), kind)
    weighted = g.op("MatMul", g.op("Softmax", scores, axis=-1), parts.value)
    side_by_side = g.op("Transpose", weighted, perm=[0, 2, 1, 3])
    g.op("Reshape", side_by_side, g.constant([0, 0, -1]), output=node.output[0])


def _hidden_keys(g: Writer, parts: _Heads, mask: str) -> str:
    """Where a key is masked, as booleans that broadcast to the scores."""
    rank = g.rank(mask)
    if rank == 2:
        return g.op("LessOrEqual", g.op("Unsqueeze", mask, g.constant([1, 2])), g.constant(0, dtype=np.int32))
    if rank == 3:
        return g.op("LessOrEqual", g.op("Unsqueeze", mask, g.constant([1])), g.constant(0, dtype=np.int32))
    if rank != 1:
        g.refuse(f"a mask of rank {rank} has no standard form that is known")
    # where the keys of each sequence end; then, if there are two numbers a sequence, where they begin
    batch, zero = g.op("Shape", parts.query, start=0, end=1), g.constant([0])
    padded = g.op("Concat", mask, g.op("Expand", g.constant([0], dtype=np.int32), batch), axis=0)
    ends = g.op("Slice", mask, zero, batch, zero)
    starts = g.op("Slice", padded, batch, g.op("Add", batch, batch), zero)
    places = _positions(g, parts)
    ends, starts = (g.op("Unsqueeze", each, g.constant([1, 2, 3])) for each in (ends, starts))
    return g.op("Or", g.op("GreaterOrEqual", places, ends), g.op("Less", places, starts))


def _positions(g: Writer, parts: _Heads) -> str:
    """0, 1, 2 ... for the keys, as int32."""
    count = g.op("Squeeze", g.op("Shape", parts.key, start=2, end=3), g.constant([0]))
    return g.op("Cast", g.op("Range", g.constant(0), count, g.constant(1)), to=TensorProto.INT32)


def _later(g: Writer, parts: _Heads) -> str:
    """Where a key comes after the query: both end at the same place."""
    queries, keys = (g.op("Squeeze", g.op("Shape", x, start=2, end=3), g.constant([0])) for x in parts[:2])
    zero, one = g.constant(0), g.constant(1)
    rows = g.op("Add", g.op("Range", zero, queries, one), g.op("Sub", keys, queries))
    return g.op("Greater", g.op("Range", zero, keys, one), g.op("Unsqueeze", rows, g.constant([1])))


def _split_heads(g: Writer, name: str, heads: int, size: int) -> str:
    """(batch, length, heads * size) as (batch, heads, length, size)."""
    return g.op("Transpose", g.op("Reshape", name, g.constant([0, 0, heads, size])), perm=[0, 2, 1, 3])


def _unpack(g: Writer, packed: str, count: int) -> list[str]:
    """The tensors in (batch, length, heads, count, head size), each (batch, length, heads * head size)."""
    flat = g.constant([0, 0, -1])
    return [g.op("Reshape", g.op("Gather", packed, g.constant(k), axis=3), flat) for k in range(count)]


def _add_bias(g: Writer, names: list[str], bias: str) -> list[str]:
    total, done, start = g.static_shape(bias)[0], [], 0
    shape = g.shape(names[0])
    width = shape[-1] if shape and shape[-1] is not None else total // 3
    for index, name in enumerate(names):
        end = total if index == 2 else start + width
        if g.rank(name) == 4:
            g.refuse("a bias beside a key of rank 4 has no standard form that is known")
        done.append(g.op("Add", name, g.op("Slice", bias, g.constant([start]), g.constant([end]))))
        start = end
    return done


def _head_size(g: Writer, query: str, heads: int) -> int:
    shape = g.shape(query)
    if shape is None or shape[-1] is None:
        g.refuse(f"the last size of {query!r} is not fixed")
    return shape[-1] // heads
