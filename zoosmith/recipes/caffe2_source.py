"""Caffe2 nets as sources of rows: the net, and its parameters from a seed, an init net or any row."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from onnx import numpy_helper

from zoosmith.convert import caffe2_to_onnx, read_parameters, write_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_model
from zoosmith.recipes.init_nets import write_init_net
from zoosmith.recipes.source import Arrays, FileFacts, Run
from zoosmith.validation import Caffe2Runner, NetInterpreter

# the opsets of the zoo's own translations from which the others are converted: with broadcast attributes, and without
_OLD_STYLE, _NEW_STYLE = 6, 9


@dataclass(frozen=True)
class Caffe2Source:
    """A Caffe2 net with its parameters, as `Source` describes it.

    Attributes:
        predict_net: the net.
        init_net: content of the file with its parameters.
        inputs: ONNX element type and shape of each data blob.
        label: what tables say of the weights.
        synthetic: whether the weights were made from a seed.
        published: whether they are the published ones.
    """

    predict_net: NetDef
    init_net: bytes
    inputs: Mapping[str, tuple[int, tuple[int | str, ...]]]
    label: str
    synthetic: bool
    published: bool

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the init net."""
        return hashlib.sha256(self.init_net).hexdigest()

    def files(self) -> dict[str, FileFacts]:
        """Return the two nets."""
        predict = write_net(self.predict_net)
        return {
            "predict_net.pb": {"bytes": len(predict), "sha256": hashlib.sha256(predict).hexdigest()},
            "init_net.pb": {"bytes": len(self.init_net), "sha256": self.sha256},
        }

    def model(self, opset: int) -> bytes:
        """Translate the net to `opset`."""
        return caffe2_to_onnx(self.predict_net, self.init_net, inputs=self.inputs, opset=opset).SerializeToString()

    def nearest_opset(self, opset: int) -> int:
        """Return the translation that other opsets are converted from."""
        return _OLD_STYLE if opset < _OLD_STYLE else _NEW_STYLE

    @contextmanager
    def reference(self, name: str) -> Iterator[Run]:
        """Open what runs the net: `builtin`, the interpreter, or `caffe2`, the real one."""
        # a row names a blob with its version, the number of times that it was written
        writes = Counter(blob for operator in self.predict_net.op for blob in operator.output)
        blobs = {f"{blob}_0": blob for blob in self.inputs}
        outputs = {f"{blob}_{writes[blob]}": blob for blob in self.predict_net.external_output}
        runner: NetInterpreter | Caffe2Runner
        runner = (NetInterpreter if name == "builtin" else Caffe2Runner)(self.predict_net, self.init_net)

        def run(inputs: Arrays) -> Arrays:
            found = runner.run({blobs[key]: value for key, value in inputs.items()})
            return {key: found[blob] for key, blob in outputs.items()}

        try:
            yield run
        finally:
            if isinstance(runner, Caffe2Runner):
                runner.close()


@dataclass(frozen=True)
class Caffe2Net:
    """A Caffe2 net without its parameters.

    Attributes:
        title: of the model, for messages.
        predict_net: gives the net.
        shapes: gives the shape of every parameter by blob, in the order of the published init net.
        inputs: ONNX element type and shape of each data blob.
        init_name: the name that its init net carries.
        synthesize: makes all parameters, float32 by blob, from a seed of 0 .. 2**32 - 1, the same on every machine.
        published_init_net: SHA-256 of the published init net; None where there is none.
    """

    title: str
    predict_net: Callable[[], NetDef]
    shapes: Callable[[], Mapping[str, tuple[int, ...]]]
    inputs: Mapping[str, tuple[int, tuple[int | str, ...]]]
    init_name: str
    synthesize: Callable[[int], Mapping[str, np.ndarray]]
    published_init_net: str | None = None

    def open(self, weights: Path | None = None, seed: int = 0) -> Caffe2Source:
        """Return the net with its parameters.

        Args:
            weights: an init net (`.pb`, `.pbtxt`) or a row of this net (`.onnx`); None for synthetic ones.
            seed: of the synthetic ones, 0 .. 2**32 - 1.

        Returns:
            The source; its init net is laid out as the published one: equal parameters give equal bytes, wherever they
            were read from.

        Raises:
            ZoosmithError: the parameters are not all there, in float32, in shape and finite; it names file and blobs.
            ConvertError: the init net cannot be read.
        """
        given = self.synthesize(seed) if weights is None else self._checked(_read(weights), weights)
        init_net = write_init_net(self.init_name, given)
        sha256 = hashlib.sha256(init_net).hexdigest()
        published = sha256 == self.published_init_net
        if weights is None:
            label = f"synthetic, seed {seed}"
        else:
            label = "published" if published else f"given, init net {sha256[:12]}"
        return Caffe2Source(self.predict_net(), init_net, self.inputs, label, weights is None, published)

    def _checked(self, found: Arrays, path: Path) -> dict[str, np.ndarray]:
        shapes = self.shapes()
        parameters = {name: found[name] for name in shapes if name in found}
        problems = {
            "missing": [name for name in shapes if name not in found],
            "misshapen": [
                f"{name} is {list(values.shape)}, not {list(shapes[name])}"
                for name, values in parameters.items()
                if values.shape != shapes[name]
            ],
            "not float32": [name for name, values in parameters.items() if values.dtype != np.float32],
            "not finite": [name for name, values in parameters.items() if not np.isfinite(values).all()],
        }
        listed = [
            f"{len(names)} {problem} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for problem, names in problems.items()
            if names
        ]
        if listed:
            raise ZoosmithError(
                f"{path}: expected the {len(shapes)} parameters of {self.title}, as an init net or a row of opset 3 to "
                f"12; {', '.join(listed)}"
            )
        return parameters


def _read(path: Path) -> Arrays:
    """Read parameters by blob; a row names a parameter by its blob and the blob's first version, 0."""
    if path.suffix == ".onnx":
        tensors = load_model(path).graph.initializer
        return {tensor.name.removesuffix("_0"): numpy_helper.to_array(tensor) for tensor in tensors}
    try:
        return read_parameters(path)
    except OSError as error:
        raise ZoosmithError(f"{path}: cannot be read: {error.strerror or error}") from error
