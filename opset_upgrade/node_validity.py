"""Whether a node has what the schema of its operator requires: rules read those inputs and attributes unasked."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeAlias

from onnx import AttributeProto, NodeProto
from onnx.defs import OpSchema

from zoosmith.opset_upgrade.errors import Refusal
from zoosmith.opset_upgrade.schemas import operator_of, schema_at

WITHOUT_MEANING = frozenset({"consumed_inputs"})
"""Attributes that hint to the oldest runtimes about memory: a node may lack them, and loses them on the way up."""

_LIST_BEHIND_DATA = {1: 1}
_RANKS: dict[str, dict[int, int]] = {
    "AffineGrid": {0: 3, 1: 1},
    "BatchNormalization": dict.fromkeys(range(1, 5), 1),
    "CenterCropPad": _LIST_BEHIND_DATA,
    "Col2Im": {0: 3, 1: 1, 2: 1},
    "ConstantOfShape": {0: 1},
    "DepthToSpace": {0: 4},
    "Expand": _LIST_BEHIND_DATA,
    "GRU": dict.fromkeys(range(3), 3),
    "Gemm": {0: 2, 1: 2},
    "GroupNormalization": {1: 1, 2: 1},
    "InstanceNormalization": {1: 1, 2: 1},
    "LSTM": dict.fromkeys(range(3), 3),
    "NonMaxSuppression": {0: 3, 1: 3},
    "OneHot": {2: 1},
    "Pad": _LIST_BEHIND_DATA,
    "RNN": dict.fromkeys(range(3), 3),
    "Reshape": _LIST_BEHIND_DATA,
    "Resize": dict.fromkeys(range(1, 4), 1),
    "RoiAlign": {0: 4, 1: 2, 2: 1},
    "STFT": {0: 3, 2: 1},
    "Slice": dict.fromkeys(range(1, 5), 1),
    "SpaceToDepth": {0: 4},
    "Split": _LIST_BEHIND_DATA,
    "Squeeze": _LIST_BEHIND_DATA,
    "Tile": _LIST_BEHIND_DATA,
    "TopK": _LIST_BEHIND_DATA,
    "Unsqueeze": _LIST_BEHIND_DATA,
    "Upsample": _LIST_BEHIND_DATA,
}
"""How many dimensions inputs have by the text of their operator, which neither its schema nor onnx's inference says."""

_Words: TypeAlias = dict[str, tuple[str, ...]]

_AUTO_PAD: _Words = {"auto_pad": ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")}
_DIRECTION: _Words = {"direction": ("forward", "reverse", "bidirectional")}
_SCATTERED: _Words = {"reduction": ("none", "add", "mul", "max", "min")}
_LOSS: _Words = {"reduction": ("none", "sum", "mean")}
_CHOICES: dict[str, _Words] = {
    **dict.fromkeys(("Conv", "ConvTranspose", "ConvInteger", "QLinearConv"), _AUTO_PAD),
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _AUTO_PAD),
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _DIRECTION),
    **dict.fromkeys(("ScatterElements", "ScatterND"), _SCATTERED),
    **dict.fromkeys(("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"), _LOSS),
    "BitShift": {"direction": ("LEFT", "RIGHT")},
    "CausalConvWithState": {"activation": ("silu", "swish", "none")},
    "DepthToSpace": {"mode": ("DCR", "CRD")},
    "Gelu": {"approximate": ("none", "tanh")},
    "GridSample": {
        "mode": ("linear", "nearest", "cubic", "bilinear", "bicubic"),
        "padding_mode": ("zeros", "border", "reflection"),
    },
    "LinearAttention": {"update_rule": ("linear", "gated", "delta", "gated_delta")},
    "Pad": {"mode": ("constant", "reflect", "edge", "wrap")},
    "Resize": {
        "mode": ("nearest", "linear", "cubic"),
        "nearest_mode": ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
        "keep_aspect_ratio_policy": ("stretch", "not_larger", "not_smaller"),
        "coordinate_transformation_mode": (
            *("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"),
            *("tf_half_pixel_for_nn", "tf_crop_and_resize"),
        ),
    },
    "RoiAlign": {"mode": ("avg", "max"), "coordinate_transformation_mode": ("half_pixel", "output_half_pixel")},
    "SpaceToDepth": {"mode": ("DCR", "CRD")},
    "TensorScatter": {"mode": ("linear", "circular")},
}
"""Words that an attribute of text may be, of all versions of the operator; schemas state them in prose only."""

_FLAGS = frozenset(
    {
        *("align_corners", "antialias", "batch_axis", "ceil_mode", "center_point_box", "count_include_pad"),
        *("exclude_outside", "exclusive", "interleaved", "inverse", "is_causal", "keepdims", "layout"),
        *("linear_before_reset", "noop_with_empty_axes", "onesided", "reverse", "saturate", "select_last_index"),
        *("sorted", "storage_order", "time_axis", "training_mode", "transA", "transB"),
    }
)
"""Attributes that are 0 or 1; of other numbers runtimes make what they like, each in its own way."""

_VARIADIC = 1 << 30  # of a variadic parameter, schemas state about this limit


def check_inputs(node: NodeProto, operator: str, opset: int, complete: bool) -> None:
    """Raise Refusal if the node leaves out an input that its operator requires, or has too many or few.

    `operator` is its qualified name, `opset` the version of its domain; `complete` is whether no input is left out.
    """
    names, results = node.input, len(node.output)
    count = len(names)
    if complete and _fits(operator, opset, count, results):
        return
    bounds = _bounds(operator, opset)
    if bounds is None:
        return
    required, (fewest, most), (least, last) = bounds
    for index, name in required:
        if index >= count or not names[index]:
            raise Refusal(f"its input {name} is missing, which the operator requires")
    if not fewest <= count <= most:
        raise Refusal(f"it has {count} inputs, where the operator takes {_range_of(fewest, most)}")
    if not least <= results <= last:
        raise Refusal(f"it has {results} outputs, where the operator makes {_range_of(least, last)}")


def _range_of(fewest: int, most: int) -> str:
    return str(fewest) if fewest == most else f"{fewest} to {most}" if most < _VARIADIC else f"{fewest} or more"


def check_attributes(node: NodeProto, opset: int) -> None:
    """Raise Refusal if an attribute is missing, or of another kind, word or number than its operator has at `opset`."""
    required, kinds = _declared_attributes(operator_of(node), opset)
    choices = _CHOICES.get(operator_of(node), {})
    for attribute in node.attribute:
        kind = kinds.get(attribute.name)
        if kind is not None and attribute.type != kind:
            found, wanted = (_kind_name(each) for each in (attribute.type, kind))
            raise Refusal(f"its attribute {attribute.name} is of kind {found}, where the operator takes {wanted}")
        if attribute.name in _FLAGS and kind is not None and attribute.i not in (0, 1):
            raise Refusal(f"its attribute {attribute.name} is {attribute.i}, where the operator takes 0 or 1")
        words = choices.get(attribute.name)
        if words is not None and not attribute.ref_attr_name and attribute.s.decode(errors="replace") not in words:
            word = attribute.s.decode(errors="replace")
            raise Refusal(f"its attribute {attribute.name} is {word!r}, where the operator takes {', '.join(words)}")
    missing = required and required.difference(attribute.name for attribute in node.attribute)
    if missing:
        raise Refusal(f"its attribute {min(missing)} is missing, which the operator requires")


def check_ranks(node: NodeProto, shape_of: Callable[[str], Sequence[int | None] | None]) -> None:
    """Raise Refusal if an input has another number of dimensions than the text of its operator asks for."""
    wanted = _RANKS.get(node.op_type, {}) if not node.domain else {}
    for index, rank in wanted.items():
        shape = shape_of(node.input[index]) if index < len(node.input) and node.input[index] else None
        if shape is not None and len(shape) != rank:
            raise Refusal(
                f"its input {node.input[index]!r} has {len(shape)} dimensions, where the operator takes {rank}"
            )


@cache
def _fits(operator: str, opset: int, inputs: int, outputs: int) -> bool:
    """Whether a node may have so many inputs, none of them left out, and outputs."""
    bounds = _bounds(operator, opset)
    if bounds is None:
        return True
    required, (fewest, most), (least, last) = bounds
    return all(index < inputs for index, _ in required) and fewest <= inputs <= most and least <= outputs <= last


@cache
def _bounds(operator: str, opset: int) -> tuple[tuple[tuple[int, str], ...], tuple[int, int], tuple[int, int]] | None:
    """The required inputs, and how many inputs and outputs a node may have; None for an operator that is not known."""
    schema = schema_at(operator, opset)
    if schema is None:
        return None
    option = OpSchema.FormalParameterOption
    required = tuple(
        (index, formal.name)
        for index, formal in enumerate(schema.inputs)
        if formal.option == option.Single or (formal.option == option.Variadic and formal.min_arity > 0)
    )
    return required, (schema.min_input, schema.max_input), (schema.min_output, schema.max_output)


@cache
def _declared_attributes(operator: str, opset: int) -> tuple[frozenset[str], dict[str, int]]:
    """Names of the required attributes, and the kind of every attribute."""
    schema = schema_at(operator, opset)
    if schema is None:
        return frozenset(), {}
    required = frozenset(name for name, attribute in schema.attributes.items() if attribute.required) - WITHOUT_MEANING
    declared: dict[str, Any] = dict(schema.attributes)  # onnx's type stubs leave out that its enums are integers
    return required, {name: int(attribute.type) for name, attribute in declared.items()}


def _kind_name(kind: int) -> str:
    return AttributeProto.AttributeType.Name(kind).lower()
