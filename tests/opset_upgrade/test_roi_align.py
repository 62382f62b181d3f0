"""RoiAlign in older opsets, which have no half pixels, or no RoiAlign, against ONNX Runtime."""

import numpy as np
import pytest
from onnx import checker, numpy_helper

from tests.opset_upgrade.node_cases import assert_same
from tests.opset_upgrade.nodes import node_model, run
from zoosmith.opset_upgrade import OpsetError, convert_version

FEATURES = np.random.default_rng(0).standard_normal((2, 3, 6, 9)).astype(np.float32)
# whole, narrower than an element, beyond every border, a single point
REGIONS = np.array([[2, 1, 15, 9], [3.1, 2.2, 3.4, 9], [-5, -4, 30, 20], [4, 4, 4, 4]], np.float32)
IMAGES = np.array([0, 1, 1, 0], np.int64)


@pytest.mark.parametrize("mode", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("target", [15, 11, 9, 7])
def test_regions_are_sampled_where_the_text_says(mode: str, samples: int, target: int) -> None:
    sizes = {"output_height": 2, "output_width": 3, "spatial_scale": 0.5, "sampling_ratio": samples}
    model, feeds = node_model("RoiAlign", 16, FEATURES, REGIONS, IMAGES, coordinate_transformation_mode=mode, **sizes)
    converted = convert_version(model, target)
    checker.check_model(converted, full_check=True)
    assert_same(run(model, feeds)["y0"], run(converted, feeds)["y0"], rtol=1e-4)


@pytest.mark.parametrize("attributes", [{"mode": "max", "sampling_ratio": 2}, {"sampling_ratio": 0}])
def test_samples_whose_number_or_choice_depends_on_the_region_are_refused(attributes: dict) -> None:
    model, _ = node_model("RoiAlign", 16, FEATURES, REGIONS, IMAGES, output_height=2, output_width=2, **attributes)
    with pytest.raises(OpsetError, match="opset 16 is the lowest that would do"):
        convert_version(model, 15)


def test_regions_of_constants_are_not_computed_by_the_evaluator_which_chooses_others() -> None:
    how = {"mode": "max", "output_height": 2, "output_width": 3, "sampling_ratio": 2}
    model, _ = node_model("RoiAlign", 20, FEATURES, REGIONS, IMAGES, **how)
    for name, value in zip(list(model.graph.input), (FEATURES, REGIONS, IMAGES), strict=True):
        model.graph.initializer.append(numpy_helper.from_array(value, name.name))
    del model.graph.input[:]
    assert_same(run(model, {})["y0"], run(convert_version(model, 18), {})["y0"])
    with pytest.raises(OpsetError, match="with mode='max'"):
        convert_version(model, 9)
