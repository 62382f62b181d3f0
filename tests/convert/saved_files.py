"""Files as Caffe2 saves them, written for tests: by hand, and by the real Caffe2."""

import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zoosmith.convert.proto.caffe2_pb2 import BlobProto, BlobsMap, MetaNetDef, NetDef, NetsMap, TensorProto

Arrays = Mapping[str, np.ndarray]


def tensor(name: str, array: np.ndarray) -> TensorProto:
    values = array.ravel().tolist()
    if array.dtype == np.float32:
        return TensorProto(name=name, dims=array.shape, data_type=TensorProto.FLOAT, float_data=values)
    return TensorProto(name=name, dims=array.shape, data_type=TensorProto.INT64, int64_data=values)


def part(name: str, array: np.ndarray, begin: int, end: int) -> BlobProto:
    """Elements `begin` to `end` of a tensor, as a record of a database."""
    whole = tensor(name, array.ravel()[begin:end])
    del whole.dims[:]
    whole.dims.extend(array.shape)
    whole.segment.begin, whole.segment.end = begin, end
    return BlobProto(name=name, type="Tensor", tensor=whole)


def record(key: str, value: bytes) -> bytes:
    return struct.pack("<ii", len(key), len(value)) + key.encode() + value


def minidb(blobs: Arrays, meta: MetaNetDef | None = None, *, part_size: int = 5) -> bytes:
    """A database of these blobs, each in parts of so many elements, after a MetaNetDef."""
    content = b""
    if meta is not None:
        name = "!!META_NET_DEF"
        blob = BlobProto(name=name, type="std::string", content=meta.SerializeToString())
        content += record(name, blob.SerializeToString())
    for name, array in blobs.items():
        for number, begin in enumerate(range(0, array.size, part_size)):
            saved = part(name, array, begin, min(begin + part_size, array.size))
            content += record(f"{name}#%{number}", saved.SerializeToString())
    return content


def meta_net(net: NetDef, shapes: Mapping[str, tuple[int, ...]], parameters: Arrays, suffix: str = "") -> MetaNetDef:
    """What the predictor exporter says of a net with these inputs."""
    setup = NetDef(name="init")
    for blob, shape in shapes.items():
        fill = setup.op.add(type="ConstantFill", output=[blob])
        fill.arg.add(name="shape", ints=shape)
        fill.arg.add(name="value", f=0.0)
    load = NetDef(name="load")
    load.op.add(type="Load", input=["!!PREDICTOR_DBREADER"], output=list(parameters))
    nets = {"PREDICT_NET_TYPE": net, "PREDICT_INIT_NET_TYPE": setup, "GLOBAL_INIT_NET_TYPE": load}
    return MetaNetDef(
        nets=[NetsMap(key=key + suffix, value=value) for key, value in nets.items()],
        blobs=[BlobsMap(key=f"INPUTS_BLOB_TYPE{suffix}", value=list(shapes))],
    )


# trains nothing: a net of the usual helpers with the parameters that they draw, saved in every form
_SAVE = """
import numpy as np
from caffe2.proto import caffe2_pb2
from caffe2.python import brew, core, model_helper, utils, workspace
from caffe2.python.predictor import mobile_exporter, predictor_exporter
model = model_helper.ModelHelper(name="small", init_params=True)
brew.conv(model, "data", "conv", 3, 64, 3)
brew.relu(model, "conv", "conv")
brew.fc(model, "conv", "fc", 64 * 36, 500)
brew.softmax(model, "fc", "prob")
x = np.random.RandomState(0).rand(2, 3, 8, 8).astype(np.float32)
workspace.FeedBlob("data", x)
workspace.RunNetOnce(model.param_init_net)
workspace.CreateNet(model.net)
workspace.RunNet(model.net)
names = [str(blob) for blob in model.params]
meta = predictor_exporter.PredictorExportMeta(
    predict_net=model.net.Proto(), parameters=names, inputs=["data"], outputs=["prob"]
)
predictor_exporter.save_to_db("minidb", "export.minidb", meta)
open("meta.pb", "wb").write(predictor_exporter.get_meta_net_def(meta, db_type="minidb").SerializeToString())
workspace.RunOperatorOnce(
    core.CreateOperator("Save", names, [], absolute_path=1, db="parameters.minidb", db_type="minidb")
)
tensors = caffe2_pb2.TensorProtos()
tensors.protos.extend(utils.NumpyArrayToCaffe2Tensor(workspace.FetchBlob(name), name) for name in names)
open("tensors.pb", "wb").write(tensors.SerializeToString())
open("tensors.pbtxt", "w").write(str(tensors))
open("net.pb", "wb").write(model.net.Proto().SerializeToString())
init, predict = mobile_exporter.Export(workspace, model.net, model.params)
open("mobile_init.pb", "wb").write(init.SerializeToString())
open("mobile_predict.pb", "wb").write(predict.SerializeToString())
np.savez("io.npz", x=x, y=workspace.FetchBlob("prob"))
kinds = {
    "float32": np.arange(6, dtype=np.float32).reshape(2, 3), "float64": np.arange(3) / 4, "int32": np.int32([-3, 4]),
    "int64": np.int64([[-(2**40)], [5]]), "bool": np.array([True, False]), "uint8": np.uint8([0, 255]),
    "int8": np.int8([-128, 127]), "uint16": np.uint16([0, 65535]), "int16": np.int16([-32768, 7]),
    "float16": np.float16([0.5, -2]), "scalar": np.array(3.5, np.float32), "empty": np.zeros((0, 3), np.float32),
}
for name, value in kinds.items():
    workspace.FeedBlob(name, value)
workspace.RunOperatorOnce(
    core.CreateOperator("Save", list(kinds), [], absolute_path=1, db="kinds.minidb", db_type="minidb")
)
np.savez("kinds.npz", **kinds)
"""


def save_with_caffe2(python: Path, folder: Path) -> None:
    """Have the real Caffe2 save a net in every form."""
    done = subprocess.run([python, "-c", _SAVE], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
