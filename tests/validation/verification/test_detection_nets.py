"""Verification of detection nets: on images in which something is found."""

import numpy as np
import pytest
from onnx import TensorProto

from tests.validation.caffe2_nets import net_of
from zoosmith.convert import caffe2_to_onnx
from zoosmith.validation import interpret, verify_net
from zoosmith.validation.verification.nets import with_image_sizes


def proposals():
    """A net of proposals, its parameters (the anchors), and its inputs' types and shapes."""
    net = net_of(
        ("GenerateProposals", "s d i a", "y p", {"spatial_scale": 0.125, "min_size": 0.0, "post_nms_topN": 20}),
        inputs="s d i a",
        outputs="y p",
    )
    anchors = {"shape": [2, 4], "values": [-8.0, -4.0, 8.0, 4.0, -4.0, -8.0, 4.0, 8.0]}
    init = net_of(("GivenTensorFill", "", "a", anchors), inputs="", outputs="a")
    sizes = {"s": [1, 2, 6, 6], "d": [1, 8, 6, 6], "i": [1, 3]}
    return net, init, {name: (TensorProto.FLOAT, size) for name, size in sizes.items()}


@pytest.mark.parametrize("names", ["zoo", "caffe2"])
def test_a_detection_net_is_verified(names: str):
    net, init, info = proposals()
    model = caffe2_to_onnx(net, init, inputs=info, opset=None, names=names)
    assert verify_net(net, init, model, names=names).passed


def test_boxes_are_found_in_the_images_that_verification_takes():
    net, init, info = proposals()
    inputs = {name: np.zeros(size, np.float32) for name, (_, size) in info.items()}
    inputs["s"] += np.arange(72, dtype=np.float32).reshape(1, 2, 6, 6)
    assert len(interpret(net, init, inputs)["y"]) == 0
    assert len(interpret(net, init, with_image_sizes(net, {}, inputs))["y"]) == 20


def test_the_size_is_the_images_own():
    net = net_of(("BBoxTransform", "r d i", "y"), inputs="data r d i")
    inputs = {"data": np.zeros((2, 3, 32, 48), np.float32), "i": np.zeros((2, 3), np.float32)}
    assert with_image_sizes(net, {}, inputs)["i"].tolist() == [[32, 48, 1], [32, 48, 1]]
    assert with_image_sizes(net, {}, inputs)["data"] is inputs["data"]
