"""Operators of detection nets, with arguments drawn by seed (see `tests/validation/detection_nets.py`)."""

import numpy as np

from tests.caffe2_cases.case import OperatorCase, case
from tests.validation.detection_nets import KINDS
from tests.validation.recordings import random_case

# the seeds are chosen so that each operator of a kind comes at least once, with boxes to find
_SEEDS = {
    "proposals": range(3),
    "transform": range(3),
    "selection": range(4),
    "align": range(3),
    "pool": range(3),
    "pyramid": (0, 1, 2, 3, 5, 11, 14),
    "keypoints": range(3),
}


def _case(kind: str, seed: int) -> OperatorCase:
    net, inputs = random_case(KINDS[kind], seed)
    return OperatorCase(net.op[0].type, net, inputs, label=f"{net.op[0].type} seed={seed}")


def _equal_scores(**arguments: object) -> OperatorCase:
    """Soft suppression of boxes of which many score alike, as those of an int8 net do."""
    random = np.random.default_rng(27)
    low = random.uniform(0, 60, (40, 3, 2))
    boxes = np.concatenate([low, low + random.uniform(5, 30, low.shape)], axis=2).reshape(40, 12)
    scores = random.integers(1, 6, (40, 3)) / 8
    # without a limit nothing is sorted at the end, which Caffe2 does without keeping the order of equals
    settings = {"soft_nms_enabled": 1, "detections_per_im": 0, "score_thresh": 0.2, **arguments}
    return case("BoxWithNMSLimit", np.float32(scores), np.float32(boxes), outputs=3, **settings)


CASES = [
    *(_case(kind, seed) for kind, seeds in _SEEDS.items() for seed in seeds),
    _equal_scores(),
    _equal_scores(soft_nms_method="gaussian", nms=0.5),
]
