"""What a conversion tells of nodes that it takes although the result does not hold everywhere."""

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator

from tests.opset_upgrade.nodes import run
from zoosmith.opset_upgrade import OpsetError, convert, convert_version, summarize
from zoosmith.validation.running.reference import ReferenceRunner


def reshaping(*shape: str, axes: tuple[str | int, ...] = ("batch", "seq", 6), name: str = "") -> ModelProto:
    """x of those sizes, reshaped with allowzero=1; `b` and `t` are the sizes of its first axes, `free` is -1."""
    nodes = [
        helper.make_node("Shape", ["x"], ["b"], start=0, end=1),
        helper.make_node("Shape", ["x"], ["sizes"]),
        helper.make_node("Gather", ["sizes", "one"], ["second"]),
        helper.make_node("Unsqueeze", ["second", "zero"], ["t"]),
        helper.make_node("Concat", list(shape), ["s"], axis=0),
        helper.make_node("Reshape", ["x", "s"], ["y"], name=name, allowzero=1),
    ]
    values = {"one": np.array(1), "zero": np.array([0]), "two": np.array([2]), "three": np.array([3]), "free": [-1]}
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, axes),
            helper.make_tensor_value_info("n", TensorProto.INT64, [1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(shape))],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize(
    "shape", [("b", "t", "two", "three"), ("b", "two", "free"), ("b", "two", "three", "t"), ("b", "t", "n")]
)
def test_a_shape_that_the_run_computes_is_converted_and_says_where_it_does_not_hold(shape: tuple[str, ...]) -> None:
    model = reshaping(*shape)
    conversion = convert(model, 13)
    checker.check_model(conversion.model, full_check=True)
    feeds = {"x": np.arange(60, dtype=np.float32).reshape(2, 5, 6), "n": np.array([6])}
    np.testing.assert_array_equal(run(model, feeds)["y"], run(conversion.model, feeds)["y"])
    exact = shape[-1] not in ("t", "n")
    assert [caveat.kind for caveat in conversion.caveats] == ([] if exact else ["empty tensors"])


def test_sizes_of_the_same_axes_hold_for_empty_tensors_too() -> None:
    model = reshaping("b", "t", "two", "three")
    conversion = convert(model, 13, exact=True)
    for sizes in ((0, 5, 6), (2, 0, 6), (0, 0, 6)):
        feeds = {"x": np.zeros(sizes, np.float32), "n": np.array([6])}
        # ONNX Runtime fuses the sizes into a shape of its own, [-1, 0, 2, 3], which no empty tensor fits
        results = [ReferenceRunner(each).run(feeds)["y"] for each in (model, conversion.model)]
        assert [result.shape for result in results] == [(*sizes[:2], 2, 3)] * 2


def test_sizes_of_one_symbol_are_one_size() -> None:
    assert not convert(reshaping("b", "b", "free", axes=("n", "n", 6)), 13).caveats
    assert convert(reshaping("b", "b", "free"), 13).caveats


def test_no_caveat_where_the_data_cannot_be_empty() -> None:
    assert not convert(reshaping("n", "free", axes=(2, 5, 6)), 13, exact=True).caveats


def test_exact_refuses_and_names_what_would_not_hold() -> None:
    with pytest.raises(OpsetError, match=r"'view' \(Reshape\): no exact way .*empty tensors: allowzero=1.*`exact`"):
        convert(reshaping("t", "b", "free", name="view"), 13, exact=True)


def test_caveats_name_the_node_and_are_summed_up_by_operator_and_reason() -> None:
    model = reshaping("t", "b", "free", name="view")
    model.graph.node.append(helper.make_node("Reshape", ["x", "s"], ["z"], allowzero=1))
    caveats = convert(model, 13).caveats
    assert str(caveats[0]).startswith("node 'view' (Reshape): holds but for empty tensors: allowzero=1")
    assert caveats[1].node == "6 (unnamed, makes 'z')"
    assert caveats[0].as_dict().keys() == {"node", "operator", "kind", "reason"}
    assert summarize(caveats) == [
        "2 x Reshape: holds but for empty tensors: allowzero=1 with a shape that is computed at run time"
    ]


def test_a_conversion_within_what_older_versions_mean_has_no_caveats() -> None:
    model = reshaping("t", "b", "free")
    conversion = convert(model, 14)
    assert conversion.caveats == ()
    assert conversion.model == convert_version(model, 14)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("(int64[2, 3] x) => (int64[2, 3] y) { y = Mul (x, x) }", np.int64),
        ("(uint64[2, 3] x) => (uint64[2, 3] y) { y = Add (x, x) }", np.uint64),
        ("(int32[2, 3] x) => (int32[2, 3] y) { y = Sub (x, x) }", np.int32),
        ("(int64[2, 3] x) => (int64[4, 3] y) { y = Concat <axis = 0> (x, x) }", np.int64),
        ("(int64[2, 3] x) => (int64[6] y) { s = Constant <value = int64[1] {6}> () y = Reshape (x, s) }", np.int64),
        ("(int64[2, 3] x) => (int64[4, 3] y) { r = Constant <value = int64[2] {2, 1}> () y = Tile (x, r) }", np.int64),
    ],
)
def test_integers_of_an_opset_that_has_floating_point_only_are_doubles_and_that_is_said(text: str, kind: Any) -> None:
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": 13]> g {text}')
    conversion = convert(model, 3)
    assert [(caveat.kind, "below 2^53" in caveat.reason) for caveat in conversion.caveats] == [("approximate", True)]
    checker.check_model(conversion.model, full_check=True)
    values = np.array([[1, 2, 1 << 25], [3, 5, 7]]).astype(kind)
    expected = ReferenceEvaluator(model).run(None, {"x": values})[0]
    found = ReferenceRunner(conversion.model).run({"x": values})["y"]
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(OpsetError, match="no exact way is known"):
        convert(model, 3, exact=True)


def test_booleans_are_repeated_as_floats_without_any_caveat() -> None:
    text = "(bool[1, 3] x) => (bool[2, 3] y) { r = Constant <value = int64[2] {2, 1}> () y = Tile (x, r) }"
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": 13]> g {text}')
    conversion = convert(model, 3, exact=True)
    checker.check_model(conversion.model, full_check=True)
    values = np.array([[True, False, True]])
    assert not conversion.caveats
    np.testing.assert_array_equal(ReferenceRunner(conversion.model).run({"x": values})["y"], np.repeat(values, 2, 0))
