"""Large batches are computed some rows at a time, in float32; a long run counts what it computes."""

import numpy as np
import pytest

from tests.validation.caffe2_nets import net_of
from zoosmith.validation import NetInterpreter, interpret
from zoosmith.validation.interpreter import pieces

RANDOM = np.random.RandomState(8)
NET = net_of(
    ("Conv", "x w b", "c", {"kernel": 3, "pad": 1, "group": 2}),
    ("Relu", "c", "r"),
    ("Sum", "r x", "s"),
    ("MaxPool", "s", "m", {"kernel": 2, "stride": 2}),
    ("AveragePool", "s", "a", {"kernel": 3, "stride": 2}),
    ("ReduceBackMean", "s", "e", {"num_reduce_dim": 3}),
    inputs="x w b",
    outputs="c r s m a e",
)
DATA = {
    "x": RANDOM.randn(7, 4, 6, 5).astype(np.float32),
    "w": RANDOM.randn(4, 2, 3, 3).astype(np.float32),
    "b": RANDOM.randn(4).astype(np.float32),
}


def test_pieces_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch):
    whole = interpret(NET, None, DATA)
    monkeypatch.setattr(pieces, "_LARGE", 100)
    monkeypatch.setattr(pieces, "_PIECE", 2 * 4 * 6 * 5)
    cut = interpret(NET, None, DATA)
    for name, value in whole.items():
        assert cut[name].dtype == value.dtype
        np.testing.assert_allclose(cut[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    assert any(not np.array_equal(cut[name], value) for name, value in whole.items())


def test_regions_of_a_large_batch_are_kept_in_float32(monkeypatch: pytest.MonkeyPatch):
    net = net_of(("RoIAlign", "x rois", "y", {"pooled_h": 3, "pooled_w": 2}), inputs="x rois")
    feeds = {"x": DATA["x"], "rois": np.float32([[0, 0, 0, 4, 5], [6, 1, 2, 3, 3]])}
    whole = interpret(net, None, feeds)["y"]
    monkeypatch.setattr(pieces, "_LARGE", 10)
    np.testing.assert_array_equal(interpret(net, None, feeds)["y"], whole)


def test_doubles_and_integers_stay_what_they_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pieces, "_LARGE", 4)
    third = np.full((3, 4), 1 / 3)
    net = net_of(("Sum", "x x", "y"))
    assert interpret(net, None, {"x": third})["y"].tolist() == (third + third).tolist()
    large = np.full((3, 4), 2**40)
    assert interpret(net_of(("SumInt", "x x", "y")), None, {"x": large})["y"].tolist() == (2 * large).tolist()


def test_a_run_counts_the_numbers_that_it_computes():
    interpreter = NetInterpreter(net_of(("Relu", "x", "h"), ("Relu", "h", "y")))
    interpreter.run({"x": np.ones((3, 5), np.float32)})
    # the input and two results
    assert interpreter.computed == 45
