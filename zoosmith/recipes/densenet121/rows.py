"""The rows of the zoo's DenseNet-121 table: what is published of each, and how its file is made."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from onnx import ModelProto, OperatorSetIdProto, TensorProto
from onnx.defs import onnx_opset_version
from onnx.helper import VERSION_TABLE
from onnx.version_converter import convert_version

from zoosmith import opset_upgrade, optimize, quantize
from zoosmith.convert import caffe2_to_onnx
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.quantize.calibration import Samples
from zoosmith.recipes.densenet121.net import INPUT, INPUT_SHAPE, predict_net

# the first in which a parameter need not be a graph input
_IR_OF_PLAIN_PARAMETERS = 4

INTEGER_ROW = "12-int8"


@dataclass(frozen=True)
class Row:
    """One row: `name` as in `densenet-<name>.onnx`, `title` and `onnx_version` as in the published table.

    `size` is what the file must have in bytes, `sha256` what the published file has where the weights are the published
    ones, `remark` what a comparison with it must know; None and empty for a row that the zoo does not publish.
    `exact` is whether the row computes what the source net computes, rounding apart; one that does not is held to a
    wider limit, and its archive holds its own outputs.
    """

    name: str
    opset: int
    make: Callable[["RowMaker"], bytes]
    title: str = "DenseNet-121"
    onnx_version: str = ""
    size: int | None = None
    sha256: str | None = None
    remark: str = ""
    exact: bool = True

    @property
    def path(self) -> str:
        """The model's path below the model's folder."""
        return f"model/densenet-{self.name}.onnx"

    def compare(self, sha256: str) -> str | None:
        """Say match, or differs with the remark, of the published SHA-256; None where none is published."""
        if self.sha256 is None:
            return None
        if sha256 == self.sha256:
            return "match"
        return f"differs: {self.remark}" if self.remark else "differs"


class RowMaker:
    """What rows are made of: an init net, what an integer row is calibrated on, and the files of opsets 9 and 12."""

    def __init__(self, init_net: bytes, samples: Callable[[ModelProto], Samples]):
        self._init_net = init_net
        self._samples = samples

    @cached_property
    def opset9(self) -> bytes:
        """The row of opset 9."""
        return self.translate(9)

    @cached_property
    def opset12(self) -> bytes:
        """The row of opset 12, as the zoo made it: onnx's own converter, then no parameters among the inputs."""
        model = convert_version(ModelProto.FromString(self.opset9), 12)
        parameters = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in parameters]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.ir_version = _IR_OF_PLAIN_PARAMETERS
        return model.SerializeToString()

    def optimized(self) -> bytes:
        """Opset 12 with what follows or precedes a convolution folded into it."""
        return optimize.optimize(ModelProto.FromString(self.opset12)).SerializeToString()

    def integer(self) -> bytes:
        """Opset 12 in integers from end to end."""
        model = ModelProto.FromString(self.opset12)
        return quantize.quantize(model, self._samples(model)).SerializeToString()

    def translate(self, opset: int) -> bytes:
        """Translate the source net to `opset`."""
        inputs = {INPUT: (int(TensorProto.FLOAT), INPUT_SHAPE)}
        return caffe2_to_onnx(predict_net(), self._init_net, inputs=inputs, opset=opset).SerializeToString()


def select_rows(text: str) -> list[Row]:
    """Read a list of rows: published ones, any opset and ranges of opsets, such as `3,9,12` or `1-28`.

    Raises ZoosmithError, naming those that there are, for an unknown one.
    """
    names = [name for item in text.split(",") for name in _range(item.strip())]
    unknown = [name for name in names if name not in ROWS and not _is_opset(name)]
    if unknown:
        raise ZoosmithError(
            f"no row {', '.join(map(repr, unknown))}; the rows are {', '.join(ROWS)}, "
            f"and there is one for every opset from 1 to {onnx_opset_version()}"
        )
    return [ROWS.get(name) or _converted(int(name)) for name in dict.fromkeys(names)]


def _range(item: str) -> list[str]:
    first, dash, last = item.partition("-")
    if not (dash and _is_opset(first) and _is_opset(last)):
        return [item]
    return [str(opset) for opset in range(int(first), int(last) + 1)] or [item]


def _is_opset(name: str) -> bool:
    return name.isascii() and name.isdecimal() and 1 <= int(name) <= onnx_opset_version()


def _converted(opset: int) -> Row:
    """A row of an opset that the zoo does not publish, converted from the nearest translation."""

    def make(maker: RowMaker) -> bytes:
        source = maker.translate(6) if opset < 6 else maker.opset9
        return opset_upgrade.convert_version(ModelProto.FromString(source), opset).SerializeToString()

    release = next(entry[0] for entry in VERSION_TABLE if entry[2] >= opset)
    return Row(str(opset), opset, make, title=f"DenseNet-121-{opset}", onnx_version=".".join(release.split(".")[:2]))


def _translated(opset: int) -> Callable[[RowMaker], bytes]:
    return lambda maker: maker.translate(opset)


def _relabelled(opset: int) -> Callable[[RowMaker], bytes]:
    """Opset 9 under an older number: none of the net's operators changed between 7 and 9."""

    def make(maker: RowMaker) -> bytes:
        content = maker.opset9
        label = OperatorSetIdProto(domain="", version=9).SerializeToString()
        if not content.endswith(label):
            raise AssertionError("the opset is the last field of a serialised model")
        return content.removesuffix(label) + OperatorSetIdProto(domain="", version=opset).SerializeToString()

    return make


# Name -> row, in the table's order; a further row is one entry.
ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row(
            "3",
            3,
            _translated(3),
            onnx_version="1.1",
            size=32_718_955,
            sha256="7749c7b6c419cf2b8c6b8a979c86bb3d322976578682662b852cae36e2b79b41",
        ),
        Row(
            "6",
            6,
            _translated(6),
            onnx_version="1.1.2",
            size=32_715_083,
            sha256="875fb597a9f0f79cca8a9db610a355920b13959fbe7dc35b759dd35f4d25e291",
            remark="the published densenet-6.onnx is the file of opset 9 under another name",
        ),
        Row(
            "7",
            7,
            _relabelled(7),
            onnx_version="1.2",
            size=32_719_461,
            sha256="79c3bc0974696a2ea9efd2f7bca19fdd630834bd0086f1b4a1c3db3dce3b2a51",
        ),
        Row(
            "8",
            8,
            _relabelled(8),
            onnx_version="1.3",
            size=32_719_461,
            sha256="c57fd1e5864ddc808a84567d0d3a1ea6b5e4d1afbec17372723503be7a030e3a",
        ),
        Row(
            "9",
            9,
            lambda maker: maker.opset9,
            onnx_version="1.4",
            size=32_719_461,
            sha256="875fb597a9f0f79cca8a9db610a355920b13959fbe7dc35b759dd35f4d25e291",
        ),
        Row(
            "12",
            12,
            lambda maker: maker.opset12,
            title="DenseNet-121-12",
            onnx_version="1.9",
            size=32_726_877,
            sha256="0294e7e88e5b3360de9b0fdc321baf9e6ef18b7f058c4536caae3b9f18ed9ed5",
        ),
        Row(
            INTEGER_ROW,
            12,
            RowMaker.integer,
            title="DenseNet-121-12-int8",
            onnx_version="1.9",
            sha256="22ab62382b43c2757d84832bf7db13569ab22073d2b1c086ab5669be46d89016",
            remark="another quantizer made the published file",
            exact=False,
        ),
        Row("12-opt", 12, RowMaker.optimized, title="DenseNet-121-12-opt", onnx_version="1.9"),
    )
}

# the table that the zoo publishes
DEFAULT_ROWS = ",".join(name for name, row in ROWS.items() if row.sha256)
