"""Decision trees as ai.onnx.ml writes them: nodes by number below version 5, branches and leaves apart since."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import NodeProto, numpy_helper

from zoosmith.opset_upgrade.errors import Refusal
from zoosmith.opset_upgrade.node_editing import find_attribute, get_attribute

MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
"""What a branch compares, in the order of the numbers that version 5 gives them."""

MEMBER = 6
"""The number of the mode of version 5 that asks whether a value is in a set."""

_MOST_NODES = 1 << 20  # sets and shared leaves multiply nodes


@dataclass
class Leaf:
    """The end of a path: pairs of a target (or class) and its weight."""

    pairs: list[tuple[int, float]] = field(default_factory=list)


@dataclass
class Branch:
    """A comparison of one feature.

    Attributes:
        mode: index in `MODES`.
        feature: column of the input.
        value: what it is compared with.
        missing: whether a NaN follows the true branch.
        true: where the comparison holds.
        false: where it does not.
    """

    mode: int
    feature: int
    value: float
    missing: bool
    true: Branch | Leaf
    false: Branch | Leaf


Tree = Branch | Leaf


def numbers(node: NodeProto, name: str) -> np.ndarray:
    """A list attribute, or the tensor attribute `name_as_tensor` in place of it; empty if the node has neither."""
    if find_attribute(node, f"{name}_as_tensor") is not None:
        return numpy_helper.to_array(get_attribute(node, f"{name}_as_tensor")).reshape(-1)
    found = get_attribute(node, name)
    return np.array([] if found is None else found, dtype=np.float32)


def read_numbered(node: NodeProto, what: str) -> list[Tree]:
    """The trees of a TreeEnsembleRegressor (`what` is target) or TreeEnsembleClassifier (class), in their order."""
    trees, ids = (get_attribute(node, name, []) for name in ("nodes_treeids", "nodes_nodeids"))
    modes = [mode.decode() for mode in get_attribute(node, "nodes_modes", [])]
    features = get_attribute(node, "nodes_featureids", [])
    values = numbers(node, "nodes_values").tolist()
    missing = get_attribute(node, "nodes_missing_value_tracks_true", None) or [0] * len(ids)
    true, false = (get_attribute(node, name, []) for name in ("nodes_truenodeids", "nodes_falsenodeids"))
    if not len(trees) == len(ids) == len(modes) == len(features) == len(values) == len(true) == len(false):
        raise Refusal("its attributes nodes_* differ in length")
    made: dict[tuple[int, int], Tree] = {}
    for index, key in enumerate(zip(trees, ids, strict=True)):
        if modes[index] == "LEAF":
            made[key] = Leaf()
        elif modes[index] in MODES:
            end = Leaf()
            mode = MODES.index(modes[index])
            made[key] = Branch(mode, features[index], values[index], bool(missing[index]), end, end)
        else:
            raise Refusal(f"nodes_modes has {modes[index]!r}, which is no mode")
    below = set()
    for index, tree in enumerate(trees):
        node_made = made[tree, ids[index]]
        if isinstance(node_made, Branch):
            for child in (true[index], false[index]):
                if (tree, child) not in made or (tree, child) in below or child == ids[index]:
                    raise Refusal(f"nodes_truenodeids and nodes_falsenodeids make no tree of tree {tree}")
                below.add((tree, child))
            node_made.true, node_made.false = made[tree, true[index]], made[tree, false[index]]
    _add_weights(node, what, made)
    return [tree for key, tree in made.items() if key not in below]


def _add_weights(node: NodeProto, what: str, made: dict[tuple[int, int], Tree]) -> None:
    keys = zip(get_attribute(node, f"{what}_treeids", []), get_attribute(node, f"{what}_nodeids", []), strict=True)
    targets, weights = get_attribute(node, f"{what}_ids", []), numbers(node, f"{what}_weights").tolist()
    for key, target, weight in zip(keys, targets, weights, strict=True):
        leaf = made.get(key)
        if not isinstance(leaf, Leaf):
            raise Refusal(f"{what}_nodeids names node {key[1]} of tree {key[0]}, which is no leaf")
        leaf.pairs.append((target, weight))


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The leaves of a tree."""
    waiting: list[Tree] = [tree]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Leaf):
            yield current
        else:
            waiting.extend((current.false, current.true))


def with_pair(tree: Tree, index: int, *, additive: bool) -> Tree:
    """The tree whose leaves have their pair of that index alone; one that lacks it adds nothing or repeats the first.

    Raises Refusal where a leaf without pairs would have to say something.
    """
    done: dict[int, Tree] = {}
    waiting: list[tuple[Tree, bool]] = [(tree, False)]
    while waiting:
        current, ready = waiting.pop()
        if isinstance(current, Branch) and not ready:
            waiting.extend(((current, True), (current.true, False), (current.false, False)))
        elif isinstance(current, Branch):
            true, false = done[id(current.true)], done[id(current.false)]
            done[id(current)] = Branch(current.mode, current.feature, current.value, current.missing, true, false)
        elif index < len(current.pairs):
            done[id(current)] = Leaf([current.pairs[index]])
        elif additive:
            done[id(current)] = Leaf([(0, 0.0)])
        elif current.pairs:
            done[id(current)] = Leaf([current.pairs[0]])
        else:
            raise Refusal("a leaf that has no target cannot stand there unless weights are summed")
    return done[id(tree)]


def write_apart(trees: Sequence[Tree], dtype: Any) -> dict[str, Any]:
    """The attributes by which TreeEnsemble of version 5 holds trees; every leaf has exactly one pair."""
    rows: list[list[Any]] = []  # feature, mode, value, missing, true leaf, true id, false leaf, false id
    ends: list[tuple[int, float]] = []
    roots = []

    def place(tree: Tree) -> tuple[int, int]:
        """Whether a tree is a leaf, and its number among leaves or branches."""
        if isinstance(tree, Leaf):
            ends.append(tree.pairs[0])
            return 1, len(ends) - 1
        rows.append([tree.feature, tree.mode, tree.value, int(tree.missing), 0, 0, 0, 0])
        waiting.append((tree, len(rows) - 1))
        return 0, len(rows) - 1

    for tree in trees:
        waiting: list[tuple[Branch, int]] = []
        roots.append(len(rows))
        if isinstance(tree, Leaf):
            is_leaf, end = place(tree)
            rows.append([0, 0, 0.0, 0, is_leaf, end, is_leaf, end])
            continue
        place(tree)
        while waiting:
            branch, row = waiting.pop()
            rows[row][4:6] = place(branch.true)
            rows[row][6:8] = place(branch.false)
    feature, mode, value, missing, true_leaf, true, false_leaf, false = (
        list(column) for column in zip(*rows, strict=True)
    )
    return {
        "tree_roots": roots,
        "nodes_featureids": feature,
        "nodes_modes": numpy_helper.from_array(np.array(mode, dtype=np.uint8)),
        "nodes_splits": numpy_helper.from_array(np.array(value, dtype=dtype)),
        "nodes_missing_value_tracks_true": missing if any(missing) else None,
        "nodes_trueleafs": true_leaf,
        "nodes_truenodeids": true,
        "nodes_falseleafs": false_leaf,
        "nodes_falsenodeids": false,
        "leaf_targetids": [target for target, _ in ends],
        "leaf_weights": numpy_helper.from_array(np.array([weight for _, weight in ends], dtype=dtype)),
    }


def read_apart(node: NodeProto) -> list[Tree]:
    """The trees of a TreeEnsemble of version 5; the test for a set becomes one for each of its members."""
    tensors = {
        name: numpy_helper.to_array(get_attribute(node, name)).reshape(-1).tolist()
        for name in ("nodes_modes", "nodes_splits", "leaf_weights")
    }
    count = len(tensors["nodes_modes"])
    missing = get_attribute(node, "nodes_missing_value_tracks_true") or [0] * count
    sets = _member_sets(node, tensors["nodes_modes"])
    true_leaf, true, false_leaf, false, features, targets = (
        get_attribute(node, name)
        for name in (
            *("nodes_trueleafs", "nodes_truenodeids", "nodes_falseleafs", "nodes_falsenodeids"),
            *("nodes_featureids", "leaf_targetids"),
        )
    )
    ends = [Leaf([pair]) for pair in zip(targets, tensors["leaf_weights"], strict=True)]
    made: dict[int, Tree] = {}
    trees = []
    for root in get_attribute(node, "tree_roots"):
        for index in _children_first(root, true_leaf, true, false_leaf, false):
            yes = ends[true[index]] if true_leaf[index] else made[true[index]]
            no = ends[false[index]] if false_leaf[index] else made[false[index]]
            feature, missed = features[index], bool(missing[index])
            if yes is no:
                made[index] = yes
            elif tensors["nodes_modes"][index] == MEMBER:
                made[index] = no
                for number, member in enumerate(reversed(sets[index])):
                    # a NaN passes every comparison on the false side but, where it is tracked, the first
                    first = number == len(sets[index]) - 1
                    made[index] = Branch(4, feature, member, missed and first, yes, made[index])
            else:
                mode = tensors["nodes_modes"][index]
                made[index] = Branch(mode, feature, tensors["nodes_splits"][index], missed, yes, no)
        trees.append(made[root])
    return trees


def _children_first(
    root: int, true_leaf: Sequence[int], true: Sequence[int], false_leaf: Sequence[int], false: Sequence[int]
) -> list[int]:
    order: list[int] = []
    waiting = [root]
    while waiting:
        index = waiting.pop()
        order.append(index)
        if len(order) > len(true):
            raise Refusal("nodes_truenodeids and nodes_falsenodeids make no tree")
        if not true_leaf[index]:
            waiting.append(true[index])
        if not false_leaf[index]:
            waiting.append(false[index])
    return order[::-1]


def _member_sets(node: NodeProto, modes: Sequence[int]) -> dict[int, list[float]]:
    """The sets that branches test for, by the branch's number; the attribute has a NaN after each."""
    holders = [index for index, mode in enumerate(modes) if mode == MEMBER]
    if not holders:
        return {}
    members = get_attribute(node, "membership_values")
    sets: list[list[float]] = [[]]
    for value in [] if members is None else numpy_helper.to_array(members).reshape(-1).tolist():
        if not np.isnan(value):
            sets[-1].append(value)
        else:
            sets.append([])
    if len(sets) < len(holders):
        raise Refusal("membership_values has fewer sets than nodes_modes has tests for one")
    return dict(zip(holders, sets, strict=False))


def write_numbered(trees: Sequence[Tree]) -> dict[str, Any]:
    """The attributes by which a TreeEnsembleRegressor holds trees."""
    nodes: list[tuple[Any, ...]] = []
    weights: list[tuple[int, int, int, float]] = []
    for number, tree in enumerate(trees):
        waiting: list[tuple[Tree, int]] = [(tree, 0)]
        used = 1
        while waiting:
            current, identity = waiting.pop()
            if len(nodes) > _MOST_NODES:
                raise Refusal("membership_values would take more than a million nodes")
            if isinstance(current, Leaf):
                nodes.append((number, identity, "LEAF", 0, 0.0, 0, 0, 0))
                weights.extend((number, identity, target, weight) for target, weight in current.pairs)
                continue
            mode = MODES[current.mode]
            row = (number, identity, mode, current.feature, current.value, int(current.missing), used, used + 1)
            nodes.append(row)
            waiting.extend(((current.false, used + 1), (current.true, used)))
            used += 2
    columns = [list(column) for column in zip(*nodes, strict=True)]
    names = ("treeids", "nodeids", "modes", "featureids", "values", "missing_value_tracks_true", "truenodeids")
    attributes = {f"nodes_{name}": column for name, column in zip((*names, "falsenodeids"), columns, strict=True)}
    if not any(attributes["nodes_missing_value_tracks_true"]):
        del attributes["nodes_missing_value_tracks_true"]
    for place, name in enumerate(("treeids", "nodeids", "ids", "weights")):
        attributes[f"target_{name}"] = [row[place] for row in weights]
    return attributes
