"""Cast and CastLike."""

from onnx import NodeProto

from zoosmith.onnx_model.ports import element_type_name
from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, set_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.type_inference import element_type_named
from zoosmith.opset_upgrade.writer import Writer

decomposition("CastLike")(inline_body)


@adapter("Cast", source=1, target=6)
def _type_by_number(node: NodeProto, g: Writer) -> None:
    name = get_attribute(node, "to")
    kind = element_type_named(name)
    if not kind:
        g.refuse(f"its attribute to is {name.decode(errors='replace')!r}, which is no element type")
    set_attribute(node, "to", kind)


@adapter("Cast", source=6, target=1)
def _type_by_name(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "to", element_type_name(get_attribute(node, "to")).upper())


@adapter("Cast", source=19, target=13)
@adapter("CastLike", source=19, target=15)
def _drop_saturate(node: NodeProto, g: Writer) -> None:
    """`saturate` is about 8-bit floats only, which the older version does not take."""
    drop_attribute(node, "saturate")


@adapter("Cast", "CastLike", source=24, target=23)
def _drop_round_mode(node: NodeProto, g: Writer) -> None:
    """`round_mode` is about float8e8m0 only, which the older version does not take."""
    drop_attribute(node, "round_mode")
