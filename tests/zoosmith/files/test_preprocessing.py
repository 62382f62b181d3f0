"""`--preprocess auto` takes the preprocessing that a net was trained with."""

from pathlib import Path

import pytest

import zoosmith.files.preprocessing
from tests.quantize.trained import picture_folder, trained_net
from zoosmith.execution import SILENT
from zoosmith.files.preprocessing import choose
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.quantize.samples.preprocessing_ranking import IMAGES, MORE_IMAGES, RankedPreprocessing
from zoosmith.quantize.samples.statistics import SampleDistance
from zoosmith.validation import ImageFolder
from zoosmith.validation.reading.preprocess import PREPROCESSINGS, Preprocess


def test_the_one_that_a_net_was_trained_with_is_taken(tmp_path: Path) -> None:
    assert choose(trained_net("tensorflow"), "auto", picture_folder(tmp_path), SILENT).name == "tensorflow"


@pytest.mark.parametrize(("farther", "is_clear"), [(4.0, True), (1.1, False)])
def test_near_ones_are_told_apart_on_more_images(
    farther: float, is_clear: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = []

    def ranked(
        model: object, folder: ImageFolder, given: list[Preprocess] | None = None, **named: object
    ) -> list[RankedPreprocessing]:
        few = given is None
        limits.append(len(folder))
        near, far = 0.02, 0.02 * (1.2 if few else farther)
        found = zip(given or PREPROCESSINGS.values(), (near, far, *[1.0] * 4), strict=False)
        return [RankedPreprocessing(each, SampleDistance(0.1, 0.1, distance, 10)) for each, distance in found]

    monkeypatch.setattr(zoosmith.files.preprocessing, "rank_preprocessings", ranked)
    folder = picture_folder(tmp_path, MORE_IMAGES + 4)
    if not is_clear:
        with pytest.raises(ZoosmithError, match=r"no clear best: .* name one"):
            choose(trained_net(), "auto", folder, SILENT)
    else:
        assert choose(trained_net(), "auto", folder, SILENT).name == next(iter(PREPROCESSINGS))
    assert limits == [IMAGES, MORE_IMAGES]
