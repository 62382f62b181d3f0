"""What is said of a run in another runtime that fails."""

import numpy as np

from zoosmith.validation.inputs.fitting import Case
from zoosmith.validation.verification.other_runtimes import ForeignResult
from zoosmith.validation.verification.proving import with_sizes

REFUSED = ForeignResult("onnxruntime==1.6.0", {}, "refused", "Only N can be zero")


def test_a_runtime_that_does_not_run_sizes_that_were_chosen_is_told_with_them() -> None:
    case = Case({"n": np.int64(1), "x": np.zeros((2, 3, 32, 64))}, {}, {"x[2]": 32, "x[3]": 64})
    reason = with_sizes(REFUSED, case).reason
    assert reason == "Only N can be zero (at x[2]=32, x[3]=64; `shapes` x=2,3,32,64 states others)"


def test_one_that_differs_or_whose_sizes_are_fixed_is_told_as_it_is() -> None:
    inputs = {"x": np.zeros((2, 3))}
    differs = ForeignResult("onnxruntime==1.6.0", {}, "differs", "largest error 1")
    assert with_sizes(differs, Case(inputs, {}, {"N": 2})) is differs
    assert with_sizes(REFUSED, Case(inputs, {})) is REFUSED
