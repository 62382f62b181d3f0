"""The published mask_rcnn_2go and style transfer nets, whole, against what the real Caffe2 gave and the interpreter."""

from collections.abc import Mapping

import numpy as np
import onnx
import pytest

from tests.shared_data import SHARED, needs_shared
from zoosmith.convert import caffe2_to_onnx
from zoosmith.validation import OnnxRuntimeRunner, interpret

pytestmark = needs_shared
ZOO = SHARED / "caffe2_zoo"


def run(folder: str, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    nets = ZOO / folder / "predict_net.pb", ZOO / folder / "init_net.pb"
    info = {blob: (int(onnx.helper.np_dtype_to_tensor_dtype(x.dtype)), x.shape) for blob, x in inputs.items()}
    model = caffe2_to_onnx(*nets, inputs=info, opset=None, names="caffe2")
    onnx.checker.check_model(model, full_check=True)
    return list(OnnxRuntimeRunner(model, threads=2).run(inputs).values())


def recorded(folder: str) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """The inputs, and the last four outputs: scores, boxes, classes and masks."""
    with np.load(ZOO / folder / "io.npz") as archive:
        outputs = sorted((name for name in archive if name.startswith("out")), key=lambda name: int(name[3:]))
        return {name: archive[name] for name in ("data", "im_info")}, [archive[name] for name in outputs[-4:]]


def test_the_float_net_gives_what_caffe2_gave():
    inputs, expected = recorded("mask_rcnn_2go_fp32")
    for ours, theirs in zip(run("mask_rcnn_2go_fp32", inputs), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


def test_the_int8_net_finds_as_many_objects_of_each_class_as_caffe2():
    # many scores are equal, and Caffe2's sort of them is not stable; benchmarks/public_nets.py compares the parts
    inputs, expected = recorded("mask_rcnn_2go_int8")
    ours = run("mask_rcnn_2go_int8", inputs)
    assert [x.shape for x in ours] == [x.shape for x in expected]
    np.testing.assert_array_equal(ours[2], expected[2])


@pytest.mark.parametrize("shape", [(1, 64, 96, 4), (1, 60, 64, 4)])
def test_a_style_net_gives_the_bytes_of_the_interpreter(shape: tuple[int, ...]):
    picture = np.random.RandomState(2).randint(0, 256, shape).astype(np.uint8)
    (ours,) = run("style_animals", {"data_int8_bgra": picture})
    nets = ZOO / "style_animals" / "predict_net.pb", ZOO / "style_animals" / "init_net.pb"
    (expected,) = interpret(*nets, {"data_int8_bgra": picture}).values()
    assert ours.shape == shape
    assert (ours[..., 3] == 255).all()
    # a float on the border between two bytes may be cut off to either
    assert np.abs(ours.astype(int) - expected).max() <= 1
    assert (ours != expected).mean() < 1e-3
