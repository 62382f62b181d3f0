"""What a build found out: every file, and every check with its figure and its limit."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from zoosmith.quantize.sample_statistics import SampleDistance
from zoosmith.recipes.source import FileFacts
from zoosmith.validation.accuracy import Share


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
class RowReport:
    """A row: its two files, its ports as the hub lists them, its checks.

    `published` says `match` or `differs` (with a reason where one is known) of the model's SHA-256 and the published
    one; None where the weights are not the published ones or the row is not. `max_scaled` is the largest error over all
    data sets, in standard deviations of the expected output; `cosine` the smallest.
    """

    name: str
    title: str
    onnx_version: str
    opset: int
    model: BuiltFile
    archive: BuiltFile
    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    features: tuple[dict[str, Any], ...]
    checks: tuple[Check, ...]
    max_scaled: float | None
    cosine: float | None
    same_top1: bool | None
    published: str | None

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Accuracy:
    """What was measured on labelled images: their number, and by row's name the share of images in the top 1 and 5."""

    data: str
    images: int
    top1: dict[str, Share]
    top5: dict[str, Share]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, shares with their 95 % intervals."""
        shares = {
            name: {row: share.to_dict() for row, share in getattr(self, name).items()} for name in ("top1", "top5")
        }
        return {"data": self.data, "images": self.images, **shares}


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
    """A build: what it was made of, its rows in the order they were asked for, their accuracy where it was measured.

    `calibration` is None where no row is integer.
    """

    weights: str
    synthetic: bool
    nets: Mapping[str, FileFacts]
    reference: str
    sets: int
    seed: int
    calibration: Calibration | None
    rows: Sequence[RowReport]
    accuracy: Accuracy | None = None

    @property
    def passed(self) -> bool:
        """Whether every check of every row passed."""
        return all(row.passed for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        rows = [{**asdict(row), "passed": row.passed} for row in self.rows]
        accuracy = None if self.accuracy is None else self.accuracy.as_dict()
        return {"passed": self.passed, **asdict(self), "rows": rows, "accuracy": accuracy}
