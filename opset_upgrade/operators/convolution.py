"""Conv, ConvTranspose, DeformConv."""

from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.registry import type_fallback

type_fallback("Conv", "ConvTranspose", "DeformConv")(cast_to_single)
