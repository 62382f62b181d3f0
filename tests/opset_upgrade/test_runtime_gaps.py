"""Forms that old ONNX Runtimes cannot run are written as others that mean the same."""

import numpy as np
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.opset_upgrade import convert
from zoosmith.validation import random_inputs, runner_for

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
WEIGHT = numpy_helper.from_array(np.random.default_rng(0).standard_normal((3, 3), np.float32), "w")


def model_of(*nodes: NodeProto, kind: int = FLOAT, opset: int = 18, rank: int = 2) -> ModelProto:
    """Nodes from the input `x` of shape (N, 3), and the shape `s`, to the output `y`."""
    x, y = helper.make_tensor_value_info("x", kind, ["N", 3]), helper.make_tensor_value_info("y", kind, [None] * rank)
    inputs = [x] + [helper.make_tensor_value_info("s", INT64, [2]) for node in nodes if "s" in node.input]
    graph = helper.make_graph(nodes, "g", inputs, [y], [WEIGHT])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def gemm(*behind: str, **attributes: float) -> ModelProto:
    names = ["a", *(f"a{index}" for index in range(1, len(behind))), "y"][-len(behind) - 1 :] if behind else ["y"]
    nodes = [helper.make_node("Gemm", ["x", "w"], [names[0]], **attributes)]
    nodes += [
        helper.make_node(op, [before], [name]) for op, before, name in zip(behind, names, names[1:], strict=False)
    ]
    return model_of(*nodes)


def reshape(*elements: int | str) -> ModelProto:
    """A Reshape with allowzero=1 by numbers, and by sizes of `x` where the element is a name."""
    parts = [f"e{index}" for index in range(len(elements))]
    nodes = []
    for part, element in zip(parts, elements, strict=True):
        if isinstance(element, str):
            nodes.append(helper.make_node("Shape", ["x"], [part], start=0, end=1))
        else:
            nodes.append(helper.make_node("Constant", [], [part], value_ints=[element]))
    nodes.append(helper.make_node("Concat", parts, ["shape"], axis=0))
    return model_of(*nodes, helper.make_node("Reshape", ["x", "shape"], ["y"], allowzero=1), rank=len(elements))


def of(model: ModelProto, operator: str) -> NodeProto:
    return next(node for node in all_nodes(model) if node.op_type == operator)


def for_runtime(model: ModelProto, opset: int) -> ModelProto:
    """The model for a runtime that knows opsets up to this one; it still computes the same."""
    found = convert(model, min(opset, model.opset_import[0].version), runtime_opset=opset).model
    checker.check_model(found, full_check=True)
    inputs = random_inputs(model, seed=0, dims={"N": 3})
    if "s" not in inputs:
        for name, value in runner_for(model).run(inputs).items():
            np.testing.assert_allclose(runner_for(found).run(inputs)[name], value, rtol=1e-6)
    return found


class TestGemmWithoutBias:
    @pytest.mark.parametrize("activation", ["Tanh", "Relu", "Sigmoid"])
    def test_it_gets_a_bias_of_zero_where_an_activation_follows(self, activation: str) -> None:
        assert len(of(for_runtime(gemm(activation), 15), "Gemm").input) == 3

    def test_it_stays_where_none_follows_and_for_newer_runtimes(self) -> None:
        assert len(of(for_runtime(gemm("Abs"), 15), "Gemm").input) == 2
        assert len(of(for_runtime(gemm("Tanh"), 18), "Gemm").input) == 2

    def test_one_in_a_branch_gets_it_too(self) -> None:
        def branch(name: str, *nodes: NodeProto) -> GraphProto:
            return helper.make_graph(list(nodes), name, [], [helper.make_tensor_value_info(name, FLOAT, [None, None])])

        then = branch("t", helper.make_node("Gemm", ["x", "w"], ["a"]), helper.make_node("Tanh", ["a"], ["t"]))
        other = branch("e", helper.make_node("Neg", ["x"], ["e"]))
        model = model_of(helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other))
        model.graph.input.append(helper.make_tensor_value_info("c", BOOL, []))
        assert len(of(for_runtime(model, 15), "Gemm").input) == 3


class TestReshapeWithAllowzero:
    @pytest.mark.parametrize("elements", [(-1, 3), ("N", -1), (3, "N", -1)])
    def test_the_attribute_goes_beside_a_size_that_is_worked_out(self, elements: tuple[int | str, ...]) -> None:
        assert not of(for_runtime(reshape(*elements), 15), "Reshape").attribute

    def test_it_stays_where_a_size_may_be_zero_and_for_newer_runtimes(self) -> None:
        assert of(for_runtime(reshape("N", 3), 15), "Reshape").attribute
        assert of(for_runtime(reshape("N", -1), 16), "Reshape").attribute
        shape_is_fed = model_of(helper.make_node("Reshape", ["x", "s"], ["y"], allowzero=1))
        assert of(for_runtime(shape_is_fed, 15), "Reshape").attribute


class TestTriluOfBooleans:
    @pytest.mark.parametrize("opset", [14, 18, 21])
    @pytest.mark.parametrize("upper", [0, 1])
    def test_it_is_taken_of_integers(self, opset: int, upper: int) -> None:
        model = model_of(helper.make_node("Trilu", ["x"], ["y"], upper=upper), kind=BOOL)
        found = for_runtime(model, opset)
        assert [node.op_type for node in found.graph.node] == ["Cast", "Trilu", "Cast"]

    def test_that_of_other_types_stays_and_so_it_does_for_newer_runtimes(self) -> None:
        for model, opset in (
            (model_of(helper.make_node("Trilu", ["x"], ["y"])), 18),
            (model_of(helper.make_node("Trilu", ["x"], ["y"]), kind=BOOL), 22),
        ):
            assert [node.op_type for node in for_runtime(model, opset).graph.node] == ["Trilu"]


def test_a_model_that_goes_down_is_written_for_runtimes_of_the_opset_that_it_comes_to() -> None:
    assert len(of(convert(gemm("Tanh"), 15).model, "Gemm").input) == 3


def test_a_model_that_goes_up_or_stays_is_left_as_it_is() -> None:
    assert len(of(convert(gemm("Tanh"), 21).model, "Gemm").input) == 2
    assert len(of(convert(gemm("Tanh"), 18).model, "Gemm").input) == 2


class TestLogSumExp:
    """From opset 28 on ONNX Runtime sums exponentials in doubles, which overflow beyond 709."""

    VALUES = np.array([[5e5, 400, 5e5], [-np.inf, -np.inf, -np.inf], [np.inf, 1, 2], [np.nan, 1, 2], [1, 2, 3]])

    def model(self, kind: int, *inputs: str, opset: int = 27, **attributes: int) -> ModelProto:
        node = helper.make_node("ReduceLogSumExp", ["x", *inputs], ["y"], **attributes)
        rank = 2 if attributes.get("keepdims", 1) else len(inputs)
        made = model_of(node, kind=kind, opset=opset, rank=rank)
        if inputs:
            made.graph.input.append(helper.make_tensor_value_info("axes", INT64, ["count"]))
        return made

    @pytest.mark.parametrize("keepdims", [0, 1])
    @pytest.mark.parametrize("kind", [FLOAT, TensorProto.DOUBLE])
    @pytest.mark.parametrize("inputs", [(), ("axes",)])
    def test_large_values_do_not_overflow_in_a_model_that_goes_up(
        self, inputs: tuple[str, ...], kind: int, keepdims: int
    ) -> None:
        model = self.model(kind, *inputs, keepdims=keepdims)
        converted = convert(model, 28).model
        checker.check_model(converted, full_check=True)
        for values in self.VALUES if not inputs else [self.VALUES]:
            feeds = {"x": values.reshape(-1, 3).astype(helper.tensor_dtype_to_np_dtype(kind)), "axes": np.array([1])}
            feeds = {port.name: feeds[port.name] for port in model.graph.input}
            expected, found = (runner_for(each).run(feeds)["y"] for each in (model, converted))
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-6)

    @pytest.mark.parametrize("axes", [[], [0], [0, 1]])
    def test_without_axes_all_or_nothing_is_reduced(self, axes: list[int]) -> None:
        values = self.VALUES[[0, 4]].astype(np.float32)
        for nothing in (0, 1):
            model = self.model(FLOAT, "axes", keepdims=1, noop_with_empty_axes=nothing)
            feeds = {"x": values, "axes": np.array(axes, np.int64)}
            expected, found = (runner_for(each).run(feeds)["y"] for each in (model, convert(model, 28).model))
            np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_a_type_that_no_kernel_was_for_stays(self) -> None:
        converted = convert(self.model(TensorProto.FLOAT16), 28).model
        assert [node.op_type for node in converted.graph.node] == ["ReduceLogSumExp"]

    def test_it_stays_below_and_in_a_model_that_is_of_opset_28(self) -> None:
        for model, target in ((self.model(FLOAT, opset=21), 27), (self.model(FLOAT, opset=28), 28)):
            assert [node.op_type for node in convert(model, target).model.graph.node] == ["ReduceLogSumExp"]


class TestDoubles:
    """ONNX Runtime got kernels of doubles for Where and Min in 1.7, for Floor and Ceil in 1.14."""

    VALUES = np.array([[1.5, -1.5, -0.0], [2.0**53 + 2, np.inf, np.nan], [-(2.0**60), -7, 0.25]])

    def converted(self, operator: str, opset: int) -> ModelProto:
        node = helper.make_node(operator, ["c", "x", "w"] if operator == "Where" else ["x", "w"], ["y"])
        if operator in ("Floor", "Ceil"):
            node.input.pop()
        model = model_of(node, kind=TensorProto.DOUBLE, opset=17)
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.float64([[0.5, -2, np.nan]]), "w"))
        if operator == "Where":
            model.graph.input.append(helper.make_tensor_value_info("c", BOOL, [3, 1]))
        found = convert(model, opset).model
        checker.check_model(found, full_check=True)
        feeds = {"x": self.VALUES, "c": np.array([[True], [False], [True]])}
        feeds = {port.name: feeds[port.name] for port in found.graph.input}
        np.testing.assert_array_equal(runner_for(found).run(feeds)["y"], runner_for(model).run(feeds)["y"])
        return found

    @pytest.mark.parametrize(("operator", "last"), [("Where", 13), ("Min", 13), ("Floor", 16), ("Ceil", 16)])
    def test_they_are_computed_by_what_older_runtimes_have(self, operator: str, last: int) -> None:
        for opset in (last, 11, 9):
            assert operator not in {node.op_type for node in self.converted(operator, opset).graph.node}

    @pytest.mark.parametrize(("operator", "next_one"), [("Where", 14), ("Min", 14)])
    def test_they_stay_for_newer_runtimes(self, operator: str, next_one: int) -> None:
        assert operator in {node.op_type for node in self.converted(operator, next_one).graph.node}

    @pytest.mark.parametrize("operator", ["Floor", "Ceil"])
    def test_they_stay_below_the_opsets_that_runtimes_run(self, operator: str) -> None:
        node = helper.make_node(operator, ["x"], ["y"])
        converted = convert(model_of(node, kind=TensorProto.DOUBLE, opset=17), 5).model
        assert [node.op_type for node in converted.graph.node] == [operator]
