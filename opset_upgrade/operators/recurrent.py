"""GRU, LSTM, RNN."""

from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.node_editing import (
    drop_attribute,
    get_attribute,
    input_at,
    output_at,
    set_attribute,
    set_inputs,
)
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_STATES = {"RNN": (5,), "GRU": (5,), "LSTM": (5, 6)}


type_fallback("GRU", "LSTM", "RNN")(cast_to_single)


@adapter("GRU", source=1, target=3)
def _direction_is_required(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "direction", get_attribute(node, "direction", b"forward"))


@adapter("GRU", source=3, target=1)
def _reset_before(node: NodeProto, g: Writer) -> None:
    if get_attribute(node, "linear_before_reset", 0):
        g.refuse("linear_before_reset=1 does not exist there")
    drop_attribute(node, "linear_before_reset")
    set_attribute(node, "direction", get_attribute(node, "direction", b"forward"))
    set_attribute(node, "output_sequence", int(bool(output_at(node, 0))))
    if not output_at(node, 1):
        node.output[:] = [output_at(node, 0), g.fresh("Y_h")]


@adapter("GRU", source=3, target=7)
@adapter("LSTM", "RNN", source=1, target=7)
def _sequence_is_an_output(node: NodeProto, g: Writer) -> None:
    drop_attribute(node, "output_sequence")


@adapter("GRU", source=7, target=3)
@adapter("LSTM", "RNN", source=7, target=1)
def _state_whether_sequence(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "output_sequence", int(bool(output_at(node, 0))))


@adapter("GRU", "LSTM", "RNN", source=14, target=7)
def _batch_in_the_middle(node: NodeProto, g: Writer) -> None:
    """Layout 1 has the batch first; before 14 time comes first, so transpose what goes in and out."""
    layout = g.attribute("layout")
    drop_attribute(node, "layout")
    if not layout:
        return
    inputs = list(node.input)
    inputs[0] = g.op("Transpose", inputs[0], perm=[1, 0, 2])
    for place in _STATES[node.op_type]:
        if input_at(node, place):
            inputs[place] = g.op("Transpose", inputs[place], perm=[1, 0, 2])
    set_inputs(node, *inputs)
    outputs = list(node.output)
    node.output[:] = [g.fresh("time_first") if name else "" for name in outputs]
    g.keep()
    for place, name in enumerate(outputs):
        if name:
            g.op("Transpose", node.output[place], perm=[2, 0, 1, 3] if place == 0 else [1, 0, 2], output=name)
