"""What is fuzzed: functions of a file's content.

A function may end in an exception below `ZoosmithError` and in no other way.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from google.protobuf import text_format
from google.protobuf.message import Message
from onnx import ModelProto, TensorProto

from tests.fuzz import seeds
from tests.fuzz.repair import repair_png, repair_tar, repair_zip
from zoosmith.audit.discovery import find_subjects
from zoosmith.convert import caffe2_to_onnx, read_model, read_parameters
from zoosmith.convert.proto.caffe2_pb2 import NetDef, TensorProtos
from zoosmith.convert.proto.caffe_net_pb2 import NetParameter
from zoosmith.hub.manifest import parse_manifest
from zoosmith.inspection.files import inspect_file
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_model
from zoosmith.opset_upgrade import convert
from zoosmith.optimize import optimize
from zoosmith.quantize import quantize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.validation import interpret
from zoosmith.validation.reading.array_files import is_single_array, open_arrays, read_array
from zoosmith.validation.reading.datasets import read_data_sets
from zoosmith.validation.reading.images import load_image, read_labels
from zoosmith.validation.reading.preprocess import preprocessing
from zoosmith.validation.reading.unpacking import archive_members, unpacked

_OPSETS = (1, 7, 9, 11, 13, 18, 24)
_IMAGE = (TensorProto.FLOAT, (1, 3, 8, 8))
_MATRIX = (TensorProto.FLOAT, (2, 3))
_INPUTS: tuple[dict[str, tuple[int, tuple[int, ...]]], ...] = ({"x": _MATRIX}, {"x": _IMAGE}, {})


@dataclass(frozen=True)
class Target:
    """A function to fuzz.

    Attributes:
        run: reads a file and works with it; called with the content and a folder to write the file to.
        seeds: makes the contents to start from.
        message: the type of the file where it is a protobuf message, which is then also mutated by its fields.
        text: whether the message is written as text.
        repair: puts the checksums in a mutated file right.
    """

    run: Callable[[bytes, Path], object]
    seeds: Callable[[], list[bytes]]
    message: type[Message] | None = None
    text: bool = False
    repair: Callable[[bytes], bytes] | None = None

    def parse(self, content: bytes) -> Message:
        """The content as a message.

        Raises:
            Exception: of protobuf's, where it is none.
        """
        assert self.message is not None
        made = self.message()
        if self.text:
            text_format.Parse(content.decode(), made)
        else:
            made.ParseFromString(content)
        return made

    def serialize(self, message: Message) -> bytes:
        """The content of a file that holds a message."""
        return text_format.MessageToString(message).encode() if self.text else message.SerializeToString()


def run_in_new_folder(target: Target, content: bytes) -> ZoosmithError | None:
    """Run a target on one content.

    Returns:
        Why it was refused; None where it was not.

    Raises:
        Exception: what is wrong in our code.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            target.run(content, Path(folder))
        except ZoosmithError as refusal:
            return refusal
    return None


def _all_refused(calls: Sequence[Callable[[], object]]) -> None:
    """Make each of the calls; raise the first refusal where all were refused."""
    refusals = []
    for call in calls:
        try:
            call()
        except ZoosmithError as refusal:
            refusals.append(refusal)
    if len(refusals) == len(calls):
        raise refusals[0]


def _written(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _net(content: bytes, folder: Path) -> None:
    _all_refused([partial(caffe2_to_onnx, content, inputs=inputs, opset=None) for inputs in _INPUTS])


def _interpreter(content: bytes, folder: Path) -> None:
    given: tuple[dict[str, np.ndarray], ...] = ({"x": np.ones(_IMAGE[1], np.float32)}, {})
    _all_refused([partial(interpret, content, None, inputs) for inputs in given])


def _inspect(content: bytes, folder: Path) -> None:
    inspect_file(_written(folder, "file", content))


def _init_values(content: bytes, folder: Path) -> None:
    read_parameters(content)
    model = read_model(seeds.sound_files()["predict.pb"], content)
    caffe2_to_onnx(model.net, model.init, inputs=_INPUTS[0])


def _export(content: bytes, folder: Path) -> None:
    model = read_model(content)
    caffe2_to_onnx(model.net, model.init, inputs=model.inputs, opset=None)


def _saved_blobs(content: bytes, folder: Path) -> None:
    _all_refused([lambda: _export(content, folder), lambda: _init_values(content, folder)])


def _caffe_net(content: bytes, folder: Path) -> None:
    model = read_model(content, seeds.sound_files()["n.caffemodel"])
    caffe2_to_onnx(model.net, model.init, inputs=model.inputs or {"data": _IMAGE}, opset=None)


def _caffe_parameters(content: bytes, folder: Path) -> None:
    model = read_model(seeds.sound_files()["deploy.prototxt"], content)
    caffe2_to_onnx(model.net, model.init, inputs=model.inputs, opset=None)


def _opset(content: bytes, folder: Path) -> None:
    # each input goes to one opset: that is more inputs in the same time
    convert(load_model(content), _OPSETS[crc32(content) % len(_OPSETS)])


def _quantize(content: bytes, folder: Path) -> None:
    model = load_model(content)
    quantize(model, random_samples(model, 1))


def _optimize(content: bytes, folder: Path) -> None:
    _import_schemas_once()
    optimize(load_model(content))


@cache
def _import_schemas_once() -> None:
    """Let onnx-simplifier look once for operators that only onnx knows: that took half of the time of an input."""
    simplifier: Any = import_module("onnxsim.onnx_simplifier")
    if hasattr(simplifier, "import_onnx_schemas"):  # of newer releases
        simplifier.import_onnx_schemas = cache(simplifier.import_onnx_schemas)


def _archive(content: bytes, folder: Path) -> None:
    path = _written(folder, "bundle.tar.gz", content)
    archive_members(path)
    with unpacked(path) as inside:
        for model in sorted(inside.rglob("*.onnx")):
            read_data_sets(model.parent, load_model(model).graph)


def _arrays(content: bytes, folder: Path) -> None:
    path = _written(folder, "arrays.npz", content)
    if is_single_array(path):
        read_array(path)
        return
    with open_arrays(path) as found:
        for name in found.names:
            found.shape(name)
            found.read(name)


def _image(content: bytes, folder: Path) -> None:
    load_image(_written(folder, "image", content), preprocessing("caffe"), (8, 8))


def _labels(content: bytes, folder: Path) -> None:
    files = [_written(folder, name, content) for name in ("labels.csv", "labels.txt")]
    _all_refused([partial(read_labels, file) for file in files])


def _manifest(content: bytes, folder: Path) -> None:
    parse_manifest(content, "manifest")
    find_subjects([_written(folder, "ONNX_HUB_MANIFEST.json", content)])


TARGETS: Mapping[str, Target] = {
    "net": Target(_net, lambda: [*seeds.nets_in_binary(), *seeds.operators_of_caffe2()], NetDef),
    "net-text": Target(_net, seeds.nets_in_text, NetDef, text=True),
    "interpreter": Target(_interpreter, lambda: [*seeds.nets_in_binary(), *seeds.operators_of_caffe2()], NetDef),
    "init-values": Target(_init_values, seeds.init_nets, NetDef),
    "minidb": Target(_saved_blobs, seeds.saved_blobs),
    "tensors": Target(_saved_blobs, seeds.tensor_protos, TensorProtos),
    "caffe-net": Target(_caffe_net, seeds.caffe_nets, NetParameter, text=True),
    "caffe-parameters": Target(_caffe_parameters, seeds.caffe_parameters, NetParameter),
    "opset": Target(_opset, lambda: [*seeds.onnx_models(), *seeds.operators_of_onnx()], ModelProto),
    "quantize": Target(_quantize, lambda: [*seeds.onnx_models(), *seeds.operators_of_onnx()], ModelProto),
    "optimize": Target(_optimize, seeds.onnx_models, ModelProto),
    "inspect": Target(_inspect, lambda: [*seeds.onnx_models(), *seeds.nets_in_binary(), *seeds.bundles()]),
    "archive": Target(_archive, seeds.bundles, repair=repair_tar),
    "arrays": Target(_arrays, seeds.numpy_files, repair=repair_zip),
    "image": Target(_image, seeds.images, repair=repair_png),
    "labels": Target(_labels, seeds.labels),
    "manifest": Target(_manifest, seeds.manifests),
}
