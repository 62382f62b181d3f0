"""Convolutions whose weights have a scale for each channel, between QuantizeLinear and DequantizeLinear: QLinearConv.

Below opset 13 DequantizeLinear has one scale for a whole tensor, so that runtimes do not see that such a convolution is
one of integers, and compute it in floats. They see it from 13 on, and their results differ from floats where a sum lies
between two integers. QLinearConv has had such weights since 10, and is what ONNX Runtime makes of them.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from zoosmith.onnx_model.constants import constant_tensor, constant_value, values_at_hand
from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS, default_opset
from zoosmith.onnx_model.traversal import read_names
from zoosmith.opset_upgrade.graph_editing import drop_unused
from zoosmith.opset_upgrade.node_editing import get_attribute, input_at

_OLDEST, _BY_AXIS = 10, 13
# of integers to floats and back, scales are the same to this relative error: each is rounded once more
_SAME_SCALE = 1e-6
_BYTES = (TensorProto.UINT8, TensorProto.INT8)


class _Quantized(NamedTuple):
    """What a DequantizeLinear reads, and the values of its scale and zero point."""

    node: NodeProto
    scale: np.ndarray
    zero: np.ndarray


def with_integer_convolutions(model: ModelProto, target: int | None) -> ModelProto:
    """Join such convolutions of a model that goes from opset 13 or later to 10, 11 or 12.

    Args:
        model: the model, which stays as it is.
        target: the opset that it goes to.

    Returns:
        A new model, or the model itself where there is none to join.
    """
    if target is None or not _OLDEST <= target < _BY_AXIS or (default_opset(model) or 0) < _BY_AXIS:
        return model
    joined = _Joiner(model).joined()
    if not joined:
        return model
    result = ModelProto()
    result.CopyFrom(model)
    _replace(result, joined)
    return result


class _Joiner:
    def __init__(self, model: ModelProto) -> None:
        graph = model.graph
        self._nodes: Sequence[NodeProto] = graph.node
        self._makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
        self._readers = Counter(name for node in graph.node for name in read_names(node))
        self._readers.update(value.name for value in graph.output)
        given = {value.name for value in graph.input}
        self._tensors = {tensor.name: tensor for tensor in graph.initializer if tensor.name not in given}
        self._names = Names(model)

    def joined(self) -> dict[int, tuple[NodeProto, TensorProto, tuple[int, ...]]]:
        """By the place of its QuantizeLinear: the QLinearConv, its zero point of weights, and what it stands for."""
        found = {}
        for index, node in enumerate(self._nodes):
            if node.op_type == "QuantizeLinear" and node.domain in DEFAULT_DOMAINS:
                joined = self._join(node)
                if joined is not None:
                    found[index] = joined
        return found

    def _join(self, quantize: NodeProto) -> tuple[NodeProto, TensorProto, tuple[int, ...]] | None:
        result = self._quantized(quantize)
        if result is None or result.zero.size != 1 or result.scale.size != 1:
            return None
        steps = []
        maker = self._only_reader(quantize.input[0])
        if maker is not None and self._nodes[maker].op_type == "Relu" and _cuts_at_zero(result.zero):
            steps.append(maker)
            maker = self._only_reader(self._nodes[maker].input[0])
        if maker is None or self._nodes[maker].op_type != "Conv" or self._nodes[maker].domain not in DEFAULT_DOMAINS:
            return None
        convolution = self._nodes[maker]
        data, weight = (self._dequantized(name) for name in convolution.input[:2])
        if data is None or weight is None or not _fits(data, weight, result) or not self._is_by_channel(weight.node):
            return None
        bias = self._bias(input_at(convolution, 2), data, weight)
        if bias is None:
            return None
        point = numpy_helper.from_array(weight.zero.reshape(-1)[0], self._names.fresh("weights_zero_point"))
        scaled = [*data.node.input[:3], *weight.node.input[:2], point.name, *quantize.input[1:3], *bias]
        node = helper.make_node("QLinearConv", scaled, quantize.output, name=convolution.name)
        node.attribute.extend(convolution.attribute)
        return node, point, (*steps, maker)

    def _only_reader(self, name: str) -> int | None:
        """The place of the node that makes a value which one node reads, and nothing else."""
        return self._makers.get(name) if self._readers[name] == 1 else None

    def _dequantized(self, name: str) -> _Quantized | None:
        place = self._makers.get(name)
        node = self._nodes[place] if place is not None else None
        if node is None or node.op_type != "DequantizeLinear" or node.domain not in DEFAULT_DOMAINS:
            return None
        return self._quantized(node)

    def _quantized(self, node: NodeProto) -> _Quantized | None:
        """The node with its scale and zero point, where both are known, and it has no more than opset 13 has."""
        if any(attribute.name not in ("axis", "saturate") for attribute in node.attribute):
            return None
        scale, zero = (self._value(input_at(node, index)) for index in (1, 2))
        if scale is None or zero is None or scale.dtype != np.float32:
            return None
        return _Quantized(node, scale, zero)

    def _bias(self, name: str, data: _Quantized, weight: _Quantized) -> list[str] | None:
        """The integers of the bias, none where there is no bias; None where it is not of the product's scale."""
        if not name:
            return []
        place = self._makers.get(name)
        node = self._nodes[place] if place is not None else None
        if node is None or node.op_type != "DequantizeLinear":
            return None
        integers, scale = self._value(node.input[0]), self._value(node.input[1])
        zero = self._value(input_at(node, 2)) if input_at(node, 2) else np.zeros(1)
        if integers is None or scale is None or zero is None or integers.dtype != np.int32 or zero.any():
            return None
        product = data.scale.reshape(()) * weight.scale
        return [node.input[0]] if np.allclose(scale, product, rtol=_SAME_SCALE, atol=0) else None

    def _is_by_channel(self, node: NodeProto) -> bool:
        """Whether weights, which are constant, have a scale for each slice along their first axis."""
        tensor = self._tensors.get(node.input[0])
        place = self._makers.get(node.input[0])
        if tensor is None and place is not None:
            tensor = constant_tensor(self._nodes[place])
        return tensor is not None and get_attribute(node, "axis", 1) in (0, -len(tensor.dims))

    def _value(self, name: str) -> np.ndarray | None:
        tensor = self._tensors.get(name)
        if tensor is not None:
            return values_at_hand(tensor)
        place = self._makers.get(name)
        return constant_value(self._nodes[place]) if place is not None else None


def _fits(data: _Quantized, weight: _Quantized, result: _Quantized) -> bool:
    """Whether QLinearConv takes them: bytes, data of the type of the result, more than one scale of the weights."""
    kinds = [helper.np_dtype_to_tensor_dtype(each.zero.dtype) for each in (data, weight, result)]
    return (
        data.scale.size == data.zero.size == 1
        and weight.scale.ndim == 1
        and weight.scale.size > 1
        and bool((weight.zero == weight.zero.flat[0]).all())
        and all(kind in _BYTES for kind in kinds)
        and kinds[0] == kinds[2]
        and (kinds[0] == TensorProto.UINT8 or kinds[1] == TensorProto.INT8)
    )


def _cuts_at_zero(zero: np.ndarray) -> bool:
    """Whether integers of this zero point are none below it, so that a Relu before them changes nothing."""
    return zero.dtype.kind in "iu" and zero.flat[0] == np.iinfo(zero.dtype).min


def _replace(model: ModelProto, joined: dict[int, tuple[NodeProto, TensorProto, tuple[int, ...]]]) -> None:
    graph = model.graph
    gone = {place for _, _, places in joined.values() for place in places}
    nodes = [
        joined[index][0] if index in joined else node for index, node in enumerate(graph.node) if index not in gone
    ]
    read = {value.name for value in graph.output}.union(*(read_names(node) for node in nodes))
    kept = [node for node in nodes if node.op_type != "DequantizeLinear" or read.intersection(node.output)]
    released = [name for index in (*joined, *gone) for name in graph.node[index].input]
    released += [name for node in nodes if node.op_type == "DequantizeLinear" for name in node.input]
    graph.initializer.extend(point for _, point, _ in joined.values())
    copies = [NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)
    drop_unused(model, released)
