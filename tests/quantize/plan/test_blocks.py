"""A model that is run in blocks gives what it gives as a whole, and so do changes that are run through a part of it."""

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.optimize.nets import Net
from zoosmith.quantize.plan.blocks import Blocks
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.validation import OnnxRuntimeRunner


def branching() -> onnx.ModelProto:
    """Convolutions with a way around them, and an input that is read at both ends."""
    net = Net(["n", 4, 8, 8])
    x = net.add("Relu", net.conv("data", 4, 4, 3, pads=[1, 1, 1, 1]), name="first")
    for index in range(4):
        y = net.add("Relu", net.conv(x, 4, 4, 3, pads=[1, 1, 1, 1]), name=f"inner{index}")
        x = net.add("Add", x, net.conv(y, 4, 4), name=f"sum{index}")
    return net.model(net.add("Sub", x, "data", name="last"))


def with_sequence() -> onnx.ModelProto:
    """Values that are no tensors between nodes."""
    net = Net([1, 4, 8, 8])
    parts = net.add("SplitToSequence", net.conv("data", 4, 4), name="parts")
    first = net.add("SequenceAt", parts, net.constant(np.array(0)))
    return net.model(net.add("Relu", first, name="last"))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 100])
def test_the_outputs_are_those_of_the_whole_model(count: int) -> None:
    model = branching()
    samples = random_samples(model, 2)
    blocks = Blocks(model, samples, count)
    assert min(count, 9) / 2 <= len(blocks.blocks) <= 2 * count
    assert [node.output[0] for block in blocks.blocks for node in block.model.graph.node] == [
        node.output[0] for node in model.graph.node
    ]
    for number, sample in enumerate(samples):
        [(name, wanted)] = OnnxRuntimeRunner(model).run(sample).items()
        np.testing.assert_allclose(blocks.outputs(number)[name], wanted, rtol=1e-5, atol=1e-5)


def test_an_input_that_changes_changes_all_that_reads_it() -> None:
    model = branching()
    samples = random_samples(model, 2)
    found = Blocks(model, samples, 4).outputs(0, samples[1])
    [(name, wanted)] = OnnxRuntimeRunner(model).run(samples[1]).items()
    np.testing.assert_allclose(found[name], wanted, rtol=1e-5, atol=1e-5)


def test_a_value_between_blocks_changes_what_is_behind_it() -> None:
    model = branching()
    samples = random_samples(model, 1)
    blocks = Blocks(model, samples, 4)
    [value] = [value.name for value in blocks.blocks[1].model.graph.output if value.name.startswith("sum")]
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    [maker] = [node for node in whole.graph.node if value in node.output]
    maker.output[0] = "unchanged"
    whole.graph.node.insert(list(whole.graph.node).index(maker) + 1, helper.make_node("Neg", ["unchanged"], [value]))
    [(name, wanted)] = OnnxRuntimeRunner(whole).run(samples[0]).items()
    found = blocks.outputs(0, {value: -blocks.values([value], 0)[value]})
    np.testing.assert_allclose(found[name], wanted, rtol=1e-5, atol=1e-5)
    assert np.abs(found[name] - blocks.outputs(0)[name]).max() > 0.1


def test_nothing_runs_where_a_change_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    model = branching()
    samples = random_samples(model, 1)
    blocks = Blocks(model, samples, 4)

    def refuse(*_: object) -> None:
        raise AssertionError("runs")

    monkeypatch.setattr(OnnxRuntimeRunner, "run", refuse)
    assert blocks.outputs(0).keys() == {"last"}


def test_values_that_are_no_tensors_stay_inside_of_a_block() -> None:
    model = with_sequence()
    blocks = Blocks(model, random_samples(model, 1), 100, {"parts"})
    assert all("parts" not in block.inputs for block in blocks.blocks)
    assert len(blocks.blocks) > 1
