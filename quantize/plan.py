"""Which operators become integer, and how each uint8 tensor is encoded."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx

from zoosmith.quantize import encoding
from zoosmith.quantize.calibration import Range
from zoosmith.quantize.encoding import Encoding
from zoosmith.quantize.graph import Graph, attributes, is_standard, reads
from zoosmith.quantize.integer import LOWERINGS
from zoosmith.quantize.lowering import Lowering


@dataclass(frozen=True)
class Step:
    """One node of the result. `lowering` is None for a node that stays in float; `output` is the tensor that it makes.

    Where a Relu or Clip joined the node, `output` is that one's, and `lowest` and `highest` are its bounds.
    """

    node: onnx.NodeProto
    output: str
    lowering: Lowering | None = None
    lowest: float = -np.inf
    highest: float = np.inf

    @property
    def sources(self) -> list[str]:
        """The tensors that a lowered node reads in their uint8 form."""
        return list(self.node.input) if self.node.op_type == "Concat" else [self.node.input[0]]


@dataclass
class Plan:
    """The steps in topological order, and the tensors to calibrate."""

    steps: list[Step]
    entries: list[str] = field(default_factory=list)

    @property
    def computed(self) -> list[Step]:
        """The lowered steps with weights of their own, which may fall back to float."""
        return [step for step in self.steps if step.lowering and step.lowering.starts]

    @property
    def encoded(self) -> list[str]:
        """The float tensors that get an encoding of their own."""
        made = [step.output for step in self.steps if step.lowering and not step.lowering.moves]
        return [*self.entries, *made]

    @property
    def tensors(self) -> list[str]:
        """The float tensors to calibrate, for this plan and for one that keeps more in float."""
        read = [
            name
            for step in self.steps
            if step.lowering and (step.lowering.starts or step.lowering.moves)
            for name in step.sources
        ]
        return list(dict.fromkeys([*self.encoded, *read]))


def make_plan(graph: Graph, keep_float: Collection[str] = ()) -> Plan:
    """Decide for each node. Those that make a tensor named in `keep_float` stay in float."""
    readers, outputs = graph.readers(), graph.output_names()
    plan = Plan([])
    quantized: set[str] = set()
    joined: set[str] = set()
    for node in graph.sorted_nodes():
        if node.output[0] in joined:
            continue
        lowering = LOWERINGS.get(node.op_type) if is_standard(node, node.op_type) else None
        if lowering is None or not lowering.accepts(graph, node) or node.output[0] in keep_float:
            plan.steps.append(Step(node, node.output[0]))
            continue
        step = Step(node, node.output[0], lowering)
        followed = [name in quantized for name in step.sources]
        if not (lowering.starts or any(followed)):
            plan.steps.append(Step(node, node.output[0]))
            continue
        after = readers.get(node.output[0], [])
        bounds = _bounds(graph, after[0]) if len(after) == 1 and node.output[0] not in outputs else None
        if node.op_type == "Relu":
            step = Step(node, node.output[0], lowering, 0.0)
        elif bounds is not None and not lowering.moves:
            step = Step(node, after[0].output[0], lowering, *bounds)
            joined.add(after[0].output[0])
        plan.entries.extend(name for name in step.sources if name not in quantized and name not in plan.entries)
        quantized.update((*step.sources, step.output))
        plan.steps.append(step)
    return plan


def _bounds(graph: Graph, node: onnx.NodeProto) -> tuple[float, float] | None:
    """The bounds of a Relu, or of a Clip that has 0 inside, else None."""
    if is_standard(node, "Relu"):
        return 0.0, np.inf
    if not is_standard(node, "Clip"):
        return None
    values = attributes(node)
    bounds = [float(values.get("min", -np.inf)), float(values.get("max", np.inf))]
    for position, name in enumerate(node.input[1:3]):
        if name and name not in graph.constants:
            return None
        if name:
            bounds[position] = float(graph.constants[name])
    return (bounds[0], bounds[1]) if bounds[0] <= 0 <= bounds[1] else None


def encode(graph: Graph, plan: Plan, ranges: Mapping[str, Range]) -> dict[str, Encoding]:
    """The encoding of each tensor of `plan.tensors`: as fine as those that read it allow.

    Tensors that meet in a Concat share a step only where a reader behind it needs that.
    """
    groups = _Groups(graph, plan)
    bounds = {step.output: (step.lowest, step.highest) for step in plan.steps if step.lowering}
    result: dict[str, Encoding] = {}
    for one_step, members in groups.members(plan.encoded):
        lows, highs = [], []
        for name in members:
            lowest, highest = bounds.get(name, (-np.inf, np.inf))
            low, high = np.clip(ranges[name].low, lowest, highest), np.clip(ranges[name].high, lowest, highest)
            # a lower bound is a corner that values below the seen ones reach, too
            lows.append(np.full_like(low, lowest) if np.isfinite(lowest) else low)
            highs.append(high)
        if one_step:
            result.update(dict.fromkeys(members, encoding.one_step(np.concatenate(lows), np.concatenate(highs))))
        else:
            result[members[0]] = encoding.own_steps(lows[0], highs[0])
    return result


class _Groups:
    """Tensors between which values move unchanged, and whether a reader of one of them needs one step for all."""

    def __init__(self, graph: Graph, plan: Plan) -> None:
        self._parent: dict[str, str] = {}
        for step in plan.steps:
            if step.lowering and step.lowering.moves:
                for name in step.sources:
                    self._parent[self._root(name)] = self._root(step.output)
        self._one_step = {self._root(name) for name in (*graph.output_names(), *plan.entries)}
        for step in plan.steps:
            if not step.lowering or not step.lowering.by_channel:
                self._one_step.update(map(self._root, step.sources if step.lowering else reads(step.node)))

    def members(self, tensors: list[str]) -> list[tuple[bool, list[str]]]:
        """The tensors that need one encoding, together, and the others, each alone."""
        groups: dict[str, list[str]] = {}
        for name in tensors:
            root = self._root(name)
            groups.setdefault(root if root in self._one_step else name, []).append(name)
        return [(self._root(names[0]) in self._one_step, names) for names in groups.values()]

    def _root(self, name: str) -> str:
        while self._parent.get(name, name) != name:
            name = self._parent[name]
        return name
