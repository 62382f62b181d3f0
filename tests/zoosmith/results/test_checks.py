"""What a row is held to, and the reason that its check states."""

import numpy as np

from zoosmith.results.checks import check_integer
from zoosmith.validation import compare

EXACT = {"y": np.linspace(-1, 1, 1000, dtype=np.float32)}


def test_an_integer_row_is_held_to_the_cosine_and_names_no_single_elements() -> None:
    near = compare(EXACT, {"y": np.round(EXACT["y"] * 60) / np.float32(60)})
    assert not near.passed
    [check] = check_integer([near])
    assert check.passed and check.limit == {"cosine": 0.999}
    assert check.figure["cosine"] > 0.999 and check.figure["reason"] is None


def test_an_integer_row_that_fails_says_what_its_cosine_is() -> None:
    [check] = check_integer([compare(EXACT, {"y": EXACT["y"] + np.float32(1)})])
    assert not check.passed
    assert check.figure["reason"] == f"cosine {check.figure['cosine']}, expected at least 0.999"
