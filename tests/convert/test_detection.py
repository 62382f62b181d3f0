"""Caffe2's detection operators in standard ONNX operators, in ONNX Runtime."""

import numpy as np
import pytest

from tests.convert.test_int8 import run_converted
from tests.validation import detection_nets
from tests.validation.caffe2_nets import net_of, single
from tests.validation.recordings import Recording, random_case, recordings, run_caffe2
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.validation import Caffe2Worker, OnnxRuntimeRunner, interpret


def assert_same(expected, actual):
    for (name, value), found in zip(expected.items(), actual.values(), strict=True):
        assert (found.shape, found.dtype) == (value.shape, value.dtype), name
        np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("case", recordings("detection"), ids=str)
def test_a_random_net_finds_what_caffe2_found(case: Recording):
    assert_same(case.outputs, run_converted(case.net, case.inputs))


@pytest.mark.caffe2
@pytest.mark.parametrize("kind", detection_nets.KINDS)
def test_a_random_net_finds_what_caffe2_finds(kind: str, caffe2_worker: Caffe2Worker):
    for seed in range(2000, 2040):
        net, inputs = random_case(detection_nets.KINDS[kind], seed)
        assert_same(run_caffe2(net, inputs, caffe2_worker), run_converted(net, inputs))


@pytest.mark.parametrize("opset", [16, 18, 21])
def test_newer_opsets_find_the_same(opset: int):
    for case in recordings("detection")[::4]:
        assert_same(case.outputs, run_converted(case.net, case.inputs, opset=opset))


def test_any_number_of_boxes_can_be_given():
    random = np.random.default_rng(0)
    net = net_of(
        ("BBoxTransform", "r d i", "b", {"weights": [10.0, 10.0, 5.0, 5.0], "apply_scale": 0}),
        ("BoxWithNMSLimit", "s b", "S B C", {"nms": 0.5, "detections_per_im": 5}),
        inputs="r d i s",
        outputs="S B C",
    )
    for count in (0, 1, 30):
        corners = random.uniform(0, 50, (count, 2))
        inputs = {
            "r": np.concatenate([np.zeros((count, 1)), corners, corners + 20], axis=1).astype(np.float32),
            "d": random.standard_normal((count, 12)).astype(np.float32),
            "i": np.float32([[80, 80, 1]]),
            "s": random.random((count, 3)).astype(np.float32),
        }
        info = {name: (1, ["n" if name != "i" else 1, value.shape[1]]) for name, value in inputs.items()}
        model = caffe2_to_onnx(net, None, inputs=info, opset=None, names="caffe2")
        assert_same(interpret(net, None, inputs), OnnxRuntimeRunner(model, threads=1).run(inputs))


def test_suppression_of_boxes_with_angles_is_refused_by_name():
    boxes = [np.zeros((2, 2), np.float32), np.zeros((2, 10), np.float32)]
    with pytest.raises(ConvertError, match="BoxWithNMSLimit that makes 'o0': argument rotated=1"):
        run_converted(*single("BoxWithNMSLimit", {"rotated": 1}, boxes, 3))
    anchors = np.zeros((1, 5), np.float32)
    inputs = [
        np.zeros((1, 1, 2, 2), np.float32),
        np.zeros((1, 5, 2, 2), np.float32),
        np.ones((1, 3), np.float32),
        anchors,
    ]
    with pytest.raises(ConvertError, match=r"GenerateProposals that makes 'o0': the anchors .*angles"):
        run_converted(*single("GenerateProposals", {}, inputs, 2))


def test_a_symbolic_batch_and_image_size_survive():
    found = [case for case in recordings("detection") if case.net.op[-1].type.startswith("GenerateProposals")]
    for case in found:
        kinds = len(case.inputs["a"])
        info = {"s": (1, ["n", kinds, "h", "w"]), "d": (1, ["n", 4 * kinds, "h", "w"]), "i": (1, ["n", 3])}
        info["a"] = (1, [kinds, 4])
        model = caffe2_to_onnx(case.net, None, inputs=info, opset=None, names="caffe2")
        assert_same(case.outputs, OnnxRuntimeRunner(model, threads=1).run(case.inputs))


def test_a_batch_of_unknown_size_is_refused_where_images_are_searched_one_by_one():
    inputs = [np.zeros(s, np.float32) for s in ((4, 2), (4, 8), (2,))]
    with pytest.raises(ConvertError, match=r"BoxWithNMSLimit that makes 'o0'.*'i2"):
        run_converted(*single("BoxWithNMSLimit", {}, inputs, 3), symbolic=True)


def test_a_shifted_roi_align_needs_opset_16():
    inputs = [np.ones((1, 1, 4, 4), np.float32), np.float32([[0, 0, 2, 2]])]
    net, values = single("RoIAlign", {"aligned": 1}, inputs)
    with pytest.raises(ConvertError, match=r"opset 11 cannot express RoIAlign \(opset 16: .* half a pixel"):
        run_converted(net, values, opset=11)
    assert run_converted(net, values)["o0"].tolist() == [[[[1.0]]]]
