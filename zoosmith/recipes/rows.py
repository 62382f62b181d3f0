"""Rows: the files that are made of one source, one for each opset and form."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from onnx import ModelProto, OperatorSetIdProto
from onnx.helper import VERSION_TABLE
from onnx.version_converter import convert_version

from zoosmith import opset_upgrade, optimize, quantize
from zoosmith.onnx_model.loading import load_model
from zoosmith.quantize.calibration import Samples
from zoosmith.recipes.published import Family, PublishedRow
from zoosmith.recipes.source import Source

# the first in which a parameter need not be a graph input
_IR_OF_PLAIN_PARAMETERS = 4

INTEGER_ROW = "12-int8"
OPTIMIZED_ROW = "12-opt"


class RowMaker:
    """What the rows of one build are made of.

    Args:
        source: the model with its weights.
        samples: gives the samples on which an integer row is calibrated, for the model that is quantized.
    """

    def __init__(self, source: Source, samples: Callable[[ModelProto], Samples]):
        self.source = source
        self.samples = samples
        self._last: tuple[int, bytes] | None = None

    def model(self, opset: int) -> bytes:
        """Return the source at `opset`; the last one is kept, since rows of neighbouring opsets are made of it."""
        if self._last is None or self._last[0] != opset:
            self._last = None
            self._last = (opset, self.source.model(opset))
        return self._last[1]

    @cached_property
    def opset12(self) -> bytes:
        """Opset 12 as the zoo made it of opset 9: onnx's own converter, then no parameters among the inputs."""
        model = convert_version(load_model(self.model(9)), 12)
        parameters = {tensor.name for tensor in model.graph.initializer}
        inputs = [value for value in model.graph.input if value.name not in parameters]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.ir_version = _IR_OF_PLAIN_PARAMETERS
        return model.SerializeToString()


Make = Callable[[RowMaker], bytes]
"""Makes the content of a row's file."""


def translated(opset: int) -> Make:
    """Make a row of the source itself at `opset`."""
    return lambda maker: maker.model(opset)


def relabelled(opset: int, *, original: int) -> Make:
    """Make a row of the source at opset `original`, with `opset` declared instead and nothing else changed."""

    def make(maker: RowMaker) -> bytes:
        content = maker.model(original)
        label = OperatorSetIdProto(domain="", version=original).SerializeToString()
        if not content.endswith(label):
            raise AssertionError("the opset is the last field of a serialised model")
        return content.removesuffix(label) + OperatorSetIdProto(domain="", version=opset).SerializeToString()

    return make


def converted(opset: int) -> Make:
    """Make a row by converting the source's nearest opset to `opset`."""

    def make(maker: RowMaker) -> bytes:
        model = load_model(maker.model(maker.source.nearest_opset(opset)))
        return opset_upgrade.convert_version(model, opset).SerializeToString()

    return make


def upgraded_to_12(maker: RowMaker) -> bytes:
    """Make the row of opset 12 as the zoo made it."""
    return maker.opset12


def optimized(maker: RowMaker) -> bytes:
    """Make a row of opset 12 with what follows or precedes a convolution folded into it."""
    return optimize.optimize(load_model(maker.opset12)).SerializeToString()


def quantized(maker: RowMaker) -> bytes:
    """Make a row of opset 12 in integers from end to end."""
    model = load_model(maker.opset12)
    return quantize.quantize(model, maker.samples(model)).SerializeToString()


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: what follows the prefix in the file's name: `9`, `12-int8`.
        opset: that the file declares.
        make: makes the file.
        title: as the table and the hub manifest list it.
        onnx_version: the ONNX release of this opset, as the table lists it.
        size: what the file must have in bytes; None where nothing fixes it.
        published: the zoo's row of this name; None where it has none.
        remark: what a comparison with the published file must know.
        exact: whether the row computes what the source computes, rounding apart; one that does not is held to a wider
            limit, and its archive holds its own outputs.
    """

    name: str
    opset: int
    make: Make
    title: str
    onnx_version: str
    size: int | None = None
    published: PublishedRow | None = None
    remark: str = ""
    exact: bool = True

    def compare(self, sha256: str) -> str | None:
        """Say of the SHA-256 of a file whether it is the published one.

        Args:
            sha256: of a file that was made of the published weights.

        Returns:
            `match`, or `differs` with the remark; None where no such row is published.
        """
        if self.published is None:
            return None
        if sha256 == self.published.model.sha256:
            return "match"
        return f"differs: {self.remark}" if self.remark else "differs"


def published_row(
    family: Family, name: str, make: Make, *, size: int | None = None, remark: str = "", exact: bool = True
) -> Row:
    """Return the row `name` of a family, with title, release and published file out of the zoo's table.

    Args:
        family: of the published table.
        name: of the row.
        make: makes the file.
        size: in bytes, where it is not the published one.
        remark: as in `Row`; where the published file is another row's, that is said by default.
        exact: as in `Row`; the size of a row that is not exact is not fixed.
    """
    published = family.rows[name]
    other = published.mislabelled_as
    if other is not None and not remark:
        remark = f"the published {family.prefix}-{name}.onnx is the file of opset {other} under another name"
    return Row(
        name,
        published.opset,
        make,
        title=published.title,
        onnx_version=published.onnx_version,
        size=size or (published.model.size if exact else None),
        published=published,
        remark=remark,
        exact=exact,
    )


def converted_row(title: str, opset: int) -> Row:
    """Return the row of an opset that has no entry of its own in a recipe; `title` is the model's."""
    return Row(str(opset), opset, converted(opset), title=f"{title}-{opset}", onnx_version=_onnx_release(opset))


def _onnx_release(opset: int) -> str:
    """Return the first ONNX release that has `opset`, as `1.9`."""
    release: str = next(entry[0] for entry in VERSION_TABLE if entry[2] >= opset)
    return ".".join(release.split(".")[:2])
