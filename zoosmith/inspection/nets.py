"""What files of Caffe2 and Caffe nets hold."""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from typing import Any

from zoosmith.convert import ConvertError, Form, read_net, untranslatable
from zoosmith.convert.caffe.reader import read_net_text, read_parameters_of_layers
from zoosmith.convert.caffe.translation import stated_inputs, untranslatable_layers
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.forms import form_of_file
from zoosmith.convert.models import read_saved
from zoosmith.convert.net_ports import unread_results
from zoosmith.convert.nets import open_buffer
from zoosmith.convert.parameters import read_init_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.reading import reading

Description = dict[str, Any]


def inspect_net(file: Path) -> Description:
    """Describe a file of a net or of parameters, by its form.

    Args:
        file: of any form that `convert.read_model` takes.

    Returns:
        `kind`, and what such a file has: operators or layers with counts, inputs and outputs, parameters, and what
        cannot be translated.

    Raises:
        ZoosmithError: it is none of these, or damaged.
        OSError: it cannot be read.
    """
    form = form_of_file(file)
    if form is Form.NET:
        return _caffe2_net(file)
    with reading(file, f"a {form.value}", ConvertError):
        return _of_form(file, form)


def _of_form(file: Path, form: Form) -> Description:
    if form is Form.CAFFE_NET:
        return _caffe_net(file)
    if form is Form.CAFFE_MODEL:
        layers = read_parameters_of_layers(open_buffer(file))
        tensors = {f"{name}/{index}": blob for name, blobs in layers.items() for index, blob in enumerate(blobs)}
        return {"kind": "caffe model", "layers_with_parameters": len(layers), **_parameters(tensors)}
    prediction, tensors = read_saved(file, form)
    kind = {Form.MINIDB: "caffe2 minidb", Form.META_NET: "caffe2 meta net", Form.TENSORS: "caffe2 tensors"}[form]
    parameters = _parameters(tensors) if tensors else {}
    if prediction is None:
        return {"kind": kind, **parameters}
    return {"kind": kind, **_net(prediction.net), **parameters}


def counts(kinds: Iterable[str]) -> dict[str, int]:
    """How often each comes, the most frequent first."""
    return dict(sorted(Counter(kinds).items(), key=lambda item: (-item[1], item[0])))


def _caffe2_net(file: Path) -> Description:
    net = read_net(file)
    if not net.op or any(op.input for op in net.op) or net.external_input:
        return {"kind": "caffe2 net", **_net(net)}
    return {
        "kind": "caffe2 init net",
        "name": net.name,
        "operators": counts(op.type for op in net.op),
        **_parameters(read_init_net(file).parameters),
        "untranslatable": untranslatable(net),
    }


def _net(net: NetDef) -> Description:
    unread = {} if net.external_output else {"unread_results": unread_results(net)}
    return {
        "name": net.name,
        "operators": counts(op.type for op in net.op),
        "inputs": list(net.external_input),
        "outputs": list(net.external_output),
        **unread,
        "untranslatable": untranslatable(net),
    }


def _caffe_net(file: Path) -> Description:
    net = read_net_text(open_buffer(file))
    inputs = [
        {"name": blob, "type": "float", "shape": None if shape is None else list(shape)}
        for blob, shape in stated_inputs(net).items()
    ]
    return {
        "kind": "caffe net",
        "name": net.name,
        "layers": counts(layer.type for layer in net.layer),
        "inputs": inputs,
        "untranslatable": untranslatable_layers(net),
    }


def _parameters(tensors: Mapping[str, Tensor]) -> Description:
    return {
        "parameters": len(tensors),
        "parameter_values": sum(prod(tensor.shape) for tensor in tensors.values()),
        "parameter_types": counts(str(tensor.dtype) for tensor in tensors.values()),
    }
