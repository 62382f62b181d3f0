"""The preprocessing of a net is found by the statistics that it states."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.version_converter import convert_version

from tests.optimize.nets import Net
from tests.quantize.trained import picture_folder, trained_net
from tests.shared_data import SHARED, needs_shared
from zoosmith.convert import caffe2_to_onnx
from zoosmith.quantize.samples.preprocessing_ranking import (
    RankedPreprocessing,
    clear_best,
    not_clearly_farther,
    rank_preprocessings,
)
from zoosmith.quantize.samples.statistics import SampleDistance
from zoosmith.validation import ImageFolder
from zoosmith.validation.reading.preprocess import PREPROCESSINGS


def names(model: onnx.ModelProto, folder: ImageFolder) -> tuple[list[str], str | None]:
    ranking = rank_preprocessings(model, folder)
    best = clear_best(ranking)
    return [each.preprocess.name for each in ranking], None if best is None else best.preprocess.name


@pytest.mark.parametrize("name", ["torchvision", "tensorflow", "unit", "caffe"])
def test_the_preprocessing_that_a_net_was_trained_with_is_the_best(name: str, tmp_path: Path) -> None:
    order, best = names(trained_net(name), ImageFolder(picture_folder(tmp_path)))
    assert (order[0], best) == (name, name)
    assert sorted(order) == sorted(PREPROCESSINGS)


def test_two_that_do_the_same_leave_no_clear_best(tmp_path: Path) -> None:
    same = [PREPROCESSINGS["torchvision"]] * 2
    ranking = rank_preprocessings(trained_net(), ImageFolder(picture_folder(tmp_path)), same)
    assert len(ranking) == 2
    assert clear_best(ranking) is None
    assert clear_best(ranking[:1]) is ranking[0]


def test_the_best_of_wrong_ones_is_no_clear_best(tmp_path: Path) -> None:
    wrong = [PREPROCESSINGS["none"], PREPROCESSINGS["unit"]]
    ranking = rank_preprocessings(trained_net(), ImageFolder(picture_folder(tmp_path)), wrong)
    assert [each.preprocess.name for each in ranking] == ["unit", "none"]
    assert clear_best(ranking) is None


def test_those_that_are_nearly_as_near_as_the_first_may_as_well_be_the_best() -> None:
    named = zip(("torchvision", "unit", "none"), (0.02, 0.025, 0.1), strict=True)
    ranking = [RankedPreprocessing(PREPROCESSINGS[name], SampleDistance(0.1, 0.1, near, 10)) for name, near in named]
    assert [each.name for each in not_clearly_farther(ranking)] == ["torchvision", "unit"]
    assert [each.name for each in not_clearly_farther(ranking[1:])] == ["unit"]


def test_a_net_without_statistics_ranks_nothing(tmp_path: Path) -> None:
    net = Net([1, 3, 32, 32])
    assert names(net.model(net.conv("data", 3, 4)), ImageFolder(picture_folder(tmp_path, 2))) == ([], None)


def test_a_broken_image_is_told_once(tmp_path: Path) -> None:
    folder = picture_folder(tmp_path, 8)
    (folder / "0" / "broken.png").write_bytes(b"no image")
    told: list[Path] = []
    rank_preprocessings(trained_net(), ImageFolder(folder), on_broken=lambda path, reason: told.append(path))
    assert [path.name for path in told] == ["broken.png"]


@needs_shared
@pytest.mark.slow
def test_the_trained_densenet_is_found_to_read_caffe_densenet() -> None:
    nets = SHARED / "caffe2_zoo" / "densenet121" / "predict_net.pbtxt", SHARED / "densenet121" / "init_net.pb"
    row = convert_version(caffe2_to_onnx(*nets, inputs={"data": (1, (1, 3, 224, 224))}, opset=9), 12)
    ranking = rank_preprocessings(row, ImageFolder(SHARED / "densenet121" / "images", limit=24))
    assert [each.preprocess.name for each in ranking][:2] == ["caffe-densenet", "torchvision"]
    assert clear_best(ranking) is ranking[0]
    assert [each.distance.far for each in ranking] == [False, False, True, True, True, True]
    assert np.all(np.diff([each.distance.divergence for each in ranking]) > 0)
