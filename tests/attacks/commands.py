"""Which commands read which kind of file. `FILE` is the attack; what else a command needs is sound."""

import csv
import io
from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from PIL import Image

from zoosmith.archives.packing import Member, write_archive
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef
from zoosmith.convert.proto.caffe_net_pb2 import BlobProto, BlobShape, LayerParameter, NetParameter

_QUANTIZE = "quantize {file} -o {out}/o.onnx --calibrate random --samples 1 --force --timeout 20"

COMMANDS: dict[str, dict[str, str]] = {
    "model": {
        "inspect": "inspect {file}",
        "inspect json": "inspect {file} --json",
        "opset up": "opset {file} -o {out}/o.onnx --to 18 --no-verify",
        "opset down": "opset {file} -o {out}/o.onnx --to 9 --no-verify",
        "opset verified": "opset {file} -o {out}/o.onnx --to 14 --timeout 20",
        "opset by onnx": "opset {file} -o {out}/o.onnx --to 14 --engine onnx --no-verify",
        "opset dry run": "opset --dry-run {file}",
        "opset ports": "opset {file} -o {out}/o.onnx --rename x=renamed --free x:0=N --no-verify",
        "simplify": "simplify {file} -o {out}/o.onnx --timeout 20",
        "quantize": _QUANTIZE,
        "bundle": "bundle {file} -o {out}/o.tar.gz --sets 1 --timeout 20",
        "bench": "bench {file} --runs 1 --warmup 0 --timeout 20",
        "evaluate": "evaluate {file} --data {sound}/images --timeout 20",
        "preprocess": "preprocess {file} --data {sound}/images --timeout 20",
        "convert": "convert {file} -o {out}/o.onnx --no-verify",
        "convert parameters": "convert {sound}/predict.pb {file} -o {out}/o.onnx --no-verify --input x=2,3",
        "build": "build --out {out} --weights {file} --rows 9",
        "build model": "build --out {out} --model {file} --rows 14 --jobs 1 --timeout 20",
        "audit": "audit {file} --jobs 1 --timeout 20",
    },
    "external": {
        "inspect": "inspect {file}",
        "opset": "opset {file} -o {out}/o.onnx --to 14 --no-verify",
        "opset verified": "opset {file} -o {out}/o.onnx --to 14 --timeout 20",
        "opset by onnx": "opset {file} -o {out}/o.onnx --to 14 --engine onnx --no-verify",
        "opset dry run": "opset --dry-run {file}",
        "simplify": "simplify {file} -o {out}/o.onnx --timeout 20",
        "quantize": _QUANTIZE,
        "bundle": "bundle {file} -o {out}/o.tar.gz --sets 1 --timeout 20",
        "bench": "bench {file} --runs 1 --warmup 0 --timeout 20",
        "evaluate": "evaluate {file} --data {sound}/images --timeout 20",
        "audit": "audit {file} --jobs 1 --timeout 20",
        "build": "build --out {out} --weights {file} --rows 9",
    },
    "net": {
        "inspect": "inspect {file}",
        "convert": "convert {file} -o {out}/o.onnx --input x=2,3 --no-verify",
        "convert verified": "convert {file} -o {out}/o.onnx --input x=2,3 --timeout 20",
        "convert images": "convert {file} -o {out}/o.onnx --input x=1,3,8,8 --names caffe2 --timeout 20",
    },
    "parameters": {
        "inspect": "inspect {file}",
        "convert": "convert {sound}/predict.pb {file} -o {out}/o.onnx --input x=2,3 --no-verify",
        "convert verified": "convert {sound}/predict.pb {file} -o {out}/o.onnx --input x=2,3 --timeout 20",
        "build": "build --out {out} --weights {file} --rows 9",
    },
    "caffe net": {
        "inspect": "inspect {file}",
        "convert": "convert {file} {sound}/n.caffemodel -o {out}/o.onnx --no-verify",
        "convert verified": "convert {file} {sound}/n.caffemodel -o {out}/o.onnx --timeout 20",
        "convert parameters": "convert {sound}/predict.pb {file} -o {out}/o.onnx --input x=2,3 --no-verify",
    },
    "caffe model": {
        "inspect": "inspect {file}",
        "convert": "convert {sound}/deploy.prototxt {file} -o {out}/o.onnx --no-verify",
        "convert verified": "convert {sound}/deploy.prototxt {file} -o {out}/o.onnx --timeout 20",
        "build": "build --out {out} --weights {file} --rows 9",
    },
    "arrays": {
        "quantize": "quantize {sound}/conv.onnx -o {out}/o.onnx --calibrate {file} --samples 1 --force",
        "bundle": "bundle {sound}/conv.onnx -o {out}/o.tar.gz --feed {file}",
        "opset": "opset {sound}/conv.onnx -o {out}/o.onnx --to 14 --feed {file}",
        "simplify": "simplify {sound}/conv.onnx -o {out}/o.onnx --feed {file}",
        "bench": "bench {sound}/conv.onnx --runs 1 --warmup 0 --timeout 20 --feed {file}",
    },
    "archive": {
        "inspect": "inspect {file}",
        "validate": "validate {file}",
        "audit": "audit {file} --jobs 1 --timeout 20",
        "bundle": "bundle {sound}/conv.onnx -o {out}/o.tar.gz --feed {file}",
        "opset": "opset {sound}/conv.onnx -o {out}/o.onnx --to 14 --feed {file}",
    },
    "data set": {
        "validate": "validate {file}",
        "bundle": "bundle {sound}/conv.onnx -o {out}/o.tar.gz --feed {file}",
        "bench": "bench {sound}/conv.onnx --runs 1 --warmup 0 --timeout 20 --feed {file}",
    },
    "images": {
        "evaluate": "evaluate {sound}/conv.onnx --data {file} --preprocess none",
        "quantize": "quantize {sound}/conv.onnx -o {out}/o.onnx --calibrate {file} --samples 4 --preprocess none",
        "quantize held": "quantize {sound}/conv.onnx -o {out}/o.onnx --calibrate random --samples 1 --force "
        "--max-drop 1 --data {file} --preprocess none",
        "preprocess": "preprocess {sound}/normalized.onnx --data {file}",
    },
    "labels": {
        "evaluate": "evaluate {sound}/conv.onnx --data {sound}/images --labels {file}",
        "quantize": "quantize {sound}/conv.onnx -o {out}/o.onnx --calibrate random --samples 1 --force --max-drop 1 "
        "--data {sound}/images --labels {file}",
    },
    "json": {
        "convert": "convert {sound}/plain.pb -o {out}/o.onnx --value-info {file} --no-verify",
        "convert verified": "convert {sound}/plain.pb -o {out}/o.onnx --value-info {file} --timeout 20",
    },
    "card": {
        "build": "build --model {sound}/conv.onnx --rows 13 --card {file} --out {out} --jobs 1",
    },
    "zoo": {
        "build": "build {file} --out {out} --jobs 1",
    },
    "manifest": {
        "audit": "audit {file} --jobs 1 --timeout 20",
        "audit tree": "audit {folder} --jobs 1 --timeout 20",
        "fetch": "fetch conv --source {folder} --cache {out}/cache -o {out}/o.onnx",
        "fetch list": "fetch --list --source {folder} --cache {out}/cache",
    },
    "target": {
        "opset": "opset {sound}/conv.onnx -o {file} --to 14 --no-verify",
        "simplify": "simplify {sound}/conv.onnx -o {file} --no-verify",
        "quantize": "quantize {sound}/conv.onnx -o {file} --calibrate random --samples 1 --force",
        "convert": "convert {sound}/plain.pb -o {file} --input x=2,3 --no-verify",
        "bundle": "bundle {sound}/conv.onnx -o {file} --sets 1",
    },
}


CAFFE_NET = (
    'name: "n" input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 4 '
    'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
    "convolution_param { num_output: 2 kernel_size: 1 } }"
)


def caffe_model(*parameters: np.ndarray) -> bytes:
    """The parameters of the layer `c`."""
    blobs = [BlobProto(shape=BlobShape(dim=array.shape), data=array.ravel()) for array in parameters]
    layer = LayerParameter(name="c", type="Convolution", blobs=blobs)
    return NetParameter(name="n", layer=[layer]).SerializeToString()


def make_sound_files(folder: Path) -> None:
    """Write the files that are in order."""
    f = helper.make_tensor_value_info
    weights = np.linspace(-1, 1, 12, dtype="f").reshape(4, 3, 1, 1)
    conv = [helper.make_node("Conv", ["x", "W"], ["c"]), helper.make_node("ReduceMean", ["c"], ["y"], axes=[2, 3])]
    save_model(folder / "conv.onnx", conv, [f("x", 1, ["N", 3, 8, 8])], [f("y", 1, ["N", 4, 1, 1])], {"W": weights})
    statistics = {name: np.full(3, value, "f") for name, value in {"s": 1, "b": 0, "m": 100, "v": 50}.items()}
    normalized = [
        helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["n"]),
        helper.make_node("ReduceMean", ["n"], ["y"], axes=[2, 3]),
    ]
    save_model(
        folder / "normalized.onnx", normalized, [f("x", 1, ["N", 3, 8, 8])], [f("y", 1, ["N", 3, 1, 1])], statistics
    )
    relu = OperatorDef(type="Relu", input=["x"], output=["y"])
    plain = NetDef(name="n", op=[relu], external_input=["x"], external_output=["y"])
    (folder / "plain.pb").write_bytes(plain.SerializeToString())
    add = OperatorDef(type="Add", input=["x", "w"], output=["y"])
    predict = NetDef(name="n", op=[add], external_input=["x", "w"], external_output=["y"])
    (folder / "predict.pb").write_bytes(predict.SerializeToString())
    shape = Argument(name="shape", ints=[2, 3])
    fill = OperatorDef(type="GivenTensorFill", output=["w"], arg=[shape, Argument(name="values", floats=[1.0] * 6)])
    (folder / "init.pb").write_bytes(NetDef(name="i", op=[fill]).SerializeToString())
    (folder / "deploy.prototxt").write_text(CAFFE_NET)
    (folder / "n.caffemodel").write_bytes(caffe_model(np.ones((2, 3, 1, 1), "f"), np.zeros(2, "f")))
    images = folder / "images"
    images.mkdir()
    rows = io.StringIO()
    for index in range(4):
        pixels = np.random.RandomState(index).randint(0, 256, (12, 12, 3)).astype("u1")
        Image.fromarray(pixels).save(images / f"{index}.png")
        csv.writer(rows).writerow([f"{index}.png", index])
    (images / "labels.csv").write_text(rows.getvalue())
    write_archive(folder / "bundle.tar.gz", [Member("b/model.onnx", folder / "conv.onnx")])


def save_model(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    weights: dict[str, np.ndarray],
) -> None:
    """Write a model of opset 13."""
    initializers = [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString(deterministic=True))
