"""Operators that nothing reads do not keep a net from being translated or interpreted."""

import numpy as np
import pytest

from tests.validation.caffe2_nets import net_of
from zoosmith.convert import ConvertError, caffe2_to_onnx
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation import Caffe2Runner, Caffe2Worker, OnnxRuntimeRunner, ValidationError, interpret

X = np.float32([[1, -2, 3]])
RANDOM_FILL = ("XavierFill", "", "unused", {"shape": [2, 3]})


def run_converted(net: NetDef, init: NetDef | None) -> np.ndarray:
    model = caffe2_to_onnx(net, init, inputs={"x": (1, list(X.shape))}, opset=None, names="caffe2")
    return OnnxRuntimeRunner(model, threads=1).run({"x": X})["y"]


CASES = {
    "a random fill of a parameter that nothing reads": (
        net_of(("Relu", "x", "y"), inputs="x unused"),
        net_of(RANDOM_FILL, inputs="", outputs=""),
    ),
    "a random fill, and what is made of it": (
        net_of(("Relu", "x", "y"), inputs="x"),
        net_of(RANDOM_FILL, ("Relu", "unused", "either"), inputs="", outputs=""),
    ),
    "statistics on the side": (net_of(("Summarize", "x", "statistics"), ("Relu", "x", "y")), None),
    "a chain of statistics": (
        net_of(("Summarize", "x", "s"), ("Percentile", "s", "p"), ("Relu", "x", "y")),
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_nothing_reads_is_left_out(name: str):
    net, init = CASES[name]
    expected = np.maximum(X, 0)
    np.testing.assert_array_equal(run_converted(net, init), expected)
    np.testing.assert_array_equal(interpret(net, init, {"x": X})["y"], expected)


@pytest.mark.parametrize(
    "net",
    [
        net_of(("Summarize", "x", "s"), ("Relu", "s", "y")),
        net_of(("Summarize", "x", "s"), ("Relu", "x", "y"), outputs="y s"),
        net_of(("Alias", "x", "a"), ("Summarize", "x", "a"), ("Relu", "x", "y")),
        net_of(("Summarize", "x", "x"), ("Relu", "x", "y")),
        net_of(("SaveSomewhere", "x", ""), ("Relu", "x", "y")),
        net_of(("While", "x", "s", {"loop_net": "n"}), ("Relu", "x", "y")),
    ],
    ids=["read", "an output", "in shared memory", "in place", "without outputs", "with a net of its own"],
)
def test_what_may_matter_stays_and_is_refused(net: NetDef):
    with pytest.raises(ConvertError, match="no translation for 1 operator types"):
        run_converted(net, None)
    with pytest.raises(ValidationError, match="does not know"):
        interpret(net, None, {"x": X})


@pytest.mark.caffe2
def test_caffe2_computes_the_same(caffe2_worker: Caffe2Worker):
    for net, init in list(CASES.values())[:3]:
        runner = Caffe2Runner(net, init, worker=caffe2_worker)
        np.testing.assert_array_equal(runner.run({"x": X})["y"], np.maximum(X, 0))
        runner.close()


def test_an_init_net_may_work_on_its_own_fills():
    fill = ("GivenTensorFill", "", "w", {"shape": [3], "values": [1.0, -2.0, 3.0]})
    again = ("ConstantFill", "", "w", {"shape": [3], "value": 7.0})
    add = net_of(("Add", "x w", "y"), inputs="x w")
    for init, w in [
        (net_of(fill, ("Relu", "w", "w"), inputs="", outputs=""), [1, 0, 3]),
        (net_of(fill, ("Relu", "w", "a"), again, inputs="", outputs=""), [7, 7, 7]),
        (net_of(fill, ("Copy", "w", "a"), ("Relu", "a", "w"), inputs="", outputs=""), [1, 0, 3]),
    ]:
        np.testing.assert_array_equal(run_converted(add, init), X + np.float32(w))
        np.testing.assert_array_equal(interpret(add, init, {"x": X})["y"], X + np.float32(w))
