"""Graphs inside of nodes as models of their own, with samples of what they read, and back in their place."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, ValueInfoProto, helper

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.ir_versions import INITIALIZERS_APART, lowered_ir
from zoosmith.onnx_model.mapped import values_of
from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS
from zoosmith.onnx_model.ports import required_inputs
from zoosmith.onnx_model.traversal import all_graphs, all_names, all_nodes, read_names, subgraphs
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.errors import NothingToQuantizeError
from zoosmith.quantize.samples.sequence import SampleSequence
from zoosmith.validation import OnnxRuntimeRunner, ValidationError

Within = Callable[[ModelProto], ModelProto]
QuantizeGraph = Callable[[ModelProto, Samples, Within], ModelProto]

# operators whose graphs become models
_BRANCHES, _LOOPS = ("If",), ("Loop", "Scan")
WEIGHTED = {"Conv", "Gemm", "MatMul"}
# of the runs of a loop's body in one sample, so many are looked at, spread evenly
_RUNS = 8
# bytes of samples that are kept
_KEPT = 50_000_000


def quantize_every_graph(
    model: ModelProto,
    samples: Samples,
    simplified: Callable[[ModelProto], ModelProto],
    quantize_graph: QuantizeGraph,
    progress: Progress = SILENT,
    weighted: Collection[str] = WEIGHTED,
) -> ModelProto:
    """Quantize the graphs inside of nodes, the inner ones first, and then the model's own.

    A branch of an If, or the body of a Loop or Scan, becomes a model that reads what the graph reads; its samples are
    what it reads in runs of the whole model. A graph that no sample comes to stays in float. The IR version is lowered
    to that of the opset: a runtime that knows its operators loads the result.

    Args:
        model: float32, without functions of its own; it is left as it was.
        samples: its inputs by name.
        simplified: gives the same model without branches that are never taken.
        quantize_graph: quantizes the graph of a model and leaves those inside of nodes as they are. It gets a model,
            its samples, and what puts its result into the whole model.
        progress: told of graphs that stay in float.
        weighted: operators that a graph inside of a node must have one of to be looked at.

    Raises:
        TypeError: the samples are no sequence of arrays by input name.
        NothingToQuantizeError: no graph has something to quantize.
        ValidationError: a sample does not fit the model.
    """
    _check_type(samples)
    done, missing = 0, NothingToQuantizeError()

    def every_graph(current: ModelProto, given: Samples, within: Within) -> ModelProto:
        nonlocal done, missing
        if any(subgraphs(node) for node in current.graph.node):
            current = simplified(current)
        for place in _places(current, weighted):
            inner = _Inner.at(current, place)
            if inner is None:
                continue
            read = inner.samples(given)
            if not read:
                progress.note(f"{inner.name} stays in float: no sample comes to it")
                continue
            made = every_graph(inner.model, read, partial(_put_within, within, inner, current))
            current = inner.put_back(current, made)
        try:
            current = quantize_graph(current, given, within)
            done += 1
        except NothingToQuantizeError as error:
            missing = error
            _drop_unread_constants(current.graph)
        return current

    result = every_graph(model, samples, lambda found: found)
    if not done:
        raise missing
    # new initializers are no inputs
    result.ir_version = max(lowered_ir(result), INITIALIZERS_APART)
    return result


def _check_type(samples: Samples) -> None:
    # others than these read files, one at a time
    given = samples if isinstance(samples, list | tuple) else []
    wrong = [] if isinstance(samples, Sequence) else [samples]
    wrong += [sample for sample in given if not isinstance(sample, Mapping)]
    if wrong:
        kind = type(wrong[0]).__name__
        raise TypeError(f"samples: expected a sequence of arrays by input name, a mapping for each; found {kind}")


def _put_within(within: Within, inner: "_Inner", outer: ModelProto, found: ModelProto) -> ModelProto:
    return within(inner.put_back(outer, found))


@dataclass(frozen=True)
class _Place:
    """Where a graph stands: in which node of the outer graph, and as which of its attributes."""

    node: int
    attribute: str

    def graph(self, model: ModelProto) -> GraphProto:
        """The graph in a model, to be read or changed."""
        [found] = [graph for name, graph in subgraphs(model.graph.node[self.node]) if name == self.attribute]
        return found


def _places(model: ModelProto, weighted: Collection[str]) -> Iterator[_Place]:
    """The graphs that may have something to quantize."""
    for index, node in enumerate(model.graph.node):
        if node.domain in DEFAULT_DOMAINS and node.op_type in (*_BRANCHES, *_LOOPS):
            for name, graph in subgraphs(node):
                if any(inner.op_type in weighted for inner in all_nodes(graph)):
                    yield _Place(index, name)


@dataclass(frozen=True)
class _Inner:
    """A graph inside of a node, as a model.

    Attributes:
        place: of the graph.
        outer: the model that holds it.
        model: the graph as a model. Its inputs are those of the graph, and then what it reads of the outer one.
        captured: names of the latter, constants left out.
    """

    place: _Place
    outer: ModelProto
    model: ModelProto
    captured: tuple[str, ...]

    @classmethod
    def at(cls, outer: ModelProto, place: _Place) -> "_Inner | None":
        """The graph at a place; None where the type of something that it reads is not known."""
        inferred = onnx.shape_inference.infer_shapes(outer, data_prop=True)
        graph, values = place.graph(inferred), inferred.graph
        types = {value.name: value.type for value in (*values.value_info, *values.output, *values.input)}
        constants = {tensor.name: tensor for tensor in values.initializer}
        made = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        made |= {name for node in graph.node for name in node.output}
        read = dict.fromkeys(name for node in graph.node for name in sorted(read_names(node)))
        outside = [name for name in read if name not in made and (name in types or name in constants)]
        captured = tuple(name for name in outside if name not in constants)
        tensors = [types[name].HasField("tensor_type") for name in captured]
        if not all([*tensors, *(value.type.HasField("tensor_type") for value in graph.input)]):
            return None
        model = ModelProto()
        model.CopyFrom(inferred)
        model.graph.CopyFrom(graph)
        model.graph.input.extend(ValueInfoProto(name=name, type=types[name]) for name in captured)
        model.graph.initializer.extend(constants[name] for name in outside if name in constants)
        model.graph.name = model.graph.name or place.attribute
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        if not all(value.type.tensor_type.HasField("shape") for value in model.graph.output):
            return None
        return cls(place, outer, model, captured)

    @property
    def name(self) -> str:
        """How messages call it."""
        node = self.outer.graph.node[self.place.node]
        return f"{self.place.attribute} of {node.op_type} {node.name or node.output[0]}"

    def samples(self, samples: Samples) -> Samples:
        """What the graph reads where the whole model gets these samples."""
        try:
            return _InnerSamples(self._watched(), samples)
        except ValidationError:
            # a Loop or Scan of values whose sizes change from run to run, which nothing can collect
            if self.outer.graph.node[self.place.node].op_type in _BRANCHES:
                raise
            return ()

    def _watched(self) -> "_Watched":
        node = self.outer.graph.node[self.place.node]
        copy = ModelProto()
        copy.CopyFrom(self.outer)
        own = [] if node.op_type in _BRANCHES else _collect_inputs(copy, self.place)
        condition = (node.input[0], self.place.attribute == "then_branch") if node.op_type in _BRANCHES else None
        return _Watched(copy, self.captured, own, condition)

    def put_back(self, outer: ModelProto, found: ModelProto) -> ModelProto:
        """The outer model, or one that was made of it, with another graph at this place.

        Args:
            outer: what holds the graph.
            found: a model of the same inputs and outputs as `model`.
        """
        result, graph = ModelProto(), GraphProto()
        result.CopyFrom(outer)
        graph.CopyFrom(found.graph)
        graph.ClearField("value_info")
        own = [value for value in graph.input if value.name not in self.captured]
        del graph.input[:]
        graph.input.extend(own)
        target = self.place.graph(result)
        outputs = list(target.output)
        target.Clear()
        _share_constants(graph, outer)
        _rename(graph, result, {value.name for value in own})
        target.CopyFrom(graph)
        for value, declared in zip(target.output, outputs, strict=True):
            value.type.CopyFrom(declared.type)
        for entry in found.opset_import:
            if entry.domain not in {each.domain for each in result.opset_import}:
                result.opset_import.append(entry)
        result.ir_version = max(result.ir_version, found.ir_version)
        return result


def _collect_inputs(model: ModelProto, place: _Place) -> list[tuple[str, str]]:
    """Let a Loop or Scan collect what its body reads in each run; return the body's inputs with the new outputs."""
    node, body, names = model.graph.node[place.node], place.graph(model), Names(model)
    pairs = []
    for value in body.input:
        inner, outer = names.fresh(f"{value.name}_seen"), names.fresh(f"{value.name}_of_runs")
        body.node.append(helper.make_node("Identity", [value.name], [inner]))
        body.output.append(ValueInfoProto(name=inner, type=value.type))
        node.output.append(outer)
        pairs.append((value.name, outer))
    for each in node.attribute:
        if each.name in ("scan_output_axes", "scan_output_directions"):
            each.ints.extend([0] * len(pairs))
    return pairs


class _Watched:
    """A model that is run for what a graph inside of it reads.

    Args:
        model: the whole model.
        captured: values that the graph reads.
        own: inputs of the graph, and the values that hold them for all runs, stacked; none for a branch.
        condition: the one of the branch, and for which of its values the branch is taken; None for a loop.
    """

    def __init__(
        self,
        model: ModelProto,
        captured: Sequence[str],
        own: Sequence[tuple[str, str]],
        condition: tuple[str, bool] | None,
    ) -> None:
        self._captured, self._own, self._condition = captured, own, condition
        wanted = [*captured, *(outer for _, outer in own), *([condition[0]] if condition else [])]
        self._fixed = {tensor.name: values_of(tensor) for tensor in model.graph.initializer if tensor.name in wanted}
        self._inputs = {value.name for value in required_inputs(model.graph)}
        present = {*self._inputs, *self._fixed, *(value.name for value in model.graph.output)}
        model.graph.output.extend(ValueInfoProto(name=name) for name in dict.fromkeys(wanted) if name not in present)
        self._runner = OnnxRuntimeRunner(model, spin=False)

    def __call__(self, sample: Mapping[str, Array]) -> list[dict[str, Array]]:
        """What the graph reads in each of its runs for one sample of the whole model."""
        values = {**self._fixed, **sample, **self._runner.run(sample)}
        captured = {name: np.asarray(values[name]) for name in self._captured}
        if self._condition is not None:
            name, wanted = self._condition
            return [captured] if bool(np.reshape(values[name], -1)[0]) == wanted else []
        stacked = {inner: np.asarray(values[outer]) for inner, outer in self._own}
        count = min(len(value) for value in stacked.values())
        chosen = sorted({index * count // _RUNS for index in range(_RUNS)}) if count else []
        return [{**captured, **{name: value[index] for name, value in stacked.items()}} for index in chosen]


class _InnerSamples(SampleSequence):
    """Samples of a graph inside of a node: the first ones are kept, others made by a run of the whole model."""

    def __init__(self, watched: _Watched, samples: Samples) -> None:
        self._watched, self._samples = watched, samples
        self._runs: list[tuple[int, int]] = []
        self._kept: list[dict[str, Array]] = []
        self._last: tuple[int, list[dict[str, Array]]] | None = None
        left = _KEPT
        for number, sample in enumerate(samples):
            for run, values in enumerate(watched(sample)):
                left -= sum(value.nbytes for value in values.values())
                if left >= 0:
                    self._kept.append(values)
                self._runs.append((number, run))

    def __len__(self) -> int:
        return len(self._runs)

    def sample(self, index: int) -> Mapping[str, Array]:
        number, run = self._runs[index]
        if 0 <= index < len(self._kept):
            return self._kept[index]
        if self._last is None or self._last[0] != number:
            self._last = number, self._watched(self._samples[number])
        return self._last[1][run]


def _drop_unread_constants(graph: GraphProto) -> None:
    read = {value.name for value in graph.output}.union(*(read_names(node) for node in graph.node))
    left = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(left)


def _share_constants(graph: GraphProto, outer: ModelProto) -> None:
    """Leave out the constants of a graph that the outer one has, too."""
    there = {tensor.name: tensor for tensor in outer.graph.initializer}
    own = [tensor for tensor in graph.initializer if there.get(tensor.name) != tensor]
    del graph.initializer[:]
    graph.initializer.extend(own)


def _rename(graph: GraphProto, outer: ModelProto, inputs: Collection[str]) -> None:
    """Give values that a graph makes names that nothing in the outer model has."""
    body = ModelProto(graph=graph)
    names = Names(outer, all_names(body))
    taken = {name for each in all_graphs(outer) for name in _made(each)}
    new = {
        name: names.fresh(name)
        for each in all_graphs(body)
        for name in _made(each)
        if name in taken and name not in inputs
    }
    for each in all_graphs(body):
        for tensor in each.initializer:
            tensor.name = new.get(tensor.name, tensor.name)
        for value in (*each.input, *each.output):
            value.name = new.get(value.name, value.name)
    for node in all_nodes(body):
        for given in (node.input, node.output):
            given[:] = [new.get(name, name) for name in given]
    graph.CopyFrom(body.graph)


def _made(graph: GraphProto) -> Iterator[str]:
    yield from (value.name for value in graph.input)
    yield from (tensor.name for tensor in graph.initializer)
    yield from (name for node in graph.node for name in node.output if name)
