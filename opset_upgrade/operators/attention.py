"""Attention, CausalConvWithState, LinearAttention, RotaryEmbedding."""

from typing import NamedTuple

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.axes import slice_shape
from zoosmith.opset_upgrade.building_blocks.computed_sizes import as_vector, counted, sizes
from zoosmith.opset_upgrade.building_blocks.constant_limits import counting, limit_constant, limit_list
from zoosmith.opset_upgrade.building_blocks.equal_sizes import Size, same_size
from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.building_blocks.integer_bounds import bounds
from zoosmith.opset_upgrade.node_editing import find_attribute, get_attribute, input_at, output_at
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.writer import Writer

decomposition("CausalConvWithState", "LinearAttention")(inline_body)


@decomposition("RotaryEmbedding")
def _rotary_embedding(node: NodeProto, g: Writer) -> None:
    width = g.attribute("rotary_embedding_dim", 0)
    if width % 2:
        g.refuse(f"rotary_embedding_dim={width} is odd, where pairs of values are rotated")
    shape, heads = g.shape(node.input[0]) or (), g.attribute("num_heads", 0)
    whole = shape[-1] if shape else None
    head = whole // heads if whole is not None and len(shape) == 3 and heads > 0 else whole
    if not width and head is not None and head % 2:
        g.refuse(f"its heads are of {head} values, an odd number, where pairs of values are rotated")
    inline_body(node, g)


@adapter("Attention", source=24, target=23)
def _attention_24_to_23(node: NodeProto, g: Writer) -> None:
    if len(node.input) > 6:
        inline_body(node, g)
    else:
        _pad_mask(node, g)


def _pad_mask(node: NodeProto, g: Writer) -> None:
    """From 24 on a mask that is shorter than the keys hides the rest; before, a mask of one key is broadcast."""
    mask, past = input_at(node, 3), input_at(node, 4)
    if not mask:
        return
    last, length = g.rank(mask) - 1, g.rank(node.input[1]) - 2
    if not past and same_size(g, Size(mask, last), Size(node.input[1], length)):
        return
    own, *before = (each for name in (node.input[1], past) if name for each in sizes(g, name, [-2]))
    [given] = sizes(g, mask, [-1])
    known = [each for each in (given, own, *before) if isinstance(each, int)]
    if len(known) == 2 + len(before):
        missing = sum(known[1:]) - known[0]
        if missing <= 0:
            return
        added = g.constant([missing])
    else:
        keys = as_vector(g, [own])
        for each in before:
            keys = g.op("Add", keys, as_vector(g, [each]))
        added = g.op("Sub", keys, as_vector(g, [given]))
    pads = g.op("Concat", g.constant([0] * (2 * last + 1)), added, axis=0)
    hidden = g.scalar_like(mask, 0 if g.element_type(mask) == TensorProto.BOOL else -np.inf)
    node.input[3] = g.op("Pad", mask, pads, hidden)
    g.keep()


@adapter("Attention", source=25, target=24)
def _attention_25_to_24(node: NodeProto, g: Writer) -> None:
    if any(find_attribute(node, name) for name in ("left_window_size", "right_window_size")):
        inline_body(node, g)


def _refuse_long_mask(node: NodeProto, g: Writer) -> None:
    """Refuse a mask of more keys than there are: ONNX Runtime reads its beginning, which the text does not provide."""
    mask, past = input_at(node, 3), input_at(node, 4)
    masked = ((g.shape(mask) or (None,))[-1] or 0) if mask else 0
    own, before = (_length(g, name) if name else 0 for name in (node.input[1], past))
    if own is not None and before is not None and masked > max(own + before, 1):
        g.refuse(f"its mask {mask!r} is of {masked} keys, and there are {own + before}")


def _length(g: Writer, name: str) -> int | None:
    """How many keys a tensor of keys has."""
    shape = g.shape(name) or ()
    return shape[-2] if len(shape) > 1 else None


class _Heads(NamedTuple):
    """How many heads query and key have, and how wide those of query and value are."""

    queries: int
    keys: int
    width: int
    value_width: int


@decomposition("Attention")
def _attention(node: NodeProto, g: Writer) -> None:
    """softmax(scale * query * key' + bias) * value, without nodes for what is left out or what sizes settle."""
    _refuse_long_mask(node, g)
    heads = _heads(node, g)
    if heads is None:
        inline_body(node, g)
        return
    query = _by_head(g, node.input[0], heads.queries, heads.width)
    key = _with_past(node, g, 1, _by_head(g, node.input[1], heads.keys, heads.width))
    value = _with_past(node, g, 2, _by_head(g, node.input[2], heads.keys, heads.value_width))
    if heads.keys not in (1, heads.queries):  # a single one broadcasts
        shared = g.constant(np.repeat(counting(heads.keys, g), limit_list(heads.queries, g) // heads.keys))
        key, value = (g.op("Gather", each, shared, axis=1) for each in (key, value))
    scale = get_attribute(node, "scale")
    scaled = g.op("Mul", query, g.scalar_like(query, 1 / np.sqrt(heads.width) if scale is None else scale))
    scores = g.op("MatMul", scaled, g.op("Transpose", key, perm=[0, 1, 3, 2]))
    softcap = g.attribute("softcap")
    if softcap:
        limit = g.scalar_like(scores, softcap)
        scores = g.op("Mul", g.op("Tanh", g.op("Div", scores, limit)), limit)
    bias = _bias(node, g, scores)
    if bias:
        scores = g.op("Add", scores, bias)
    weighted = g.op("MatMul", g.op("Softmax", scores, axis=-1), value)
    if _may_hide_all_keys(node, g):
        most = g.op("ReduceMax", bias, g.constant([-1]))
        hidden = g.op("Less", most, g.scalar_like(bias, float(np.finfo(np.float32).min)))
        weighted = g.op("Where", hidden, g.scalar_like(weighted, 0), weighted)
    if g.rank(node.input[0]) == 3:
        side_by_side = g.op("Transpose", weighted, perm=[0, 2, 1, 3])
        weighted = g.op("Reshape", side_by_side, g.constant([0, 0, heads.queries * heads.value_width]))
    g.op("Identity", weighted, output=node.output[0])


def _heads(node: NodeProto, g: Writer) -> _Heads | None:
    """Numbers and widths of the heads; None where they are not fixed, or where the body of the schema has to serve."""
    kind, mask, products = g.element_type(node.input[0]), input_at(node, 3), output_at(node, 3)
    kinds = {kind, g.element_type(node.input[2])} | ({g.element_type(mask)} - {TensorProto.BOOL} if mask else set())
    precision = get_attribute(node, "softmax_precision", kind)
    if kinds | {precision} != {TensorProto.FLOAT} or (products and g.is_read(products)):
        return None
    query, key, value = (g.shape(name) or () for name in node.input[:3])
    if len(query) == len(key) == len(value) == 4:
        found: list[int | None] = [query[1], key[1], query[3], value[3]]
    elif len(query) == len(key) == len(value) == 3:
        queries, keys = g.attribute("q_num_heads"), g.attribute("kv_num_heads")
        found = [queries, keys, (query[2] or 0) // queries, (value[2] or 0) // keys]
    else:
        return None
    fixed = [size for size in found if size]
    return _Heads(*fixed) if len(fixed) == len(found) else None


def _by_head(g: Writer, name: str, heads: int, width: int) -> str:
    """A tensor as (batch, heads, length, width of a head)."""
    if g.rank(name) == 4:
        return name
    return g.op("Transpose", g.op("Reshape", name, g.constant([0, 0, heads, width])), perm=[0, 2, 1, 3])


def _with_past(node: NodeProto, g: Writer, index: int, name: str) -> str:
    """Key or value, behind the past ones where there are any; they are an output, too."""
    past, present = input_at(node, index + 3), output_at(node, index)
    if past:
        return g.op("Concat", past, name, axis=2, output=present)
    return g.op("Identity", name, output=present) if present else name


def _bias(node: NodeProto, g: Writer, scores: str) -> str:
    """What is added to the scores, -inf where a key is out of reach; empty for nothing."""
    bias = "" if _hides_nothing(node, g) else input_at(node, 3)
    if bias and g.element_type(bias) == TensorProto.BOOL:
        bias = g.op("Where", bias, g.scalar_like(scores, 0), g.scalar_like(scores, -np.inf))
    if g.attribute("is_causal"):
        later = _later(node, g, scores)
        bias = g.op("Add", bias, later) if bias else later
    return bias


def _hides_nothing(node: NodeProto, g: Writer) -> bool:
    """Whether there is no mask, or one that is true everywhere: exporters expand a constant to the free sizes."""
    mask = input_at(node, 3)
    return not mask or (g.element_type(mask) == TensorProto.BOOL and bounds(g, mask) == (1, 1))


def _later(node: NodeProto, g: Writer, scores: str) -> str:
    """-inf for keys that come after their query, else 0, of shape (queries, keys)."""
    queries, keys = (g.shape(scores) or (None, None))[-2:]
    past = input_at(node, 4)
    before = (g.shape(past) or (None,) * 4)[2] if past else 0
    if queries is not None and keys is not None and before is not None:
        limit_constant(queries * keys, g)
        return g.constant(np.triu(np.full((queries, keys), -np.inf), before + 1), np.float32)
    if g.target < 14:  # which brings Trilu
        return _later_by_index(node, g, scores, past)
    lowest = helper.make_tensor("value", TensorProto.FLOAT, [1], [-np.inf])
    whole = g.op("ConstantOfShape", slice_shape(g, g.op("Shape", scores), -2, None), value=lowest)
    first = g.constant(1)
    if past:
        first = g.op("Add", first, g.op("Gather", g.op("Shape", past), g.constant(2), axis=0))
    return g.op("Trilu", whole, first, upper=1)


def _later_by_index(node: NodeProto, g: Writer, scores: str, past: str) -> str:
    place = g.rank(node.input[0]) - 2
    square = not past and same_size(g, Size(node.input[0], place), Size(node.input[1], place))
    keys = counted(g, sizes(g, scores, [-1])[0])
    queries = keys if square else counted(g, sizes(g, scores, [-2])[0])
    if past:
        queries = g.op("Add", queries, as_vector(g, sizes(g, past, [2])))
    later = g.op("Greater", keys, g.op("Unsqueeze", queries, g.constant([1])))
    return g.op("Where", later, g.scalar_like(scores, -np.inf), g.scalar_like(scores, 0))


def _may_hide_all_keys(node: NodeProto, g: Writer) -> bool:
    """Whether a query may reach no key at all: its result is 0 then."""
    mask, causal = input_at(node, 3), g.attribute("is_causal")
    known = np.ones(1, bool) if _hides_nothing(node, g) else g.value(mask)
    if known is None:
        return True
    reached = known if known.dtype == bool else known > -np.inf
    return not (reached[..., 0] if causal else reached.any(-1)).all()
