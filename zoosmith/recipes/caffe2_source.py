"""Caffe2 nets as sources of rows: the net, and its parameters from a seed, an init net or any row."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from zoosmith.convert import ConvertError, caffe2_to_onnx, write_net
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.net_ports import with_outputs
from zoosmith.convert.parameters import InitNet, read_init_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.convert.translation import InputInfo
from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.ports import required_inputs
from zoosmith.onnx_model.saving import save_model
from zoosmith.recipes.init_nets import InitLayout, init_net_parts, init_net_size
from zoosmith.recipes.parameters import file_facts, read_init_file, read_row, stored
from zoosmith.recipes.published import PublishedFile
from zoosmith.recipes.source import FileFacts, Run
from zoosmith.validation import Caffe2Runner, NetInterpreter

# the opset whose translation broadcasts by attributes: those below it are converted from it
_OLD_STYLE = 6

Inputs = InputInfo
"""ONNX element type and shape of each data blob."""


@dataclass(frozen=True)
class Caffe2Source:
    """A Caffe2 net with its parameters, as `Source` describes it.

    Attributes:
        predict_net: the net.
        parameters: what fills its blobs; large ones may lie in a file.
        inputs: ONNX element type and shape of each data blob.
        label: what tables say of the weights.
        synthetic: whether the weights were made from a seed.
        published: whether they are the published ones.
        published_shapes: whether they have the shapes of those.
        layout: how the parameters are written as an init net.
        init_facts: size and SHA-256 of the file with the parameters.
        given_init: the init net that they were read from; None where `layout` says what it is.
    """

    predict_net: NetDef
    parameters: InitNet
    inputs: Inputs
    label: str
    synthetic: bool
    published: bool
    published_shapes: bool
    layout: InitLayout
    init_facts: FileFacts
    given_init: Path | bytes | None = None
    kind = "Caffe2 net"

    @property
    def init_net(self) -> bytes:
        """The content of the file with the parameters."""
        if self.given_init is not None:
            return self.given_init if isinstance(self.given_init, bytes) else self.given_init.read_bytes()
        return b"".join(init_net_parts(self.layout, _arrays(self.parameters)))

    def files(self) -> dict[str, FileFacts]:
        """Return the two nets."""
        predict = write_net(self.predict_net)
        return {
            "predict_net.pb": {"bytes": len(predict), "sha256": hashlib.sha256(predict).hexdigest()},
            "init_net.pb": self.init_facts,
        }

    @property
    def sha256(self) -> str:
        """SHA-256 of the init net."""
        return self.init_facts["sha256"]

    def model(self, opset: int | None) -> ModelProto:
        """Translate the net to `opset`; None for 9, or the lowest above that can express it."""
        return caffe2_to_onnx(self.predict_net, self.parameters, inputs=self.inputs, opset=opset)

    @cached_property
    def _translated(self) -> ModelProto:
        return self.model(None)

    @property
    def opset(self) -> int:
        """9, or the lowest above it that can express the net."""
        return default_opset(self._translated) or 0

    def write(self, opset: int, path: Path) -> None:
        """Write the net's translation to `opset`."""
        save_model(self._translated if opset == self.opset else self.model(opset), path)

    def nearest_opset(self, opset: int) -> int:
        """Return the translation that other opsets are converted from."""
        return _OLD_STYLE if opset < _OLD_STYLE and self._has_old_style else self.opset

    @cached_property
    def _has_old_style(self) -> bool:
        try:
            self.model(_OLD_STYLE)
        except ConvertError:
            return False
        return True

    @contextmanager
    def reference(self, name: str) -> Iterator[Run]:
        """Open what runs the net: `builtin`, the interpreter, or `caffe2`, the real one."""
        graph = self._translated.graph
        # a row names a blob with its version, 0 for what is there before the net runs
        blobs = {value.name: value.name.removesuffix("_0") for value in required_inputs(graph)}
        outputs = dict(zip((value.name for value in graph.output), self._output_blobs, strict=True))
        runner: NetInterpreter | Caffe2Runner
        if name == "builtin":
            rest = NetDef(op=self.parameters.rest)
            runner = NetInterpreter(self._net, rest, parameters=_arrays(self.parameters))
        else:
            runner = Caffe2Runner(self._net, self.init_net)

        def run(inputs: Mapping[str, Any]) -> dict[str, Any]:
            found = runner.run({blobs[key]: value for key, value in inputs.items()})
            return {key: found[blob] for key, blob in outputs.items()}

        try:
            yield run
        finally:
            if isinstance(runner, Caffe2Runner):
                runner.close()

    @cached_property
    def _net(self) -> NetDef:
        return with_outputs(self.predict_net)

    @property
    def _output_blobs(self) -> list[str]:
        return list(self._net.external_output)


@dataclass(frozen=True)
class Caffe2Net:
    """A Caffe2 net without its parameters.

    Attributes:
        title: of the model, for messages.
        predict_net: gives the net.
        inputs: ONNX element type and shape of each data blob.
        layouts: how its init net may be laid out; where the size of the published one is known it tells which it is,
            else it is the first. Empty for a net that nobody published: its init net is taken as it is.
        shapes: gives the shape of every parameter by blob, in the order of the init net; None where the net's own list
            of inputs gives the order, and the weights the shapes.
        synthesize: makes all parameters, float32 by blob, from a seed of 0 .. 2**32 - 1, the same on every machine;
            None where there are no synthetic ones.
        published_init_net: the published one; None where there is none.
        own_parameters: what the net's own file fills its blobs with; None where a file of weights does.
    """

    title: str
    predict_net: Callable[[], NetDef]
    inputs: Inputs
    layouts: tuple[InitLayout, ...] = ()
    shapes: Callable[[], Mapping[str, tuple[int, ...]]] | None = None
    synthesize: Callable[[int], Mapping[str, np.ndarray]] | None = None
    published_init_net: PublishedFile | None = None
    own_parameters: bytes | None = None

    def open(self, weights: Path | None = None, seed: int = 0, folder: Path | None = None) -> Caffe2Source:
        """Return the net with its parameters.

        Args:
            weights: an init net, TensorProtos or a minidb of saved blobs, or a row of this net (`.onnx`); None for
                synthetic ones.
            seed: of the synthetic ones, 0 .. 2**32 - 1.
            folder: where the parameters are kept as long as the source is used; None to keep them in memory.

        Returns:
            The source. The init net of a published net is laid out as the published one: equal parameters give equal
            bytes, wherever they were read from.

        Raises:
            ZoosmithError: there are no weights, or they are not all there, in float32, in shape and finite; it names
                file and blobs.
            ConvertError: the init net cannot be read.
        """
        net = self.predict_net()
        given = self._given(net, weights, seed)
        if folder is not None:
            given = InitNet(stored(given.parameters, folder), given.rest)
        shapes = {blob: tensor.shape for blob, tensor in given.parameters.items()}
        known = self.published_init_net
        fitting = [each for each in self.layouts if known is not None and init_net_size(each, shapes) == known.size]
        layout = (fitting or self.layouts or (InitLayout(f"{net.name}_init"),))[0]
        init: bytes | Path | None = self.own_parameters
        if init is None and not self.layouts and weights is not None and weights.suffix != ".onnx":
            init = weights
        if init is None:
            facts = layout_facts(layout, given)
        elif isinstance(init, bytes):
            facts = {"bytes": len(init), "sha256": hashlib.sha256(init).hexdigest()}
        else:
            facts = file_facts(init)
        published = known is not None and facts["sha256"] == known.sha256
        synthetic = weights is None and self.own_parameters is None
        if synthetic:
            label = f"synthetic, seed {seed}"
        else:
            label = "published" if published else f"given, init net {facts['sha256'][:12]}"
        return Caffe2Source(
            predict_net=net,
            parameters=given,
            inputs=self.inputs,
            label=label,
            synthetic=synthetic,
            published=published,
            published_shapes=bool(fitting),
            layout=layout,
            init_facts=facts,
            given_init=init,
        )

    def _given(self, net: NetDef, weights: Path | None, seed: int) -> InitNet:
        if self.own_parameters is not None:
            return read_init_net(self.own_parameters)
        if weights is None:
            if self.synthesize is None:
                raise ZoosmithError(
                    f"{self.title}: expected its weights, an init net or a row in ONNX ({argument('weights', 'FILE')})"
                )
            arrays = self.synthesize(seed)
            return InitNet({blob: Tensor.of(values) for blob, values in arrays.items()})
        is_row = weights.suffix == ".onnx"
        if not self.layouts and not is_row:
            return read_init_file(weights)
        shapes = None if self.shapes is None else self.shapes()
        names = list(shapes) if shapes is not None else parameter_names(net, self.inputs)
        found = read_row(weights) if is_row else _fills_only(read_init_file(weights), weights)
        return InitNet(self._checked(found, names, shapes, weights))

    def _checked(
        self,
        found: Mapping[str, Tensor],
        names: Sequence[str],
        shapes: Mapping[str, tuple[int, ...]] | None,
        path: Path,
    ) -> dict[str, Tensor]:
        parameters = {name: found[name] for name in names if name in found}
        wrong = {} if shapes is None else {k: t.shape for k, t in parameters.items() if t.shape != shapes[k]}
        problems = {
            "missing": [name for name in names if name not in found],
            "misshapen": [f"{k} is {list(shape)}, not {list((shapes or {})[k])}" for k, shape in wrong.items()],
            "not float32": [name for name, tensor in parameters.items() if tensor.dtype != np.float32],
            "not finite": [name for name, tensor in parameters.items() if not _is_finite(tensor)],
        }
        listed = [
            f"{len(names)} {problem} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for problem, names in problems.items()
            if names
        ]
        if listed:
            raise ZoosmithError(
                f"{path}: expected the {len(names)} parameters of {self.title}, as an init net or a row of opset 3 to "
                f"12; {', '.join(listed)}"
            )
        return parameters


def parameter_names(net: NetDef, inputs: Inputs) -> list[str]:
    """The blobs of a net that operators read before any writes them, but for its data, in the order of its own list."""
    written: set[str] = set()
    read: dict[str, None] = {}
    for operator in net.op:
        read.update((blob, None) for blob in operator.input if blob not in written)
        written.update(operator.output)
    listed = [blob for blob in dict.fromkeys(net.external_input) if blob in read]
    return [blob for blob in dict.fromkeys([*listed, *read]) if blob not in inputs]


def layout_facts(layout: InitLayout, parameters: InitNet) -> FileFacts:
    """Size and SHA-256 of an init net that need not be written."""
    digest, size = hashlib.sha256(), 0
    for part in init_net_parts(layout, _arrays(parameters)):
        digest.update(part)
        size += len(part) if isinstance(part, bytes) else part.nbytes
    return {"bytes": size, "sha256": digest.hexdigest()}


def _fills_only(init: InitNet, path: Path) -> dict[str, Tensor]:
    if init.rest:
        kinds = ", ".join(sorted({repr(op.type) for op in init.rest}))
        raise ConvertError(f"{path}: expected constant fill operators only, found {kinds}")
    return init.parameters


def _is_finite(tensor: Tensor) -> bool:
    return tensor.dtype.kind != "f" or bool(np.isfinite(tensor.array()).all())


def _arrays(parameters: InitNet) -> dict[str, np.ndarray]:
    return {blob: tensor.array() for blob, tensor in parameters.parameters.items()}
