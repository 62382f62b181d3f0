"""Caffe nets for tests: layers as text, parameters as arrays, and what other readers of such files make of them."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from zoosmith.convert import read_model, read_net
from zoosmith.convert.proto import caffe_net_pb2
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.convert.proto.caffe_net_pb2 import BlobShape, NetParameter
from zoosmith.onnx_model.wire_format import header
from zoosmith.validation import interpret

Blobs = Mapping[str, Sequence[np.ndarray]]
IMAGE = 'name: "n" input: "data" input_dim: 2 input_dim: 4 input_dim: 7 input_dim: 9 '
RANDOM = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return np.abs(normal(*shape)) + np.float32(0.5)


def caffemodel(blobs: Blobs, *, old: bool = False) -> bytes:
    """The file with these parameters; `old`: in the form from before 2014, with four sizes of every parameter."""
    net = NetParameter(name="n")
    # real files hold the layers without parameters too
    for name, arrays in {"data": [], **blobs}.items():
        layer = net.layers.add(name=name) if old else net.layer.add(name=name, type="?")
        if old:
            layer.type = 18
        for array in arrays:
            blob = layer.blobs.add()
            if old:
                sizes = (1,) * (4 - array.ndim) + array.shape
                blob.num, blob.channels, blob.height, blob.width = sizes
            else:
                blob.shape.CopyFrom(BlobShape(dim=array.shape))
            # the field `data`, packed
            data = array.tobytes()
            blob.MergeFromString(header(5, len(data)) + data)
    return net.SerializeToString()


def write(folder: Path, text: str, blobs: Blobs, *, old: bool = False) -> tuple[Path, Path]:
    net, model = folder / "deploy.prototxt", folder / "n.caffemodel"
    net.write_text(text)
    model.write_bytes(caffemodel(blobs, old=old))
    return net, model


def computed(text: str, blobs: Blobs, x: np.ndarray, *, old: bool = False) -> np.ndarray:
    """The one output of the net that a Caffe net becomes."""
    model = read_model(text.encode(), caffemodel(blobs, old=old))
    assert model.init is not None
    (result,) = interpret(model.net, model.init, {"data": x}).values()
    return result


_TRANSLATOR = """
import sys, types
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
file = descriptor_pb2.FileDescriptorProto.FromString(open("schema", "rb").read())
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
factory = message_factory.MessageFactory(pool)
module = types.ModuleType("caffe.proto.caffe_pb2")
for message in file.message_type:
    made = factory.GetPrototype(pool.FindMessageTypeByName("zoosmith.caffe." + message.name))
    setattr(module, message.name, made)
package = types.ModuleType("caffe"); package.proto = types.ModuleType("caffe.proto"); package.proto.caffe_pb2 = module
sys.modules.update({"caffe": package, "caffe.proto": package.proto, "caffe.proto.caffe_pb2": module})
from caffe2.python import caffe_translator
net, model = module.NetParameter(), module.NetParameter()
text_format.Merge(open("deploy.prototxt").read(), net)
model.ParseFromString(open("n.caffemodel", "rb").read())
made, parameters = caffe_translator.TranslateModel(net, model, is_test=True)
open("predict_net.pb", "wb").write(made.SerializeToString())
open("parameters.pb", "wb").write(parameters.SerializeToString())
"""


def translated_by_caffe2(python: Path, folder: Path) -> tuple[NetDef, Path]:
    """What Caffe2's own translator makes of the files of `write`: its net, and its parameters as TensorProtos."""
    schema = FileDescriptorProto()
    caffe_net_pb2.DESCRIPTOR.CopyToProto(schema)
    (folder / "schema").write_bytes(schema.SerializeToString())
    done = subprocess.run([python, "-c", _TRANSLATOR], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return read_net(folder / "predict_net.pb"), folder / "parameters.pb"


_OPENCV = """
import cv2, numpy as np
net = cv2.dnn.readNetFromCaffe("deploy.prototxt", "n.caffemodel")
net.setInput(np.load("x.npy"))
np.save("y.npy", net.forward())
"""


def computed_by_opencv(python: Path, folder: Path, x: np.ndarray) -> np.ndarray:
    """What OpenCV, which reads Caffe's files with a schema of its own, computes from the files of `write`."""
    np.save(folder / "x.npy", x)
    done = subprocess.run([python, "-c", _OPENCV], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return np.load(folder / "y.npy")
