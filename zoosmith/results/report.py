"""What a build found out: every file, and every check with its figure and its limit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoosmith.quantize.layer import Layer
from zoosmith.quantize.samples.statistics import SampleDistance
from zoosmith.recipes.source import FileFacts
from zoosmith.validation.accuracy.evaluation import Agreement, Share
from zoosmith.validation.accuracy.sample_pictures import SamplePicture


@dataclass(frozen=True)
class Check:
    """One check: what was measured, what was allowed."""

    name: str
    figure: Any
    limit: Any
    passed: bool


@dataclass(frozen=True)
class BuiltFile:
    """A file of the build; `path` is relative to the model's folder."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class BuiltArchive(BuiltFile):
    """An archive; `tar_size` and `tar_sha256` are of the tar in it.

    That is the same on every machine, unlike its compressed bytes.
    """

    tar_size: int
    tar_sha256: str


@dataclass(frozen=True)
class RanIn:
    """What ran a row: name and version of a runtime."""

    name: str
    version: str


@dataclass(frozen=True)
class RowReport:
    """A row: its two files, its ports as the hub lists them, its checks.

    Attributes:
        name: of the row, as `Row` has it; `title`, `onnx_version` and `opset` too.
        title: as the table lists it.
        onnx_version: the first ONNX release that has its opset and the IR version of its file.
        opset: that the file declares.
        exact: whether it computes what the source computes, and its archive holds the source's outputs.
        model: the file; None where it could not be made or run.
        archive: the file with test data; None where `model` is.
        inputs: as the hub lists them; `outputs` and `features` too.
        outputs: see `inputs`.
        features: see `inputs`.
        checks: in order.
        ran_in: what ran it; None where nothing did.
        max_scaled: the largest error over all data sets, in standard deviations of the expected output.
        cosine: the smallest over all data sets.
        same_top1: whether the best class is the same everywhere.
        layers: what became of each layer of an integer row, on the first samples that it was calibrated on.
        float_conversions: how many QuantizeLinear and DequantizeLinear stand in its file; None where there is no file.
        published: `match` or `differs` (with a reason where one is known) of the model's SHA-256 and the published one;
            None where the weights are not the published ones or the row is not.
    """

    name: str
    title: str
    onnx_version: str
    opset: int
    exact: bool
    model: BuiltFile | None
    archive: BuiltArchive | None
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    features: tuple[dict[str, Any], ...]
    checks: tuple[Check, ...]
    ran_in: RanIn | None
    max_scaled: float | None
    cosine: float | None
    same_top1: bool | None
    published: str | None
    layers: tuple[Layer, ...] = ()
    float_conversions: int | None = None

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def failure(self) -> str | None:
        """Why there is no file; None where there is one."""
        return None if self.model is not None else str(self.checks[-1].figure)


@dataclass(frozen=True)
class Accuracy:
    """What was measured on labelled images.

    Attributes:
        data: the data set's name.
        images: how many.
        top1: by row's name the share of images whose label is the best answer.
        top5: by row's name the share of images whose label is among the five best.
        agreements: how far each pair of models agrees, by the names of their files.
        pictures: a few of the images, with what the models answer.
    """

    data: str
    images: int
    top1: dict[str, Share]
    top5: dict[str, Share]
    agreements: tuple[Agreement, ...] = ()
    pictures: tuple[SamplePicture, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, shares with their 95 % intervals."""
        shares = {
            name: {row: share.as_dict() for row, share in getattr(self, name).items()} for name in ("top1", "top5")
        }
        return {
            "data": self.data,
            "images": self.images,
            **shares,
            "agreements": [pair.as_dict() for pair in self.agreements],
            "pictures": [picture.as_dict() for picture in self.pictures],
        }


@dataclass(frozen=True)
class Calibration:
    """What the integer rows were calibrated on.

    Attributes:
        samples: their number and kind.
        made_up: whether they are the recipe's own, and no data that a user gave.
        distance: from what the weights were trained on; None where these state no statistics.
    """

    samples: str
    made_up: bool
    distance: SampleDistance | None


@dataclass(frozen=True)
class Report:
    """A build.

    Attributes:
        title: of the model.
        kind: of the source: `Caffe2 net` or `ONNX model`.
        weights: what tables say of them.
        synthetic: whether they were made from a seed.
        nets: the files of the source.
        reference: what computed the outputs that rows must give: `builtin` or `caffe2`.
        sets: number of data sets.
        seed: of made-up inputs and weights.
        samples: what the inputs are, in the plural.
        noise: whether they are random numbers, on which little is proved of an integer row.
        command: the arguments of `zoosmith build` that make the same files again; files by name.
        calibration: None where no row is integer.
        rows: in the order they were asked for.
        versions: of what computed, by name of the package.
        accuracy: None where it was not measured.
        runtime: the oldest that the row of integer operators is for; None for every ONNX Runtime that has these.
    """

    title: str
    kind: str
    weights: str
    synthetic: bool
    nets: Mapping[str, FileFacts]
    reference: str
    sets: int
    seed: int
    samples: str
    command: tuple[str, ...]
    calibration: Calibration | None
    rows: Sequence[RowReport]
    versions: Mapping[str, str]
    accuracy: Accuracy | None = None
    runtime: str | None = None
    noise: bool = False

    @property
    def passed(self) -> bool:
        """Whether every check of every row passed."""
        return all(row.passed for row in self.rows)

    @property
    def written(self) -> list[RowReport]:
        """The rows that have a file."""
        return [row for row in self.rows if row.model is not None]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        rows = [{**asdict(row), "passed": row.passed} for row in self.rows]
        accuracy = None if self.accuracy is None else self.accuracy.as_dict()
        return {"passed": self.passed, **asdict(self), "rows": rows, "accuracy": accuracy}
