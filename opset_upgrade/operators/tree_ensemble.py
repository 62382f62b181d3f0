"""TreeEnsembleRegressor and TreeEnsembleClassifier, and TreeEnsemble, which stands for both since version 5."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from zoosmith.onnx_model.ports import element_type_name
from zoosmith.opset_upgrade.building_blocks.trees import (
    Leaf,
    Tree,
    leaves,
    numbers,
    read_apart,
    read_numbered,
    with_pair,
    write_apart,
    write_numbered,
)
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, output_at, set_attribute
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.schemas import ML_DOMAIN
from zoosmith.opset_upgrade.writer import Writer

_OPSET = 13  # of the standard operators that these rules write
_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_BY_OPERATORS = ("NONE", "LOGISTIC", "SOFTMAX")
"""Transforms that are written as operators: ONNX Runtime exchanges the numbers of SOFTMAX and LOGISTIC."""
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")


@adapter("TreeEnsembleClassifier", "TreeEnsembleRegressor", source=3, target=1, domain=ML_DOMAIN)
def _lists_for_tensors(node: NodeProto, g: Writer) -> None:
    """Before 3 numbers are lists of single precision."""
    for attribute in list(node.attribute):
        name = attribute.name.removesuffix("_as_tensor")
        if name == attribute.name:
            continue
        values = numpy_helper.to_array(get_attribute(node, attribute.name)).reshape(-1)
        single = values.astype(np.float32)
        if not np.array_equal(single.astype(values.dtype), values, equal_nan=True):
            g.refuse(f"attribute {attribute.name} has doubles that are no singles, which it does not hold there")
        drop_attribute(node, attribute.name)
        if len(single):
            set_attribute(node, name, single.tolist())


@adapter("TreeEnsembleRegressor", source=3, target=5, domain=ML_DOMAIN)
def _regressor_as_ensemble(node: NodeProto, g: Writer) -> None:
    trees = read_numbered(node, "target")
    aggregate, transform = g.attribute("aggregate_function"), g.attribute("post_transform")
    base = numbers(node, "base_values").tolist()
    targets = g.attribute("n_targets", 1)
    if base and targets > 1 and not _scores_all(trees, targets):
        g.refuse("target_ids leaves some target without a weight, to which base_values are not added")
    # of a single target runtimes skip some transforms: it stays with the trees
    by_operators = transform == "NONE" or (transform in _BY_OPERATORS and targets > 1)
    inside = "NONE" if by_operators else transform
    if aggregate == "SUM":
        scores = _ensemble(node, g, [*trees, *_bias(base)], targets, aggregate, inside)
    elif not base and (aggregate != "AVERAGE" or _most_pairs(trees) == 1):
        scores = _ensemble(node, g, trees, targets, aggregate, inside)
    else:
        if not by_operators:
            g.refuse(
                f"post_transform={transform} of an {aggregate} with base_values or many targets does not exist there"
            )
        scores = _ensemble(node, g, trees, targets, "SUM" if aggregate == "AVERAGE" else aggregate, "NONE")
        if aggregate == "AVERAGE":
            scores = g.op("Div", scores, _scalar(g, node, len(trees)), opset=_OPSET)
        if base:
            scores = g.op("Add", scores, g.typed_constant(np.array(base), _kind(node, g)), opset=_OPSET)
    if by_operators:
        scores = _transformed(g, scores, transform)
    g.op("Cast", scores, to=TensorProto.FLOAT, output=node.output[0], opset=_OPSET)


@adapter("TreeEnsembleClassifier", source=3, target=5, domain=ML_DOMAIN)
def _classifier_as_ensemble(node: NodeProto, g: Writer) -> None:
    trees = read_numbered(node, "class")
    base = numbers(node, "base_values").tolist()
    labels = _labels(node, g)
    used = {target for tree in trees for leaf in leaves(tree) for target, _ in leaf.pairs}
    if len(labels) < 2:
        g.refuse("it has fewer than two class labels")
    if len(labels) == 2 and used == {0}:
        _binary(node, g, trees, base, labels)
        return
    if len(labels) == 2:
        g.refuse("class_ids has not 0 alone for two classes, and runtimes choose the label then in ways of their own")
    if len(base) not in (0, len(labels)):
        g.refuse(f"base_values has {len(base)} values for {len(labels)} classes")
    if not base and not _scores_all(trees, len(labels)):
        g.refuse("class_ids leaves some class without a score, which its label cannot be compared with there")
    transform = g.attribute("post_transform")
    trees = [*trees, *_bias(base)]
    label, result = output_at(node, 0), output_at(node, 1)
    raw = _ensemble(node, g, trees, len(labels), "SUM", "NONE") if label or transform in _BY_OPERATORS else ""
    if label:
        best = g.op("ArgMax", raw, axis=1, keepdims=0, opset=_OPSET)
        g.op("Gather", g.constant(labels, dtype=labels.dtype), best, axis=0, output=label, opset=_OPSET)
    if result:
        if transform in _BY_OPERATORS:
            scores = _transformed(g, raw, transform)
        else:
            scores = _ensemble(node, g, trees, len(labels), "SUM", transform)
        g.op("Cast", scores, to=TensorProto.FLOAT, output=result, opset=_OPSET)


@decomposition("TreeEnsemble", domain=ML_DOMAIN)
def _ensemble_as_regressor(node: NodeProto, g: Writer) -> None:
    kind = g.element_type(node.input[0])
    if kind == TensorProto.DOUBLE:
        g.refuse("leaf_weights is double, and the regressor that stands for it makes floats")
    data, result = node.input[0], node.output[0]
    if kind == TensorProto.FLOAT16:
        data = g.op("Cast", data, to=TensorProto.FLOAT, opset=_OPSET)
    attributes = write_numbered(read_apart(node))
    half = kind == TensorProto.FLOAT16
    made = g.op(
        "TreeEnsembleRegressor",
        data,
        output="" if half else result,
        domain=ML_DOMAIN,
        n_targets=g.attribute("n_targets"),
        aggregate_function=_AGGREGATES[g.attribute("aggregate_function", 1)],
        post_transform=_TRANSFORMS[g.attribute("post_transform", 0)],
        **attributes,
    )
    if half:
        g.op("Cast", made, to=TensorProto.FLOAT16, output=result, opset=_OPSET)


def _ensemble(node: NodeProto, g: Writer, trees: Sequence[Tree], targets: int, aggregate: str, transform: str) -> str:
    """A TreeEnsemble over the node's input; trees whose leaves have several pairs are repeated, a pair each."""
    kind = _kind(node, g)
    for name in ("nodes_values_as_tensor", "target_weights_as_tensor", "class_weights_as_tensor"):
        tensor = get_attribute(node, name)
        if tensor is not None and tensor.data_type != kind:
            g.refuse(f"{name} is {element_type_name(tensor.data_type)}, and the input is not")
    data = node.input[0]
    if g.element_type(data) != kind:
        data = g.op("Cast", data, to=kind, opset=_OPSET)
    copies = []
    for tree in trees:
        for index in range(_most_pairs([tree])):
            copies.append(with_pair(tree, index, additive=aggregate == "SUM"))
    made = g.op(
        "TreeEnsemble",
        data,
        domain=ML_DOMAIN,
        n_targets=targets,
        aggregate_function=_AGGREGATES.index(aggregate),
        post_transform=_TRANSFORMS.index(transform),
        **write_apart(copies, np.float64 if kind == TensorProto.DOUBLE else np.float32),
    )
    g.state_type(made, helper.make_tensor_type_proto(kind, [None, targets]), kind)
    return made


def _kind(node: NodeProto, g: Writer) -> int:
    """The type that the ensemble computes in: integers are compared in single precision."""
    return TensorProto.DOUBLE if g.element_type(node.input[0]) == TensorProto.DOUBLE else TensorProto.FLOAT


def _most_pairs(trees: Sequence[Tree]) -> int:
    return max(1, *(len(leaf.pairs) for tree in trees for leaf in leaves(tree)))


def _bias(base: Sequence[float]) -> list[Tree]:
    """A tree of one leaf for each base value."""
    return [Leaf([(target, value)]) for target, value in enumerate(base)]


def _scalar(g: Writer, node: NodeProto, number: float) -> str:
    return g.typed_constant(np.asarray(number), _kind(node, g))


def _transformed(g: Writer, scores: str, transform: str) -> str:
    if transform == "NONE":
        return scores
    if transform == "LOGISTIC":
        return g.op("Sigmoid", scores, opset=_OPSET)
    return g.op("Softmax", scores, axis=1, opset=_OPSET)


def _labels(node: NodeProto, g: Writer) -> np.ndarray:
    texts = get_attribute(node, "classlabels_strings")
    if texts:
        return np.array([text.decode() for text in texts], dtype=object)
    return np.array(get_attribute(node, "classlabels_int64s", []), dtype=np.int64)


def _scores_all(trees: Sequence[Tree], classes: int) -> bool:
    """Whether every class gets a score from whatever leaves are reached."""
    certain: set[int] = set()
    for tree in trees:
        reached = [{target for target, _ in leaf.pairs} for leaf in leaves(tree)]
        certain |= set.intersection(*reached)
    return len(certain) == classes


def _binary(node: NodeProto, g: Writer, trees: Sequence[Tree], base: Sequence[float], labels: np.ndarray) -> None:
    """Two classes of which the leaves score one: the other has the rest to 1, or the opposite where a weight is < 0."""
    if len(base) > 1:
        g.refuse("base_values has two values where the leaves score one of two classes")
    transform = g.attribute("post_transform")
    positive = all(weight >= 0 for tree in trees for leaf in leaves(tree) for _, weight in leaf.pairs)
    for tree in trees:
        for leaf in leaves(tree):
            leaf.pairs = [(0, weight) for _, weight in leaf.pairs]
    if transform not in ("NONE", "LOGISTIC") or (positive and transform != "NONE"):
        g.refuse(f"post_transform={transform} of one score for two classes does not exist there")
    score = _ensemble(node, g, [*trees, *_bias(base)], 1, "SUM", "NONE")
    label, result = output_at(node, 0), output_at(node, 1)
    if label:
        flat = g.op("Reshape", score, g.constant([-1]), opset=_OPSET)
        above = g.op("Greater", flat, _scalar(g, node, 0.5 if positive else 0.0), opset=_OPSET)
        second = g.op("Cast", above, to=TensorProto.INT64, opset=_OPSET)
        g.op("Gather", g.constant(labels, dtype=labels.dtype), second, axis=0, output=label, opset=_OPSET)
    if result:
        other: Any = (
            g.op("Sub", _scalar(g, node, 1.0), score, opset=_OPSET) if positive else g.op("Neg", score, opset=_OPSET)
        )
        both = _transformed(g, g.op("Concat", other, score, axis=1, opset=_OPSET), transform)
        g.op("Cast", both, to=TensorProto.FLOAT, output=result, opset=_OPSET)
