"""Caffe net in, Caffe2 net with its parameters out, by the rules of Caffe2's own translator (`caffe_translator`).

Where that one computes something else than Caffe, the net computes what Caffe does.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from onnx import TensorProto

from zoosmith.convert.caffe.layer import LAYERS, Layer, Net
from zoosmith.convert.caffe.reader import read_net_text, read_parameters_of_layers
from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.net_ports import with_outputs
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.convert.proto.caffe_net_pb2 import LayerParameter, NetParameter
from zoosmith.onnx_model.errors import WireFormatError
from zoosmith.onnx_model.reading import reading

# data, as blobs without a stated shape: images
_RANK = 4


@dataclass(frozen=True)
class TranslatedNet:
    """What a Caffe net became.

    Attributes:
        net: the Caffe2 net; its inputs are the data, then the parameters.
        parameters: tensors by blob.
        inputs: ONNX element type and shape of the data whose shape the net states, by blob.
    """

    net: NetDef
    parameters: dict[str, Tensor]
    inputs: dict[str, tuple[int, tuple[int, ...]]]


def caffe_to_caffe2(net: memoryview, model: memoryview, *, names: tuple[str, str]) -> TranslatedNet:
    """Translate a Caffe net.

    Args:
        net: content of the `.prototxt`.
        model: content of the `.caffemodel`.
        names: of the two files, for messages.

    Raises:
        ConvertError: a file cannot be read, a layer or one of its settings has no translation (all types of layers
            without are named at once), or parameters are missing.
    """
    with reading(names[0], "a Caffe net", ConvertError):
        try:
            caffe = read_net_text(net)
        except ConvertError as error:
            raise ConvertError(f"expected a Caffe net: {error}") from error
    with reading(names[1], "a .caffemodel", ConvertError):
        try:
            parameters = read_parameters_of_layers(model)
        except (ConvertError, WireFormatError) as error:
            raise ConvertError(f"expected a .caffemodel: {error}") from error
    unknown = untranslatable_layers(caffe)
    if unknown:
        listed = ", ".join(
            f"{kind if kind.isidentifier() else repr(kind)} ({count})" for kind, count in unknown.items()
        )
        raise ConvertError(f"{names[0]}: no translation for {len(unknown)} types of layers: {listed}")
    try:
        return _translated(caffe, parameters)
    except ConvertError as error:
        raise ConvertError(f"{names[0]}: {error}") from error


def untranslatable_layers(net: NetParameter) -> dict[str, int]:
    """Count the layers of a net that have no translation, by type.

    Args:
        net: as `read_net_text` gives it.
    """
    return dict(sorted(Counter(layer.type for layer in net.layer if layer.type not in LAYERS).items()))


def stated_inputs(net: NetParameter) -> dict[str, tuple[int, ...] | None]:
    """The data of a net: the shape of each blob, None where the net does not state it.

    Args:
        net: as `read_net_text` gives it.

    Raises:
        ConvertError: the shapes are not as many as the inputs, or have a size below 1.
    """
    shapes = [tuple(shape.dim) for shape in net.input_shape]
    if net.input_dim:
        if len(net.input_dim) != _RANK * len(net.input):
            raise ConvertError(
                f"it states {len(net.input_dim)} input_dim of {len(net.input)} inputs, expected 4 of each"
            )
        shapes = [tuple(net.input_dim[start : start + _RANK]) for start in range(0, len(net.input_dim), _RANK)]
    if shapes and len(shapes) != len(net.input):
        raise ConvertError(f"it states {len(shapes)} shapes of {len(net.input)} inputs")
    found: dict[str, tuple[int, ...] | None] = dict.fromkeys(net.input)
    found.update(zip(net.input, shapes, strict=False))
    for layer in net.layer:
        if layer.type == "Input" or (layer.top and not layer.bottom and layer.type in LAYERS):
            found.update(_shapes_of_tops(layer))
    for blob, shape in found.items():
        if shape is not None and (not shape or min(shape) < 1):
            raise ConvertError(f"input {blob!r} has shape {list(shape)}, expected sizes from 1")
    return found


def _shapes_of_tops(layer: LayerParameter) -> dict[str, tuple[int, ...] | None]:
    shapes: Sequence[tuple[int, ...] | None] = [tuple(shape.dim) for shape in layer.input_param.shape]
    if len(shapes) not in {0, 1, len(layer.top)}:
        raise ConvertError(f"layer {layer.name!r} states {len(shapes)} shapes of {len(layer.top)} tops")
    return {top: shapes[index % len(shapes)] if shapes else None for index, top in enumerate(layer.top)}


def _translated(caffe: NetParameter, parameters: dict[str, list[Tensor]]) -> TranslatedNet:
    made = Net(caffe.name)
    stated = stated_inputs(caffe)
    made.ranks.update({blob: _RANK if shape is None else len(shape) for blob, shape in stated.items()})
    for proto in caffe.layer:
        layer = Layer(proto, parameters.get(proto.name, []), made)
        layer.check()
        if layer.bottoms:
            layer.set_rank(layer.rank)
        LAYERS.entries()[proto.type](layer)
    read = {blob for op in made.net.op for blob in op.input}
    data = [blob for blob in stated if blob in read]
    made.net.external_input.extend([*data, *made.parameters])
    if not made.net.op:
        raise ConvertError("none of its layers computes anything")
    shapes = {
        blob: (int(TensorProto.FLOAT), shape) for blob, shape in stated.items() if shape is not None and blob in read
    }
    return TranslatedNet(with_outputs(made.net), made.parameters, shapes)
