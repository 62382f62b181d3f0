"""Whole Caffe nets become the Caffe2 nets that were published, and compute what OpenCV makes of the Caffe files."""

from pathlib import Path

import numpy as np
import pytest

from tests.convert.caffe.caffe_files import caffemodel, computed_by_opencv, write
from tests.convert.caffe.published import caffe_files_of
from tests.shared_data import SHARED, needs_shared
from zoosmith.convert import caffe2_to_onnx, read_model
from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef
from zoosmith.validation import OnnxRuntimeRunner
from zoosmith.validation.runtimes import find_environment, runtime_for

NETS = SHARED / "caffe2_zoo"


def plain(net: NetDef) -> list[OperatorDef]:
    """The operators without empty names, which some of the published nets state."""
    ops = []
    for op in net.op:
        same = OperatorDef(type=op.type, input=op.input, output=op.output)
        for argument in op.arg:
            same.arg.add().CopyFrom(argument)
        ops.append(same)
    return ops


@needs_shared
@pytest.mark.parametrize("name", ["squeezenet", "bvlc_googlenet", "bvlc_reference_caffenet"])
def test_a_caffe_net_becomes_the_published_caffe2_net(name: str) -> None:
    published, text, blobs = caffe_files_of(NETS / name)
    made = read_model(text.encode(), caffemodel(blobs))
    assert plain(made.net) == plain(published)
    assert (made.net.name, made.net.external_output) == (published.name, published.external_output)
    assert list(made.net.external_input) == list(published.external_input)


@pytest.mark.slow
@needs_shared
@pytest.mark.parametrize("name", ["squeezenet", "bvlc_googlenet", "bvlc_reference_caffenet"])
def test_a_whole_net_computes_what_opencv_does(name: str, tmp_path: Path) -> None:
    python = find_environment(runtime_for("opencv-python-headless==4.10.0.84"))
    if python is None:
        pytest.skip("OpenCV is not installed (zoosmith runtime install opencv-python-headless==4.10.0.84)")
    _, text, blobs = caffe_files_of(NETS / name)
    files = write(tmp_path, text, blobs)
    model = read_model(*files)
    x = np.random.default_rng(1).standard_normal(model.inputs["data"][1]).astype(np.float32)
    converted = caffe2_to_onnx(model.net, model.init, inputs=model.inputs)
    (found,) = OnnxRuntimeRunner(converted).run({"data_0": x}).values()
    expected = computed_by_opencv(python, tmp_path, x)
    np.testing.assert_allclose(found.ravel(), expected.ravel(), rtol=1e-3, atol=1e-6)
