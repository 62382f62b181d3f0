"""Forms that an opset has, but that ONNX Runtimes of its time cannot run, or compute wrongly: written as others.

Measured with one model for each form in every release from 1.3 on; a rule serves up to the opset of the last release
that fails.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto

from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS, default_opset
from zoosmith.onnx_model.tensor_data import MOST_DIMENSIONS
from zoosmith.onnx_model.traversal import all_nodes, subgraphs
from zoosmith.opset_upgrade.building_blocks.equal_sizes import element_of_shape
from zoosmith.opset_upgrade.building_blocks.numbers import choose_floats
from zoosmith.opset_upgrade.graph_editing import place_constants, replace_nodes
from zoosmith.opset_upgrade.graph_facts import GraphFacts
from zoosmith.opset_upgrade.node_editing import drop_attribute
from zoosmith.opset_upgrade.registry import Rule
from zoosmith.opset_upgrade.type_inference import Path, infer_types
from zoosmith.opset_upgrade.writer import Writer

_OLDEST_RUN = 7  # the opset from which on ONNX Runtime runs models

_FUSED = frozenset(
    ("Elu", "HardSigmoid", "LeakyRelu", "Relu", "Selu", "Sigmoid", "Softplus", "Softsign", "Tanh", "ThresholdedRelu")
)
"""The activations that ONNX Runtime makes part of a Gemm."""


def fill_gaps(
    model: ModelProto, source: int, runtime_opset: int | None, overridable: frozenset[str] = frozenset()
) -> None:
    """Rewrite, in place, what ONNX Runtimes cannot run that know opsets up to `runtime_opset`.

    Args:
        model: at its final opset.
        source: the opset that it came from.
        runtime_opset: the newest opset of the oldest runtime that the model is for; None where it is for those that
            ran it at the opset that it came from: gaps of newer opsets are filled then.
        overridable: initializers that the caller may replace at run time.
    """
    opset = default_opset(model) or 0
    if opset < _OLDEST_RUN:
        return
    local = {function.name for function in model.functions if function.domain in DEFAULT_DOMAINS}
    rules = {
        name: gap.rule
        for name, gap in _GAPS.items()
        if name not in local
        and gap.first <= opset
        and (source < gap.first if runtime_opset is None else runtime_opset <= gap.last)
    }
    if not any(node.op_type in rules for node in all_nodes(model.graph)):
        return
    _Filler(model, rules).fill(model.graph, (), None, overridable)


class _Filler:
    def __init__(self, model: ModelProto, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._opset = default_opset(model) or 0
        self._names = Names(model)
        self._types: Callable[[], Mapping[Path, Mapping[str, TypeProto]]] = cache(lambda: infer_types(model))

    def fill(self, graph: GraphProto, path: Path, parent: GraphFacts | None, overridable: frozenset[str]) -> None:
        facts = GraphFacts(
            graph, self._names, self._opset, parent, lambda: self._types().get(path, {}), overridable=overridable
        )
        replaced: list[tuple[int, list[NodeProto]]] = []
        for index, node in enumerate(graph.node):
            for key, inner in subgraphs(node):
                self.fill(inner, (*path, str(index), key), facts, frozenset())
            rule = self._rules.get(node.op_type) if node.domain in DEFAULT_DOMAINS else None
            if rule is None:
                continue
            writer = Writer(facts, node, self._opset, self._opset, self._opset)
            rule(node, writer)
            if writer.nodes:
                replaced.append((index, [made for made, _ in writer.nodes]))
        constants = place_constants(graph, facts.constants.values(), self._opset, self._names.fresh)
        if constants:
            first = replaced.pop(0)[1] if replaced and replaced[0][0] == 0 else [graph.node[0]]
            replaced.insert(0, (0, [*constants, *first]))
        if replaced:
            replace_nodes(graph, replaced)


def _gemm(node: NodeProto, g: Writer) -> None:
    """Up to 1.12 a Gemm is fused with the activation behind it as if it had a bias."""
    read = any(
        reader.op_type in _FUSED and reader.input[:1] == node.output[:1]
        for reader in g.facts.source.node
        if reader.domain in DEFAULT_DOMAINS
    )
    known = g.type(node.input[1])
    if read and known is not None and known.tensor_type.elem_type == TensorProto.FLOAT and not any(node.input[2:]):
        node.input[:] = [*node.input[:2], g.constant([0], np.float32)]


def _reshape(node: NodeProto, g: Writer) -> None:
    """Up to 1.10 `allowzero` forbids -1. The two exclude a zero, so that the attribute means nothing beside it."""
    if not g.attribute("allowzero"):
        return
    shape = g.value(node.input[1])
    if shape is not None:
        means_nothing = 0 not in shape
    else:
        count = (g.shape(node.input[1]) or (None,))[0] or 0
        within = range(min(count, MOST_DIMENSIONS))
        means_nothing = any(element_of_shape(g, node.input[1], index) == -1 for index in within)
    if means_nothing:
        drop_attribute(node, "allowzero")


def _trilu(node: NodeProto, g: Writer) -> None:
    """Up to 1.18 Trilu has no kernel of booleans."""
    known = g.type(node.input[0])
    if known is None or known.tensor_type.elem_type != TensorProto.BOOL:
        return
    numbers = g.op("Cast", node.input[0], to=TensorProto.INT64)
    kept = g.op("Trilu", numbers, *node.input[1:], upper=g.attribute("upper"))
    g.op("Cast", kept, output=node.output[0], to=TensorProto.BOOL)


def _where(node: NodeProto, g: Writer) -> None:
    """Up to 1.6 Where has no kernel of doubles."""
    if _is_double(g, node.input[1]):
        g.op("Identity", choose_floats(g, *node.input), output=node.output[0])


def _min(node: NodeProto, g: Writer) -> None:
    """Up to 1.6 Min has no kernel of doubles, and Max has one."""
    if _is_double(g, node.input[0]):
        largest = g.op("Max", *(g.op("Neg", name) for name in node.input))
        g.op("Neg", largest, output=node.output[0])


def _floor(node: NodeProto, g: Writer) -> None:
    """Up to 1.13 Floor has no kernel of doubles."""
    if _is_double(g, node.input[0]):
        g.op("Identity", _floor_of_double(g, node.input[0]), output=node.output[0])


def _ceil(node: NodeProto, g: Writer) -> None:
    """Up to 1.13 Ceil has no kernel of doubles."""
    if _is_double(g, node.input[0]):
        g.op("Neg", _floor_of_double(g, g.op("Neg", node.input[0])), output=node.output[0])


def _floor_of_double(g: Writer, data: str) -> str:
    """Truncate by way of integers what is small enough to have a fraction, and take one from what went up."""
    small = g.op("Less", g.op("Abs", data), g.constant(2.0**52, dtype=np.float64))
    truncated = g.op("Cast", g.op("Cast", data, to=TensorProto.INT64), to=TensorProto.DOUBLE)
    above = g.op("Cast", g.op("Less", data, truncated), to=TensorProto.DOUBLE)
    return choose_floats(g, small, g.op("Sub", truncated, above), data)


def _is_double(g: Writer, name: str) -> bool:
    known = g.type(name)
    return known is not None and known.tensor_type.elem_type == TensorProto.DOUBLE


def _reduce_log_sum_exp(node: NodeProto, g: Writer) -> None:
    """From opset 28 on 1.32 has no kernel: it sums exponentials in doubles, which overflow beyond 709."""
    data, *axes = (name for name in node.input if name)
    if g.element_type(data) not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        return
    keep, nothing = g.attribute("keepdims"), g.attribute("noop_with_empty_axes")
    largest = g.op("ReduceMax", data, *axes, keepdims=1, noop_with_empty_axes=nothing)
    # an infinity is what the sum of its exponentials gives
    finite = g.op("Less", g.op("Abs", largest), g.scalar_like(largest, np.inf))
    shift = g.op("Where", finite, largest, g.scalar_like(largest, 0))
    shifted = g.op("Sub", data, shift)
    total = g.op("ReduceLogSumExp", shifted, *axes, keepdims=keep, noop_with_empty_axes=nothing)
    if not keep:
        shift = g.op("Reshape", shift, g.op("Shape", total), allowzero=1)
    g.op("Add", total, shift, output=node.output[0])


class _Gap(NamedTuple):
    """A form that releases cannot run.

    Attributes:
        rule: writes it as another one.
        last: the newest opset of the last release that needs it.
        first: the opset from which on the form is not run.
    """

    rule: Rule
    last: int
    first: int = 0


_GAPS: dict[str, _Gap] = {
    "Ceil": _Gap(_ceil, 17),
    "Floor": _Gap(_floor, 17),
    "Gemm": _Gap(_gemm, 17),
    "Min": _Gap(_min, 13),
    "ReduceLogSumExp": _Gap(_reduce_log_sum_exp, 28, first=28),
    "Reshape": _Gap(_reshape, 15),
    "Trilu": _Gap(_trilu, 21),
    "Where": _Gap(_where, 13),
}
