"""DenseNet-121 with trained weights: integer from end to end, small, and close on images it was not calibrated on."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.version_converter import convert_version

from tests.quantize.writing.test_thresholds import runs_max
from tests.shared_data import SHARED, needs_shared
from zoosmith.convert import caffe2_to_onnx
from zoosmith.optimize import optimize
from zoosmith.quantize import quantize
from zoosmith.quantize.samples.reading import image_samples
from zoosmith.quantize.target import INTEGER, Target
from zoosmith.validation import ImageFolder, load_images, preprocessing
from zoosmith.validation.accuracy.classifier import Classifier
from zoosmith.validation.reading.preprocess import Disturbed
from zoosmith.validation.runtimes import target_for

PREPROCESS = preprocessing("caffe-densenet")


@pytest.fixture(scope="module")
def row() -> onnx.ModelProto:
    """The row of opset 12: the source net translated, then onnx's own converter."""
    nets = SHARED / "caffe2_zoo" / "densenet121" / "predict_net.pbtxt", SHARED / "densenet121" / "init_net.pb"
    return convert_version(caffe2_to_onnx(*nets, inputs={"data": (1, (1, 3, 224, 224))}, opset=9), 12)


def images(first: int, count: int) -> ImageFolder:
    folder = ImageFolder(SHARED / "densenet121" / "images")
    folder.samples = folder.samples[first::5][:count]
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the ranges are kept: they are measured once."""
    return tmp_path_factory.mktemp("ranges")


@needs_shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "affines"),
    [
        (INTEGER, {"QLinearConv": 121 + 62 + 3}),
        # a depthwise convolution is left where a global pooling reads the last Relu
        pytest.param(
            Target(runtime=target_for("onnxruntime==1.24")),
            {"QLinearConv": 121 + 1 + 3, "Max": 61, "Expand": 61},
            marks=runs_max,
        ),
    ],
    ids=["for every runtime", "for one with a Max of uint8"],
)
def test_the_integer_densenet_keeps_its_promises(
    row: onnx.ModelProto, cache: Path, target: Target, affines: dict[str, int]
) -> None:
    integer = quantize(row, image_samples(row, images(0, 100), PREPROCESS), target=target, cache=cache)
    onnx.checker.check_model(integer, full_check=True)
    counts = Counter(node.op_type for node in integer.graph.node)
    assert counts == {
        **{"SpaceToDepth": 1, "QuantizeLinear": 2, "DequantizeLinear": 2, "MaxPool": 1, "Concat": 58},
        "GlobalAveragePool": 1,
        **affines,
    }
    assert integer.ByteSize() <= 8_600_000
    exact, found = Classifier(row), Classifier(integer)
    for to_array in (PREPROCESS, Disturbed(PREPROCESS, "noised")):
        pictures = load_images(images(2, 40), to_array, (224, 224))
        expected, actual = exact.logits(pictures), found.logits(pictures)
        assert np.abs(actual - expected).mean() / expected.std() <= 0.025
        assert (actual.argmax(1) == expected.argmax(1)).mean() >= 0.95


@needs_shared
@pytest.mark.slow
def test_the_optimized_densenet_is_the_row_with_367_nodes(row: onnx.ModelProto) -> None:
    optimized = optimize(row)
    assert len(optimized.graph.node) == 367
    pictures = load_images(images(2, 5), PREPROCESS, (224, 224))
    assert np.abs(Classifier(optimized).logits(pictures) - Classifier(row).logits(pictures)).max() <= 1e-4
