"""Detection operators of the interpreter, against what the real Caffe2 computed."""

import numpy as np
import pytest

from tests.validation import detection_nets
from tests.validation.caffe2_nets import single
from tests.validation.recordings import Recording, random_case, recordings, run_caffe2
from zoosmith.validation import Caffe2Worker, ValidationError, interpret


def assert_caffe2s_detections(net, inputs, expected):
    actual = interpret(net, None, inputs)
    assert expected is not None
    for name, value in expected.items():
        assert (actual[name].shape, actual[name].dtype) == (value.shape, value.dtype)
        np.testing.assert_allclose(actual[name], value, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("case", recordings("detection"), ids=str)
def test_a_random_net_finds_what_caffe2_found(case: Recording):
    assert_caffe2s_detections(case.net, case.inputs, case.outputs)


@pytest.mark.caffe2
@pytest.mark.parametrize("kind", detection_nets.KINDS)
def test_a_random_net_finds_what_caffe2_finds(kind: str, caffe2_worker: Caffe2Worker):
    for seed in range(1000, 1040):
        net, inputs = random_case(detection_nets.KINDS[kind], seed)
        assert_caffe2s_detections(net, inputs, run_caffe2(net, inputs, caffe2_worker))


def select(scores: list[float], boxes: list[list[float]], **arguments: object) -> list[int]:
    """The boxes that BoxWithNMSLimit keeps of one class."""
    both = np.column_stack([np.zeros(len(scores)), scores]).astype(np.float32)
    corners = np.tile(np.float32(boxes), (1, 2))
    net, inputs = single("BoxWithNMSLimit", {"score_thresh": 0.05, "nms": 0.5, **arguments}, [both, corners], 6)
    return interpret(net, None, inputs)["o4"].tolist()


def test_pixels_count_from_edge_to_edge_only_without_legacy_plus_one():
    # Overlaps: 6 of 12 pixels wide with the extra one (1/2, kept), 5 of 11 without.
    boxes = [[0, 0, 8, 9], [3, 0, 11, 9]]
    assert select([0.9, 0.8], boxes) == [0, 1]
    assert select([0.9, 0.8], boxes, nms=0.48) == [0]
    assert select([0.9, 0.8], boxes, nms=0.48, legacy_plus_one=0) == [0, 1]


def test_of_boxes_without_area_only_the_best_is_kept():
    boxes = [[0, 0, 0, 9], [50, 0, 50, 9], [0, 0, 9, 9]]
    assert select([0.7, 0.8, 0.9], boxes, legacy_plus_one=0) == [2, 1]


def test_equal_scores_keep_the_order_of_the_boxes():
    assert select([0.5] * 4, [[100 * n, 0, 100 * n + 9, 9] for n in range(4)], detections_per_im=3) == [0, 1, 2]


def test_boxes_with_angles_are_refused_where_they_would_be_suppressed():
    with pytest.raises(ValidationError, match=r"BoxWithNMSLimit.*angles"):
        select([0.9], [[0, 0, 9, 9]], rotated=1)
