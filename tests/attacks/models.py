"""ONNX models."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, helper

from tests.attacks.attack import ANY, REFUSED, add_files

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
# the first number that is no element type
BEYOND = max(TensorProto.DataType.values()) + 1


def value(name: str, shape: Sequence[int | str | None] | None = (2, 3), kind: int = FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, values: Any, dtype: str = "i8") -> TensorProto:
    return onnx.numpy_helper.from_array(np.array(values, dtype), name)


def model(
    nodes: Iterable[NodeProto],
    inputs: Iterable[ValueInfoProto] = (),
    outputs: Iterable[ValueInfoProto] = (),
    weights: Iterable[TensorProto] = (),
    opset: int = 13,
    ir: int = 8,
) -> ModelProto:
    graph = GraphProto(name="g", node=list(nodes), initializer=list(weights))
    graph.input.extend(inputs or [value("x")])
    graph.output.extend(outputs or [value("y", [None, None])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def node(kind: str, inputs: Sequence[str] = ("x",), outputs: Sequence[str] = ("y",), **attributes: Any) -> NodeProto:
    return helper.make_node(kind, list(inputs), list(outputs), **attributes)


def relu(**named: Any) -> ModelProto:
    return model([node("Relu")], **named)


def with_weight(tensor: TensorProto) -> ModelProto:
    tensor.name = "W"
    return model([node("Add", ["x", "W"])], weights=[tensor])


def weight(dims: Sequence[int], raw: bytes, kind: int = FLOAT, **fields: Any) -> ModelProto:
    return with_weight(TensorProto(dims=dims, data_type=kind, raw_data=raw, **fields))


def changed(change: Callable[[ModelProto], Any], of: ModelProto | None = None) -> ModelProto:
    made = ModelProto()
    made.CopyFrom(of or relu())
    change(made)
    return made


def of_type(kind: int) -> ModelProto:
    return changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", kind))


def of_size(*sizes: int) -> ModelProto:
    return model([node("Relu")], [value("x", sizes)])


def in_constant(tensor: TensorProto) -> ModelProto:
    return model([node("Constant", [], ["c"], value=tensor), node("Add", ["x", "c"])])


def in_branch(tensor: TensorProto) -> ModelProto:
    body = helper.make_graph([node("Constant", [], ["t"], value=tensor)], "b", [], [value("t", None)])
    condition = constant("on", True, "?")
    return model([node("If", ["on"], ["y"], then_branch=body, else_branch=body)], weights=[condition])


def sparse(values: TensorProto, indices: TensorProto, dims: Sequence[int]) -> ModelProto:
    values.name = "W"
    made = model([node("Add", ["x", "W"])])
    made.graph.sparse_initializer.add(values=values, indices=indices, dims=dims)
    return made


def with_bytes(m: ModelProto, old: bytes, new: bytes) -> bytes:
    """The file of a model with a name in it replaced by bytes of the same length that are no text."""
    content = m.SerializeToString()
    assert old in content and len(old) == len(new)
    return content.replace(old, new)


def nested(depth: int) -> ModelProto:
    inner = helper.make_graph([node("Relu", ["x"], ["t"])], "b", [], [value("t", None)])
    for _ in range(depth):
        branch = node("If", ["on"], ["t"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([branch], "b", [], [value("t", None)])
        if inner.ByteSize() > 1 << 22:
            break
    return model([*inner.node, node("Relu", ["t"])], weights=[constant("on", True, "?")])


def nested_once(depth: int) -> bytes:
    """One `If` in another, so deep that protobuf itself refuses it."""
    content = b""
    for _ in range(depth):
        content = field(1, field(5, field(6, content) + b"\xa0\x01\x05"))
    return field(7, content) + relu().SerializeToString()


def field(number: int, content: bytes) -> bytes:
    size, length = len(content), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def nested_type(depth: int) -> ModelProto:
    inner = TypeProto()
    inner.tensor_type.elem_type = FLOAT
    for _ in range(depth):
        outer = TypeProto()
        outer.sequence_type.elem_type.CopyFrom(inner)
        inner = outer
    return changed(lambda m: m.graph.input[0].type.CopyFrom(inner))


def function_of_itself() -> ModelProto:
    made = model([helper.make_node("F", ["x"], ["y"], domain="f")])
    made.opset_import.add(domain="f", version=1)
    body = [helper.make_node("F", ["a"], ["b"], domain="f")]
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("f", 1)]
    made.functions.append(helper.make_function("f", "F", ["a"], ["b"], body, opsets))
    return made


def functions_that_double(levels: int) -> ModelProto:
    """Each function calls the next one twice: what inlines them makes 2 ** levels nodes."""
    made = model([helper.make_node("F0", ["x"], ["y"], domain="f")], ir=8)
    made.opset_import.add(domain="f", version=1)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("f", 1)]
    for level in range(levels):
        calls = f"F{level + 1}" if level + 1 < levels else None
        inner = [
            helper.make_node(calls, [a], [b], domain="f") if calls else helper.make_node("Relu", [a], [b])
            for a, b in (("a", "t"), ("t", "b"))
        ]
        made.functions.append(helper.make_function("f", f"F{level}", ["a"], ["b"], inner, opsets))
    return made


def images(
    kind: str, weights: Iterable[TensorProto] = (), inputs: Sequence[str] = ("x",), **attributes: Any
) -> ModelProto:
    ports = [value("x", (1, 3, 8, 8))], [value("y", [None] * 4)]
    return model([node(kind, inputs, **attributes)], *ports, weights)


CONV = (constant("W", np.ones((2, 3, 3, 3)), "f"),)


def shape_input(kind: str, values: Any, **named: Any) -> ModelProto:
    return model([node(kind, ["x", "n"])], weights=[constant("n", values)], **named)


BIG = (2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1)

WEIGHTS: dict[str, ModelProto | bytes] = {
    "raw_short": weight([2, 3], bytes(20)),
    "raw_long": weight([2, 3], bytes(28)),
    "raw_odd": weight([2, 3], bytes(23)),
    "raw_empty": weight([2, 3], b""),
    "no_data": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT)),
    "scalar_without_data": with_weight(TensorProto(data_type=FLOAT)),
    **{f"dims_{size}": weight([size], bytes(4)) for size in BIG},
    "dims_product_overflows_to_24": weight([2**33, 2**33, 6], bytes(24)),
    "dims_product_overflows_to_0": weight([2**32, 2**32], b""),
    "dims_negative": weight([-2, -3], bytes(24)),
    "dims_minus_one": weight([-1], bytes(4)),
    "dims_least": weight([-(2**63)], bytes(4)),
    "dims_65": weight([1] * 65, bytes(4)),
    "dims_1000": weight([1] * 1000, bytes(4)),
    "dims_zero_and_huge": weight([0, 2**62, 2**62], b""),
    "floats_short": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT, float_data=[1.0] * 5)),
    "floats_long": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT, float_data=[1.0] * 7)),
    "floats_as_ints": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT, int64_data=[1] * 6)),
    "doubles_short": with_weight(TensorProto(dims=[2, 3], data_type=TensorProto.DOUBLE, double_data=[1.0] * 5)),
    "int64_short": with_weight(TensorProto(dims=[2, 3], data_type=INT64, int64_data=[1] * 5)),
    "strings_short": with_weight(TensorProto(dims=[2, 3], data_type=TensorProto.STRING, string_data=[b"a"] * 5)),
    "strings_raw": weight([2, 3], bytes(24), TensorProto.STRING),
    "complex_short": with_weight(TensorProto(dims=[2, 3], data_type=TensorProto.COMPLEX64, float_data=[1.0] * 6)),
    "int4_short": weight([3], bytes(1), TensorProto.INT4),
    "int4_long": weight([3], bytes(3), TensorProto.INT4),
    "uint4_as_ints_short": with_weight(TensorProto(dims=[2, 3], data_type=TensorProto.UINT4, int32_data=[1] * 2)),
    "float16_short": weight([2, 3], bytes(11), TensorProto.FLOAT16),
    "bfloat16_short": weight([2, 3], bytes(10), TensorProto.BFLOAT16),
    "float8_short": weight([2, 3], bytes(5), TensorProto.FLOAT8E4M3FN),
    **{f"dtype_{kind}": weight([2, 3], bytes(24), kind) for kind in (0, BEYOND, 77, 1000, 2**31 - 1, -1)},
    "dtype_least": weight([2, 3], bytes(24), -(2**31)),
    "raw_and_floats": with_weight(TensorProto(dims=[2, 3], data_type=FLOAT, raw_data=bytes(20), float_data=[1.0] * 6)),
    "in_constant_short": in_constant(TensorProto(dims=[2, 3], data_type=FLOAT, raw_data=bytes(20))),
    "in_constant_huge": in_constant(TensorProto(dims=[2**62], data_type=FLOAT, raw_data=bytes(20))),
    "in_constant_dtype": in_constant(TensorProto(dims=[2, 3], data_type=77, raw_data=bytes(24))),
    "in_branch_short": in_branch(TensorProto(dims=[2, 3], data_type=FLOAT, raw_data=bytes(20))),
    "in_branch_huge": in_branch(TensorProto(dims=[2**62], data_type=FLOAT)),
    "sparse_negative": sparse(constant("v", [1.0], "f"), constant("i", [0]), [-2, 3]),
    "sparse_short_indices": sparse(constant("v", [1.0, 2.0], "f"), constant("i", [0]), [2, 3]),
    "sparse_values_2d": sparse(constant("v", [[1.0]], "f"), constant("i", [0]), [2, 3]),
    "sparse_values_short": sparse(TensorProto(dims=[4], data_type=FLOAT, raw_data=bytes(4)), constant("i", [0]), [6]),
    "sparse_no_values": sparse(TensorProto(), TensorProto(), [2, 3]),
}

STRUCTURE: dict[str, ModelProto | bytes] = {
    "elem_type_beyond": of_type(BEYOND),
    "elem_type_77": of_type(77),
    "elem_type_huge": of_type(2**31 - 1),
    "elem_type_negative": of_type(-5),
    "elem_type_of_output": changed(lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", 77)),
    "elem_type_in_sequence": changed(
        lambda m: m.graph.input[0].type.CopyFrom(
            TypeProto(sequence_type=TypeProto.Sequence(elem_type=TypeProto(tensor_type=TypeProto.Tensor(elem_type=77))))
        )
    ),
    "cycle_of_one": model([node("Add", ["x", "y"])]),
    "cycle_of_two": model([node("Add", ["x", "b"], ["a"]), node("Relu", ["a"], ["b"]), node("Relu", ["b"])]),
    "cycle_of_5000": model(
        [node("Add", ["x", "t4999"], ["t0"])]
        + [node("Relu", [f"t{k}"], [f"t{k + 1}"]) for k in range(4999)]
        + [node("Relu", ["t4999"])]
    ),
    "unsorted": model([node("Relu", ["a"]), node("Relu", ["x"], ["a"])]),
    "unsorted_5000": model(
        [
            node("Relu", ["t0"]),
            *(node("Relu", [f"t{k + 1}"], [f"t{k}"]) for k in range(4999)),
            node("Relu", ["x"], ["t4999"]),
        ]
    ),
    "cycle_through_branch": model(
        [
            node(
                "If",
                ["on"],
                ["y"],
                then_branch=helper.make_graph([node("Relu", ["y"], ["t"])], "b", [], [value("t")]),
                else_branch=helper.make_graph([node("Relu", ["x"], ["t"])], "b", [], [value("t")]),
            )
        ],
        weights=[constant("on", True, "?")],
    ),
    "nested_once_2000": nested_once(2000),
    "nested_once_100000": nested_once(20000),
    "nested_type_200": nested_type(200),
    "no_graph": ModelProto(ir_version=8, opset_import=[helper.make_opsetid("", 13)]),
    "no_opset": changed(lambda m: m.ClearField("opset_import")),
    "no_ir": changed(lambda m: m.ClearField("ir_version")),
    "name_not_text": with_bytes(relu(), b"\x0a\x01x", b"\x0a\x01\xff"),
    "op_type_not_text": with_bytes(relu(), b"Relu", b"\xff\xfe\xfd\xfc"),
    "attribute_not_text": with_bytes(model([node("Softmax", axis=1)]), b"axis", b"a\xffis"),
    "producer_not_text": with_bytes(changed(lambda m: setattr(m, "producer_name", "maker")), b"maker", b"ma\xff\xffr"),
    "symbol_not_text": with_bytes(model([node("Relu")], [value("x", ["SYMB", 3])]), b"SYMB", b"\xff\xff\xff\xff"),
    "graph_name_not_text": with_bytes(changed(lambda m: setattr(m.graph, "name", "graf")), b"graf", b"gr\xc0\x80"),
    "surrogate_in_name": with_bytes(model([node("Relu")], [value("abc")]), b"abc", b"\xed\xa0\x80"),
}

# a command may find nothing wrong in what it needs of these
UNUSUAL: dict[str, ModelProto | bytes] = {
    **{f"input_of_{size}": of_size(size, 3) for size in BIG},
    "input_of_many_large": of_size(2**16, 2**16, 2**16, 2**16),
    "input_negative": of_size(-1, 3),
    "input_least": of_size(-(2**63), 3),
    "input_zero": of_size(0, 3),
    "input_zero_and_huge": of_size(0, 2**62),
    "input_65_dimensions": of_size(*[1] * 65),
    "input_5000_dimensions": of_size(*[1] * 5000),
    "input_without_type": changed(lambda m: m.graph.input[0].ClearField("type")),
    "input_of_type_0": of_type(0),
    "output_without_type": changed(lambda m: m.graph.output[0].ClearField("type")),
    "output_negative": model([node("Relu")], outputs=[value("y", [-1, -1])]),
    "value_info_negative": changed(
        lambda m: m.graph.value_info.append(value("t", [-5])),
        model([node("Relu", ["x"], ["t"]), node("Relu", ["t"])]),
    ),
    "negative_and_slice": model(
        [node("Slice", ["x", "st", "en"], ["s"]), node("Relu", ["s"])],
        [value("x", [-1, 4])],
        weights=[constant("st", [0, 0]), constant("en", [2, 4])],
    ),
    "negative_and_concat": model([node("Concat", ["x", "x"], axis=0)], [value("x", [-1, 4])]),
    "negative_and_reshape": shape_input("Reshape", [-1], inputs=[value("x", [-1, 4])]),
    "negative_and_split": model([node("Split", ["x"], ["y", "z"], axis=0)], [value("x", [-7, 4])]),
    "negative_and_pool": model([node("MaxPool", kernel_shape=[2, 2])], [value("x", [1, 3, -8, -8])]),
    "negative_and_flatten": model([node("Flatten", axis=2)], [value("x", [-3, -5, 4])]),
    "symbol_with_controls": model([node("Relu")], [value("x", ["\x1b[2J", 3])]),
    "two_outputs_of_one_name": model([node("Relu"), node("Relu")]),
    "output_made_by_none": model([node("Relu", ["x"], ["z"])]),
    "reads_what_nothing_makes": model([node("Add", ["x", "nothing"])]),
    "reads_itself_as_weight": model([node("Relu", ["x"], ["x"]), node("Relu")]),
    "no_nodes": model([]),
    "no_ports": changed(lambda m: (m.graph.ClearField("input"), m.graph.ClearField("output"))),
    "empty_names": model([node("Relu", [""], [""])]),
    "no_inputs_at_node": model([node("Conv", [])]),
    "no_outputs_at_node": model([node("Relu", ["x"], [])]),
    "unknown_operator": model([node("Nonsense")]),
    "unknown_domain": model([helper.make_node("Relu", ["x"], ["y"], domain="no.such")]),
    "same_port_twice": changed(lambda m: m.graph.input.append(value("x"))),
    "same_weight_twice": changed(lambda m: m.graph.initializer.extend([constant("W", [1.0], "f")] * 2)),
    **{f"opset_{opset}": relu(opset=opset) for opset in (0, -1, 5000, 2**31, 2**63 - 1)},
    **{f"ir_{ir}": relu(ir=ir) for ir in (1, -1, 5000, 2**63 - 1)},
    "opset_twice": changed(lambda m: m.opset_import.add(domain="", version=7)),
    "opset_both_names": changed(lambda m: m.opset_import.add(domain="ai.onnx", version=7)),
    "opset_of_another_domain": changed(lambda m: setattr(m.opset_import[0], "domain", "com.example")),
    "nested_8": nested(8),
    "nested_type_20": nested_type(20),
    "function_of_itself": function_of_itself(),
    "functions_that_double": functions_that_double(24),
    "function_twice": changed(lambda m: m.functions.append(m.functions[0]), functions_that_double(2)),
    "long_name": model([node("Relu", ["n" * 3_000_000])], [value("n" * 3_000_000)]),
    "many_nodes": model(
        [node("Relu", ["x" if k == 0 else f"t{k}"], [f"t{k + 1}"]) for k in range(3000)] + [node("Relu", ["t3000"])]
    ),
    "stride_0": images("Conv", CONV, ["x", "W"], strides=[0, 0]),
    "stride_negative": images("Conv", CONV, ["x", "W"], strides=[-1, -1]),
    "stride_huge": images("Conv", CONV, ["x", "W"], strides=[2**62, 2**62]),
    "dilation_0": images("Conv", CONV, ["x", "W"], dilations=[0, 0]),
    "dilation_huge": images("Conv", CONV, ["x", "W"], dilations=[2**62, 2**62]),
    "pads_huge": images("Conv", CONV, ["x", "W"], pads=[2**62] * 4),
    "pads_negative": images("Conv", CONV, ["x", "W"], pads=[-(2**62)] * 4),
    "pads_short": images("Conv", CONV, ["x", "W"], pads=[1]),
    "group_0": images("Conv", CONV, ["x", "W"], group=0),
    "group_negative": images("Conv", CONV, ["x", "W"], group=-3),
    "kernel_shape_differs": images("Conv", CONV, ["x", "W"], kernel_shape=[2**40, 1]),
    "kernel_shape_0": images("MaxPool", kernel_shape=[0, 0]),
    "kernel_shape_huge": images("MaxPool", kernel_shape=[2**62, 2**62]),
    "kernel_shape_empty": changed(
        lambda m: m.graph.node[0].attribute.append(AttributeProto(name="kernel_shape", type=7)), images("MaxPool")
    ),
    "pool_stride_0": images("AveragePool", kernel_shape=[2, 2], strides=[0, 0]),
    "pool_ceil_stride_0": images("MaxPool", kernel_shape=[2, 2], strides=[0, 0], ceil_mode=1),
    "transpose_out_of_range": model([node("Transpose", perm=[5, 7])]),
    "transpose_twice_0": model([node("Transpose", perm=[0, 0])]),
    "transpose_negative": model([node("Transpose", perm=[-1, -2])]),
    "axis_huge": model([node("Softmax", axis=2**62)]),
    "axis_least": model([node("Softmax", axis=-(2**63))]),
    "axis_as_text": model([node("Softmax", axis="one")]),
    "axis_as_float": model([node("Softmax", axis=1.5)]),
    "axis_as_list": model([node("Softmax", axis=[1])]),
    "concat_axis_huge": model([node("Concat", ["x", "x"], axis=2**40)]),
    "flatten_axis_huge": model([node("Flatten", axis=2**40)]),
    "gather_out_of_range": model([node("Gather", ["x", "n"], axis=0)], weights=[constant("n", [2**62])]),
    "gather_axis_huge": model([node("Gather", ["x", "n"], axis=2**40)], weights=[constant("n", [0])]),
    "squeeze_axes_huge": model([node("Squeeze", axes=[2**40])], opset=11),
    "unsqueeze_axes_twice": model([node("Unsqueeze", axes=[0, 0, 0])], opset=11),
    "unsqueeze_axes_huge": shape_input("Unsqueeze", [2**40]),
    "unsqueeze_axes_many": shape_input("Unsqueeze", list(range(5000))),
    "reshape_huge": shape_input("Reshape", [2**62, 2**62]),
    "reshape_negative": shape_input("Reshape", [-2, -3]),
    "reshape_two_unknown": shape_input("Reshape", [-1, -1]),
    "reshape_to_0": shape_input("Reshape", [0, 0, 0, 0, 0]),
    "reshape_2d_shape": shape_input("Reshape", [[2, 3]]),
    "expand_huge": shape_input("Expand", [2**40, 2, 3]),
    "expand_negative": shape_input("Expand", [-5, 2, 3]),
    "tile_huge": shape_input("Tile", [2**40, 2**40]),
    "tile_negative": shape_input("Tile", [-1, -1]),
    "tile_large": shape_input("Tile", [2**16, 2**16]),
    "split_negative": model([node("Split", ["x", "n"], ["y", "z"])], weights=[constant("n", [-1, 3])]),
    "split_huge": model([node("Split", ["x", "n"], ["y", "z"])], weights=[constant("n", [2**62, 2**62])]),
    "split_attribute_negative": model([node("Split", ["x"], ["y", "z"], split=[-1, 3])], opset=11),
    "slice_step_0": model(
        [node("Slice", ["x", "a", "b", "c", "d"])],
        weights=[constant("a", [0]), constant("b", [2]), constant("c", [0]), constant("d", [0])],
    ),
    "slice_axes_huge": model(
        [node("Slice", ["x", "a", "b", "c"])], weights=[constant("a", [0]), constant("b", [2]), constant("c", [2**40])]
    ),
    "slice_lengths_differ": model(
        [node("Slice", ["x", "a", "b"])], weights=[constant("a", [0, 0, 0]), constant("b", [2])]
    ),
    "pad_huge": model([node("Pad", ["x", "n"])], weights=[constant("n", [2**62, 0, 0, 0])]),
    "pad_large": model([node("Pad", ["x", "n"])], weights=[constant("n", [2**34, 0, 0, 0])]),
    "pad_short": model([node("Pad", ["x", "n"])], weights=[constant("n", [1])]),
    "pad_negative": model([node("Pad", ["x", "n"])], weights=[constant("n", [-(2**62), 0, 0, 0])]),
    "constant_of_shape_huge": model(
        [node("ConstantOfShape", ["n"], ["c"]), node("Add", ["x", "c"])], weights=[constant("n", [2**40])]
    ),
    "constant_of_shape_large": model(
        [node("ConstantOfShape", ["n"], ["c"]), node("Add", ["x", "c"])], weights=[constant("n", [2**33, 2, 3])]
    ),
    "constant_of_shape_negative": model(
        [node("ConstantOfShape", ["n"], ["c"]), node("Add", ["x", "c"])], weights=[constant("n", [-4])]
    ),
    "constant_without_value": model([node("Constant", [], ["c"]), node("Add", ["x", "c"])]),
    "constant_with_two_values": model(
        [node("Constant", [], ["c"], value_float=1.0, value_int=1), node("Add", ["x", "c"])]
    ),
    "constant_value_as_text": model([node("Constant", [], ["c"], value="text"), node("Add", ["x", "c"])]),
    "range_huge": model(
        [node("Range", ["a", "b", "c"], ["r"]), node("Relu")],
        weights=[constant("a", 0), constant("b", 2**62), constant("c", 1)],
    ),
    "range_step_0": model(
        [node("Range", ["a", "b", "c"], ["r"]), node("Relu")],
        weights=[constant("a", 0), constant("b", 5), constant("c", 0)],
    ),
    "one_hot_huge": model(
        [node("OneHot", ["i", "n", "v"], ["r"]), node("Relu")],
        weights=[constant("i", [1]), constant("n", 2**40), constant("v", [0.0, 1.0], "f")],
    ),
    "resize_huge": model(
        [node("Resize", ["x", "", "", "n"])], [value("x", (1, 3, 8, 8))], weights=[constant("n", [1, 3, 2**40, 2**40])]
    ),
    "resize_scale_huge": model(
        [node("Resize", ["x", "", "n"])], [value("x", (1, 3, 8, 8))], weights=[constant("n", [1, 1, 1e30, 1e30], "f")]
    ),
    "resize_scale_nan": model(
        [node("Resize", ["x", "", "n"])], [value("x", (1, 3, 8, 8))], weights=[constant("n", [1, 1, np.nan, 0], "f")]
    ),
    "upsample_scale_negative": images("Upsample", [constant("n", [1, 1, -2, -2], "f")], ["x", "n"]),
    "depth_to_space_0": images("DepthToSpace", blocksize=0),
    "space_to_depth_0": images("SpaceToDepth", blocksize=0),
    "space_to_depth_huge": images("SpaceToDepth", blocksize=2**40),
    "lrn_size_0": images("LRN", size=0),
    "lrn_size_huge": images("LRN", size=2**62),
    "group_normalization_0": images("GroupNormalization", CONV, ["x", "W", "W"], num_groups=0),
    "top_k_huge": model([node("TopK", ["x", "n"], ["y", "i"])], weights=[constant("n", [2**62])]),
    "top_k_negative": model([node("TopK", ["x", "n"], ["y", "i"])], weights=[constant("n", [-1])]),
    "cast_to_77": model([node("Cast", to=77)]),
    "cast_to_0": model([node("Cast", to=0)]),
    "cast_without_type": model([node("Cast")]),
    "einsum_nonsense": model([node("Einsum", equation="->->...,,ij")]),
    "einsum_without_equation": model([node("Einsum")]),
    "einsum_long": model([node("Einsum", equation=",".join(["ij"] * 5000))]),
    "random_huge": model([node("RandomNormal", [], ["r"], shape=[2**40]), node("Relu")]),
    "loop_without_body": model([node("Loop", ["", ""], ["y"])]),
    "if_without_branches": model([node("If", ["on"], ["y"])], weights=[constant("on", True, "?")]),
    "if_of_empty_branches": model(
        [node("If", ["on"], ["y"], then_branch=GraphProto(), else_branch=GraphProto())],
        weights=[constant("on", True, "?")],
    ),
    "if_branch_as_number": model(
        [node("If", ["on"], ["y"], then_branch=1, else_branch=2)], weights=[constant("on", True, "?")]
    ),
    "endless_loop": model(
        [
            node(
                "Loop",
                ["", "on", "x"],
                ["y"],
                body=helper.make_graph(
                    [node("Identity", ["c"], ["d"]), node("Identity", ["v"], ["w"])],
                    "b",
                    [value("i", [], INT64), value("c", [], TensorProto.BOOL), value("v")],
                    [value("d", [], TensorProto.BOOL), value("w")],
                ),
            )
        ],
        weights=[constant("on", True, "?")],
    ),
    "scan_of_nothing": model([node("Scan", ["x"], ["y"], num_scan_inputs=5, body=GraphProto())]),
    "attribute_twice": changed(
        lambda m: m.graph.node[0].attribute.append(helper.make_attribute("axis", 0)), model([node("Softmax", axis=1)])
    ),
    "attribute_without_type": changed(
        lambda m: m.graph.node[0].attribute.append(AttributeProto(name="axis", i=1)), model([node("Softmax")])
    ),
    "attribute_of_no_tensor": changed(
        lambda m: m.graph.node[0].attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR)),
        model([node("Constant", [])]),
    ),
    "attribute_of_no_graph": changed(
        lambda m: m.graph.node[0].attribute.append(AttributeProto(name="then_branch", type=AttributeProto.GRAPH)),
        model([node("If")]),
    ),
    "constant_ints_as_float": model([node("Constant", [], value_ints=1.5)]),
    "constant_float_as_text": model([node("Constant", [], value_float="x")]),
    "attribute_type_99": with_bytes(model([node("Softmax", axis=1)]), b"\xa0\x01\x02", b"\xa0\x01\x63"),
    "attribute_of_function": changed(
        lambda m: m.graph.node[0].attribute.append(AttributeProto(name="axis", ref_attr_name="alpha", type=2)),
        model([node("Softmax")]),
    ),
    "batch_normalization_short": images(
        "BatchNormalization", [constant(n, [1.0], "f") for n in "sbmv"], ["x", *"sbmv"]
    ),
    "batch_normalization_empty": images(
        "BatchNormalization", [constant(n, np.ones(0), "f") for n in "sbmv"], ["x", *"sbmv"]
    ),
    "matmul_of_scalars": model([node("MatMul", ["s", "x"])], weights=[constant("s", 1.0, "f")]),
    "gemm_of_4d": model([node("Gemm", ["W", "W", "W"])], weights=CONV),
    "quantized_zero_point_type": model(
        [node("QuantizeLinear", ["x", "s", "z"])], weights=[constant("s", 0.0, "f"), constant("z", 2**40)]
    ),
    "dequantized_axis_huge": model(
        [node("DequantizeLinear", ["q", "s"], ["d"], axis=2**40), node("Add", ["x", "d"])],
        weights=[constant("q", [[1, 2, 3]], "i1"), constant("s", [1.0, 2.0], "f")],
    ),
    "sparse_huge": sparse(constant("v", [1.0], "f"), constant("i", [0]), [2**40, 2**20]),
    "sparse_index_outside": sparse(constant("v", [1.0], "f"), constant("i", [2**40]), [2, 3]),
    "sparse_index_negative": sparse(constant("v", [1.0], "f"), constant("i", [-9]), [2, 3]),
    "map_input": changed(
        lambda m: m.graph.input[0].type.CopyFrom(
            TypeProto(
                map_type=TypeProto.Map(key_type=77, value_type=TypeProto(tensor_type=TypeProto.Tensor(elem_type=1)))
            )
        )
    ),
    "opaque_input": changed(lambda m: m.graph.input[0].type.CopyFrom(TypeProto(opaque_type=TypeProto.Opaque()))),
    "quantization_annotation": changed(lambda m: m.graph.quantization_annotation.add(tensor_name="none")),
    "training_info": changed(lambda m: m.training_info.add()),
}


def _hostile_names() -> dict[str, ModelProto | bytes]:
    names = {
        "title": "\x1b]0;TITLE\x07",
        "clear": "\x1b[2J\x1b[H",
        "fake_line": "x\n18 of 18 checks passed",
        "carriage_return": "x\rerror: none",
        "bidi": "\u202egnp.exe\u2066",
        "c1": "\x9b2J",
        "nul": "a\0b",
        "line_separator": "a\u2028b",
        "backspace": "abc\b\b\b",
        "markup": "[bold][/no]",
        "link": "[link=file:///etc/passwd]x",
        "percent": "%s%n{0}{x!r}",
    }
    made: dict[str, ModelProto | bytes] = {}
    for what, text in names.items():
        made[f"value_{what}"] = model([node("Relu", [text])], [value(text)])
        made[f"operator_{what}"] = model([node(text)])
        made[f"output_{what}"] = model([node("Relu", ["x"], [text])], outputs=[value(text, None)])
    made["producer_title"] = changed(lambda m: setattr(m, "producer_name", names["title"]))
    made["domain_title"] = changed(lambda m: m.opset_import.add(domain=names["title"], version=1))
    made["node_name_clear"] = changed(lambda m: setattr(m.graph.node[0], "name", names["clear"]), images("Conv"))
    made["symbol_title"] = model([node("Relu")], [value("x", [names["title"], 3])])
    return made


def _contents(models: dict[str, ModelProto | bytes]) -> dict[str, bytes]:
    return {
        name: made if isinstance(made, bytes) else made.SerializeToString(deterministic=True)
        for name, made in models.items()
    }


_WHOLE = images("Conv", CONV, ["x", "W"]).SerializeToString(deterministic=True)

BYTES = {
    "empty": b"",
    "one_byte": b"\x08",
    "text": b"hello, world\n",
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n",
    "html": b"<!DOCTYPE html><html><body>404</body></html>",
    "pickle": b"cos\nsystem\n(S'touch owned'\ntR.",
    **{f"cut_at_{k}_of_9": _WHOLE[: len(_WHOLE) * k // 9] for k in range(1, 9)},
    "length_beyond_the_end": b"\x3a\xff\xff\xff\xff\x07" + _WHOLE,
    "length_of_2_64": b"\x3a" + b"\xff" * 9 + b"\x01" + _WHOLE,
    "varint_without_end": _WHOLE + b"\x08" + b"\x80" * 40,
    "group_tags": b"\x0b" * 500 + _WHOLE,
    "field_0": b"\x02\x01x" + _WHOLE,
}

add_files("model", _contents(WEIGHTS), ".onnx", REFUSED | {0})
add_files("model", _contents(STRUCTURE), ".onnx")
add_files("model", BYTES, ".onnx")
add_files("model", _contents(UNUSUAL), ".onnx", ANY)
add_files("model", _contents(_hostile_names()), ".onnx", ANY)
