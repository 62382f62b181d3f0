"""Conv and its kin."""

from collections.abc import Mapping

from convert.graph import Attribute, Value
from convert.operator import Operator
from convert.operators.windows import read_window, resolve_padding
from convert.registry import translator


@translator("Conv", "Conv1D", "Conv2D", "Conv3D", since=1)
def conv(op: Operator) -> None:
    """Conv; channels last is moved to the front and back."""
    x, weight, *bias = op.inputs
    window = read_window(op)
    x, weight = to_channels_first(op, x), to_channels_first(op, weight)
    if op.rank(x) != len(window.kernel) + 2:
        op.refuse(f"its kernel {window.kernel} does not fit an input of {op.rank(x)} dimensions")
    if window.legacy_pad:
        resolve_padding(op, window, op.sizes_from(x, 2))
    group = op.integer("group", 1)
    channels = op.shape(x)[1]
    weight_channels = channels // group if isinstance(channels, int) else None
    op.expect_shape(weight, [None, weight_channels, *window.kernel], "the weight")
    if bias:
        op.expect_shape(bias[0], [op.shape(weight)[0]], "the bias")
    attributes: dict[str, Attribute] = dict(window.attributes(op))
    if op.has("group"):
        attributes["group"] = group
    from_channels_first(op, "Conv", x, weight, *bias, attributes=attributes)


def to_channels_first(op: Operator, x: Value) -> Value:
    """Move the channels to the front where the operator has them last."""
    if not op.channels_last:
        return x
    rank = op.rank(x)
    return op.emit("Transpose", x, perm=[0, rank - 1, *range(1, rank - 1)])


def from_channels_first(
    op: Operator, op_type: str, x: Value, *inputs: Value, attributes: Mapping[str, Attribute] | None = None
) -> None:
    """Write a node that works channels first, as output 0 in the operator's own order."""
    if not op.channels_last:
        op.emit(op_type, x, *inputs, to=0, attributes=attributes)
        return
    rank = op.rank(x)
    result = op.emit(op_type, x, *inputs, attributes=attributes)
    op.emit("Transpose", result, to=0, perm=[0, *range(2, rank), 1])
