"""NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss."""

from zoosmith.opset_upgrade.building_blocks.function_bodies import inline_body
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.registry import decomposition, type_fallback

decomposition("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")(inline_body)
type_fallback("NegativeLogLikelihoodLoss")(cast_to_single)
