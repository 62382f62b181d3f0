"""Models of one node, for tests that run the same operator in two ways."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper


def single_node(
    op: str,
    inputs: list[np.ndarray | None],
    opset: int,
    *,
    outputs: int = 1,
    elem_type: int | None = None,
    **attributes: Any,
) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """A model of one node and its inputs' values; outputs have `elem_type`, by default that of the first input."""
    names = ["" if value is None else f"i{index}" for index, value in enumerate(inputs)]
    values = {name: value for name, value in zip(names, inputs, strict=True) if value is not None}
    types = {name: helper.np_dtype_to_tensor_dtype(value.dtype) for name, value in values.items()}
    kind = elem_type or next(iter(types.values()), TensorProto.FLOAT)
    graph = helper.make_graph(
        [helper.make_node(op, names, [f"o{index}" for index in range(outputs)], **attributes)],
        "single",
        [helper.make_tensor_value_info(name, types[name], value.shape) for name, value in values.items()],
        [helper.make_tensor_value_info(f"o{index}", kind, None) for index in range(outputs)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset > 8 else 3)
    return model, values
