"""What a file is, and what it holds: a net or its parameters, an ONNX model or an archive."""

import os
from collections.abc import Callable
from math import prod
from pathlib import Path

from zoosmith.convert import Form
from zoosmith.convert.forms import form_of_file
from zoosmith.inspection.nets import Description, counts, inspect_net
from zoosmith.onnx_model.errors import DamagedModelError, ZoosmithError
from zoosmith.onnx_model.file_kinds import HEAD, other_kind
from zoosmith.onnx_model.links import as_path
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.onnx_model.ports import Port, element_type_name, input_ports, output_ports
from zoosmith.onnx_model.reading import open_regular
from zoosmith.validation.reading.unpacking import archive_members, is_archive


def inspect_file(path: str | os.PathLike[str]) -> Description:
    """Describe a file by its content.

    Args:
        path: an ONNX model, a net or its parameters, or an archive, whatever its name.

    Returns:
        `file`, `bytes`, and `kind`: `onnx model`, `caffe2 net`, `caffe2 init net`, `caffe2 minidb`, `caffe2 meta net`,
        `caffe2 tensors`, `caffe net`, `caffe model` or `archive`. What else there is depends on the kind: a model has
        its opsets, operators with counts, inputs, outputs and parameters; a net the same, and the operators that cannot
        be translated; an archive its members.

    Raises:
        ZoosmithError: the file cannot be read, or is none of these.
    """
    file = as_path(path)
    archive = is_archive(file)
    common = {"file": str(file), "bytes": file.stat().st_size}
    readers: list[Callable[[Path], Description]] = [_archive] if archive else [_onnx_model, inspect_net]
    for read in readers:
        try:
            return {**common, **read(file)}
        except ZoosmithError as error:
            if archive or isinstance(error, DamagedModelError):
                raise
            if read is inspect_net and form_of_file(file) is not Form.NET:
                raise ZoosmithError(f"{file}: {str(error).removeprefix(f'{file}: ')}") from error
    with open_regular(file) as opened:
        found = other_kind(opened.read(HEAD)) or "none of them, nor a Caffe net or saved parameters"
    raise ZoosmithError(f"{file}: expected a Caffe2 net, an ONNX model or an archive (.tar.gz), found {found}")


def _archive(file: Path) -> Description:
    members = [{"name": member.name, "bytes": member.size} for member in archive_members(file)]
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
        "operators": counts(node.op_type for node in nodes),
        "inputs": [_port(port) for port in input_ports(graph) if port.required],
        "outputs": [_port(port) for port in output_ports(graph)],
        "parameters": len(graph.initializer),
        "parameter_values": sum(prod(tensor.dims) for tensor in graph.initializer),
    }


def _port(port: Port) -> Description:
    if port.kind != "tensor" or port.shape is None:
        return {"name": port.name, "type": _type_of(port), "shape": None}
    return {"name": port.name, "type": _type_of(port), "shape": ["?" if size is None else size for size in port.shape]}


def _type_of(port: Port) -> str:
    return element_type_name(port.elem_type) if port.kind == "tensor" else port.kind
