"""Operators of detection nets, with arguments drawn by seed (see `tests/validation/detection_nets.py`)."""

from tests.caffe2_cases.case import OperatorCase
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


CASES = [_case(kind, seed) for kind, seeds in _SEEDS.items() for seed in seeds]
