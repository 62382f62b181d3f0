"""Models of one node, for tests that run the same operator in two ways."""

from typing import Any

import numpy as np
import onnx
from onnx import helper


def single_node(
    op: str, inputs: list[np.ndarray | None], opset: int, *, outputs: int = 1, **attributes: Any
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A model of one node, whose outputs state no type, and the values of its inputs."""
    names = ["" if value is None else f"i{index}" for index, value in enumerate(inputs)]
    values = {name: value for name, value in zip(names, inputs, strict=True) if value is not None}
    described = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in values.items()
    ]
    results = [f"o{index}" for index in range(outputs)]
    node = helper.make_node(op, names, results, **attributes)
    graph = helper.make_graph([node], "single", described, [helper.make_empty_tensor_value_info(r) for r in results])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset > 8 else 3)
    return model, values
