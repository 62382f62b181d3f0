"""Folding keeps what a model computes, with fewer nodes."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from tests.optimize.nets import Net, dense_block, operators, residual
from zoosmith.optimize import OptimizeError, optimize, to_ir, to_proto
from zoosmith.optimize import fold as fold_in_place
from zoosmith.optimize.optimizer import PASSES
from zoosmith.validation import compare, random_inputs, runner_for


def fold(model: onnx.ModelProto) -> onnx.ModelProto:
    """The passes alone, without onnx-simplifier before them."""
    folded = to_ir(model)
    fold_in_place(folded)
    return to_proto(folded)


def assert_same(before: onnx.ModelProto, after: onnx.ModelProto) -> None:
    onnx.checker.check_model(after, full_check=True)
    for seed in range(3):
        inputs = random_inputs(before, seed=seed)
        result = compare(runner_for(before).run(inputs), runner_for(after).run(inputs), rtol=1e-4, atol=1e-5)
        assert result.passed, result.reason


def test_batch_normalization_and_scale_go_into_the_convolution_before_them() -> None:
    net = Net([1, 3, 8, 8])
    model = net.model(net.scale(net.batch_normalization(net.conv("data", 3, 4, 3, bias=True), 4), 4))
    folded = fold(model)
    assert operators(folded) == {"Conv": 1}
    assert_same(model, folded)


def test_affines_after_a_concat_become_one_batch_normalization_each() -> None:
    model = dense_block()
    folded = fold(model)
    assert operators(folded) == {
        **{"Conv": 7, "Relu": 7, "Concat": 2, "BatchNormalization": 3, "MaxPool": 1},
        **{"AveragePool": 1, "GlobalAveragePool": 1},
    }
    assert_same(model, folded)


def test_affines_that_read_a_merged_one_which_others_read_too_are_merged_on_their_own() -> None:
    net = Net([1, 4, 8, 8])
    first = net.scale(net.batch_normalization(net.add("Relu", "data"), 4), 4)
    second = net.scale(net.batch_normalization(first, 4), 4)
    model = net.model(net.add("Concat", first, second, axis=1))
    folded = fold(model)
    assert operators(folded) == {"Relu": 1, "BatchNormalization": 2, "Concat": 1}
    assert_same(model, folded)


def test_a_factor_behind_a_sum_along_another_axis_stays_a_multiplication() -> None:
    net = Net([1, 4, 8])
    model = net.model(net.add("Mul", net.add("Add", "data", net.normal(8)), net.normal(1)))
    assert operators(fold(model)) == {"Add": 1, "Mul": 1}


def test_the_nodes_of_a_gelu_of_rows_stay_those_that_runtimes_know() -> None:
    net = Net([2, 4])
    x = net.add("Gemm", "data", net.normal(4, 4), net.normal(4))
    one = net.add(
        "Add", net.add("Erf", net.add("Div", x, net.constant(np.float32(2**0.5)))), net.constant(np.float32(1))
    )
    model = net.model(net.add("Mul", net.add("Mul", x, one), net.constant(np.float32(0.5))))
    folded = fold(model)
    assert operators(folded) == operators(model)
    assert_same(model, folded)


def test_an_affine_goes_into_the_convolution_after_it_unless_that_pads() -> None:
    for pads, left in ((0, {"Relu": 1, "Conv": 1}), (1, {"Relu": 1, "BatchNormalization": 1, "Conv": 1})):
        net = Net([1, 4, 8, 8])
        x = net.batch_normalization(net.add("Relu", "data"), 4)
        model = net.model(net.conv(x, 2, 6, 3, bias=True, group=2, pads=[pads] * 4))
        folded = fold(model)
        assert operators(folded) == left
        assert_same(model, folded)


def test_a_convolution_that_others_read_keeps_its_weights() -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 4)
    model = net.model(net.add("Relu", net.batch_normalization(x, 4)), net.add("Relu", x))
    folded = fold(model)
    assert operators(folded)["BatchNormalization"] == 1
    assert_same(model, folded)


def test_a_graph_output_is_not_folded_away() -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 4)
    model = net.model(x, net.batch_normalization(x, 4))
    assert_same(model, fold(model))


def test_average_pooling_moves_before_a_pointwise_convolution_only() -> None:
    for kernel, first in ((1, "AveragePool"), (3, "Conv")):
        net = Net([1, 3, 8, 8])
        x = net.conv("data", 3, 4, kernel, bias=True)
        model = net.model(net.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]))
        folded = fold(model)
        assert folded.graph.node[0].op_type == first
        assert_same(model, folded)


def test_average_pooling_that_leaves_padding_out_moves_before_a_bias() -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 4, bias=True)
    model = net.model(net.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2], pads=[1, 1, 1, 1]))
    folded = fold(model)
    assert folded.graph.node[0].op_type == "AveragePool"
    assert_same(model, folded)


def test_average_pooling_that_counts_padding_stays_behind_the_bias() -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 4, bias=True)
    values = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    model = net.model(net.add("AveragePool", x, **values, count_include_pad=1))
    folded = fold(model)
    assert folded.graph.node[0].op_type == "Conv"
    assert_same(model, folded)


def test_a_gemm_takes_the_affine_behind_it() -> None:
    net = Net([2, 5])
    x = net.add("Gemm", "data", net.normal(5, 4), net.normal(4), alpha=0.5, beta=2.0)
    model = net.model(net.batch_normalization(x, 4))
    folded = fold(model)
    assert operators(folded) == {"Gemm": 1}
    assert_same(model, folded)


def test_a_gemm_whose_bias_is_one_of_rows_keeps_the_affine_behind_it() -> None:
    net = Net([4, 5])
    x = net.add("Gemm", "data", net.normal(5, 4), net.normal(4, 1))
    model = net.model(net.batch_normalization(x, 4))
    folded = fold(model)
    assert operators(folded) == {"Gemm": 1, "BatchNormalization": 1}
    assert_same(model, folded)


def test_dropout_goes_and_its_mask_keeps_it() -> None:
    net = Net([1, 4])
    model = net.model(net.add("Relu", net.add("Dropout", "data")))
    folded = fold(model)
    assert operators(folded) == {"Relu": 1}
    assert_same(model, folded)


def test_parameters_that_are_inputs_become_initializers_alone() -> None:
    model = residual()
    for tensor in model.graph.initializer:
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    assert [value.name for value in fold(model).graph.input] == ["data"]


@given(
    st.lists(st.sampled_from(["Mul", "Add", "Sub", "Div", "BatchNormalization", "Relu"]), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from([(), (1,), (4, 1, 1), (1, 4, 1, 1), (1, 4, 8, 8)]),
)
def test_any_chain_of_arithmetic_keeps_its_values(chain: list[str], swapped: bool, shape: tuple[int, ...]) -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 4)
    for op_type in chain:
        if op_type == "BatchNormalization":
            x = net.batch_normalization(x, 4)
        elif op_type == "Relu":
            x = net.add("Relu", x)
        else:
            value = net.constant((np.abs(net.stream.randn(*shape)) + 0.5).astype(np.float32))
            x = net.add(op_type, *((value, x) if swapped and op_type != "Div" else (x, value)))
    model = net.model(x)
    assert_same(model, fold(model))


def test_nothing_is_folded_in_a_training_batch_normalization() -> None:
    net = Net([2, 3, 4, 4], opset=15)
    parts = [net.constant(np.ones(3, np.float32)) for _ in range(4)]
    x = net.conv("data", 3, 3)
    net.nodes.append(onnx.helper.make_node("BatchNormalization", [x, *parts], ["y", "m", "v"], training_mode=1))
    assert operators(fold(net.model("y", "m", "v"))) == {"Conv": 1, "BatchNormalization": 1}


def test_other_types_than_float32_are_left_alone() -> None:
    net = Net([1, 3, 8, 8])
    net.input.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    weights = net.constant(np.ones((4, 3, 1, 1)))
    x = net.add("Mul", net.add("Conv", "data", weights), net.constant(np.full((1, 4, 1, 1), 2.0)))
    model = net.model(x)
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(x, onnx.TensorProto.DOUBLE, [1, 4, 8, 8]))
    folded = fold(model)
    onnx.checker.check_model(folded, full_check=True)
    assert operators(folded) == {"Conv": 1, "Mul": 1}


def test_opset_6_is_refused() -> None:
    net = Net([1, 3, 8, 8], opset=6)
    with pytest.raises(OptimizeError, match="opset 6, expected 7 or later"):
        fold(net.model(net.conv("data", 3, 4)))


@pytest.mark.parametrize("model", [dense_block(), residual()])
def test_folding_says_whether_it_changed_anything(model: onnx.ModelProto) -> None:
    folded = to_ir(model)
    assert fold_in_place(folded)
    once = to_proto(folded).SerializeToString(deterministic=True)
    assert not fold_in_place(folded)
    assert to_proto(folded).SerializeToString(deterministic=True) == once


def test_every_pass_alone_says_truly_whether_it_changed_anything() -> None:
    changed = set()
    net = Net([1, 3, 8, 8])
    x = net.batch_normalization(net.add("Relu", net.add("Dropout", "data")), 3)
    x = net.add("Unsqueeze", net.conv(x, 3, 4), axes=[0])
    last = net.model(net.add("Squeeze", x, axes=[0]))
    for model in (dense_block(), residual(), last):
        for one in PASSES:
            live = to_ir(model)
            before = to_proto(live).SerializeToString(deterministic=True)
            if one(live).modified:
                changed.add(type(one).__name__)
            assert (to_proto(live).SerializeToString(deterministic=True) != before) == one(to_ir(model)).modified
            assert not one(live).modified, type(one).__name__
    assert changed == {type(one).__name__ for one in PASSES}


def test_what_a_subgraph_reads_is_not_folded_away() -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 4, bias=True)
    y = net.batch_normalization(x, 4)
    net.initializers.append(numpy_helper.from_array(np.array(True), "condition"))
    branches = {
        name: helper.make_graph(
            [helper.make_node(op_type, [x], [f"{name}_out"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", onnx.TensorProto.FLOAT, [1, 4, 8, 8])],
        )
        for name, op_type in (("then_branch", "Relu"), ("else_branch", "Neg"))
    }
    model = net.model(net.add("Add", y, net.add("If", "condition", **branches)))
    folded = fold(model)
    assert operators(folded)["BatchNormalization"] == 1
    assert_same(model, folded)


def test_new_names_are_none_that_a_subgraph_uses() -> None:
    net = Net([1, 3, 8, 8])
    y = net.batch_normalization(net.conv("data", 3, 4, bias=True), 4)
    taken = f"{net.nodes[0].output[0]}_w"  # what the folded weights would be called
    net.initializers.append(numpy_helper.from_array(np.array(True), "condition"))
    inner = [helper.make_node("Constant", [], [taken], value_floats=[2.0]), helper.make_node("Neg", [taken], ["made"])]
    branch = helper.make_graph(
        inner, "branch", [], [helper.make_tensor_value_info("made", onnx.TensorProto.FLOAT, [1])]
    )
    other = onnx.GraphProto()
    other.CopyFrom(branch)
    other.node[0].output[0] = other.node[1].input[0] = "other"
    other.node[1].output[0] = other.output[0].name = "made_too"
    model = net.model(net.add("Mul", y, net.add("If", "condition", then_branch=branch, else_branch=other)))
    folded = fold(model)
    assert [tensor.name for tensor in folded.graph.initializer if tensor.name.startswith(taken)] == [f"{taken}_2"]
    assert_same(model, folded)


def test_a_model_that_is_invalid_is_refused_in_one_line() -> None:
    net = Net([1, 3, 8, 8])
    model = net.model(net.conv("data", 3, 4))
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(OptimizeError) as caught:
        optimize(model)
    assert "\n" not in str(caught.value)
