"""A small BERT in the nodes that torch's older exporter writes, which ONNX Runtime's transformer optimizer knows."""

from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

WIDTH, HEADS, TOKENS, PLACES = 16, 2, 11, 9


class _Builder:
    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []
        self._rng = np.random.default_rng(0)

    def op(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        name = f"constant_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def weights(self, *shape: int) -> str:
        return self.constant(self._rng.normal(size=shape) * 0.3, np.float32)

    def normalized(self, data: str) -> str:
        return self.op("LayerNormalization", data, self.weights(WIDTH), self.weights(WIDTH), axis=-1, epsilon=1e-5)

    def linear(self, data: str, inside: int = WIDTH, out: int = WIDTH) -> str:
        return self.op("Add", self.weights(out), self.op("MatMul", data, self.weights(inside, out)))

    def heads(self, data: str, perm: list[int]) -> str:
        apart = self.op("Reshape", self.linear(data), self.constant([0, 0, HEADS, WIDTH // HEADS]))
        return self.op("Transpose", apart, perm=perm)

    def embedded(self) -> str:
        total = self.op(
            "Add",
            self.op("Gather", self.weights(TOKENS, WIDTH), "input_ids"),
            self.op("Gather", self.weights(2, WIDTH), "token_type_ids"),
        )
        length = self.op("Gather", self.op("Shape", "input_ids"), self.constant(1))
        end = self.op("Unsqueeze", length, self.constant([0]))
        numbers = self.constant([list(range(PLACES))])
        places = self.op("Slice", numbers, self.constant([0]), end, self.constant([1]), self.constant([1]))
        total = self.op("Add", total, self.op("Gather", self.weights(PLACES, WIDTH), places))
        return self.normalized(total)

    def masked(self) -> str:
        mask = self.op("Unsqueeze", "attention_mask", self.constant([1]))
        mask = self.op("Cast", self.op("Unsqueeze", mask, self.constant([2])), to=TensorProto.FLOAT)
        hidden = self.op("Sub", self.constant(1, np.float32), mask)
        return self.op("Mul", hidden, self.constant(-10000, np.float32))

    def attended(self, data: str, mask: str) -> str:
        query, key = self.heads(data, [0, 2, 1, 3]), self.heads(data, [0, 2, 3, 1])
        value = self.heads(data, [0, 2, 1, 3])
        root = self.constant(np.sqrt(WIDTH / HEADS), np.float32)
        scores = self.op("Add", self.op("Div", self.op("MatMul", query, key), root), mask)
        weighted = self.op("MatMul", self.op("Softmax", scores, axis=-1), value)
        together = self.op("Transpose", weighted, perm=[0, 2, 1, 3])
        return self.op("Reshape", together, self.constant([0, 0, WIDTH]))

    def gelu(self, data: str) -> str:
        error = self.op("Erf", self.op("Div", data, self.constant(np.sqrt(2), np.float32)))
        gate = self.op("Mul", data, self.op("Add", error, self.constant(1, np.float32)))
        return self.op("Mul", gate, self.constant(0.5, np.float32))


def bert(layers: int = 2) -> ModelProto:
    """The encoder: input_ids, attention_mask and token_type_ids of (batch, length); y of (batch, length, WIDTH)."""
    made = _Builder()
    mask, data = made.masked(), made.embedded()
    for _ in range(layers):
        data = made.normalized(made.op("Add", made.linear(made.attended(data, mask)), data))
        inner = made.gelu(made.linear(data, WIDTH, 2 * WIDTH))
        data = made.normalized(made.op("Add", made.linear(inner, 2 * WIDTH, WIDTH), data))
    made.nodes[-1].output[0] = "y"
    value, sizes = helper.make_tensor_value_info, ["batch", "length"]
    given = [value(name, TensorProto.INT64, sizes) for name in ("input_ids", "attention_mask", "token_type_ids")]
    graph = helper.make_graph(made.nodes, "bert", given, [value("y", TensorProto.FLOAT, [*sizes, WIDTH])], made.tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
