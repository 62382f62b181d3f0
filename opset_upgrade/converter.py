"""`convert_version`: walk the nodes of a model, each through the version steps of its operator."""

from collections.abc import Iterable, Mapping
from functools import cached_property

from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TypeProto, helper

from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS, default_opset
from zoosmith.onnx_model.traversal import subgraphs
from zoosmith.opset_upgrade.errors import OpsetError, Refusal
from zoosmith.opset_upgrade.inference import Path, infer_node, infer_types
from zoosmith.opset_upgrade.rewriting import add_initializers, drop_unused, place_constants, replace_nodes, state_types
from zoosmith.opset_upgrade.schemas import NEWEST_OPSET
from zoosmith.opset_upgrade.scope import Scope
from zoosmith.opset_upgrade.steps import Step, check_types, next_step
from zoosmith.opset_upgrade.tidying import is_known, taken_branch, tidy
from zoosmith.opset_upgrade.writer import Writer

_TYPED_BY_SCHEMAS = 7  # before this opset many schemas cannot tell the types of their outputs


def convert_version(model: ModelProto, target: int) -> ModelProto:
    """Convert a model to another opset of the default domain, newer or older, with its meaning kept.

    Takes the same arguments as `onnx.version_converter.convert_version`.

    Args:
        model: the model; it is left as it is. Tensors that lie in external files are not loaded.
        target: the opset of the default domain, 1 to the newest of the installed onnx.

    Returns:
        A new model. What the conversion does not touch is the same, byte for byte. Other domains stay at their
        versions; the IR version is raised if the target opset wants a newer one.

    Raises:
        OpsetError: the target does not exist, the model imports no opset of the default domain, or some node cannot be
            expressed at the target; the message names every such node, its operator and the lowest opset that would do.
    """
    if not 1 <= target <= NEWEST_OPSET:
        raise OpsetError(f"opset {target} does not exist: give one from 1 to {NEWEST_OPSET}, the newest of this onnx")
    return _Conversion(model, target).run()


class _Conversion:
    def __init__(self, model: ModelProto, target: int) -> None:
        self.model = model
        self.target = target
        self.names = Names(model)
        self.local = {(function.domain, function.name) for function in model.functions}
        self.ir_version = model.ir_version
        self.refused: list[str] = []
        self.lowest: list[int | None] = []
        self.released: set[str] = set()  # inputs of changed nodes: constants among them may have lost their last reader

    def run(self) -> ModelProto:
        source = default_opset(self.model)
        if source is None:
            raise OpsetError("the model imports no opset of the default domain: there is nothing to convert")
        if source > NEWEST_OPSET:
            raise OpsetError(
                f"the model is of opset {source}, the installed onnx knows up to {NEWEST_OPSET}: update onnx"
            )
        result = ModelProto()
        result.CopyFrom(self.model)
        if self.target > source:
            self.ir_version = max(self.ir_version, _required_ir(self.target))
        overridable = _overridable(self.model)
        scope = Scope(
            self.model.graph, self.names, source, None, lambda: self._types.get((), {}), overridable=overridable
        )
        self._convert(result.graph, scope, source, ())
        for mine, function in zip(self.model.functions, result.functions, strict=True):
            self._convert_function(mine, function, scope)
        if self.refused:
            raise OpsetError(self._message())
        result.ir_version = self.ir_version
        _set_opset(result.opset_import, self.target)
        drop_unused(result, self.released)
        return result

    @cached_property
    def _types(self) -> Mapping[Path, Mapping[str, TypeProto]]:
        return infer_types(self.model)

    def _convert_function(self, source: FunctionProto, result: FunctionProto, main: Scope) -> None:
        opset = default_opset(source)
        if opset is None:
            return
        scope = Scope(source, self.names, opset, None, lambda: self._called_with(source, main))
        self._convert(result, scope, opset, None)
        _set_opset(result.opset_import, self.target)

    def _called_with(self, function: FunctionProto, main: Scope) -> dict[str, TypeProto]:
        """Types of the function's inputs where every call gives the same."""
        found: dict[str, list[TypeProto | None]] = {name: [] for name in function.input}
        waiting: list[tuple[GraphProto, Path]] = [(self.model.graph, ())]
        while waiting:
            graph, path = waiting.pop()
            types = self._types.get(path, {})
            for index, node in enumerate(graph.node):
                waiting.extend((inner, (*path, str(index), key)) for key, inner in subgraphs(node))
                if (node.domain, node.op_type) == (function.domain, function.name):
                    for formal, name in zip(function.input, node.input, strict=False):
                        found[formal].append(types.get(name) or main.type(name))
        return {
            name: types[0]
            for name, types in found.items()
            if types and types[0] and types.count(types[0]) == len(types)
        }

    def _convert(self, body: GraphProto | FunctionProto, scope: Scope, opset: int, path: Path | None) -> None:
        """Convert the nodes of a graph or function body in place; `path` is None where no inferred types exist."""
        converted: list[tuple[int, list[NodeProto]]] = []
        for index, node in enumerate(body.node):
            inner = None if path is None else (*path, str(index))
            try:
                replaced = self._convert_node(node, opset, scope, inner)
            except Refusal as refusal:
                self._refuse(node, index, refusal)
                continue
            if replaced is not None:
                converted.append((index, replaced))
        if isinstance(body, GraphProto):
            add_initializers(body, scope.tensors, self.ir_version)
        self.released.update(tensor.name for tensor in scope.constants.values())
        constants = place_constants(body, scope.constants.values(), self.target, self.ir_version)
        if constants:
            first = converted.pop(0)[1] if converted and converted[0][0] == 0 else [body.node[0]]
            converted.insert(0, (0, [*constants, *first]))
        if converted:
            replace_nodes(body, converted)
        if self.target < _TYPED_BY_SCHEMAS <= opset and isinstance(body, GraphProto):
            state_types(body, scope)

    def _convert_node(self, node: NodeProto, opset: int, scope: Scope, path: Path | None) -> list[NodeProto] | None:
        """Nodes that stand for `node` at the target; None if it stays in its place."""
        if self._next(node, opset) is None and not any(a.HasField("g") or a.graphs for a in node.attribute):
            return None
        before, results = set(node.input), list(node.output)
        done: list[NodeProto] = []
        waiting = [(node, opset)]
        made: dict[int, int] = {}
        while waiting:
            current, version = waiting.pop()
            if current is not node and is_known(current, scope):
                done.append(current)
                continue
            taken = None if current is node else taken_branch(current, scope)
            if taken is not None:
                for inner in reversed(taken):
                    scope.add_producer(inner, version)
                    made[id(inner)] = version
                waiting.extend((inner, version) for inner in reversed(taken))
                continue
            step = self._next(current, version)
            if step is not None:
                try:
                    emitted = self._take(step, current, version, scope)
                except Refusal as refusal:
                    raise refusal if current is node else refusal.within(current.op_type) from None
                made.update((id(fresh), at) for fresh, at in emitted if fresh is not current)
                waiting.extend(reversed(emitted))
                continue
            # the graphs that a node carries are of the opset of which the node was made
            mine = current is node
            if not mine and current.domain in DEFAULT_DOMAINS and (current.domain, current.op_type) not in self.local:
                check_types(current, self.target, scope)
            self._convert_subgraphs(current, opset if mine else made[id(current)], scope, path if mine else None)
            done.append(current)
        self.released |= before
        if len(done) == 1 and done[0] is node:
            return None
        return tidy(done, results, scope)

    def _take(self, step: Step, node: NodeProto, opset: int, scope: Scope) -> list[tuple[NodeProto, int]]:
        writer = Writer(scope, node, step.opset, self.target, opset)
        try:
            if step.kind != "decomposed" or not writer.fold():
                step.apply(node, writer)
        except Refusal as refusal:
            if not writer.fold():
                raise refusal.at(step.source if step.opset < step.source else None) from None
        if writer.nodes or writer.removed:
            return writer.nodes
        scope.add_producer(node, step.opset)
        return [(node, step.opset)]

    def _next(self, node: NodeProto, opset: int) -> Step | None:
        if node.domain not in DEFAULT_DOMAINS or (node.domain, node.op_type) in self.local:
            return None
        return next_step(node.op_type, opset, self.target)

    def _convert_subgraphs(self, node: NodeProto, opset: int, scope: Scope, path: Path | None) -> None:
        emitted = None if path is not None or not subgraphs(node) else infer_node(node, opset, scope.type, scope.value)
        for key, graph in subgraphs(node):
            source = GraphProto()
            source.CopyFrom(graph)
            inner = None if path is None else (*path, key)

            def seeds(where: Path = (key,) if inner is None else inner) -> Mapping[str, TypeProto]:
                return (self._types if emitted is None else emitted).get(where, {})

            self._convert(graph, Scope(source, self.names, opset, scope, seeds), opset, inner)

    def _refuse(self, node: NodeProto, index: int, refusal: Refusal) -> None:
        name = repr(node.name) if node.name else f"{index} (unnamed, makes {', '.join(map(repr, node.output))})"
        lowest = f"; opset {refusal.lowest} is the lowest that would do" if refusal.lowest else ""
        self.refused.append(f"node {name} ({node.op_type}): {refusal}{lowest}")
        self.lowest.append(refusal.lowest)

    def _message(self) -> str:
        heads = [opset for opset in self.lowest if opset is not None]
        enough = f" (opset {max(heads)} would do for all)" if len(heads) == len(self.lowest) > 1 else ""
        return f"cannot express the model in opset {self.target}{enough}: {'. '.join(self.refused)}"


def _set_opset(entries: Iterable[OperatorSetIdProto], opset: int) -> None:
    for entry in entries:
        if entry.domain in DEFAULT_DOMAINS:
            entry.version = opset


def _required_ir(opset: int) -> int:
    return min(row[1] for row in helper.VERSION_TABLE if row[2] >= opset)


def _overridable(model: ModelProto) -> frozenset[str]:
    # before IR 4 every initializer had to be an input as well, and runtimes take it for a constant
    return frozenset(value.name for value in model.graph.input) if model.ir_version >= 4 else frozenset()
