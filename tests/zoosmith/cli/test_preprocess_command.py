"""`zoosmith preprocess` and `--preprocess auto`: what they find, print and refuse."""

import json
from pathlib import Path

import onnx
import pytest

from tests.optimize.nets import Net
from tests.quantize.trained import picture_folder, trained_net
from tests.zoosmith.cli.calls import Run
from tests.zoosmith.small_models import identity_model


@pytest.fixture
def net(tmp_path: Path) -> Path:
    onnx.save(trained_net(), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return picture_folder(tmp_path / "images")


@pytest.fixture
def without_statistics(tmp_path: Path) -> Path:
    net = Net([1, 3, 32, 32])
    onnx.save(net.model(net.add("GlobalAveragePool", net.conv("data", 3, 4))), tmp_path / "plain.onnx")
    return tmp_path / "plain.onnx"


def test_the_table_is_ranked_and_the_best_is_named(net: Path, images: Path, run: Run) -> None:
    code, out, err = run("preprocess", net, "--data", images)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert lines[2][0] == "torchvision" and lines[2][-2:] == ["like", "it"]
    assert {line[0] for line in lines[2:8]} == {"torchvision", "caffe-densenet", "caffe", "tensorflow", "unit", "none"}
    assert out.rstrip().endswith(f"{net}: torchvision is clearly the best")
    result = json.loads(run("preprocess", net, "--data", images, "--json")[1])["result"]
    assert result["best"] == "torchvision"
    divergences = [entry["divergence"] for entry in result["ranking"]]
    assert len(divergences) == 6 and divergences == sorted(divergences)


def test_a_net_without_statistics_is_refused(without_statistics: Path, images: Path, run: Run) -> None:
    code, out, err = run("preprocess", without_statistics, "--data", images)
    assert (code, out) == (2, "")
    assert f"error: {without_statistics}: the model states no statistics of its training data" in err
    code, _, err = run("evaluate", without_statistics, "--data", images, "--preprocess", "auto")
    assert code == 2
    assert "the model states no statistics" in err


def test_a_model_that_reads_no_images_is_named_by_its_file_alone(images: Path, tmp_path: Path, run: Run) -> None:
    onnx.save(identity_model((onnx.TensorProto.FLOAT, [1, 8])), tmp_path / "flat.onnx")
    code, out, err = run("preprocess", tmp_path / "flat.onnx", "--data", images)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {tmp_path / 'flat.onnx'}: input 'x0' is float [1, 8]; expected ")


def test_evaluate_takes_what_is_found_and_says_so(net: Path, images: Path, run: Run) -> None:
    code, out, err = run("evaluate", net, "--data", images, "--preprocess", "auto", "--json")
    assert code == 0
    assert "--preprocess auto takes torchvision: means 0." in err
    assert json.loads(out)["result"]["preprocess"] == "torchvision"


def test_evaluate_warns_of_a_preprocessing_that_is_far_off(
    net: Path, images: Path, without_statistics: Path, run: Run
) -> None:
    code, _, err = run("evaluate", net, "--data", images, "--preprocess", "none")
    assert code == 0
    assert f"warning: preprocessed by none, the images of {images} are unlike the training data: means " in err
    assert "warning" not in run("evaluate", net, "--data", images, "--preprocess", "torchvision")[2]
    assert "warning" not in run("evaluate", without_statistics, "--data", images, "--preprocess", "none")[2]
