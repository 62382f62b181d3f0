"""What a LayerNormalization alone reads is added by a Sum."""

import numpy as np
import pytest

from tests.optimize.nets import Net
from zoosmith.quantize import quantize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.similarity import run
from zoosmith.quantize.target import Target


def net_of(form: str) -> Net:
    net = Net([1, 16, 64], opset=17)
    x = net.add("MatMul", "data", net.normal(64, 64, spread=0.1))
    x = net.add("Add", x, "data", name="added")
    if form == "spelled out":
        axes = {"axes": [-1]}
        centred = net.add("Sub", x, net.add("ReduceMean", x, **axes))
        variance = net.add("ReduceMean", net.add("Mul", centred, centred), **axes)
        root = net.add("Sqrt", net.add("Add", variance, net.constant(np.array(1e-5, np.float32))))
        x = net.add("Div", centred, root)
    else:
        x = net.add("LayerNormalization", x, net.normal(64), net.normal(64))
    if form == "read by others":
        x = net.add("Mul", x, net.add("Tanh", "added"))
    net.add("MatMul", x, net.normal(64, 8, spread=0.1), name="result")
    return net


@pytest.mark.parametrize(
    ("form", "op_type"), [("one operator", "Sum"), ("spelled out", "Sum"), ("read by others", "Add")]
)
def test_an_add_that_only_a_normalization_reads_becomes_a_sum(form: str, op_type: str) -> None:
    model = net_of(form).model("result")
    samples = random_samples(model, 4)
    found = quantize(model, samples, target=Target(every_layer=True))
    [maker] = [node for node in found.graph.node if node.output[0] == "added"]
    assert maker.op_type == op_type
    for wanted, given in zip(run(model, samples), run(found, samples), strict=True):
        assert np.abs(wanted["result"] - given["result"]).mean() < 0.02 * wanted["result"].std()


def test_the_qdq_form_keeps_its_add() -> None:
    model = net_of("one operator").model("result")
    found = quantize(model, random_samples(model, 2), target=Target("qdq"))
    assert "Sum" not in {node.op_type for node in found.graph.node}
