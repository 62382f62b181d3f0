"""Models of one node, for tests that take them from opset to opset."""

from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, helper, numpy_helper

from zoosmith.validation.errors import ValidationError
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.running.reference import ReferenceRunner

OLD_ONNX_RUNTIME = tuple(map(int, onnxruntime.__version__.split(".")[:2])) < (1, 24)
"""Whether it is one that has no kernels of opsets 24 and later: the newest one for Python 3.10 is 1.23."""


class Constant:
    """An input whose value lies in the model."""

    def __init__(self, value: Any, dtype: Any = np.int64) -> None:
        self.array = np.asarray(value, dtype=dtype)


def node_model(
    operator: str, opset: int, *inputs: Any, outputs: int = 1, kinds: tuple[int, ...] = (), **attributes: Any
) -> tuple[ModelProto, dict[str, np.ndarray]]:
    """A model of one node and what to feed it. An input is an array, a Constant, or None where it is left out."""
    names, ports, initializers, feeds = [], [], [], {}
    for index, given in enumerate(inputs):
        name = "" if given is None else f"x{index}"
        names.append(name)
        if given is None:
            continue
        array = given.array if isinstance(given, Constant) else np.asarray(given)
        tensor = numpy_helper.from_array(array, name)
        if isinstance(given, Constant):
            initializers.append(tensor)
        else:
            ports.append(helper.make_tensor_value_info(name, tensor.data_type, list(array.shape)))
            feeds[name] = array
    results = [f"y{index}" for index in range(outputs)]
    first = ports[0].type.tensor_type.elem_type if ports else 1
    stated = [
        helper.make_tensor_value_info(n, k, None) for n, k in zip(results, kinds or (first,) * outputs, strict=True)
    ]
    if opset < 9:  # IR 3: initializers are inputs as well
        ports += [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in initializers]
    node = helper.make_node(operator, names, results, name="node", **attributes)
    graph = helper.make_graph([node], "g", ports, stated, initializers)
    ir_version = 3 if opset < 9 else 8 if opset < 19 else 10
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    for port, value in zip(model.graph.output, run_original(model, feeds).values(), strict=True):
        port.type.tensor_type.shape.CopyFrom(helper.make_tensor_type_proto(1, list(np.shape(value))).tensor_type.shape)
    return model, feeds


def run(model: ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, Any]:
    return runner_for(model).run(feeds)


def run_original(model: ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, Any]:
    """Run a model as it came: ONNX Runtime refuses some that onnx's text allows."""
    try:
        return run(model, feeds)
    except ValidationError:
        return ReferenceRunner(model).run(feeds)
