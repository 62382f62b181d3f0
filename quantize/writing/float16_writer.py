"""The writer of models in float16."""

from collections.abc import Collection, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoosmith.onnx_model.constants import Array, constant_value
from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS, required_opset
from zoosmith.onnx_model.traversal import read_names, subgraphs
from zoosmith.quantize.writing.batch_transposes import products_of_moved_batches

LARGEST = float(np.finfo(np.float16).max)
"""The largest number in float16."""

# the type of their outputs follows that of an input without a type variable that says so
_FOLLOWING = {"RandomNormalLike", "RandomUniformLike", "EyeLike", "Bernoulli"}
_HALF = "tensor(float16)"
# their definition by other operators adds a float32 constant
_DEFINED_IN_SINGLE = {"MeanVarianceNormalization"}
# ONNX Runtime (1.32) loads them in float16 and does not run them where they have a `reduction`
_NOT_REDUCED_IN_HALF = {"ScatterElements", "ScatterND"}


class Float16Writer:
    """A model being written in float16.

    Args:
        model: float32; it is left as it was.
        kept: nodes that make these stay in float32.
        emulated: round values to float16 and compute in float32, for processors on which ONNX Runtime would leave the
            rounding out: it computes in float32 and removes the Casts between nodes.

    Attributes:
        model: the result.
        made: float value -> its float16 form, where a node makes it.
    """

    def __init__(self, model: onnx.ModelProto, kept: Collection[str], *, emulated: bool = False) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        graph = self.model.graph
        inferred = onnx.shape_inference.infer_shapes(model).graph
        self.made: dict[str, str] = {}
        self._opset = required_opset(model)
        self._kept = kept
        self._widened = products_of_moved_batches(graph) - set(kept)
        self._emulated = emulated
        self._names = Names(model)
        self._half: dict[str, str] = {}
        self._wide: dict[str, str] = {}
        self._constants = constants_of(graph)
        self._types = {
            value.name: value.type.tensor_type.elem_type
            for value in (*inferred.value_info, *inferred.output, *inferred.input)
        } | {name: _elem_type(value) for name, value in self._constants.items()}
        self._floats = {value.name for value in graph.input} | set(self._constants)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._scalars: dict[np.float32, str] = {}
        for node in list(graph.node):
            self._write(node)
        for value in graph.output:
            self._float(value.name)
        del graph.node[:], graph.value_info[:]
        graph.node.extend(self._nodes)
        graph.initializer.extend(self._initializers)
        _drop_unused(graph)

    def _write(self, node: onnx.NodeProto) -> None:
        halved = self._halved_types(node)
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        schema = None if halved is None else onnx.defs.get_schema(node.op_type, self._opset, "")
        for index, name in enumerate(node.input):
            if not name or self._types.get(name) != TensorProto.FLOAT:
                continue
            if schema is not None and halved and _formal(schema.inputs, index).type_str in halved:
                copy.input[index] = self._in_half(name)
            elif name in self._constants and node.output[0] in self._widened and not is_beyond(self._constants[name]):
                copy.input[index] = self._widened_constant(name)
            else:
                self._float(name)
        for name in sorted(read_names(node) - set(node.input)):
            self._float(name)
        for index, name in enumerate(node.output):
            if schema is not None and halved and name and _formal(schema.outputs, index).type_str in halved:
                self._half[name] = self.made[name] = copy.output[index] = self._names.fresh(f"{name}_float16")
            elif name:
                self._floats.add(name)
                if node.output[0] in self._widened:
                    self.made[name] = name
        self._nodes.append(copy)
        for index, name in enumerate(copy.output) if self._emulated else ():
            if name != node.output[index]:
                copy.output[index] = self._names.fresh(f"{name}_unrounded")
                self._round(copy.output[index], name)

    def _halved_types(self, node: onnx.NodeProto) -> set[str] | None:
        """The type variables of the node's operator that become float16; None where it stays in float32."""
        if node.domain not in DEFAULT_DOMAINS or subgraphs(node):
            return None
        if node.output[0] in self._kept or node.output[0] in self._widened:
            return None
        if node.op_type in _FOLLOWING | _DEFINED_IN_SINGLE or _reduces(node):
            return None
        try:
            schema = onnx.defs.get_schema(node.op_type, self._opset, "")
        except onnx.defs.SchemaError:
            return None
        allowed = {entry.type_param_str: set(entry.allowed_type_strs) for entry in schema.type_constraints}
        if any(not text.startswith("tensor(") for types in allowed.values() for text in types):
            return None
        found = set()
        for index, name in enumerate(node.input):
            if not name:
                continue
            variable = _formal(schema.inputs, index).type_str
            if name not in self._types:
                return None
            if self._types[name] != TensorProto.FLOAT or _HALF not in allowed.get(variable, ()):
                continue
            if name in self._constants and is_beyond(self._constants[name]):
                return None
            found.add(variable)
        free = {_formal(schema.outputs, index).type_str for index, name in enumerate(node.output) if name}
        free -= {_formal(schema.inputs, index).type_str for index, name in enumerate(node.input) if name}
        if any(_HALF in allowed.get(variable, ()) for variable in free):
            # no input says what type such an output has
            return None
        return found or None

    def _in_half(self, name: str) -> str:
        """The float16 form of a float value, written where there is none."""
        if name not in self._half:
            half = self._half[name] = self._names.fresh(f"{name}_float16")
            if name in self._constants:
                array = self._constants[name].astype(np.float16)
                array = array.astype(np.float32) if self._emulated else array
                self._initializers.append(numpy_helper.from_array(array, half))
            elif self._emulated:
                self._round(name, half)
            else:
                self._nodes.append(helper.make_node("Cast", [name], [half], to=TensorProto.FLOAT16))
        return self._half[name]

    def _widened_constant(self, name: str) -> str:
        """A constant in float32 that is stored in float16."""
        half = self._in_half(name)
        if self._emulated:
            return half
        if name not in self._wide:
            self._wide[name] = self._names.fresh(f"{name}_float32")
            self._nodes.append(helper.make_node("Cast", [half], [self._wide[name]], to=TensorProto.FLOAT))
        return self._wide[name]

    def _float(self, name: str) -> None:
        """Let there be the float value itself."""
        if name not in self._floats and name in self._half:
            if self._emulated:
                self._nodes.append(helper.make_node("Identity", [self._half[name]], [name]))
            else:
                self._nodes.append(helper.make_node("Cast", [self._half[name]], [name], to=TensorProto.FLOAT))
            self._floats.add(name)

    def _round(self, source: str, target: str) -> None:
        """Round a float32 value to the numbers of float16: 11 bits, then whole multiples of the smallest number.

        T. J. Dekker, "A floating-point technique for extending the available precision", 1971, section 5.
        """
        for op_type, inputs, output in (
            ("Mul", (source, np.float32(2**13 + 1)), f"{target}_spread"),
            ("Sub", (f"{target}_spread", source), f"{target}_rest"),
            ("Sub", (f"{target}_spread", f"{target}_rest"), f"{target}_short"),
            ("Add", (f"{target}_short", np.float32(0.75)), f"{target}_moved"),
            ("Sub", (f"{target}_moved", np.float32(0.75)), target),
        ):
            names = [value if isinstance(value, str) else self._scalar(value) for value in inputs]
            self._nodes.append(helper.make_node(op_type, names, [output]))

    def _scalar(self, value: np.float32) -> str:
        if value not in self._scalars:
            self._scalars[value] = self._names.fresh("rounding")
            self._initializers.append(numpy_helper.from_array(np.asarray(value), self._scalars[value]))
        return self._scalars[value]


def constants_of(graph: onnx.GraphProto) -> dict[str, Array]:
    """Arrays of the initializers that no input can replace, and of Constant nodes."""
    inputs = {value.name for value in graph.input}
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name not in inputs}
    for node in graph.node:
        value = constant_value(node)
        if value is not None:
            found[node.output[0]] = value
    return found


def _reduces(node: onnx.NodeProto) -> bool:
    """Whether the node is a scattering one that adds to, or otherwise joins, what is there."""
    return node.op_type in _NOT_REDUCED_IN_HALF and any(
        attribute.name == "reduction" and attribute.s != b"none" for attribute in node.attribute
    )


def _elem_type(value: Array) -> int:
    return helper.np_dtype_to_tensor_dtype(value.dtype)


def _formal(
    parameters: "Sequence[onnx.defs.OpSchema.FormalParameter]", index: int
) -> "onnx.defs.OpSchema.FormalParameter":
    """The formal parameter of an input or output; the last one may stand for any number."""
    return parameters[min(index, len(parameters) - 1)]


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Remove initializers and Constant nodes that nothing reads any more."""
    used = {name for node in graph.node for name in read_names(node)}
    used |= {value.name for value in graph.output}
    nodes = [node for node in graph.node if node.op_type != "Constant" or node.output[0] in used]
    tensors = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


def is_beyond(value: Array, largest: float = LARGEST) -> bool:
    """Whether a finite number of the array is beyond the largest one of a type, by default float16."""
    return bool((np.abs(value[np.isfinite(value)]) > largest).any())
