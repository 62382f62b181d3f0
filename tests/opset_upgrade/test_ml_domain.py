"""ai.onnx.ml moves from any version to any other, and computes the same in ONNX Runtime."""

from itertools import product
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from tests.opset_upgrade.nodes import OLD_ONNX_RUNTIME
from zoosmith.opset_upgrade import OpsetError, convert_version

ML = "ai.onnx.ml"
NEWEST = 5
TYPES = {"int64": TensorProto.INT64, "float": TensorProto.FLOAT, "string": TensorProto.STRING}
KEYS = {
    "int64": np.array([4, -2, 9, 4], dtype=np.int64),
    "float": np.array([0.1, np.nan, -0.0, 2.5], dtype=np.float32),
    "string": np.array(["a", "b", "c", "a"], dtype=object),
    "double": np.array([0.1, np.nan, 1e300, 2.5]),
}
VALUES = {
    "int64": np.array([7, 7, -1, 3], dtype=np.int64),
    "float": np.array([0.5, 1.5, 2.5, 3.5], dtype=np.float32),
    "string": np.array(["x", "y", "y", "z"], dtype=object),
    "double": np.array([0.1, 1e300, -1.0, 2.0]),
}
PROBES = {
    "int64": np.array([4, 5, -2, 9], dtype=np.int64),
    "float": np.array([0.1, np.nan, 0.0, 7.0], dtype=np.float32),
    "string": np.array(["b", "q", "a", "c"], dtype=object),
    "double": np.array([np.float32(0.1), 0.1, np.nan, 1e300]),
}


def _model(node: NodeProto, inputs: Any, outputs: Any, version: int, opset: int | None = 21) -> ModelProto:
    make = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node], "g", [make("x", *inputs)], [make(n, *o) for n, o in zip(node.output, outputs, strict=True)]
    )
    imports = [helper.make_opsetid(ML, version), *([helper.make_opsetid("", opset)] if opset else [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def _run(model: ModelProto, data: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": data})


def _assert_same(model: ModelProto, converted: ModelProto, data: np.ndarray) -> None:
    checker.check_model(converted, full_check=True)
    for wanted, found in zip(_run(model, data), _run(converted, data), strict=True):
        assert wanted.dtype == found.dtype
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
        else:
            assert wanted.tolist() == found.tolist()


def _encoder(keys: str, values: str, *, tensors: bool) -> NodeProto:
    if tensors:
        attributes: dict[str, Any] = {
            "keys_tensor": numpy_helper.from_array(KEYS[keys]),
            "values_tensor": numpy_helper.from_array(VALUES[values]),
            "default_tensor": numpy_helper.from_array(VALUES[values][:1]),
        }
    else:
        attributes = {f"keys_{keys}s": KEYS[keys].tolist(), f"values_{values}s": VALUES[values].tolist()}
    return helper.make_node("LabelEncoder", ["x"], ["y"], domain=ML, **attributes)


@pytest.mark.parametrize("target", range(1, NEWEST + 1))
@pytest.mark.parametrize(("keys", "values"), [*product(TYPES, TYPES)])
def test_a_label_encoder_of_lists_goes_to_every_version(keys: str, values: str, target: int) -> None:
    for version in (2, 4):
        model = _model(
            _encoder(keys, values, tensors=False), (TYPES[keys], ["N"]), [(TYPES[values], ["N"])], version, opset=9
        )
        _assert_same(model, convert_version(model, 9, domains={ML: target}), PROBES[keys])


@pytest.mark.parametrize(
    ("keys", "values"), [("string", "int64"), ("double", "string"), ("double", "double"), ("int64", "double")]
)
def test_a_label_encoder_of_tensors_goes_down_to_version_1(keys: str, values: str) -> None:
    types = {**TYPES, "double": TensorProto.DOUBLE}
    model = _model(_encoder(keys, values, tensors=True), (types[keys], ["N"]), [(types[values], ["N"])], 4)
    for target in (1, 2, 3):
        _assert_same(model, convert_version(model, 17, domains={ML: target}), PROBES[keys])


def test_classes_of_version_1_become_pairs_and_classes_again() -> None:
    node = helper.make_node("LabelEncoder", ["x"], ["y"], domain=ML, classes_strings=["a", "b"], default_int64=-7)
    model = _model(node, (TensorProto.STRING, ["N"]), [(TensorProto.INT64, ["N"])], 1)
    newest = convert_version(model, None, domains={ML: NEWEST})
    _assert_same(model, newest, PROBES["string"])
    back = convert_version(newest, None, domains={ML: 1})
    assert [each.op_type for each in back.graph.node] == ["LabelEncoder"]
    _assert_same(model, back, PROBES["string"])


def _random_trees(what: str, rng: np.random.Generator, targets: list[int], *, positive: bool = False) -> dict[str, Any]:
    """Three trees of five nodes whose leaves have a weight for each target."""
    modes = rng.choice(["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"], 3)
    attributes: dict[str, Any] = {
        "nodes_treeids": [tree for tree in range(3) for _ in range(5)],
        "nodes_nodeids": [*range(5)] * 3,
        "nodes_modes": [m for mode in modes for m in (mode, "LEAF", mode, "LEAF", "LEAF")],
        "nodes_featureids": rng.integers(0, 4, 15).tolist(),
        "nodes_values": (rng.integers(-3, 4, 15) / 2).tolist(),
        "nodes_truenodeids": [1, 0, 3, 0, 0] * 3,
        "nodes_falsenodeids": [2, 0, 4, 0, 0] * 3,
        "nodes_missing_value_tracks_true": rng.integers(0, 2, 15).tolist(),
        f"{what}_treeids": [tree for tree in range(3) for _ in range(3) for _ in targets],
        f"{what}_nodeids": [node for _ in range(3) for node in (1, 3, 4) for _ in targets],
        f"{what}_ids": targets * 9,
    }
    weights = rng.normal(size=9 * len(targets)).astype(np.float32)
    attributes[f"{what}_weights"] = (np.abs(weights) if positive else weights).tolist()
    return attributes


def _features(rng: np.random.Generator) -> np.ndarray:
    data = (rng.integers(-3, 4, (30, 4)) / 2).astype(np.float32)
    data[rng.random(data.shape) < 0.1] = np.nan
    return data


# it computes a TreeEnsemble otherwise than its own TreeEnsembleRegressor of the same trees
needs_tree_ensembles = pytest.mark.skipif(OLD_ONNX_RUNTIME, reason="ONNX Runtime 1.23 computes other sums of trees")


@needs_tree_ensembles
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    aggregate=st.sampled_from(["SUM", "AVERAGE", "MIN", "MAX"]),
    transform=st.sampled_from(["NONE", "SOFTMAX", "LOGISTIC"]),
    targets=st.integers(2, 3),
    base=st.booleans(),
)
def test_a_tree_regressor_goes_to_every_version_and_back(
    seed: int, aggregate: str, transform: str, targets: int, base: bool
) -> None:
    rng = np.random.default_rng(seed)
    attributes = _random_trees("target", rng, [*range(targets)])
    if base:
        attributes["base_values"] = rng.normal(size=targets).astype(np.float32).tolist()
    node = helper.make_node(
        *("TreeEnsembleRegressor", ["x"], ["y"]),
        domain=ML,
        n_targets=targets,
        aggregate_function=aggregate,
        post_transform=transform,
        **attributes,
    )
    model = _model(node, (TensorProto.FLOAT, ["N", 4]), [(TensorProto.FLOAT, ["N", targets])], 1, opset=17)
    data = _features(rng)
    newest = convert_version(model, 17, domains={ML: NEWEST})
    assert {each.op_type for each in newest.graph.node} & {"TreeEnsemble", "TreeEnsembleRegressor"} == {"TreeEnsemble"}
    _assert_same(model, newest, data)
    for target in (1, 3):
        _assert_same(model, convert_version(newest, 12, domains={ML: target}), data)


@needs_tree_ensembles
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("positive", [False, True])
def test_a_tree_classifier_becomes_an_ensemble_with_the_same_labels(classes: int, positive: bool) -> None:
    rng = np.random.default_rng(classes)
    attributes = _random_trees("class", rng, [0] if classes == 2 else [0, 1, 2], positive=positive)
    node = helper.make_node(
        *("TreeEnsembleClassifier", ["x"], ["label", "scores"]),
        domain=ML,
        classlabels_strings=["red", "green", "blue"][:classes],
        **attributes,
    )
    outputs = [(TensorProto.STRING, ["N"]), (TensorProto.FLOAT, ["N", classes])]
    model = _model(node, (TensorProto.FLOAT, ["N", 4]), outputs, 3)
    data = _features(rng)
    newest = convert_version(model, None, domains={ML: NEWEST})
    _assert_same(model, newest, data)
    _assert_same(model, convert_version(newest, None, domains={ML: 1}), data)


def test_a_test_for_a_set_becomes_one_for_each_member() -> None:
    single = lambda values: numpy_helper.from_array(np.array(values, dtype=np.float32))  # noqa: E731
    node = helper.make_node(
        *("TreeEnsemble", ["x"], ["y"]),
        domain=ML,
        tree_roots=[0],
        n_targets=1,
        nodes_featureids=[0, 1],
        nodes_modes=numpy_helper.from_array(np.array([6, 0], dtype=np.uint8)),
        nodes_splits=single([0.0, 0.5]),
        membership_values=single([1.0, -1.0, 3.0, np.nan]),
        nodes_trueleafs=[0, 1],
        nodes_truenodeids=[1, 0],
        nodes_falseleafs=[1, 1],
        nodes_falsenodeids=[2, 1],
        leaf_targetids=[0, 0, 0],
        leaf_weights=single([1.0, 2.0, 4.0]),
    )
    model = _model(node, (TensorProto.FLOAT, ["N", 4]), [(TensorProto.FLOAT, ["N", 1])], 5)
    # of a value that is no integer ONNX Runtime asks whether its integer part is in the set
    data = np.trunc(_features(np.random.default_rng(0)))
    _assert_same(model, convert_version(model, None, domains={ML: 1}), data)


def test_a_model_that_imports_the_domain_alone_is_converted() -> None:
    node, outputs = _encoder("string", "double", tensors=True), [(TensorProto.DOUBLE, ["N"])]
    model = _model(node, (TensorProto.STRING, ["N"]), outputs, 4, opset=None)
    with pytest.raises(OpsetError, match=r"ai\.onnx\.ml, whose version can be given"):
        convert_version(model, 17)
    converted = convert_version(model, None, domains={ML: 2})
    assert {entry.domain: entry.version for entry in converted.opset_import} == {ML: 2, "": 11}
    assert converted.ir_version == 6
    _assert_same(model, converted, PROBES["string"])


def test_doubles_that_no_older_attribute_holds_are_refused_by_its_name() -> None:
    attributes = _random_trees("target", np.random.default_rng(0), [0])
    del attributes["target_weights"]
    weights = numpy_helper.from_array(np.full(9, 0.1))
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain=ML, target_weights_as_tensor=weights)
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    model = _model(node, (TensorProto.DOUBLE, ["N", 4]), [(TensorProto.FLOAT, ["N", 1])], 3)
    with pytest.raises(OpsetError, match=r"target_weights_as_tensor has doubles.*ai\.onnx\.ml 3 is the lowest"):
        convert_version(model, None, domains={ML: 1})


@pytest.mark.parametrize(
    ("domains", "reason"),
    [
        ({"com.microsoft": 1}, "domain 'com.microsoft' is not converted"),
        ({ML: 6}, "ai.onnx.ml 6 does not exist: give one from 1 to 5"),
    ],
)
def test_a_domain_or_version_that_is_not_known_is_refused(domains: dict[str, int], reason: str) -> None:
    model = _model(_encoder("int64", "string", tensors=False), (TensorProto.INT64, ["N"]), [(8, ["N"])], 2)
    with pytest.raises(OpsetError, match=reason):
        convert_version(model, None, domains=domains)


def test_a_domain_that_the_model_does_not_import_is_refused() -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    model = _model(node, (TensorProto.FLOAT, ["N"]), [(TensorProto.FLOAT, ["N"])], 2)
    del model.opset_import[0]
    with pytest.raises(OpsetError, match=r"does not import ai\.onnx\.ml"):
        convert_version(model, 17, domains={ML: 1})
