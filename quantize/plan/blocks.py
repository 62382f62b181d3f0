"""A model cut into blocks of nodes that run one after the other: what changed in one is run through those behind it."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper

from zoosmith.onnx_model.ports import required_inputs
from zoosmith.onnx_model.traversal import read_names
from zoosmith.quantize.calibration import Samples
from zoosmith.validation import OnnxRuntimeRunner

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Block:
    """Some nodes of a model that stand together, as a model.

    Attributes:
        model: the nodes. Its outputs are what nodes behind them read, and outputs of the whole model.
        inputs: names of what they read of nodes before them, or of the inputs of the whole model.
        made: names of all that they make.
    """

    model: ModelProto
    inputs: tuple[str, ...]
    made: frozenset[str]


class Blocks:
    """A model in blocks, with what was computed between them on some samples.

    Args:
        model: without functions; it is left as it was.
        samples: its inputs by name.
        count: about how many blocks there are.
        whole: names of values that do not go from block to block.

    Attributes:
        blocks: in their order.
        inputs: names of the model's inputs.

    Raises:
        ValidationError: the model cannot be run.
    """

    def __init__(self, model: ModelProto, samples: Samples, count: int, whole: Collection[str] = ()) -> None:
        self.inputs = {value.name for value in required_inputs(model.graph)}
        self.blocks: list[Block] = []
        self._runners: list[OnnxRuntimeRunner] = []
        self._exact: list[dict[str, Any]] = [{name: sample[name] for name in self.inputs} for sample in samples]
        for start, end in _parts(model, count, whole):
            block = _block(model, start, end, self._exact)
            runner = OnnxRuntimeRunner(block.model, spin=False)
            for values in self._exact:
                values.update(runner.run({name: values[name] for name in block.inputs}))
            self.blocks.append(block)
            self._runners.append(runner)
        # those that are constant never change
        self._outputs = [value.name for value in model.graph.output if value.name in self._exact[0]]

    def values(self, names: Iterable[str], number: int) -> dict[str, Any]:
        """Values between blocks, inputs and outputs of the model among them.

        Args:
            names: of the values.
            number: of the sample.
        """
        return {name: self._exact[number][name] for name in names}

    def outputs(self, number: int, changed: Values = MappingProxyType({})) -> dict[str, Any]:
        """The outputs of the model where some values between blocks are others than they were.

        Args:
            number: of the sample.
            changed: all values that the same block makes and that are others, by name, or inputs of the model.
        """
        exact, found = self._exact[number], dict(changed)
        for block, runner in zip(self.blocks, self._runners, strict=True):
            if not found.keys().isdisjoint(block.inputs):
                made = runner.run({name: found.get(name, exact[name]) for name in block.inputs})
                found.update(different(made, exact))
        return {name: found.get(name, exact[name]) for name in self._outputs}


def different(found: Values, exact: Values) -> dict[str, Any]:
    """The values that are not the same as the exact ones."""
    return {name: value for name, value in found.items() if not _same(value, exact[name])}


def _same(found: Any, exact: Any) -> bool:
    return isinstance(found, np.ndarray) and np.array_equal(found, exact)


def _parts(model: ModelProto, count: int, whole: Collection[str]) -> Iterator[tuple[int, int]]:
    """The numbers of the first node of each block and of the one behind its last.

    Blocks are of nearly as many nodes, and end where few values go on to the next one.
    """
    nodes = len(model.graph.node)
    alive = list(_alive(model))
    step = max(nodes // max(count, 1), 1)
    start = 0
    while start < nodes:
        places = range(start + max(step // 2, 1), min(start + step + step // 2 + 1, nodes))
        able = [place for place in places if alive[place].isdisjoint(whole)]
        # the last part is no shorter than half of the others
        far = not able or nodes - start < 3 * step // 2
        end = nodes if far else min(able, key=lambda place: (len(alive[place]), abs(place - start - step)))
        yield start, end
        start = end


def _alive(model: ModelProto) -> Iterator[set[str]]:
    """For each node the values that are made before it and read by it or behind it."""
    last = {name: index for index, node in enumerate(model.graph.node) for name in read_names(node)}
    last |= {value.name: len(model.graph.node) for value in model.graph.output}
    made: set[str] = set()
    for index, node in enumerate(model.graph.node):
        made = {name for name in made if last.get(name, -1) >= index}
        yield made
        made = made.union(name for name in node.output if name)


def _block(model: ModelProto, start: int, end: int, exact: list[dict[str, Any]]) -> Block:
    nodes = model.graph.node[start:end]
    read = dict.fromkeys(name for node in nodes for name in sorted(read_names(node)))
    made = [name for node in nodes for name in node.output if name]
    behind = {value.name for value in model.graph.output}.union(*map(read_names, model.graph.node[end:]))
    inputs = [name for name in read if name in exact[0] and name not in made]
    result = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    result.graph.name = model.graph.name
    result.graph.node.extend(nodes)
    result.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in read)
    result.graph.input.extend(_described(name, [values[name] for values in exact]) for name in inputs)
    result.graph.output.extend(ValueInfoProto(name=name) for name in made if name in behind)
    return Block(result, tuple(inputs), frozenset(made))


def _described(name: str, values: list[Any]) -> ValueInfoProto:
    """A value as the samples have it: its type and rank, and the sizes that are the same in all of them."""
    if isinstance(values[0], list):
        elem_type = helper.np_dtype_to_tensor_dtype(np.asarray(next((each[0] for each in values if each), 0.0)).dtype)
        return helper.make_tensor_sequence_value_info(name, elem_type, None)
    shapes = [np.shape(value) for value in values]
    same = len({len(shape) for shape in shapes}) == 1
    sizes = [found[0] if len(set(found)) == 1 else None for found in zip(*shapes, strict=True)] if same else None
    elem_type = helper.np_dtype_to_tensor_dtype(np.asarray(values[0]).dtype)
    return helper.make_tensor_value_info(name, elem_type, sizes)
