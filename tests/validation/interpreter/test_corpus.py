"""The interpreter against what the real Caffe2 computed: every case of the corpus."""

import json

import numpy as np
import pytest

from tests.shared_data import SHARED, needs_shared
from zoosmith.validation import interpret

pytestmark = needs_shared
CASES = sorted(path.parent for path in (SHARED / "caffe2_corpus" / "cases").glob("*/case.json"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_interpreter_computes_what_caffe2_computed(case):
    about = json.loads((case / "case.json").read_text())
    with np.load(case / "inputs.npz") as data:
        inputs = {name: data[f"arr_{n}"] for n, name in enumerate(about["inputs"])}
    actual = interpret(case / "predict_net.pb", case / "init_net.pb", inputs)
    with np.load(case / "outputs.npz") as data:
        for n, name in enumerate(about["outputs"]):
            expected = data[f"arr_{n}"]
            assert (actual[name].dtype, actual[name].shape) == (expected.dtype, expected.shape)
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(actual[name], expected, rtol=1e-3, atol=1e-5)
            else:
                np.testing.assert_array_equal(actual[name], expected)
