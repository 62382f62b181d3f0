"""Rows: the files that are made of one source, one for each opset and form."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import ModelProto
from onnx.external_data_helper import uses_external_data
from onnx.helper import VERSION_TABLE

from zoosmith import opset_upgrade, optimize, quantize
from zoosmith.convert import ConvertError
from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.external_data import external_tensors, load_external_data, load_small_tensors
from zoosmith.onnx_model.in_place import load_spans
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.opset_upgrade.onnx_converter import convert_by_onnx
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.target import Target
from zoosmith.recipes.published import Family, PublishedRow
from zoosmith.recipes.source import Source
from zoosmith.validation.runtimes.targets import Target as Runtime

# the first in which a parameter need not be a graph input
_IR_OF_PLAIN_PARAMETERS = 4

# what a row in integers says of itself, whatever is faster
END_TO_END = Target(every_layer=True)
INTEGER_ROW = "12-int8"
OPTIMIZED_ROW = "12-opt"
FLOAT16_ROW = "12-fp16"
# float operators in QDQ form: a scale per tensor, and per output channel of weights
QDQ_ROW = "12-qdq"
PER_CHANNEL_QDQ_ROW = "13-qdq"


class RowMaker:
    """What the rows of one build are made of.

    Args:
        source: the model with its weights.
        samples: gives the samples on which an integer row is calibrated, for the model that is quantized.
        folder: where the source's own opsets are kept, each written once, while rows are made of them.
        cache: folder in which measured ranges are kept; None for none.
        runtime: the oldest that shall load the row of integer operators; None for every ONNX Runtime that has these.
        progress: told of the calibration.

    Attributes:
        layers: by row's name, what became of each layer of an integer row.
    """

    def __init__(
        self,
        source: Source,
        samples: Callable[[ModelProto], Samples],
        folder: Path,
        cache: Path | None = None,
        runtime: Runtime | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self.source = source
        self.samples = samples
        self.folder = folder
        self.cache = cache
        self.runtime = runtime
        self.progress = progress
        self._structures: dict[int, ModelProto] = {}
        self.layers: dict[str, tuple[Layer, ...]] = {}

    def path(self, opset: int) -> Path:
        """Return the file of the source at `opset`."""
        path = self.folder / f"{opset}.onnx"
        if not path.exists():
            self.source.write(opset, path)
        return path

    def model(self, opset: int) -> ModelProto:
        """Return the source at `opset`, to be changed as a row needs; large tensors stay in files of `folder`."""
        if opset not in self._structures:
            self._structures[opset] = load_in_place(self.path(opset))
            load_small_tensors(self._structures[opset], self.folder)
        model = ModelProto()
        model.CopyFrom(self._structures[opset])
        return model


Make = Callable[[RowMaker], ModelProto]
"""Makes a row: a message whose large tensors may lie in files of the maker's folder."""


def translated(opset: int) -> Make:
    """Make a row of the source itself at `opset`."""
    return lambda maker: maker.model(opset)


def relabelled(opset: int, *, original: int) -> Make:
    """Make a row of the source at opset `original`, with `opset` declared instead and nothing else changed."""

    def make(maker: RowMaker) -> ModelProto:
        model = maker.model(original)
        model.opset_import[0].version = opset
        return model

    return make


def converted(opset: int) -> Make:
    """Make a row by converting the source's nearest opset to `opset`."""

    def make(maker: RowMaker) -> ModelProto:
        nearest = maker.source.nearest_opset(opset)
        model = maker.model(nearest)
        return model if nearest == opset else opset_upgrade.convert_version(model, opset)

    return make


def translated_or_converted(opset: int) -> Make:
    """Make a row of the source itself at `opset`; where that cannot express it, by converting its nearest opset."""

    def make(maker: RowMaker) -> ModelProto:
        try:
            return maker.model(opset)
        except ConvertError:
            return converted(opset)(maker)

    return make


def upgraded_to_12(maker: RowMaker) -> ModelProto:
    """Make the row of opset 12 as the zoo made it: onnx's own converter on opset 9, then no parameters as inputs."""
    original = maker.model(9)
    model = convert_by_onnx(original, 12)
    in_files = {tensor.name: tensor for tensor in original.graph.initializer if uses_external_data(tensor)}
    for tensor in model.graph.initializer:
        # the converter carries the names of tensors, and their data where it is in the model
        if tensor.name in in_files:
            tensor.CopyFrom(in_files[tensor.name])
    parameters = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in parameters]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = _IR_OF_PLAIN_PARAMETERS
    return model


def optimized(base: Make) -> Make:
    """Make a row with what follows or precedes a convolution folded into it."""
    return lambda maker: optimize.optimize(_loaded(base, maker))


def quantized(base: Make, name: str = INTEGER_ROW, target: Target = END_TO_END) -> Make:
    """Make the row `name` in integers from end to end, in the form of a target."""

    def make(maker: RowMaker) -> ModelProto:
        model = _loaded(base, maker)
        chosen = replace(target, runtime=maker.runtime) if target.format == "integer" else target
        found = quantize.quantize_within(
            model, maker.samples(model), target=chosen, cache=maker.cache, progress=maker.progress
        )
        maker.layers[name] = found.layers
        return found.model

    return make


def halved(base: Make, name: str = FLOAT16_ROW) -> Make:
    """Make the row `name` in float16, but for what would lose too much."""

    def make(maker: RowMaker) -> ModelProto:
        # loading it takes longer than making most rows
        from zoosmith.quantize.half_precision import to_half
        from zoosmith.quantize.writing.half_weights_writer import FLOAT16

        model = _loaded(base, maker)
        found = to_half(model, maker.samples(model), FLOAT16)
        maker.layers[name] = found.layers
        return found.model

    return make


def raised(base: Make, opset: int) -> Make:
    """Make a row by converting another one to `opset`."""
    return lambda maker: opset_upgrade.convert_version(_loaded(base, maker), opset)


def _loaded(base: Make, maker: RowMaker) -> ModelProto:
    """The row with all of its tensors in memory."""
    model = base(maker)
    load_spans(model)
    load_external_data(external_tensors(model), maker.folder)
    return model


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        name: what follows the prefix in the file's name: `9`, `12-int8`.
        opset: that the file declares.
        make: makes the file.
        title: as the table and the hub manifest list it.
        onnx_version: the ONNX release of this opset, as the table lists it.
        size: what the file has in bytes where the parameters have the published shapes; None where nothing fixes it.
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
        exact: as in `Row`; the size of a row that is not exact is not fixed, nor by the published file of another row.
    """
    published = family.rows[name]
    other = published.mislabelled_as
    if other is not None and not remark:
        remark = f"the published {family.prefix}-{name}.onnx is the file of opset {other} under another name"
    fixed = published.model.size if exact and other is None else None
    return Row(
        name,
        published.opset,
        make,
        title=published.title,
        onnx_version=published.onnx_version,
        size=size or fixed,
        published=published,
        remark=remark,
        exact=exact,
    )


def converted_row(title: str, opset: int) -> Row:
    """Return the row of an opset that has no entry of its own in a recipe; `title` is the model's."""
    return Row(str(opset), opset, converted(opset), title=f"{title}-{opset}", onnx_version=onnx_release(opset))


def onnx_release(opset: int) -> str:
    """Return the first ONNX release that has `opset`, as `1.9`."""
    release: str = next(entry[0] for entry in VERSION_TABLE if entry[2] >= opset)
    return ".".join(release.split(".")[:2])


def release_that_reads(stated: str, ir_version: int) -> str:
    """Return `stated`, an ONNX release, or the first that has the IR version of a file where that is later."""
    release = next((entry[0] for entry in VERSION_TABLE if entry[1] >= ir_version), stated)
    first = ".".join(release.split(".")[:2])
    return max(stated, first, key=lambda each: [int(number) for number in each.split(".")])


def qdq_rows(title: str, twelve: Make) -> list[Row]:
    """Return the rows of the QDQ form; `twelve` makes the row of opset 12 and `title` is the model's."""
    return [
        Row(
            name,
            opset,
            quantized(base, name, Target("qdq")),
            title=f"{title}-{name}",
            onnx_version=onnx_release(opset),
            exact=False,
        )
        for name, opset, base in ((QDQ_ROW, 12, twelve), (PER_CHANNEL_QDQ_ROW, 13, raised(twelve, 13)))
    ]
