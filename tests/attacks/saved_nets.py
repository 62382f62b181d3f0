"""What Caffe2 saves beside nets (minidb, MetaNetDef, TensorProtos), and Caffe's nets and parameters."""

import struct

import numpy as np

from tests.attacks.attack import ANY, add_files
from tests.attacks.commands import CAFFE_NET, caffe_model
from tests.attacks.models import BYTES
from tests.attacks.nets import HUGE, net, op
from zoosmith.convert.proto.caffe2_pb2 import (
    BlobProto,
    BlobsMap,
    MetaNetDef,
    NetDef,
    NetsMap,
    TensorProto,
    TensorProtos,
)
from zoosmith.convert.proto.caffe_net_pb2 import BlobProto as CaffeBlob
from zoosmith.convert.proto.caffe_net_pb2 import BlobShape, LayerParameter, NetParameter

_VALUES = [1.0] * 6


def tensor(name: str = "w", dims: tuple[int, ...] = (2, 3), **fields: object) -> TensorProto:
    return TensorProto(name=name, dims=dims, **{"data_type": TensorProto.FLOAT, "float_data": _VALUES, **fields})


def record(key: str, value: bytes) -> bytes:
    return struct.pack("<ii", len(key), len(value)) + key.encode() + value


def blob(key: str = "w#%0", saved: TensorProto | None = None, kind: str = "Tensor") -> bytes:
    return record(key, BlobProto(name=key.partition("#%")[0], type=kind, tensor=saved or tensor()).SerializeToString())


def part(begin: int, end: int, count: int) -> bytes:
    segment = TensorProto.Segment(begin=begin, end=end)
    return blob(f"w#%{begin}", tensor(float_data=_VALUES[:count], segment=segment))


def meta(*nets: tuple[str, bytes], inputs: tuple[str, ...] = ("x",)) -> bytes:
    entries = [NetsMap(key=key, value=NetDef.FromString(content)) for key, content in nets]
    return MetaNetDef(nets=entries, blobs=[BlobsMap(key="INPUTS_BLOB_TYPE", value=inputs)]).SerializeToString()


def export(content: bytes) -> bytes:
    name = "!!META_NET_DEF"
    return record(name, BlobProto(name=name, type="std::string", content=content).SerializeToString()) + blob()


_WHOLE = blob() + blob("v", tensor("v"))
_ADD = net(op("Add", ["x", "w"]), inputs=["x", "w"])
_PREDICT = ("PREDICT_NET_TYPE", _ADD)


def setup(*shape: int) -> tuple[str, bytes]:
    return "PREDICT_INIT_NET_TYPE", net(op("ConstantFill", [], ["x"], shape=list(shape)), inputs=[], outputs=[])


DATABASES = {
    **{f"cut_at_{k}_of_7": _WHOLE[: len(_WHOLE) * k // 7] for k in range(1, 7)},
    "key_of_2_31": blob() + struct.pack("<ii", 2**31 - 1, 4) + b"abcdefgh",
    "value_of_2_31": blob() + struct.pack("<ii", 1, 2**31 - 1) + b"abcdefgh",
    "negative_lengths": blob() + struct.pack("<ii", -1, -1) + b"abcdefgh",
    **{f"size_{size}": blob("w", tensor(dims=(size, size))) for size in HUGE},
    "size_negative": blob("w", tensor(dims=(-2, -3))),
    "size_overflows_to_6": blob("w", tensor(dims=(2**33, 2**33, 6))),
    "values_short": blob("w", tensor(dims=(2, 4))),
    "part_beyond": part(4, 2**62, 6),
    "part_negative": part(-6, 0, 6),
    "part_missing": part(0, 2, 2) + part(4, 6, 2),
    "part_twice": part(0, 6, 6) + part(0, 6, 6),
    "parts_of_two_types": part(0, 2, 2) + blob("w", tensor(data_type=TensorProto.DOUBLE, double_data=_VALUES)),
    "no_tensor": blob("w", kind="Int8TensorCPU"),
    "strings": blob("w", tensor(data_type=TensorProto.STRING)),
    "type_77": blob("w").replace(b"\x10\x01", b"\x10\x4d"),
    "name_not_text": blob("wxyz", tensor("wxyz")).replace(b"wxyz", b"\xff\xfe\xfd\xfc"),
    "escape_in_name": blob("\x1b[2J", tensor("\x1b[2J", dims=(7,))),
    "sqlite": b"SQLite format 3\0" + bytes(4096),
    "many_records": b"".join(blob(f"b{k}", tensor(f"b{k}")) for k in range(3000)),
}

TENSORS = {
    **{f"size_{size}": TensorProtos(protos=[tensor(dims=(size,))]).SerializeToString() for size in HUGE},
    "empty_and_huge": TensorProtos(protos=[tensor(dims=(0, 2**63 - 1), float_data=[])]).SerializeToString(),
    "cut": TensorProtos(protos=[tensor()]).SerializeToString()[:-3],
    "without_name": TensorProtos(protos=[tensor(""), tensor("")]).SerializeToString(),
    "twice": TensorProtos(protos=[tensor(), tensor()]).SerializeToString(),
    "integers_beyond_type": TensorProtos(
        protos=[TensorProto(name="w", dims=[1], data_type=TensorProto.UINT8, int32_data=[-1])]
    ).SerializeToString(),
}

EXPORTS = {
    "no_net": export(meta()),
    "two_nets": export(meta(_PREDICT, ("PREDICT_NET_TYPE_b", _ADD))),
    "cut_meta_net": export(meta(_PREDICT, setup(2, 3))[:-2]),
    **{f"input_of_{size}": export(meta(_PREDICT, setup(size))) for size in HUGE},
    "input_negative": export(meta(_PREDICT, setup(-2, 3))),
    "input_of_no_size": export(meta(_PREDICT, setup())),
    "input_that_nothing_reads": export(meta(_PREDICT, inputs=("nothing",))),
    "net_inside_not_text": export(meta(("PREDICT_NET_TYPE", net(op("Relu"))))).replace(b"Relu", b"\xff\xfe\xfd\xfc"),
    "meta_alone": meta(_PREDICT, setup(2, 3)),
    "meta_cut": meta(_PREDICT, setup(2, 3))[:-9],
}


def caffe(*parts: str) -> bytes:
    return " ".join((CAFFE_NET, *parts)).encode()


CAFFE_NETS = {
    "not_text": CAFFE_NET.encode() + b"\xff\xfe",
    "cut": CAFFE_NET[:-20].encode(),
    "nested_5000": b"layer { " * 5000,
    "nested_unknown_5000": caffe("layer { unknown " + "{ a " * 5000 + "} " * 5001),
    "braces_in_text": caffe('layer { name: "}}}}" type: "{{{{" }'),
    "layer_unknown": caffe('layer { name: "a" type: "\\033[2J" bottom: "c" top: "a" }'),
    "layer_without_bottom": caffe('layer { name: "a" type: "ReLU" top: "a" }'),
    "layer_without_top": caffe('layer { name: "a" type: "ReLU" bottom: "c" }'),
    "layer_without_type": caffe('layer { name: "a" bottom: "c" top: "a" }'),
    **{
        f"kernel_{n}": caffe(_POOL.format(n))
        for _POOL in ['layer {{ name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param {{ kernel_size: {} }} }}']
        for n in (0, -1, 2**31, 2**32, 2**64)
    },
    "stride_0": caffe('layer { type: "Pooling" bottom: "c" top: "p" pooling_param { kernel_size: 1 stride: 0 } }'),
    "axis_huge": caffe('layer { type: "Softmax" bottom: "c" top: "p" softmax_param { axis: 2000000000 } }'),
    "concat_of_nothing": caffe('layer { type: "Concat" top: "p" }'),
    "product_of_nothing": caffe('layer { type: "Eltwise" top: "p" eltwise_param { operation: PROD } }'),
    "product_of_one": caffe('layer { type: "Eltwise" bottom: "c" top: "p" eltwise_param { operation: PROD } }'),
    "reshape_huge": caffe(
        'layer { type: "Reshape" bottom: "c" top: "p" reshape_param { shape { dim: 4611686018427387904 dim: 8 } } }'
    ),
    "slice_of_5000": caffe('layer { type: "Slice" bottom: "c"' + "".join(f' top: "t{n}"' for n in range(5000)) + " }"),
    "sizes_of_one_input_missing": CAFFE_NET.replace("input_dim: 4 input_dim: 4", "input_dim: 4").encode(),
    "size_of_input_0": CAFFE_NET.replace("input_dim: 4", "input_dim: 0").encode(),
    "size_of_input_negative": CAFFE_NET.replace("input_dim: 4", "input_dim: -4").encode(),
    "size_of_input_huge": CAFFE_NET.replace("input_dim: 4", "input_dim: 2000000000").encode(),
    "filters_huge": CAFFE_NET.replace("num_output: 2", "num_output: 4000000000").encode(),
    "group_0": CAFFE_NET.replace("num_output: 2", "num_output: 2 group: 0").encode(),
}


def model(name: str = "c", **fields: object) -> bytes:
    layer = LayerParameter(name=name, blobs=[CaffeBlob(**fields)])
    return NetParameter(name="n", layer=[layer]).SerializeToString()


_MODEL = caffe_model(np.ones((2, 3, 1, 1), "f"), np.zeros(2, "f"))
CAFFE_MODELS = {
    **{f"cut_at_{k}_of_7": _MODEL[: len(_MODEL) * k // 7] for k in range(1, 7)},
    **{f"size_{size}": model(data=_VALUES, shape=BlobShape(dim=[size, size])) for size in HUGE},
    "size_negative": model(data=_VALUES, shape=BlobShape(dim=[-2, -3])),
    "old_sizes_huge": model(data=_VALUES, num=2**31 - 1, channels=2**31 - 1, height=1, width=1),
    "of_another_shape": caffe_model(np.ones((7, 3, 1, 1), "f"), np.zeros(7, "f")),
    "of_two_dimensions": caffe_model(np.ones((2, 3), "f"), np.zeros(2, "f")),
    "bias_of_another_size": caffe_model(np.ones((2, 3, 1, 1), "f"), np.zeros(9, "f")),
    "without_values": model(shape=BlobShape(dim=[2, 3, 1, 1])),
    "layer_twice": _MODEL + _MODEL,
    "of_another_layer": model("d", data=_VALUES, shape=BlobShape(dim=[6])),
    "values_of_odd_length": _MODEL.replace(b"\x2a\x18", b"\x2a\x17"),
}

add_files("parameters", {f"minidb_{name}": content for name, content in DATABASES.items()}, ".minidb", ANY)
add_files("parameters", {f"tensors_{name}": content for name, content in TENSORS.items()}, ".pb", ANY)
add_files("net", {f"export_{name}": content for name, content in EXPORTS.items()}, ".minidb", ANY)
add_files("caffe net", CAFFE_NETS, ".prototxt", ANY)
add_files("caffe model", CAFFE_MODELS, ".caffemodel", ANY)
add_files(
    "caffe model", {f"bytes_{name}": content for name, content in BYTES.items() if "cut" not in name}, ".caffemodel"
)
