"""ONNX models that a command may read and find nothing wrong in what it needs of them."""

import numpy as np
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, TypeProto, helper

from tests.attacks.attack import ANY, add_files
from tests.attacks.model_building import (
    BIG,
    CONV,
    INT64,
    changed,
    constant,
    contents,
    function_of_itself,
    functions_that_double,
    images,
    model,
    nested,
    nested_type,
    node,
    of_size,
    of_type,
    relu,
    shape_input,
    sparse,
    value,
    with_bytes,
)

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
    "split_into_2_40": model([node("Split", ["x"], ["y"], num_outputs=2**40, axis=0)], opset=18),
    "axis_of_layer_normalization": model(
        [node("LayerNormalization", ["x", "W"], ["y", "mean", "deviation"], axis=2**31)],
        weights=[constant("W", [1.0, 1.0, 1.0], "f4")],
        opset=17,
    ),
    "vector_of_2_40": model([node("Mul", ["x", "x"])], [value("x", [2**40])], [value("y", [2**40])]),
    "shape_of_2_40_sizes": model([node("Expand", ["x", "s"])], [value("x"), value("s", [2**40], INT64)]),
    "axes_of_2_40": model([node("ReduceMax", ["x", "a"])], [value("x"), value("a", [2**40], INT64)], opset=18),
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
    "range_of_2_33": model(
        [node("Range", ["a", "b", "c"], ["r"]), node("Relu")],
        weights=[constant("a", 0), constant("b", 2**33), constant("c", 1)],
    ),
    **{
        f"vector_huge_{kind.lower()}": model(
            [node(kind, ["x", *more], **attributes)], [value("x", [2**33])], weights=given
        )
        for kind, attributes, more, given in (
            ("Cast", {"to": 7}, (), ()),
            ("Gather", {}, ("n",), (constant("n", [0]),)),
            ("Slice", {}, ("n", "m"), (constant("n", [0]), constant("m", [1]))),
            ("Unsqueeze", {}, ("n",), (constant("n", [0]),)),
        )
    },
    "slice_steps_huge": model(
        [node("Slice", ["x", "st", "en", "ax", "sp"])],
        [value("x"), *(value(name, [1], 7) for name in ("st", "en", "ax")), value("sp", [2**40], 7)],
    ),
    "axes_huge": model([node("ReduceMax", ["x", "n"])], [value("x"), value("n", [2**40], 7)], opset=18),
    "axes_scalar": model([node("ReduceMax", ["x", "n"])], [value("x"), value("n", [], 7)], opset=18),
    "expanded_to_a_vector_and_cast": model(
        [
            node("Expand", ["a", "n"], ["e"]),
            node("Cast", ["e"], ["i"], to=7),
            node("Gather", ["i", "z"], ["g"]),
            node("Relu"),
        ],
        weights=[constant("a", [1.0], "f"), constant("n", [2**34]), constant("z", [0])],
    ),
    "required_input_left_out": model(
        [node("RegexFullMatch", ["", "x"], pattern="a")], [value("x", [2], 8)], [value("y", [2], 9)], opset=20
    ),
    "word_unknown": model(
        [node("ScatterElements", ["x", "i", "x"], reduction="NOTSET")],
        [value("x", [2, 3]), value("i", [2, 3], 7)],
        opset=18,
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

add_files("model", contents(UNUSUAL), ".onnx", ANY)
