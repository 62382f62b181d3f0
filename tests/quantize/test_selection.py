"""Nets that select, decide or saturate are compared by what they do that from."""

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.optimize.nets import Net
from zoosmith.quantize import quantize
from zoosmith.quantize.report import summarize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.selection import before_saturation, before_selection
from zoosmith.quantize.similarity import CosineLoss, cosine, run
from zoosmith.quantize.target import Target


def detector(tilt: float) -> onnx.ModelProto:
    """36 boxes by convolutions, whose scores differ by `tilt`: the best 9 by TopK, then NonMaxSuppression."""
    net = Net([1, 3, 6, 6], opset=17)
    features = net.conv("data", 3, 8, 3, pads=[1, 1, 1, 1], name="features")
    flat = net.constant(np.array([1, -1, 36]))
    boxes = net.add("Transpose", net.add("Reshape", net.conv(features, 8, 4), flat), perm=[0, 2, 1], name="boxes")
    small = net.add("Mul", net.add("Reshape", net.conv(features, 8, 1), flat), net.constant(np.float32(1e-9)))
    slope = net.constant(np.linspace(1, 1 + tilt, 36, dtype=np.float32).reshape(1, 1, 36))
    scores = net.add("Add", small, slope, name="scores")
    nine, first, last = (net.constant(np.array([number])) for number in (9, 0, 2))
    net.nodes.append(helper.make_node("TopK", [scores, nine], ["best", "places"]))
    chosen = net.add("Gather", boxes, net.add("Squeeze", "places", net.constant(np.array([0, 1]))), axis=1)
    kept = net.add("NonMaxSuppression", chosen, "best", nine, net.constant(np.float32([0.9])))
    place = net.add("Gather", kept, net.add("Squeeze", last, first), axis=1)
    return net.model(net.add("Gather", chosen, place, axis=1, name="selected"), features)


def test_what_is_sorted_and_gathered_takes_the_place_of_what_was_selected() -> None:
    model = detector(0.1)
    [found] = run(before_selection(model), random_samples(model, 1))
    assert {name: value.shape for name, value in found.items()} == {
        "features": (1, 8, 6, 6), "selected from: 0": (1, 1, 36), "selected from: 1": (1, 36, 4)
    }  # fmt: skip
    assert model == detector(0.1)


def test_boxes_that_change_places_are_no_loss() -> None:
    exact, other = detector(1e-3), detector(-1e-3)
    samples = random_samples(exact, 4)
    assert (cosine(run(exact, samples), run(other, samples)) or 0) < 0.9
    assert CosineLoss(exact, samples)(other) < 1e-5
    assert summarize(exact, other, samples).cosine == pytest.approx(1, abs=1e-5)


def test_an_integer_form_is_compared_with_the_float_one_by_the_same_values() -> None:
    model = detector(1e-3)
    samples = random_samples(model, 8)
    for form in ("integer", "qdq"):
        integer = quantize(model, samples, target=Target(form, every_layer=True))
        assert 0 < CosineLoss(model, samples)(integer) < 0.01


def test_a_net_that_selects_nothing_is_left_as_it_is() -> None:
    net = Net([1, 3, 8, 8], opset=17)
    net.nodes.append(helper.make_node("TopK", ["data", net.constant(np.array([2]))], ["best", "places"]))
    model = net.model("best")
    assert before_selection(model) is model


def classifier(tilt: float = 0.0) -> onnx.ModelProto:
    """The number of the best of 6 classes at each of 64 positions; classes differ by `tilt`."""
    net = Net([1, 3, 8, 8], opset=17)
    small = net.add("Mul", net.conv("data", 3, 6), net.constant(np.float32(1e-6)))
    slope = net.constant(np.linspace(1, 1 + tilt, 6, dtype=np.float32).reshape(1, 6, 1, 1))
    best = net.add("ArgMax", net.add("Add", small, slope), axis=1, keepdims=0)
    model = net.model(net.add("Unsqueeze", best, net.constant(np.array([1])), name="decided"))
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    return model


def test_a_decision_is_compared_by_what_it_is_made_from() -> None:
    exact, other = classifier(1e-4), classifier(-1e-4)
    samples = random_samples(exact, 4)
    assert {name: value.shape for name, value in run(before_selection(exact), samples)[0].items()} == {
        "decided decided by: 0": (1, 6, 8, 8)
    }
    assert not np.array_equal(*(run(model, samples)[0]["decided"] for model in (exact, other)))
    assert CosineLoss(exact, samples)(other) < 1e-5
    assert CosineLoss(exact, samples)(classifier(4)) > 0.01


def test_sizes_as_outputs_are_no_decision() -> None:
    net = Net([1, 3, 8, 8], opset=17)
    model = net.model(net.add("Shape", "data"))
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    assert before_selection(model) is model


@pytest.mark.parametrize("op_type", ["Sigmoid", "Softmax"])
def test_what_saturates_gives_way_to_what_it_reads(op_type: str) -> None:
    net = Net([1, 3, 8, 8], opset=17)
    logits = net.conv("data", 3, 4, name="logits")
    model = net.model(net.add(op_type, logits, name="probabilities"), net.add("Relu", logits, name="other"))
    samples = random_samples(model, 1)
    [found] = run(before_saturation(model), samples)
    assert set(found) == {"probabilities before saturation", "other"}
    assert np.array_equal(np.maximum(found["probabilities before saturation"], 0), found["other"])
