"""Every operator that is expressed in others below the opset that brought it, and every way around a type."""

from collections.abc import Iterator
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper
from onnx.reference import ReferenceEvaluator

from tests.opset_upgrade.node_cases import assert_same, cases_by_operator, data
from tests.opset_upgrade.nodes import Constant, node_model, run
from zoosmith.opset_upgrade import OpsetError, convert_version
from zoosmith.opset_upgrade.registry import DECOMPOSITIONS, TYPE_FALLBACKS, Rule
from zoosmith.opset_upgrade.schemas import element_type_name, formals, history, parameter_types, schema_at
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.running.reference import ReferenceRunner

_TYPES = (
    TensorProto.INT8,
    TensorProto.BOOL,
    TensorProto.INT32,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.DOUBLE,
)


def _run(model: ModelProto, inputs: list[Any]) -> list[Any]:
    feeds = {value.name: array for value, array in zip(model.graph.input, inputs, strict=False)}
    runner = runner_for(model)
    try:
        results = runner.run(feeds)
    except Exception:
        results = ReferenceRunner(model).run(feeds)
    return list(results.values())


@pytest.mark.parametrize("operator", sorted(name for name in DECOMPOSITIONS if "." not in name))
def test_an_operator_keeps_its_meaning_below_the_opset_that_brought_it(operator: str) -> None:
    target = history()[operator][0].since_version - 1
    done = 0
    for model, data_sets in _whole_cases(operator):
        try:
            converted = convert_version(model, target)
        except OpsetError:
            continue
        assert operator not in {node.op_type for node in converted.graph.node}
        checker.check_model(converted, full_check=True)
        for inputs, expected in data_sets:
            assert_same(expected, _run(converted, inputs))
        done += 1
        if done == 3:
            break
    assert done, "no case of the operator comes down"


def _whole_cases(operator: str) -> Iterator[tuple[ModelProto, list[tuple[list[Any], list[Any]]]]]:
    """Models with an operator, each with pairs of inputs and outputs."""
    if operator == "STFT":  # onnx's backend tests of it feed the step, which older opsets want fixed
        signal = np.random.RandomState(0).uniform(-1, 1, (2, 16, 1)).astype(np.float32)
        window = np.hanning(8).astype(np.float32)
        model, feeds = node_model("STFT", 17, signal, Constant(4), Constant(window, np.float32))
        yield model, [([signal], list(run(model, feeds).values()))]
    if operator == "Col2Im":  # they feed the shapes of the image and of the block, too
        blocks = np.arange(2 * 5 * 9, dtype=np.float32).reshape(2, 5, 9)
        model, feeds = node_model("Col2Im", 18, blocks, Constant([3, 7]), Constant([1, 5]))
        yield model, [([blocks], list(run(model, feeds).values()))]
    for case in cases_by_operator()[operator]:
        yield case.model, [(data(inputs), data(outputs)) for inputs, outputs in case.data_sets]


@pytest.mark.parametrize("operator", sorted(TYPE_FALLBACKS))
def test_a_type_that_an_older_version_does_not_take_is_led_around(
    operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()

    def spy(name: str) -> Rule | None:
        asked.add(name)
        return TYPE_FALLBACKS.entries().get(name)

    monkeypatch.setattr(TYPE_FALLBACKS, "find", spy)
    for model, inputs, expected, kind in _typed_cases(operator):
        for target in sorted({schema.since_version - 1 for schema in history()[operator]}, reverse=True):
            if not 0 < target < model.opset_import[0].version:
                continue
            asked.clear()
            try:
                converted = convert_version(model, target)
            except OpsetError:
                continue
            if operator not in asked:
                continue
            checker.check_model(converted, full_check=True)
            feeds = dict(zip(_names(converted), inputs, strict=False))
            results = list(ReferenceRunner(converted).run(feeds).values())
            loose = 2e-2 if kind in (TensorProto.FLOAT16, TensorProto.BFLOAT16) else 1e-3
            for one, other in zip(expected, results, strict=True):
                assert_same(one, other, rtol=loose, atol=loose)
            return
    pytest.fail("no type of the operator is led around in any backend test")


def _typed_cases(operator: str) -> Iterator[tuple[ModelProto, list[Any], list[Any], int]]:
    """Models of one node, their inputs and outputs, and the type of their data; first as they are, then retyped."""
    cases = list(_single_nodes(operator))
    for model, inputs, expected in cases:
        yield model, inputs, expected, model.graph.input[0].type.tensor_type.elem_type
    for (model, inputs, single), (since, variable, kind) in product(cases, _lost_types(operator)):
        opset = model.opset_import[0].version
        if opset < since:
            continue
        retyped = _retyped(model, variable, kind)
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        cast = [
            np.asarray(each).astype(dtype) if value.type.tensor_type.elem_type == kind else each
            for value, each in zip(retyped.graph.input, inputs, strict=False)
        ]
        try:
            with np.errstate(all="ignore"):
                results = ReferenceEvaluator(retyped).run(None, dict(zip(_names(retyped), cast, strict=False)))
        except Exception:  # numpy has no kernel for the type: what it has for single precision is near enough
            results = single
        stated = [helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type) for v in retyped.graph.output]
        expected = [np.asarray(each).astype(dtype) for each, dtype in zip(results, stated, strict=True)]
        yield retyped, cast, expected, kind


def _single_nodes(operator: str) -> Iterator[tuple[ModelProto, list[Any], list[Any]]]:
    if operator in ("GlobalLpPool", "MaxRoiPool"):  # onnx has no backend test of these
        data_type = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 4, 4])
        rois = helper.make_tensor_value_info("rois", TensorProto.FLOAT, [1, 5])
        pooled = operator == "MaxRoiPool"
        node = helper.make_node(operator, ["x", "rois"] if pooled else ["x"], ["y"])
        if pooled:
            node.attribute.append(helper.make_attribute("pooled_shape", [2, 2]))
        result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 2, 2] if pooled else [1, 1, 1, 1])
        graph = helper.make_graph([node], "g", [data_type, rois] if pooled else [data_type], [result])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
        inputs = [np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4), np.array([[0, 0, 0, 3, 3]], np.float32)]
        yield model, inputs[: len(graph.input)], _run(model, inputs)
    for case in cases_by_operator().get(operator, []):
        if len(case.model.graph.node) == 1:
            yield case.model, data(case.data_sets[0][0]), data(case.data_sets[0][1])


def _lost_types(operator: str) -> list[tuple[int, str, int]]:
    """Versions below which a type parameter takes fewer types, with each type that is lost there; newest first."""
    steps: list[tuple[int, str, int]] = []
    for before, after in pairwise(history()[operator]):
        for ours, theirs in zip(after.inputs, before.inputs, strict=False):
            lost = parameter_types(operator, after.since_version, ours) - parameter_types(
                operator, before.since_version, theirs
            )
            kinds = [kind for kind in _TYPES if f"tensor({element_type_name(kind)})" in lost]
            steps.extend((after.since_version, ours.type_str, kind) for kind in kinds)
    return list(dict.fromkeys(steps))[::-1]


def _retyped(model: ModelProto, variable: str, kind: int) -> ModelProto:
    """The same model with values of another type where the node's schema has the type parameter `variable`."""
    made = ModelProto()
    made.CopyFrom(model)
    node = made.graph.node[0]
    schema = schema_at(node.op_type, model.opset_import[0].version)
    assert schema is not None
    for values, names, parameters in (
        (made.graph.input, node.input, schema.inputs),
        (made.graph.output, node.output, schema.outputs),
    ):
        wanted = {name for formal, name in formals(parameters, names) if formal.type_str == variable}
        for value in values:
            if value.name in wanted:
                value.type.tensor_type.elem_type = kind
    return made


def _names(model: ModelProto) -> list[str]:
    return [value.name for value in model.graph.input]
