"""The files that fuzzing starts from, made by code: the attack files that are small, and sound files."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from google.protobuf import text_format

from tests.attacks import archives, arrays, descriptions, models, nets, pictures, saved_nets, unusual_models
from tests.attacks.attack import Content
from tests.attacks.commands import CAFFE_NET, caffe_model, make_sound_files
from tests.caffe2_cases import operator_cases
from tests.caffe2_cases.case import FILLS, fill
from tests.opset_upgrade import hand_cases
from tests.opset_upgrade.node_cases import cases_by_operator
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef, TensorProtos
from zoosmith.validation import ValidationError

# in bytes; what is small is mutated well
_LARGEST = 4096


@cache
def sound_files() -> Mapping[str, bytes]:
    """The files of `make_sound_files`, by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_sound_files(folder)
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def nets_in_binary() -> list[bytes]:
    """Caffe2 nets."""
    return [*_small(nets.NETS.values()), sound_files()["plain.pb"], sound_files()["predict.pb"], _several_operators()]


def operators_of_caffe2() -> list[bytes]:
    """Nets of one operator, for each that we know; what it reads is filled in the net."""
    made = []
    for case in operator_cases():
        if all(value.dtype.name in FILLS for value in case.inputs.values()):
            net = NetDef(name="n", external_output=case.net.external_output)
            for init in (*(fill(blob, value) for blob, value in case.inputs.items()), case.parameters, case.net):
                net.op.extend(init.op)
            made.append(net.SerializeToString())
    return _small(made)


def nets_in_text() -> list[bytes]:
    """Caffe2 nets as text."""
    parsed = [NetDef.FromString(content) for content in nets_in_binary() if _is_net(content)]
    return [*_small(nets.TEXTS.values()), *(text_format.MessageToString(net).encode() for net in parsed)]


def init_nets() -> list[bytes]:
    """Parameters of Caffe2 nets as init nets, of each kind of fill."""
    shape = Argument(name="shape", ints=[2, 3])
    kinds = {
        "GivenTensorFill": Argument(name="values", floats=[0.5] * 6),
        "GivenTensorDoubleFill": Argument(name="values", floats=[0.5] * 6),
        "GivenTensorIntFill": Argument(name="values", ints=[1] * 6),
        "GivenTensorBoolFill": Argument(name="values", ints=[1] * 6),
        "GivenTensorStringFill": Argument(name="values", strings=[b"a"] * 6),
        "GivenTensorByteStringToUInt8Fill": Argument(name="values", strings=[b"abcdef"]),
        "ConstantFill": Argument(name="value", f=2.0),
    }
    fills = [OperatorDef(type=kind, output=["w"], arg=[shape, values]) for kind, values in kinds.items()]
    made = [NetDef(name="i", op=[fill]).SerializeToString() for fill in fills]
    return [*made, *_small(nets.PARAMETERS.values()), sound_files()["init.pb"]]


def saved_blobs() -> list[bytes]:
    """What Caffe2 saves beside nets: minidb files and exports in them."""
    return _small([*saved_nets.DATABASES.values(), *saved_nets.EXPORTS.values(), saved_nets.blob()])


def tensor_protos() -> list[bytes]:
    """Files of Caffe2's TensorProtos."""
    return [TensorProtos(protos=[saved_nets.tensor()]).SerializeToString(), *_small(saved_nets.TENSORS.values())]


def caffe_nets() -> list[bytes]:
    """Caffe's nets, in text."""
    return [CAFFE_NET.encode(), *_small(saved_nets.CAFFE_NETS.values())]


def caffe_parameters() -> list[bytes]:
    """Caffe's parameters."""
    sound = caffe_model(np.ones((2, 3, 1, 1), "f"), np.zeros(2, "f"))
    return [sound, *_small(saved_nets.CAFFE_MODELS.values())]


def onnx_models() -> list[bytes]:
    """ONNX models, damaged, unusual and sound ones of several opsets."""
    made = []
    for opset in (7, 10, 13, 18):
        for name in ("conv.onnx", "normalized.onnx"):
            model = onnx.load_from_string(sound_files()[name])
            model.opset_import[0].version = opset
            made.append(model)
    weights = models.constant("W", [[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]], "f")
    made.append(models.model([models.node("Gemm", ["x", "W"], ["g"]), models.node("Relu", ["g"])], weights=[weights]))
    named = [
        *models.WEIGHTS.values(),
        *models.STRUCTURE.values(),
        *unusual_models.UNUSUAL.values(),
        *models.BYTES.values(),
    ]
    contents = [each if isinstance(each, bytes) else each.SerializeToString(deterministic=True) for each in named]
    return [*(model.SerializeToString() for model in made), *_small(contents)]


def operators_of_onnx() -> list[bytes]:
    """Models of one node: the smallest backend test of each operator, and a case of each step between opsets."""
    backend = [cases[0].model for cases in cases_by_operator().values()]
    steps: list[onnx.ModelProto] = []
    for make in (*hand_cases.CASES.values(), *hand_cases.REFUSED.values()):
        with suppress(ValidationError):  # an ONNX Runtime older than the opset cannot run it for its shapes
            steps.append(make()[0])
    return _small([model.SerializeToString(deterministic=True) for model in (*backend, *steps)])


def bundles() -> list[bytes]:
    """Archives of a model with data sets."""
    sets = [archives.one_set(content) for content in archives.TENSORS.values()]
    npz = arrays.npz(("inputs.npy", arrays.npy(np.zeros((1, 2, 3), "f"))), ("outputs.npy", arrays.npy(3.0)))
    # not compressed: there a mutation reaches what is inside
    plain = archives.tar(
        (archives.info("b/model.onnx"), archives.RELU),
        (archives.info("b/test_data_set_0/input_0.pb"), archives.GOOD),
        (archives.info("b/test_data_set_0/output_0.pb"), archives.GOOD),
    )
    arrays_inside = archives.tar(
        (archives.info("b/model.onnx"), archives.RELU), (archives.info("b/test_data_0.npz"), npz)
    )
    return [plain, arrays_inside, *sets, *_small(archives.ARCHIVES.values())]


def numpy_files() -> list[bytes]:
    """Files of numpy's: .npz and .npy."""
    return _small([*arrays.ARRAYS.values(), *arrays.SINGLE.values()])


def images() -> list[bytes]:
    """Pictures of every format, but those that take long: most inputs would be made of them."""
    quick = [content for name, content in pictures.IMAGES.items() if name not in ("of_one_row", "of_one_column")]
    return [sound_files()["images/0.png"], *_small(quick)]


def labels() -> list[bytes]:
    """Labels of images."""
    return [
        sound_files()["images/labels.csv"],
        b"n01440764 tench\nn01443537 goldfish\n",
        *_small(pictures.LABELS.values()),
    ]


def manifests() -> list[bytes]:
    """Manifests of a hub."""
    sound = json.dumps([descriptions.entry()]).encode()
    return [b"[]", sound, *_small(descriptions.MANIFESTS.values())]


def _small(contents: Iterable[Content]) -> list[bytes]:
    return [content for content in contents if isinstance(content, bytes) and len(content) <= _LARGEST]


def _is_net(content: bytes) -> bool:
    try:
        return bool(NetDef.FromString(content).op)
    except Exception:  # of protobuf's
        return False


def _several_operators() -> bytes:
    return nets.net(
        nets.op("ConstantFill", [], ["w"], shape=[2, 3, 1, 1], value=1.0),
        nets.op("ConstantFill", [], ["b"], shape=[2], value=0.5),
        nets.op("Conv", ["x", "w", "b"], ["c"], kernel=1, order=b"NCHW"),
        nets.op("Relu", ["c"], ["c"]),
        nets.op("MaxPool", ["c"], ["p"], kernel=2, stride=2),
        nets.op("Concat", ["p", "p"], ["d", "s"], axis=1),
        nets.op("Softmax", ["d"], ["y"], axis=1),
    )
