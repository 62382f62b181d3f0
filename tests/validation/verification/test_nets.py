"""Nets whose run takes long: one case is enough, and the operators are told of."""

import pytest

from tests.progress import Recording
from tests.validation.caffe2_nets import net_of
from zoosmith.convert import caffe2_to_onnx
from zoosmith.validation import verify_net
from zoosmith.validation.verification import nets

NET = net_of(("Relu", "x", "h"), ("Sigmoid", "h", "y"))


def verify(progress: Recording) -> int:
    model = caffe2_to_onnx(NET, None, inputs={"x": (1, [2, 3])})
    proof = verify_net(NET, None, model, names="zoo", progress=progress)
    assert proof.passed
    return len(proof.comparisons)


def test_a_short_run_is_made_twice_and_tells_nothing_of_operators():
    progress = Recording()
    assert verify(progress) == 2
    assert progress.steps("computing the net") == []


def test_a_run_that_computes_much_is_made_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nets, "_ENOUGH_NUMBERS", 18)
    assert verify(Recording()) == 1
    monkeypatch.setattr(nets, "_ENOUGH_NUMBERS", 19)
    assert verify(Recording()) == 2


def test_a_long_run_tells_of_its_operators(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nets, "_LONG_SECONDS", -1.0)
    progress = Recording()
    verify(progress)
    assert ("begin", "computing the net", 2) in progress.told
    assert progress.steps("computing the net") == [1, 2, 1, 2]
    assert progress.told.count(("end", "computing the net", 2)) == 2
