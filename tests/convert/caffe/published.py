"""Caffe files of which Caffe2's translator made the published Caffe2 nets, written back from these."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zoosmith.convert import read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef

_POOLS = {"MaxPool": "MAX", "AveragePool": "AVE"}
_TYPES = {
    "Relu": "ReLU",
    "LRN": "LRN",
    "Dropout": "Dropout",
    "Softmax": "Softmax",
    "Concat": "Concat",
    "Conv": "Convolution",
    "FC": "InnerProduct",
    **dict.fromkeys(_POOLS, "Pooling"),
}


def caffe_files_of(folder: Path, seed: int = 0) -> tuple[NetDef, str, dict[str, list[np.ndarray]]]:
    """A published net, the Caffe net that it came from as text, and random parameters of the published shapes."""
    net = read_net(next(path for name in ("predict_net.pb", "predict_net.pbtxt") if (path := folder / name).exists()))
    shapes: Mapping[str, list[int]] = json.loads((folder / "shapes.json").read_text())
    sizes = json.loads((folder / "value_info.json").read_text())["data"][1]
    random = np.random.default_rng(seed)
    text = f'name: "{net.name}" input: "data" ' + "".join(f"input_dim: {size} " for size in sizes)
    blobs: dict[str, list[np.ndarray]] = {}
    for number, op in enumerate(net.op):
        name = f"layer{number}"
        parameters = [blob for blob in op.input if blob in shapes]
        ports = "".join(f' bottom: "{blob}"' for blob in op.input if blob not in shapes) + f' top: "{op.output[0]}"'
        text += f'layer {{ name: "{name}" type: "{_TYPES[op.type]}"{ports} {_settings(op, shapes)} }}\n'
        if parameters:
            fan = np.prod(shapes[parameters[0]][1:])
            scales = (np.float32(np.sqrt(2 / fan)), np.float32(0.1))
            blobs[name] = [
                random.standard_normal(shapes[blob], np.float32) * scale
                for blob, scale in zip(parameters, scales, strict=True)
            ]
    return net, text, blobs


def _settings(op: OperatorDef, shapes: Mapping[str, list[int]]) -> str:
    values = {argument.name: argument.f if argument.HasField("f") else argument.i for argument in op.arg}
    if op.type == "Conv":
        group = f"group: {values['group']}" if "group" in values else ""
        return (
            f"convolution_param {{ num_output: {shapes[op.input[1]][0]} kernel_size: {values['kernel']} "
            f"stride: {values['stride']} pad: {values['pad']} {group} }}"
        )
    if op.type in _POOLS:
        size = "global_pooling: true" if "global_pooling" in values else f"kernel_size: {values['kernel']}"
        # the published nets state the padding of a pool only where there is some
        pad = f"pad: {values['pad']}" if values["pad"] else ""
        return f"pooling_param {{ pool: {_POOLS[op.type]} {size} stride: {values['stride']} {pad} }}"
    if op.type == "LRN":
        return f"lrn_param {{ local_size: {values['size']} alpha: {values['alpha']} beta: {values['beta']} }}"
    if op.type == "FC":
        return f"inner_product_param {{ num_output: {shapes[op.input[1]][0]} }}"
    return f"dropout_param {{ dropout_ratio: {values['ratio']} }}" if op.type == "Dropout" else ""
