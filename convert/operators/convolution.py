"""Conv and ConvTranspose."""

from collections.abc import Mapping, Sequence

from zoosmith.convert.graph import Attribute, Value
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.windows import output_sizes, read_sizes, read_window, resolve_padding
from zoosmith.convert.registry import translator
from zoosmith.onnx_model.ports import Dimension


@translator("Conv", "Conv1D", "Conv2D", "Conv3D", inputs=(2, 3))
def conv(op: Operator) -> None:
    """Conv; channels last are moved to the front and back."""
    x, weight, *bias = op.inputs
    window = read_window(op)
    x, weight = to_channels_first(op, x), to_channels_first(op, weight)
    if op.rank(x) != len(window.kernel) + 2:
        op.refuse(f"its kernel {window.kernel} does not fit an input of {op.rank(x)} dimensions")
    if window.legacy_pad:
        resolve_padding(op, window, op.sizes_from(x, 2))
        window.reach_outside(op.sizes_from(x, 2))
    group = op.integer("group", 1)
    if group < 1:
        op.refuse(f"argument group={group}: expected at least 1")
    channels = op.shape(x)[1]
    weight_channels = channels // group if isinstance(channels, int) else None
    op.expect_shape(weight, [None, weight_channels, *window.kernel], "the weight")
    if bias:
        op.expect_shape(bias[0], op.shape(weight)[:1], "the bias")
    attributes: dict[str, Attribute] = dict(window.attributes(op))
    if op.has("group"):
        attributes["group"] = group
    batch, _, *spatial = op.shape(x)
    shape = [batch, op.shape(weight)[0], *output_sizes(window, spatial)]
    from_channels_first(op, "Conv", x, weight, *bias, shape=shape, attributes=attributes)


@translator("ConvTranspose", inputs=(2, 3))
def conv_transpose(op: Operator) -> None:
    """ConvTranspose of images; Caffe2 knows neither dilation nor legacy padding here and ignores both."""
    x, weight, *bias = op.inputs
    window = read_window(op)
    x, weight = to_channels_first(op, x), to_channels_first(op, weight)
    if op.rank(x) != 4 or len(window.kernel) != 2:
        op.refuse(f"its kernel {window.kernel} with an input of {op.rank(x)} dimensions, expected an image")
    group = op.integer("group", 1)
    op.expect_shape(weight, [op.shape(x)[1], None, *window.kernel], "the weight")
    out = op.shape(weight)[1]
    if bias:
        op.expect_shape(bias[0], [out * group if isinstance(out, int) else None], "the bias")
    window.dilations = [1, 1]
    attributes: dict[str, Attribute] = {
        name: sizes for name, sizes in window.attributes(op).items() if name != "dilations"
    }
    adjustments = read_sizes(op, "adj", "adjs")
    if any(adjustments):
        if any(extra >= stride for extra, stride in zip(adjustments, window.strides, strict=True)):
            op.refuse(f"argument adj={adjustments} reaches the strides {window.strides}")
        attributes["output_padding"] = adjustments
    if group != 1:
        attributes["group"] = group
    from_channels_first(op, "ConvTranspose", x, weight, *bias, attributes=attributes)


def to_channels_first(op: Operator, x: Value) -> Value:
    """Move the channels to the front where the operator has them last."""
    rank = op.rank(x) if op.channels_last else 0
    return op.emit("Transpose", x, perm=[0, rank - 1, *range(1, rank - 1)]) if rank > 2 else x


def from_channels_first(
    op: Operator,
    op_type: str,
    x: Value,
    *inputs: Value,
    like: Value | None = None,
    shape: Sequence[Dimension] | None = None,
    attributes: Mapping[str, Attribute] | None = None,
) -> None:
    """Write a node that works channels first, as output 0 in the operator's own order."""
    rank = op.rank(x) if op.channels_last else 0
    if rank <= 2:
        op.emit(op_type, x, *inputs, to=0, like=like, shape=shape, attributes=attributes)
    else:
        result = op.emit(op_type, x, *inputs, like=like, shape=shape, attributes=attributes)
        op.emit("Transpose", result, to=0, perm=[0, *range(2, rank), 1])
