"""What quantization made of a model, counted and measured."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, ValueInfoProto, helper

from tests.optimize.nets import Net
from zoosmith.quantize import quantize
from zoosmith.quantize.report import summarize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target


def with_outputs(net: Net, *outputs: ValueInfoProto) -> onnx.ModelProto:
    graph = helper.make_graph(net.nodes, "net", [net.input], outputs, net.initializers)
    imports = [helper.make_opsetid("", net.opset), helper.make_opsetid("ai.onnx.ml", 2)]
    return helper.make_model(graph, opset_imports=imports, ir_version=7)


def sequence_and_tensor() -> onnx.ModelProto:
    """One output is a sequence of two tensors of other shapes."""
    net = Net([1, 3, 8, 8], opset=13)
    x = net.conv("data", 3, 8)
    pair = net.add("SequenceConstruct", x, net.add("GlobalAveragePool", x))
    tensor = helper.make_tensor_value_info(x, TensorProto.FLOAT, None)
    return with_outputs(net, tensor, helper.make_tensor_sequence_value_info(pair, TensorProto.FLOAT, None))


def label() -> onnx.ModelProto:
    """The only output is the name of a class."""
    net = Net([1, 3, 8, 8], opset=13)
    best = net.add("ArgMax", net.add("Flatten", net.conv("data", 3, 8)), axis=1, keepdims=0)
    classes = {"keys_int64s": [1, 2], "values_strings": ["cat", "dog"], "default_string": "none"}
    net.nodes.append(helper.make_node("LabelEncoder", [best], ["label"], domain="ai.onnx.ml", **classes))
    return with_outputs(net, helper.make_tensor_value_info("label", TensorProto.STRING, None))


@pytest.mark.parametrize("outputs", [sequence_and_tensor, label])
def test_outputs_that_hold_no_numbers_are_left_out(outputs: Callable[[], onnx.ModelProto]) -> None:
    model = outputs()
    samples = random_samples(model, 2)
    found = summarize(model, quantize(model, samples, target=Target(every_layer=True)), samples)
    assert found.convolutions == 1
    assert np.isfinite(found.error)
    assert (found.cosine is None) == (outputs is label)
