"""What a translator of a Caffe layer sees: its settings, its parameters, and the means to write Caffe2 operators."""

from collections.abc import Callable, Sequence
from typing import NoReturn

import numpy as np

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef
from zoosmith.convert.proto.caffe_net_pb2 import LayerParameter
from zoosmith.onnx_model.registry import Registry

Setting = int | float | str | Sequence[int]


class Net:
    """The Caffe2 net while it grows.

    Attributes:
        net: operators so far.
        parameters: tensors by blob.
        ranks: how many dimensions each blob has.
        single: blobs whose sizes after the channels are 1.
    """

    def __init__(self, name: str) -> None:
        self.net = NetDef(name=name)
        self.parameters: dict[str, Tensor] = {}
        self.ranks: dict[str, int] = {}
        self.single: set[str] = set()


class Layer:
    """A layer of a Caffe net. A translator calls `emit` for each operator; the tops have the rank of the first bottom
    unless it says otherwise with `set_rank`.
    """

    def __init__(self, proto: LayerParameter, blobs: Sequence[Tensor], net: Net) -> None:
        self.proto = proto
        self.blobs = blobs
        self._net = net
        self.bottoms: list[str] = list(proto.bottom)
        self.tops: list[str] = list(proto.top)

    def check(self) -> None:
        """Refuse a bottom that no layer before it makes, and a layer without tops."""
        for blob in self.bottoms:
            if blob not in self._net.ranks:
                self.refuse(f"it reads {blob!r}, which no layer before it makes")

    @property
    def top(self) -> str:
        """The first top. Refuses a layer without."""
        if not self.tops:
            self.refuse("it has no top")
        return self.tops[0]

    @property
    def bottom(self) -> str:
        """The first bottom. Refuses a layer without."""
        if not self.bottoms:
            self.refuse("it has no bottom")
        return self.bottoms[0]

    @property
    def rank(self) -> int:
        """How many dimensions the first bottom has."""
        return self._net.ranks[self.bottom]

    @property
    def is_single(self) -> bool:
        """Whether all sizes of the first bottom after the channels are known to be 1."""
        return self.bottom in self._net.single

    def blob(self, index: int, what: str) -> Tensor:
        """Give a parameter; refuses a layer that has none in the model."""
        if index >= len(self.blobs):
            self.refuse(f"{what} is not in the .caffemodel, which has {len(self.blobs)} parameters of this layer")
        return self.blobs[index]

    def vector(self, index: int, what: str) -> Tensor:
        """Give a parameter as one dimension, which old files hold in four."""
        tensor = self.blob(index, what)
        return Tensor(tensor.dtype, (tensor.nbytes // tensor.dtype.itemsize,), tensor.content)

    def parameter(self, name: str, tensor: Tensor | np.ndarray) -> str:
        """Add a parameter of the net; its name is changed where it is taken, as by another layer in place."""
        while name in self._net.parameters or name in self._net.ranks:
            name += "_"
        self._net.parameters[name] = tensor if isinstance(tensor, Tensor) else Tensor.of(tensor)
        return name

    def emit(self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **settings: Setting) -> None:
        """Write an operator; its arguments have the order in which they are given."""
        op = self._net.net.op.add(type=kind, input=inputs, output=outputs)
        for name, value in settings.items():
            op.arg.append(_argument(name, value))

    def set_rank(self, rank: int, *tops: str) -> None:
        """Say how many dimensions tops have; all of them where none is named."""
        for top in tops or self.tops:
            self._net.ranks[top] = rank

    def set_single(self, single: bool) -> None:
        """Say whether the sizes of the first top after its channels are 1."""
        (self._net.single.add if single else self._net.single.discard)(self.top)

    def refuse(self, reason: str) -> NoReturn:
        """Refuse the layer: ConvertError with its type, its name and the reason."""
        raise ConvertError(f"layer {self.proto.name!r} of type {self.proto.type!r}: {reason}")


def _argument(name: str, value: Setting) -> Argument:
    if isinstance(value, str):
        return Argument(name=name, s=value.encode())
    if isinstance(value, float):
        return Argument(name=name, f=value)
    return Argument(name=name, i=value) if isinstance(value, int) else Argument(name=name, ints=value)


Translate = Callable[[Layer], None]
LAYERS: Registry[str, Translate] = Registry("zoosmith.convert.caffe.layers", "translator of a Caffe layer")


def layer(*types: str) -> Callable[[Translate], Translate]:
    """Register a function as translator of Caffe layers.

    Args:
        types: Caffe's names of the layers.
    """

    def register(function: Translate) -> Translate:
        for kind in types:
            LAYERS.add(kind, function)
        return function

    return register
