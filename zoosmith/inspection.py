"""What a file is, and what it holds: a Caffe2 net, an ONNX model or an archive."""

import os
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from zoosmith.convert import ConvertError, read_net, untranslatable
from zoosmith.convert.parameters import read_init_net
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.onnx_model.ports import Port, element_type_name, input_ports, output_ports

# what a description holds besides `file`, `kind` and `bytes` depends on the kind
Description = dict[str, Any]


def inspect_file(path: str | os.PathLike[str]) -> Description:
    """Describe a file by its content.

    Args:
        path: an ONNX model, a Caffe2 net or an archive, whatever its name.

    Returns:
        `file`, `bytes`, and `kind`: `onnx model`, `caffe2 net`, `caffe2 init net` or `archive`. A model has its opsets,
        operators with counts, inputs, outputs and parameters; a net the same, and the operators that cannot be
        translated; an archive its members.

    Raises:
        ZoosmithError: the file cannot be read, or is none of these.
    """
    file = Path(path)
    try:
        size = file.stat().st_size
        file.open("rb").close()
    except OSError as error:
        raise ZoosmithError(f"{file}: cannot be read: {error.strerror or error}") from error
    common = {"file": str(file), "bytes": size}
    readers: list[Callable[[Path], Description]] = [_archive, _onnx_model, _caffe2_net]
    for read in readers:
        try:
            return {**common, **read(file)}
        except (ZoosmithError, ConvertError, tarfile.TarError, EOFError, OSError):
            continue
    raise ZoosmithError(f"{file}: expected a Caffe2 net, an ONNX model or an archive (.tar.gz), found none of them")


def _archive(file: Path) -> Description:
    with tarfile.open(file) as archive:
        members = [{"name": member.name, "bytes": member.size} for member in archive.getmembers() if member.isfile()]
    return {"kind": "archive", "members": members}


def _onnx_model(file: Path) -> Description:
    model = load_in_place(file)
    graph = model.graph
    nodes = [*graph.node, *(node for function in model.functions for node in function.node)]
    return {
        "kind": "onnx model",
        "ir_version": model.ir_version,
        "opsets": {opset.domain: opset.version for opset in model.opset_import},
        "producer": model.producer_name,
        "operators": _counts(node.op_type for node in nodes),
        "inputs": [_port(port) for port in input_ports(graph) if port.required],
        "outputs": [_port(port) for port in output_ports(graph)],
        "parameters": len(graph.initializer),
        "parameter_values": sum(int(np.prod(tensor.dims, dtype=np.int64)) for tensor in graph.initializer),
    }


def _caffe2_net(file: Path) -> Description:
    net = read_net(file)
    common = {"name": net.name, "operators": _counts(op.type for op in net.op)}
    if net.op and not any(op.input for op in net.op) and not net.external_input:
        content = read_init_net(file)
        sizes = {name: int(np.prod(tensor.shape, dtype=np.int64)) for name, tensor in content.parameters.items()}
        types = _counts(str(tensor.dtype) for tensor in content.parameters.values())
        return {
            "kind": "caffe2 init net",
            **common,
            "parameters": len(sizes),
            "parameter_values": sum(sizes.values()),
            "parameter_types": types,
            "untranslatable": untranslatable(net),
        }
    return {
        "kind": "caffe2 net",
        **common,
        "inputs": list(net.external_input),
        "outputs": list(net.external_output),
        "untranslatable": untranslatable(net),
    }


def _counts(kinds: Iterable[str]) -> dict[str, int]:
    """How often each comes, the most frequent first."""
    return dict(sorted(Counter(kinds).items(), key=lambda item: (-item[1], item[0])))


def _port(port: Port) -> Description:
    if port.kind != "tensor" or port.shape is None:
        return {"name": port.name, "type": _type_of(port), "shape": None}
    return {"name": port.name, "type": _type_of(port), "shape": ["?" if size is None else size for size in port.shape]}


def _type_of(port: Port) -> str:
    return element_type_name(port.elem_type) if port.kind == "tensor" else port.kind
