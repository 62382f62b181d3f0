"""MaxRoiPool and RoiAlign."""

from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.node_editing import drop_attribute, set_attribute
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("MaxRoiPool", "RoiAlign")(cast_to_single)


@adapter("RoiAlign", source=10, target=16)
def _unshifted(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "coordinate_transformation_mode", "output_half_pixel")


@adapter("RoiAlign", source=16, target=10)
def _only_unshifted(node: NodeProto, g: Writer) -> None:
    if g.attribute("coordinate_transformation_mode") == "half_pixel":
        g.refuse("coordinate_transformation_mode=half_pixel does not exist there")
    drop_attribute(node, "coordinate_transformation_mode")
