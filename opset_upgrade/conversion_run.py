"""One conversion: the nodes of a model walked, each through the version steps of its operator."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from functools import cached_property, partial
from typing import NamedTuple

from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TypeProto, helper

from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS, default_opset
from zoosmith.onnx_model.ports import initializer_names, input_ports, symbolic_sizes
from zoosmith.onnx_model.traversal import all_nodes, subgraphs
from zoosmith.opset_upgrade.caveats import Admitted, Caveat
from zoosmith.opset_upgrade.cleanup import clean_up, is_known, taken_branch
from zoosmith.opset_upgrade.domains import Versions
from zoosmith.opset_upgrade.errors import Blocker, OpsetError, Refusal, list_blockers
from zoosmith.opset_upgrade.explanation import Change, How, version_of
from zoosmith.opset_upgrade.graph_editing import (
    Replaced,
    drop_unused,
    place_constants,
    replace_nodes,
    state_computed_shapes,
    state_output_shapes,
    state_types,
)
from zoosmith.opset_upgrade.graph_facts import GraphFacts, VersionedNode
from zoosmith.opset_upgrade.ir_version import (
    choose_ir,
    drop_inputs,
    drop_stale_types,
    drop_unused_imports,
    free_initializers,
    set_ir,
)
from zoosmith.opset_upgrade.node_validity import check_attributes, check_inputs
from zoosmith.opset_upgrade.runtime_gaps import fill_gaps
from zoosmith.opset_upgrade.schemas import WITH_GRAPHS, operator_of
from zoosmith.opset_upgrade.step_faults import apply_step
from zoosmith.opset_upgrade.type_inference import Path, infer_node, infer_types
from zoosmith.opset_upgrade.version_steps import Step, check_types, next_step, standard_step
from zoosmith.opset_upgrade.writer import Writer

_UNDEFINED = "no node makes it, nor is it an input or an initializer"
_ANY_CONSTANT = 9  # since this opset a Constant node may be of any type
_FOLLOWS_SIZES = 14  # since this opset shape inference follows sizes that are computed into a Reshape
_TYPED_BY_SCHEMAS = 7  # before this opset many schemas cannot tell the types of their outputs


class _Pending(NamedTuple):
    """A node on its way to the target.

    Attributes:
        node: the node.
        opset: the version of its domain at which it is valid.
        body_opset: where the graphs that it carries are valid: they stay as they are while the node takes its steps.
    """

    node: NodeProto
    opset: int
    body_opset: int


class ConversionRun:
    """One model on its way to the versions that it is converted to.

    Args:
        model: the model; it is left as it is.
        versions: the opsets of its domains, before and after.
        ir: as `converter.convert` takes it, and so are the next two.
        exact: refuse nodes that can be expressed only with a caveat.
        runtime: the newest opset of the oldest runtime that the model is for.

    Attributes:
        caveats: the nodes that are expressed in a way which does not hold everywhere.
        changes: what became of the nodes that some version step touches.
    """

    def __init__(self, model: ModelProto, versions: Versions, ir: int | None, exact: bool, runtime: int | None) -> None:
        self.model = model
        self.versions = versions
        self.target = versions.target
        self.names = Names(model)
        self._callers: dict[tuple[str, str], GraphFacts] = {}  # of functions that call others, to tell types alone
        self._asked: set[tuple[str, str]] = (
            set()
        )  # functions whose calls are looked at, as one that calls itself would be forever
        self.local = {(function.domain, function.name) for function in model.functions}
        self.ir = ir
        self.exact = exact
        self.runtime_opset = versions.target if runtime is None and versions.target < versions.source else runtime
        self.caveats: list[Caveat] = []
        self.changes: list[Change] = []
        self.overridable: frozenset[str] = frozenset()  # initializers that the caller may replace at run time
        self.defaults: set[str] = set()  # those of them that became constants
        self.typed: list[GraphProto] = []  # converted graphs that came with value_info
        self.blockers: list[Blocker] = []
        self.for_sizes = False  # whether fixed sizes might do for one of them
        # by opset: domain, operator and number of inputs and outputs of nodes that no step touches, whatever they hold
        self.settled: dict[int, set[tuple[str, str, int, int]]] = {}
        self.released: set[str] = set()  # inputs of changed nodes: constants among them may have lost their last reader

    def convert(self) -> ModelProto:
        """Return the converted model, a new one. Raises as `converter.convert`."""
        source = self.versions.source
        result = ModelProto()
        result.CopyFrom(self.model)
        self.overridable = _overridable(self.model)
        facts = GraphFacts(
            self.model.graph, self.names, source, None, lambda: self._types.get((), {}), overridable=self.overridable
        )
        self._convert(result.graph, facts, source, ())
        for mine, function in zip(self.model.functions, result.functions, strict=True):
            self._convert_function(mine, function, facts)
        if self.blockers:
            raise OpsetError(self._message(), self.blockers)
        self.versions.write(result)
        fill_gaps(result, source, self.runtime_opset, self.overridable)
        ir = choose_ir(result, source, self.target, self.ir)
        free_initializers(result, ir, facts.input_names, facts.initializer_names)
        drop_inputs(result, self.defaults)
        drop_unused(result, self.released)
        if self.target != source or self.ir is not None:
            set_ir(result, ir)
        if self.versions.changed:
            state_output_shapes(result.graph, facts)
            drop_unused_imports(result)
            drop_stale_types(self.typed)
        return result

    @cached_property
    def _types(self) -> Mapping[Path, Mapping[str, TypeProto]]:
        return infer_types(self.model, self.defaults)

    def _convert_function(self, source: FunctionProto, result: FunctionProto, main: GraphFacts) -> None:
        facts = self._facts_of(source, main)
        self._convert(result, facts, default_opset(source) or self.versions.source, None)
        self.versions.write(result)

    def _facts_of(self, function: FunctionProto, main: GraphFacts) -> GraphFacts:
        opset = default_opset(function) or self.versions.source
        return GraphFacts(function, self.names, opset, None, lambda: self._called_with(function, main))

    def _called_with(self, function: FunctionProto, main: GraphFacts) -> dict[str, TypeProto]:
        """Types of the function's inputs where every call gives the same."""
        found: dict[str, list[TypeProto | None]] = {name: [] for name in function.input}
        key = (function.domain, function.name)
        if key not in self._asked:
            self._asked.add(key)
            for node, type_of in self._calls(function, main):
                for formal, name in zip(function.input, node.input, strict=False):
                    found[formal].append(type_of(name))
            self._asked.remove(key)
        return {
            name: types[0]
            for name, types in found.items()
            if types and types[0] and types.count(types[0]) == len(types)
        }

    def _calls(
        self, function: FunctionProto, main: GraphFacts
    ) -> Iterator[tuple[NodeProto, Callable[[str], TypeProto | None]]]:
        """The nodes that call a function, and what tells the types of their inputs."""
        called = (function.domain, function.name)
        waiting: list[tuple[GraphProto, Path]] = [(self.model.graph, ())]
        while waiting:
            graph, path = waiting.pop()
            types = self._types.get(path, {})
            for index, node in enumerate(graph.node):
                waiting.extend((inner, (*path, str(index), key)) for key, inner in subgraphs(node))
                if (node.domain, node.op_type) == called:
                    yield node, partial(_type_in, types, main)
        for caller in self.model.functions:
            outer = [node for node in caller.node if (node.domain, node.op_type) == called]
            key = (caller.domain, caller.name)
            if outer and key not in self._callers:
                # facts apart from those of its own conversion, which change
                self._callers[key] = self._facts_of(caller, main)
            yield from ((node, self._callers[key].type) for node in outer)
            inner = [node for each in caller.node for _, graph in subgraphs(each) for node in all_nodes(graph)]
            yield from ((node, lambda name: None) for node in inner if (node.domain, node.op_type) == called)

    def _convert(self, body: GraphProto | FunctionProto, facts: GraphFacts, opset: int, path: Path | None) -> None:
        """Convert a graph or function body in place; `path` is None where no inferred types exist."""
        made = facts.initializer_names.union(facts.input_names)
        converted = list(self._convert_nodes(body.node, facts, opset, path, made))
        if isinstance(body, GraphProto):
            self._check_outputs(body, made, facts)
            body.initializer.extend(facts.tensors)
        self.released.update(tensor.name for tensor in facts.constants.values())
        constants = self._place_constants(body, facts, converted)
        if constants:
            first = converted.pop(0)[1] if converted and converted[0][0] == 0 else [body.node[0]]
            converted.insert(0, (0, [*constants, *first]))
        if converted:
            replace_nodes(body, converted)
        if isinstance(body, GraphProto) and body.value_info:
            self.typed.append(body)
        if self.target < _TYPED_BY_SCHEMAS <= opset and isinstance(body, GraphProto):
            state_types(body, facts)
        elif self.target < _FOLLOWS_SIZES <= opset and isinstance(body, GraphProto) and facts.parent is None:
            state_computed_shapes(body, facts)

    def _convert_nodes(
        self, nodes: Iterable[NodeProto], facts: GraphFacts, opset: int, path: Path | None, made: set[str]
    ) -> Iterator[tuple[int, list[NodeProto]]]:
        """Indices of nodes that others take the place of, and those; what the nodes make is added to `made`."""
        settled = self.settled.setdefault(opset, set())
        for index, node in enumerate(nodes):
            names, results = node.input, node.output
            complete = made.issuperset(names)
            made.update(results)
            kind = (node.domain, node.op_type, len(names), len(results))
            if complete and kind in settled:
                continue
            try:
                if not complete and facts.original:
                    _check_defined(names, facts)
                if self._stays(node, opset, complete):
                    if complete and self._is_followed(node):
                        settled.add(kind)
                    continue
                replaced = self._convert_node(node, index, opset, facts, path)
            except Refusal as refusal:
                self._refuse(node, index, refusal, facts)
                continue
            if replaced is not None:
                yield index, replaced

    def _check_outputs(self, graph: GraphProto, made: set[str], facts: GraphFacts) -> None:
        for value in graph.output:
            if value.name not in made and facts.original and not facts.defines(value.name):
                self.blockers.append(Blocker(f"output {value.name!r} of graph {graph.name!r}", "", _UNDEFINED, None))

    def _stays(self, node: NodeProto, opset: int, complete: bool) -> bool:
        """Whether no step touches the node, nor graphs that it carries. Raises Refusal for a malformed one.

        `complete` is whether it leaves out no input.
        """
        if not self._is_followed(node) or self.versions.makes_standard(node, opset):
            carries = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
            return not carries and self._next(node, opset) is None
        operator, version = operator_of(node), self.versions.before(node, opset)
        check_inputs(node, operator, version, complete)
        return operator not in WITH_GRAPHS and next_step(operator, version, self.versions.after(node)) is None

    def _place_constants(
        self, body: GraphProto | FunctionProto, facts: GraphFacts, replaced: Replaced
    ) -> list[NodeProto]:
        emitted = [node for _, nodes in replaced for node in nodes]
        inner: set[str] = set()
        if self.target < _ANY_CONSTANT and any(subgraphs(node) for node in emitted):
            inner = {tensor.name for tensor in facts.constants.values()}
            inner = inner.difference(*(node.input for node in (*body.node, *emitted)))
        try:
            return place_constants(body, facts.constants.values(), self.target, self.names.fresh, inner)
        except Refusal as refusal:
            self.blockers.append(Blocker(f"function {body.name!r}", "", str(refusal), _ANY_CONSTANT))
            return []

    def _convert_node(
        self, node: NodeProto, index: int, opset: int, facts: GraphFacts, path: Path | None
    ) -> list[NodeProto] | None:
        """Nodes that replace `node` at the target; None if it stays in its place. `path` is that of its graph."""
        foreign, version = self.versions.makes_standard(node, opset), self.versions.before(node, opset)
        followed = self._is_followed(node) and not foreign
        inside = None if path is None else (*path, str(index))
        if followed:
            check_attributes(node, version)
        self.released.update(node.input)
        results, operator = list(node.output), node.op_type
        done: list[NodeProto] = []
        admitted: list[Admitted] = []
        waiting = [_Pending(node, version, opset)]
        while waiting:
            current = waiting.pop()
            emitted = current.node is not node
            replaced = self._advance(current, facts, emitted, admitted)
            if replaced is not None:
                waiting.extend(reversed(replaced))
                continue
            if emitted and is_known(current.node, facts):
                self._check_copies([name for name in current.node.output if name and name in results], facts)
            else:
                self._finish(current, facts, inside, emitted)
            done.append(current.node)
        if admitted:
            self.caveats.extend(Caveat(_label(node, index, results), operator, *each) for each in admitted)
        stays = len(done) == 1 and done[0] is node
        made = done if stays else clean_up(done, results, facts)
        if followed:
            self._record(facts.source.node[index], made, version)
        elif foreign and not stays:
            self.changes.append(Change(operator_of(node), 1, None, "decomposition", 1, len(made)))
        return None if stays else made

    def _record(self, before: NodeProto, after: list[NodeProto], version: int) -> None:
        """Note what became of a node."""
        operator, end = operator_of(before), self.versions.after(before)
        source, target = version_of(operator, version), version_of(operator, end)
        only = after[0] if len(after) == 1 else None
        how: How
        if all(node.op_type == "Identity" != operator for node in after):
            how = "constant"
        elif only is not None and only == before:
            how = "kept"
        elif target is None:
            how = "decomposition"
        else:
            step = None if only is None else next_step(operator, version, end)
            how = "schema" if step is not None and step.kind == "derived" else "adapter"
        self.changes.append(Change(operator, source or version, target, how, 1, len(after)))

    def _advance(
        self, current: _Pending, facts: GraphFacts, emitted: bool, admitted: list[Admitted]
    ) -> list[_Pending] | None:
        """Take a node through its steps as long as it stays; the nodes that replace it, or None if it arrives.

        What the steps' rules admit is added to `admitted`. `emitted` is whether an adapter made the node: then a
        constant need not be converted, nor a branch never taken.
        """
        node, opset, body_opset = current
        while True:
            if emitted:
                if is_known(node, facts):
                    return None
                branch = taken_branch(node, facts)
                if branch is not None:
                    for inner in branch:
                        facts.add_producer(inner, opset)
                    return [_Pending(inner, opset, opset) for inner in branch]
            step = self._next(node, opset)
            if step is None:
                return None
            try:
                result = self._take(step, node, opset, facts, admitted)
            except Refusal as refusal:
                raise (refusal.within(node.op_type) if emitted else refusal) from None
            if result is not None:
                return [_Pending(made, at, body_opset if made is node else at) for made, at in result]
            opset = step.opset

    def _finish(self, current: _Pending, facts: GraphFacts, path: Path | None, emitted: bool) -> None:
        """Check a node that has arrived at the target, and convert the graphs that it carries."""
        node = current.node
        if emitted and self._is_followed(node):
            check_types(node, self.versions.after(node), facts)
        if not subgraphs(node):
            return
        recorded = len(self.changes)
        self._convert_subgraphs(node, current.body_opset, facts, None if emitted else path, emitted)
        if emitted:  # its graphs are not of the original
            del self.changes[recorded:]

    def _check_copies(self, names: Iterable[str], facts: GraphFacts) -> None:
        """Check constants that take the place of a node, whatever made them: each is written as an Identity."""
        for name in names:
            identity = helper.make_node("Identity", [name], [name])
            check_types(identity, self.versions.after(identity), facts)

    def _take(
        self, step: Step, node: NodeProto, opset: int, facts: GraphFacts, admitted: list[Admitted]
    ) -> list[VersionedNode] | None:
        """The nodes that replace a node after one step; None if it stays, edited in place."""
        before = copy(node) if self.overridable and not self.exact else None
        writer = Writer(facts, node, step.opset, self.target, opset, exact=self.exact)
        try:
            if step.kind != "decomposed" or not writer.fold():
                apply_step(step, node, writer, opset)
        except Refusal as refusal:
            if writer.fold():
                pass
            elif before is not None and (taken := self._take_defaults(before, facts)):
                node.CopyFrom(before)
                admitted.extend(taken)
                return self._take(step, node, opset, facts, admitted)
            else:
                raise refusal.at(step.source if step.opset < step.source else None, node.domain) from None
        if writer.admitted:
            admitted.extend(each for each in writer.admitted if each not in admitted)
        if writer.nodes or writer.removed:
            return writer.nodes
        facts.add_producer(node, step.opset)
        return None

    def _take_defaults(self, node: NodeProto, facts: GraphFacts) -> list[Admitted]:
        """Make constants of the initializers that a node reads and the caller may override; what that admits."""
        names = [name for name in node.input if name in self.overridable]
        self.defaults.update(names)
        self.overridable = self.overridable.difference(names)
        for name in names:
            facts.take_default(name, lambda: self.__dict__.pop("_types", None))
        return [Admitted("default", f"input {name!r}") for name in names]

    def _next(self, node: NodeProto, opset: int) -> Step | None:
        if self.versions.makes_standard(node, opset) and (node.domain, node.op_type) not in self.local:
            return standard_step(operator_of(node))
        if not self._is_followed(node):
            return None
        return next_step(operator_of(node), opset, self.versions.after(node))

    def _is_followed(self, node: NodeProto) -> bool:
        """Whether the node is of a domain that is converted, and of no model-local function that bears its name."""
        if self.local and (node.domain, node.op_type) in self.local:
            return False
        return self.versions.converts(node)

    def _convert_subgraphs(
        self, node: NodeProto, opset: int, facts: GraphFacts, path: Path | None, made_here: bool
    ) -> None:
        emitted = None if path is not None else infer_node(node, opset, facts.type, facts.value)
        for key, graph in subgraphs(node):
            source = GraphProto()
            source.CopyFrom(graph)
            inner = None if path is None else (*path, key)

            def seeds(where: Path = (key,) if inner is None else inner) -> Mapping[str, TypeProto]:
                return (self._types if emitted is None else emitted).get(where, {})

            original = facts.original and not made_here
            self._convert(graph, GraphFacts(source, self.names, opset, facts, seeds, original=original), opset, inner)

    def _refuse(self, node: NodeProto, index: int, refusal: Refusal, facts: GraphFacts) -> None:
        domain = "" if refusal.domain in DEFAULT_DOMAINS else refusal.domain
        where = f"node {_label(node, index, node.output)}"
        unread = [repr(name) for name in facts.source.node[index].input if name and facts.lies_in_file(name)]
        hint = f"; {', '.join(unread)} in a file beside the model: load it first, or give `folder`" if unread else ""
        self.blockers.append(Blocker(where, node.op_type, f"{refusal}{hint}", refusal.lowest, domain))
        self.for_sizes |= refusal.for_sizes and not unread

    def _message(self) -> str:
        heads = [each.lowest for each in self.blockers if each.lowest is not None and not each.domain]
        enough = f" (opset {max(heads)} would do for all)" if len(heads) == len(self.blockers) > 1 else ""
        symbols = symbolic_sizes(port for port in input_ports(self.model.graph) if port.required)
        fixed = ", ".join(argument("fix_sizes", f"{symbol}=N") for symbol in symbols) if self.for_sizes else ""
        hint = f". Fixed sizes may do: {fixed}" if fixed else ""
        return f"cannot express the model in {self.versions}{enough}: {list_blockers(self.blockers)}{hint}"


def _check_defined(names: Iterable[str], facts: GraphFacts) -> None:
    for name in names:
        if name and not facts.defines(name):
            raise Refusal(f"its input {name!r}: {_UNDEFINED}")


def _label(node: NodeProto, index: int, results: Iterable[str]) -> str:
    """A node as messages name it; `results` are what it makes in the original."""
    return repr(node.name) if node.name else f"{index} (unnamed, makes {', '.join(map(repr, results))})"


def _overridable(model: ModelProto) -> frozenset[str]:
    # before IR 4 every initializer had to be an input as well, and runtimes take it for a constant
    if model.ir_version < 4:
        return frozenset()
    return frozenset(value.name for value in model.graph.input) & initializer_names(model.graph)


def _type_in(types: Mapping[str, TypeProto], main: GraphFacts, name: str) -> TypeProto | None:
    return types.get(name) or main.type(name)
