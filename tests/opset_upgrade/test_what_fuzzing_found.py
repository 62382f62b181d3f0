"""Models that fuzzing made: converted or refused in our own exceptions."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper

from tests.attacks.model_building import INT64, constant, model, node, value
from zoosmith.opset_upgrade import OpsetError, convert

_BEYOND = 2**40


def of(made: NodeProto, shape: Any, opset: int, *weights: TensorProto, result: Any = None, **inputs: Any) -> ModelProto:
    """A model of a node that reads `x` and others, whose shapes of int64 tensors are given by name."""
    ports = [value("x", shape), *(value(name, sizes, INT64) for name, sizes in inputs.items())]
    return model([made], ports, [value("y", result)], weights, opset)


def sparse_constant() -> ModelProto:
    tensor = helper.make_sparse_tensor(constant("", [1.0, 2.0, 3.0], "f4"), constant("", [0, 1, 4]), [3])
    return model([node("Constant", [], ["c"], sparse_value=tensor), node("Add", ["x", "c"])], opset=11)


def branch_of_no_name() -> ModelProto:
    body = model([node("Relu", ["x"], [""])], [value("a")], [value("", None)]).graph
    del body.input[:]
    condition = value("c", [], TensorProto.BOOL)
    branch = node("If", ["c"], [""], then_branch=body, else_branch=body)
    return model([branch, node("Relu", [""])], [condition, value("x")], opset=11)


def scan(count: Any) -> ModelProto:
    body = model([node("Identity", ["a"], ["b"])], [value("a", None)], [value("b", None)]).graph
    return model([node("Scan", body=body, num_scan_inputs=count), node("Relu", ["nothing"], ["z"])])


def scan_in_a_function() -> ModelProto:
    made = scan(1)
    (count,) = (each for each in made.graph.node[0].attribute if each.name == "num_scan_inputs")
    count.CopyFrom(AttributeProto(name="num_scan_inputs", type=AttributeProto.INT, ref_attr_name="n"))
    return made


def split_of_opset_1() -> ModelProto:
    made = node("Split", ["x", "s"], ["y", "z"], axis=0)
    return model([made], [value("x", [2, 3])], [value("y", None)], [constant("s", [3e29, 1], "f4")], 1)


MODELS: dict[str, Callable[[], ModelProto]] = {
    "sparse_index_outside": sparse_constant,
    "cumulated_scalar": lambda: of(node("CumSum", ["x", "a"]), [], 14, a=[]),
    "cumulated_strings": lambda: model(
        [node("CumProd", ["x", "a"])], [value("x", [2, None], TensorProto.STRING), value("a", [], INT64)], opset=26
    ),
    "reduced_axes_are_a_scalar": lambda: of(node("ReduceMax", ["x", "a"]), [3, 4], 18, a=[], result=[3, _BEYOND]),
    "reduced_axes_are_more_than_the_rank": lambda: of(node("ReduceMax", ["x", "a"]), [3], 18, a=[_BEYOND], result=[1]),
    "slice_has_more_bounds_than_axes": lambda: of(node("Slice", ["x", "b", "e"]), [3, 4], 13, b=[3], e=[3]),
    "slice_of_another_rank": lambda: of(
        node("Slice", ["x", "b", "e"]), [3, 4], 13, b=[2, 255], e=[2, 255], result=[20, 13, 1]
    ),
    "slice_by_a_scalar": lambda: of(
        node("Slice", ["x", "b", "e", "a"]), ["n", None], 13, constant("b", [1]), constant("e", 2), constant("a", [0])
    ),
    "boxes_of_no_dimension": lambda: model(
        [node("NonMaxSuppression", ["b", "x", "m"])],
        [value("x", [1, None, 1]), value("b", []), value("m", [1], INT64)],
        opset=11,
    ),
    "transform_of_seven_parts": lambda: of(node("DFT"), [1, 20, 7], 19, result=[1, 20, 7]),
    "scan_of_a_count_that_is_no_number": lambda: scan("one"),
    "scan_of_more_inputs_than_there_are": lambda: scan(_BEYOND),
    "scan_of_fewer_inputs_than_none": lambda: scan(-3),
    "scan_of_a_count_that_the_function_tells": scan_in_a_function,
    "softmax_axis": lambda: of(node("Softmax", axis=-(2**63)), None, 11),
    "unsqueezed_axes": lambda: of(node("Unsqueeze", axes=[-(2**31)]), None, 11),
    "infinite_power": lambda: of(node("GlobalLpPool", p=float("-inf")), [1, 1, 2, 2], 1),
    "transform_of_nothing": lambda: of(node("DFT", axis=1), [0, 20, 2, 0], 19, result=[0, 20, 2]),
    "scores_of_one_dimension": lambda: of(
        node("NonMaxSuppression", ["b", "x", "m"]), [1], 11, constant("b", [[[0, 0, 1, 1]]], "f4"), m=[1]
    ),
    "resized_to_another_rank": lambda: of(
        node("Resize", ["x", "", "", "s"], mode="cubic", coordinate_transformation_mode="half_pixel_symmetric"),
        *([1, 1, 4, 4], 19),
        s=[4],
        result=[1, 1, 10],
    ),
    "resized_by_scales_of_another_rank": lambda: of(
        node("Resize", ["x", "", "s"], mode="linear", coordinate_transformation_mode="half_pixel_symmetric"),
        *([2, 2, 5, 8], 19, constant("s", [1, 1, 2, 2], "f4")),
        result=[2, 2, 5, 8, 8],
    ),
    "split_sizes_beyond_all_integers": split_of_opset_1,
    "split_into_more_than_it_has_outputs": lambda: of(node("Split", num_outputs=2, axis=0), [3, 4], 18),
    "split_into_nothing": lambda: of(node("Split", num_outputs=0, axis=0), [3, 4], 18),
    "regions_of_2_40_samples": lambda: of(
        node("RoiAlign", ["x", "r", "i"], output_height=_BEYOND, sampling_ratio=1),
        *([1, 1, 4, 4], 16, constant("r", [[0, 0, 2, 2]], "f4"), constant("i", [0])),
    ),
    "dilated_window_of_2_20_elements": lambda: of(
        node("MaxPool", kernel_shape=[2**20], dilations=[2], pads=[2**20, 2**20]), [1, 1, 4], 12, result=[1, 1, 3]
    ),
    "triangle_of_no_rows": lambda: of(node("Trilu"), [0, 2**31 - 3], 17),
    "size_beyond_int64": lambda: model(
        [node("Size", ["x"], ["s"]), node("Expand", ["x", "s"])], [value("x", [2, 4, 2**62])], opset=13
    ),
    "gathered_by_indices_of_another_rank": lambda: of(
        node("GatherElements", ["x", "i"], axis=0), [3, 4], 13, constant("i", [0, 1])
    ),
    "resized_scalar": lambda: of(node("Resize", ["x", "", "", "s"], mode="cubic"), [], 17, s=[0], result=[]),
    "tile_along_an_axis_that_is_not_there": lambda: of(
        node("Tile", ["x", "t", "a"]), [3], 2, constant("t", [2.0], "f4"), constant("a", [5.0], "f4")
    ),
    "axes_of_a_scalar": lambda: of(node("ReduceMax", axes=[-1]), [], 11),
    "branch_that_gives_a_value_without_a_name": branch_of_no_name,
    "shape_of_nothing": lambda: model([node("Shape", [], ["s"]), node("ConstantOfShape", ["s"])], opset=17),
    "normalized_over_no_axis": lambda: of(
        node("RMSNormalization", ["x", "w"], axis=3), [3, 4, 4], 23, constant("w", [1.0], "f4")
    ),
    "expanded_to_more_dimensions_than_exist": lambda: of(node("Expand", ["x", "s"]), [2, 1], 8, s=[_BEYOND]),
    "indices_of_more_axes_than_exist": lambda: of(node("GatherND", ["x", "i"]), [2, 3], 13, i=[1, _BEYOND]),
    "vector_of_all_memory": lambda: of(node("Mul", ["x", "x"]), [_BEYOND], 13),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_fuzzing_made_is_converted_or_refused(name: str) -> None:
    made = MODELS[name]()
    for target in (1, 6, 9, 11, 18):
        with suppress(OpsetError):
            convert(made, target)


def test_an_operator_of_numbers_that_is_given_texts_is_refused() -> None:
    ports = [helper.make_tensor_value_info(name, TensorProto.STRING, [2, 2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Trilu", ["x"], ["y"])], "g", ports[:1], ports[1:])
    of_texts = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    with pytest.raises(OpsetError, match="'x' holds texts, where the operator takes numbers"):
        convert(of_texts, 13)
