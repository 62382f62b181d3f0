"""The published Detectron Faster R-CNN net, whole, in ONNX Runtime."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from tests.convert import detectron_net
from tests.shared_data import needs_shared
from zoosmith.convert import caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import Caffe2Runner, Caffe2Worker, OnnxRuntimeRunner, interpret

pytestmark = needs_shared
OUTPUTS = ["score_nms", "bbox_nms", "class_nms"]


@pytest.fixture(scope="module")
def init_net() -> NetDef:
    return detectron_net.init_net(detectron_net.spread_scores(detectron_net.parameters()))


def convert(net: NetDef, init_net: NetDef) -> ModelProto:
    return caffe2_to_onnx(net, init_net, inputs=detectron_net.INPUT_INFO, opset=None, names="caffe2")


def detections(found: dict[str, np.ndarray]) -> np.ndarray:
    """Rows of class, score, box."""
    return np.column_stack([found["class_nms"], found["score_nms"], found["bbox_nms"]])


def assert_same_detections(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray]) -> None:
    """Each detection of one has its own in the other: the same class, score and box."""
    assert len(expected["score_nms"]) == len(actual["score_nms"])
    rows = [
        np.column_stack([found[name] for name in ("class_nms", "score_nms", "bbox_nms")])
        for found in (expected, actual)
    ]
    free = list(range(len(rows[1])))
    for row in rows[0]:
        same = [n for n in free if rows[1][n, 0] == row[0] and np.allclose(rows[1][n], row, rtol=1e-3, atol=1e-3)]
        assert same, f"no detection like class {row[0]}, score {row[1]}, box {row[2:]}"
        free.remove(same[0])


def test_it_finds_what_the_interpreter_finds(init_net: NetDef):
    net = detectron_net.predict_net(proposals=40)
    model = convert(net, init_net)
    assert model.opset_import[0].version == 11
    expected = interpret(net, init_net, detectron_net.inputs())
    actual = OnnxRuntimeRunner(model, threads=2).run(detectron_net.inputs())
    assert_same_detections(expected, actual)
    scores, classes = actual["score_nms"], actual["class_nms"]
    # Neither empty nor saturated: what is compared are real decisions.
    assert len(scores) > 40
    assert scores.max() < 0.95
    assert len(set(classes)) > 10
    assert (np.diff(classes) >= 0).all()


def test_the_published_net_is_a_valid_model_of_standard_operators(init_net: NetDef):
    net = detectron_net.predict_net()
    assert len(net.op) == 132
    model = convert(net, init_net)
    onnx.checker.check_model(model, full_check=True)
    assert {opset.domain for opset in model.opset_import} == {""}
    assert [output.name for output in model.graph.output] == OUTPUTS


def test_an_image_without_proposals_gives_no_regions(init_net: NetDef):
    net = detectron_net.predict_net()
    net.external_output[:] = ["rpn_rois", "pool5"]
    del net.op[next(n for n, op in enumerate(net.op) if op.type == "RoIAlign") + 1 :]
    inputs = detectron_net.inputs() | {"im_info": np.float32([[0, 0, 1]])}
    actual = OnnxRuntimeRunner(convert(net, init_net), threads=2).run(inputs)
    assert [actual[name].shape for name in ("rpn_rois", "pool5")] == [(0, 5), (0, 1024, 14, 14)]


@pytest.mark.caffe2
@pytest.mark.slow
def test_the_published_net_finds_what_caffe2_finds(init_net: NetDef, caffe2_worker: Caffe2Worker):
    net = detectron_net.predict_net()
    runner = Caffe2Runner(net, init_net, worker=caffe2_worker)
    expected = runner.run(detectron_net.inputs())
    runner.close()
    assert_same_detections(expected, OnnxRuntimeRunner(convert(net, init_net), threads=2).run(detectron_net.inputs()))
    assert_same_detections(expected, interpret(net, init_net, detectron_net.inputs()))
