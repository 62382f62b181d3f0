"""One front for all files that people hold: whatever form a net and its parameters have, they go on as Caffe2 nets."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from zoosmith.convert.caffe.translation import caffe_to_caffe2
from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.forms import Form, form_of, form_of_file
from zoosmith.convert.init_nets import init_net_of
from zoosmith.convert.meta_net import Prediction, prediction, read_meta_net
from zoosmith.convert.minidb import read_minidb
from zoosmith.convert.nets import NetSource, is_text, open_buffer, parse_text, read_net
from zoosmith.convert.parameters import origin_of, read_init_net, refuse_absent_weights
from zoosmith.convert.proto.caffe2_pb2 import MetaNetDef, NetDef, TensorProtos
from zoosmith.convert.saved_tensors import assembled, read_tensor_protos
from zoosmith.onnx_model.errors import WireFormatError
from zoosmith.onnx_model.reading import reading

FileSource: TypeAlias = str | os.PathLike[str] | bytes


@dataclass(frozen=True)
class Caffe2Model:
    """A net with its parameters, as `caffe2_to_onnx` and the interpreter take them.

    Attributes:
        net: the net.
        init: the net that fills its parameters; None where there is none.
        inputs: ONNX element type and shape of the inputs that the files state, by blob.
        forms: what each file was.
    """

    net: NetDef
    init: NetSource | None
    inputs: dict[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    forms: Sequence[Form] = ()


def read_model(net: NetSource, parameters: NetSource | None = None) -> Caffe2Model:
    """Read a net and its parameters, whatever form they have.

    Args:
        net: a Caffe2 net, an export of Caffe2's predictor exporter (minidb) or its MetaNetDef, or a Caffe net
            (`.prototxt`). Forms are told by content.
        parameters: a Caffe2 init net, a TensorProtos file or a minidb of saved blobs; of a Caffe net its `.caffemodel`.
            None where the net fills its own, or the export holds them.

    Returns:
        Net and init net.

    Raises:
        ConvertError: a file is none of these, is damaged or lacks parameters; or a layer of a Caffe net has no
            translation.
        OSError: a file cannot be read.
    """
    found = Form.NET if isinstance(net, NetDef) else _form(net)
    if isinstance(net, NetDef) or found is Form.NET:
        init, form = (None, None) if parameters is None else _read_parameters(parameters)
        return Caffe2Model(read_net(net), init, forms=(found,) if form is None else (found, form))
    if found is Form.CAFFE_NET:
        return _read_caffe(net, parameters)
    if found is Form.CAFFE_MODEL:
        raise ConvertError(f"{_name(net)}: a {found.value} holds parameters; give its .prototxt before it")
    return _read_export(net, found, parameters)


def read_parameters(source: NetSource) -> dict[str, np.ndarray]:
    """Read trained parameters: an init net of fill operators, a TensorProtos file or a minidb of saved blobs.

    Args:
        source: the file, of a form that is told by content, or an init net as a message.

    Returns:
        Read-only arrays by blob name, in the order of the file, of the shape and element type of each.

    Raises:
        ConvertError: the file is none of these, is damaged, or an operator of an init net is no constant fill.
    """
    form = Form.NET if isinstance(source, NetDef) else _form(source)
    if isinstance(source, NetDef) or form not in {Form.TENSORS, Form.MINIDB}:
        content = read_init_net(source)
        refuse_absent_weights(content.rest, origin_of(source))
        if content.rest:
            kinds = ", ".join(sorted({repr(op.type) for op in content.rest}))
            raise ConvertError(f"{origin_of(source)}: expected constant fill operators only, found {kinds}")
        tensors = content.parameters
    else:
        tensors = read_saved(source, form)[1]
    return {name: tensor.array() for name, tensor in tensors.items()}


def read_saved(source: FileSource, form: Form) -> tuple[Prediction | None, dict[str, Tensor]]:
    """Read what Caffe2 saved.

    Args:
        source: the file.
        form: TENSORS, MINIDB or META_NET.

    Returns:
        What its MetaNetDef says, None where there is none; and the tensors in it, by blob.

    Raises:
        ConvertError: it is damaged.
        OSError: it cannot be read.
    """
    with reading(_name(source), f"a {form.value}", ConvertError):
        buffer = _buffer(source)
        try:
            return _saved(buffer, form)
        except (ConvertError, WireFormatError) as error:
            raise ConvertError(f"expected a {form.value}: {error}") from error


def _saved(buffer: memoryview, form: Form) -> tuple[Prediction | None, dict[str, Tensor]]:
    if form is Form.MINIDB:
        meta, parts = read_minidb(buffer)
        return None if meta is None else read_meta_net(meta), assembled(parts)
    if form is Form.META_NET:
        if is_text(buffer):
            return prediction(parse_text(bytes(buffer), MetaNetDef())), {}
        return read_meta_net(bytes(buffer)), {}
    if is_text(buffer):
        buffer = memoryview(parse_text(bytes(buffer), TensorProtos()).SerializeToString())
    return None, read_tensor_protos(buffer)


def _read_export(source: FileSource, form: Form, parameters: NetSource | None) -> Caffe2Model:
    """Read what the predictor exporter saved."""
    name = _name(source)
    found, tensors = read_saved(source, form)
    if found is None:
        raise ConvertError(f"{name}: a {form.value} without a MetaNetDef holds parameters; give the net before it")
    forms = [form]
    init = init_net_of(tensors)
    filled = {*tensors, *(blob for op in found.setup for blob in op.output)}
    if parameters is not None:
        given, second = _read_parameters(parameters)
        more = read_net(given)
        forms.append(second)
        filled.update(blob for op in more.op for blob in op.output)
        # repeated fields of two serialized messages add up
        init += more.SerializeToString()
    missing = [blob for blob in found.loaded if blob not in filled]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        where = "give the file that holds them after it" if form is Form.META_NET else "it is not complete"
        raise ConvertError(f"{name}: its nets load {missing[0]!r}{others}, which it does not hold; {where}")
    init += NetDef(op=found.setup).SerializeToString()
    return Caffe2Model(found.net, init, found.inputs, tuple(forms))


def _read_parameters(source: NetSource) -> tuple[NetSource, Form]:
    """Give parameters as an init net, and the form that they had."""
    if isinstance(source, NetDef):
        return source, Form.NET
    form = _form(source)
    if form is Form.NET:
        return source, form
    if form not in {Form.TENSORS, Form.MINIDB}:
        hint = "the net before it has to be a .prototxt" if form is Form.CAFFE_MODEL else "give it as the net"
        raise ConvertError(f"{_name(source)}: a {form.value} is no file of parameters; {hint}")
    return init_net_of(read_saved(source, form)[1]), form


def _read_caffe(net: FileSource, parameters: NetSource | None) -> Caffe2Model:
    name = _name(net)
    if parameters is None:
        raise ConvertError(f"{name}: a Caffe net comes with its parameters; give the .caffemodel after it")
    found = Form.NET if isinstance(parameters, NetDef) else _form(parameters)
    if isinstance(parameters, NetDef) or found is not Form.CAFFE_MODEL:
        raise ConvertError(f"{_name(parameters)}: expected the .caffemodel of a Caffe net, found a {found.value}")
    made = caffe_to_caffe2(_buffer(net), _buffer(parameters), names=(name, _name(parameters)))
    return Caffe2Model(made.net, init_net_of(made.parameters), made.inputs, (Form.CAFFE_NET, Form.CAFFE_MODEL))


def _form(source: FileSource) -> Form:
    return form_of(memoryview(source)) if isinstance(source, bytes) else form_of_file(source)


def _buffer(source: FileSource) -> memoryview:
    return memoryview(source) if isinstance(source, bytes) else open_buffer(source)


def _name(source: NetSource) -> str:
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else "the given file"
