"""Caffe2 net in, ONNX model out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import onnx
from onnx import ModelProto

from zoosmith.convert.blob_values import BlobValues
from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.graph import Graph, Value
from zoosmith.convert.net_ports import likely_data, with_outputs
from zoosmith.convert.nets import NetSource, read_net
from zoosmith.convert.operator import Operator, OpsetTooLow, ReadBlob
from zoosmith.convert.parameters import InitNet, origin_of, read_init_net, refuse_absent_weights
from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef
from zoosmith.convert.registry import translators
from zoosmith.convert.subnets import all_operators, with_stated_blobs, written_inside
from zoosmith.convert.training_operators import for_inference
from zoosmith.convert.unread_operators import without_unread_operators
from zoosmith.convert.value_names import Step, ValueNames
from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.ports import Dimension

InputInfo: TypeAlias = Mapping[str, tuple[int, Sequence[Dimension]]]

DEFAULT_OPSET = 9
# below it the operators' forms are older than every Caffe2 exporter
LOWEST_OPSET = 3
# up to this opset files are as the zoo's: IR version 3, where parameters are graph inputs too
_LAST_ZOO_OPSET = 9
_ZOO_IR = 3
_LONGEST_LIST = 10


def caffe2_to_onnx(
    predict_net: NetSource,
    init_net: NetSource | InitNet | None = None,
    *,
    inputs: InputInfo,
    opset: int | None = DEFAULT_OPSET,
    names: str = "zoo",
    outputs: Sequence[str] | None = None,
) -> ModelProto:
    """Translate a Caffe2 net to ONNX.

    Args:
        predict_net: the net: a path, bytes or a message.
        init_net: the net that fills the parameters, likewise, or what was read of it; without, the predict net has to
            fill its own. Parameters with a span stay in their file, from which `save_model` copies them.
        inputs: `(ONNX element type, shape)` of each data blob, by name. A size that is a string is symbolic.
        opset: the opset of the model, 3 or later; None means 9, or the lowest above that can express the net.
        names: `zoo`: the name of every value carries the version of its blob (`data_0`, `fc6_1`), as in the ONNX model
            zoo; `caffe2`: only blobs that are written more than once carry one.
        outputs: the blobs that become outputs, and nothing is translated that they do not need; by default the net's
            external outputs, and where it names none, the results that it writes and never reads.

    Returns:
        The model. Up to opset 9 it is as the zoo's: of IR version 3, with the parameters among the graph's inputs.

    Raises:
        ConvertError: a file is no Caffe2 net; an operator or one of its arguments cannot be expressed (all operators
            without translator are named at once); a parameter is missing, drawn at random or has the wrong shape; an
            input is not one of the net's, or is not declared though the init net only stands in for it.
        OSError: a file cannot be read.

    What each operator means was measured on the real Caffe2 (torch 1.10.2).
    """
    net = for_inference(with_outputs(read_net(predict_net), outputs))
    init = read_init_net(init_net) if init_net is not None else InitNet()
    if opset is not None and not LOWEST_OPSET <= opset <= onnx.defs.onnx_opset_version():
        raise ConvertError(f"opset {opset}: expected {LOWEST_OPSET} to {onnx.defs.onnx_opset_version()}")
    if not net.op:
        raise ConvertError(f"the predict net {net.name!r} holds no operator")
    if any(op.input for op in init.rest) and not any(op.input for op in net.op):
        raise ConvertError(f"the nets are swapped: {net.name!r} only fills blobs; give the predict net first")
    # what fills a blob that the caller declares as data only stands in for it
    fills = [op for op in init.rest if op.input or not inputs.keys() >= set(op.output)]
    net = with_stated_blobs(net, {*init.parameters, *inputs, *(blob for op in init.rest for blob in op.output)})
    prepared, net = without_unread_operators(fills, net, translators())
    refuse_absent_weights(prepared, "the init net" if init_net is None else origin_of(init_net))
    init = InitNet({blob: tensor for blob, tensor in init.parameters.items() if blob not in inputs}, prepared)
    _check_stand_ins(net, init.parameters, inputs)
    _check_operators([*init.rest, *net.op[:]])
    target = DEFAULT_OPSET if opset is None else opset
    lacking: dict[str, Need] = {}
    while True:
        translation = _Translation(net, init, inputs, target, names)
        try:
            model = translation.run()
        except OpsetTooLow as retry:
            target = retry.opset
            lacking[retry.operator] = Need(retry.opset, retry.reason)
            continue
        if opset is not None and target > opset:
            lacking.update((kind, need) for kind, need in translation.needs.items() if need.opset > opset)
            listed = ", ".join(f"{kind} (opset {need.opset}: {need.reason})" for kind, need in sorted(lacking.items()))
            raise ConvertError(f"opset {opset} cannot express {listed}; use opset {target} or higher")
        return model


def untranslatable(net: NetSource) -> dict[str, int]:
    """Count the operators that keep a net from being translated, without translating anything.

    Args:
        net: the net, as `read_net` takes it.

    Returns:
        How many operators there are of each type without a translator, but for those whose outputs nothing reads.

    Raises:
        ConvertError: the content is no NetDef.
        OSError: the file cannot be read.
    """
    return _unknown(without_unread_operators([], for_inference(read_net(net)), translators())[1].op)


def _unknown(ops: Sequence[OperatorDef]) -> dict[str, int]:
    known = translators()
    return dict(sorted(Counter(op.type for op in all_operators(ops) if op.type not in known).items()))


def _check_operators(ops: Sequence[OperatorDef]) -> None:
    unknown = _unknown(ops)
    if unknown:
        kinds = {kind if kind.isidentifier() else repr(kind): count for kind, count in unknown.items()}
        listed = ", ".join(f"{kind} ({count})" for kind, count in kinds.items())
        raise ConvertError(f"no translation for {len(unknown)} operator types of the net: {listed}")


def _check_stand_ins(net: NetDef, parameters: Mapping[str, Tensor], inputs: InputInfo) -> None:
    """Refuse data that is only filled so that it exists; taken for parameters, it would become constants."""
    data = likely_data(net, parameters)
    if not data:
        return
    blob = data[0]
    known = {*net.external_input, *(name for op in net.op for name in op.input)}
    wrong = [name for name in inputs if name not in known]
    misspelt = f"the net has no input {_listed(wrong)}; " if wrong else ""
    raise ConvertError(
        f"{misspelt}the init net fills {_listed(data)} with one zero of shape {list(parameters[blob].shape)} that only "
        f"stands in for data: declare its shape ({argument('inputs', f'{_word(blob)}=1,3,224,224')})"
    )


class Need(NamedTuple):
    """The lowest opset that expresses an operator, and why."""

    opset: int
    reason: str


class _Translation:
    """One attempt to translate a net at one opset."""

    def __init__(self, net: NetDef, init: InitNet, inputs: InputInfo, opset: int, names: str) -> None:
        self._net = net
        self._steps: list[Step] = [(op, op.input[:], op.output[:]) for op in [*init.rest, *net.op[:]]]
        self._prepared = len(init.rest)
        self._inputs = inputs
        self._opset = opset
        self._graph = Graph(opset)
        self._names = ValueNames(self._steps, net.external_input, names)
        self._parameters = init.parameters
        self._versions: dict[str, int] = {}
        self._blobs = BlobValues()
        self._translators = translators()
        self.needs: dict[str, Need] = {}

    def run(self) -> ModelProto:
        try:
            given = [self._add_initial(blob) for blob in self._initial_blobs()]
            for step in self._steps:
                self._translate_step(step)
            return self._assemble(given, self._outputs())
        finally:
            self._blobs.release()
            self._graph.release()

    def _initial_blobs(self) -> list[str]:
        """Blobs that exist before the net runs, in the order of the graph's inputs; checks that all are given."""
        read = dict.fromkeys(self._net.external_input)
        early: set[str] = set()
        written: set[str] = set()
        for _, sources, targets in self._steps:
            for blob in sources:
                if blob not in written:
                    read[blob] = None
                    early.add(blob)
            written.update(targets)
        for blob in self._net.external_output:
            if blob not in written:
                read.setdefault(blob)
        made_by_init = {blob for _, _, targets in self._steps[: self._prepared] for blob in targets} - early
        needed = early.union(self._net.external_output, self._parameters, self._inputs)
        blobs = [
            blob
            for blob in read
            # what nothing reads and nothing gives is a leftover of the training
            if blob in needed and blob not in made_by_init
        ]
        unknown = [blob for blob in self._inputs if blob not in read]
        if unknown:
            data = [blob for blob in blobs if blob not in self._parameters]
            raise ConvertError(f"the net has no input {_listed(unknown)}; {self._data_inputs(data)}")
        missing = [blob for blob in blobs if blob not in self._parameters and blob not in self._inputs]
        if missing:
            raise ConvertError(
                f"nothing gives {_listed(missing)}: neither the init net nor a declared input "
                f"({argument('inputs', f'{_word(missing[0])}=SIZES')} where it is data)"
            )
        return blobs

    def _data_inputs(self, data: Sequence[str]) -> str:
        if data:
            return f"its data inputs are {_listed(data)}"
        return (
            "no data goes into it"
            if any(op.input for op in self._net.op)
            else "it only fills blobs, as an init net does"
        )

    def _add_initial(self, blob: str) -> Value:
        name = self._names.name(blob, 0)
        if blob in self._inputs:
            elem_type, shape = self._inputs[blob]
            value = self._graph.input(name, elem_type, shape)
        else:
            value = self._graph.constant(name, self._parameters[blob])
        self._versions[blob] = 0
        self._blobs.write(blob, value)
        return value

    def _translate_step(self, step: Step) -> None:
        definition, sources, targets = step
        names = []
        for blob in targets:
            version = self._versions[blob] = self._versions.get(blob, 0) + 1
            names.append(self._names.name(blob, version))
        read = [self._blobs.read(blob, definition.type) for blob in sources]
        op = Operator(definition, read, names, self._graph, self._names, self._translate_net)
        if self._blobs.shares_memory(written_inside(definition)):
            op.refuse("its nets write a blob that shares memory with others")
        self._translate(op)
        self._blobs.finish(op, sources, targets)

    def _translate_net(self, net: NetDef, given: Mapping[str, Value], graph: Graph) -> ReadBlob:
        """Translate a net that an operator runs, into the operator's own graph or a body of it."""
        blobs = BlobValues()
        for blob, value in given.items():
            blobs.write(blob, value)
        for definition in net.op[:]:
            sources, targets = definition.input[:], definition.output[:]
            read = [blobs.read(blob, definition.type) for blob in sources]
            names = [self._names.inner(blob) for blob in targets]
            op = Operator(definition, read, names, graph, self._names, self._translate_net)
            self._translate(op)
            if op.shares:
                op.refuse("an alias inside of a net that an operator runs")
            blobs.finish(op, sources, targets)
        return lambda blob: blobs.read(blob, "what follows the net")

    def _translate(self, op: Operator) -> None:
        if op.definition.engine.startswith("DNNLOWP"):
            op.refuse(f"engine {op.definition.engine!r}, which computes in integers of its own")
        translation = self._translators[op.type]
        if len(op.inputs) not in translation.inputs:
            op.refuse(f"it has {len(op.inputs)} inputs, expected {_counts(translation.inputs)}")
        if len(op.output_names) < translation.fewest_outputs:
            op.refuse("it has no output")
        op.require(translation.since, "ONNX has no form of it below")
        try:
            translation.translate(op)
        except MemoryError as error:
            raise ConvertError(f"{op.label}: its numbers ask for more memory than there is") from error
        if op.type not in self.needs or op.needs > self.needs[op.type].opset:
            self.needs[op.type] = Need(op.needs, op.reason)

    def _outputs(self) -> list[Value]:
        """Values of the external outputs, each made by a node under a name of its own."""
        outputs: list[Value] = []
        for blob in self._net.external_output:
            value = self._blobs.read(blob, "the list of external outputs")
            version = self._versions.get(blob, 0)
            name = self._names.name(blob, version)
            if value.name != name or not self._graph.is_made(name) or value in outputs:
                if self._graph.has(name):
                    name = self._names.unused(f"{blob}_{version + 1}")
                (value,) = self._graph.node("Identity", [value], [name], {})
            if value.shape is None and value.likely_shape is None:
                raise ConvertError(f"output {blob!r}: how many dimensions it has cannot be inferred")
            outputs.append(value)
        return outputs

    def _assemble(self, given: list[Value], outputs: list[Value]) -> ModelProto:
        graph = self._graph.proto
        # ONNX wants a name
        graph.name = self._net.name or "net"
        helpers = self._graph.used_constants(given)
        parameters = sorted((value for value in given if value.stored is not None), key=lambda value: value.name)
        for value in [*parameters, *helpers]:
            self._graph.add_initializer(value)
        zoo = self._opset <= _LAST_ZOO_OPSET
        for value in [*given, *helpers]:
            if zoo or value.stored is None:
                value.describe_in(graph.input)
        for value in outputs:
            value.describe_in(graph.output)
        model = self._graph.model
        model.ir_version = _ZOO_IR if zoo else onnx.helper.find_min_ir_version_for(model.opset_import)
        model.producer_name = "onnx-caffe2"
        return model


def _counts(inputs: tuple[int, ...] | range) -> str:
    if isinstance(inputs, range):
        return f"{inputs.start} or more"
    return " or ".join(map(str, inputs))


def _listed(blobs: Sequence[str]) -> str:
    shown = ", ".join(repr(blob) for blob in blobs[:_LONGEST_LIST])
    return shown + (f" and {len(blobs) - _LONGEST_LIST} more" if len(blobs) > _LONGEST_LIST else "")


def _word(blob: str) -> str:
    """The name of a blob as a part of a command; a name that breaks the line is no such part."""
    return blob if blob.isprintable() else "BLOB"
