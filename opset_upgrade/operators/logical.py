"""And, Or, Xor."""

from zoosmith.opset_upgrade.building_blocks.broadcasting import align_by_unsqueeze, to_limited_broadcast
from zoosmith.opset_upgrade.registry import adapter

adapter("And", "Or", "Xor", source=1, target=7)(align_by_unsqueeze)
adapter("And", "Or", "Xor", source=7, target=1)(to_limited_broadcast)
