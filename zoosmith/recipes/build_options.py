"""What a caller chooses of a build."""

import os
from dataclasses import dataclass
from pathlib import Path

from zoosmith.execution import default_workers
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.quantize.target import Target
from zoosmith.validation.runtimes.targets import Target as Runtime

REFERENCES = ("builtin", "caffe2")

# of `zoosmith build`, where they are not called as the attribute
_OPTIONS = {"runtime": "for"}
# each thread has a model in memory, and a row takes less than a second
_MOST_THREADS = 4


@dataclass(frozen=True)
class BuildOptions:
    """What a caller chooses of a build. The same options give the same files, for any `jobs`.

    Attributes:
        weights: file with the weights, of a kind that the recipe reads (DenseNet-121: an init net or a row in ONNX);
            None for the source's own or, where it has none, synthetic ones from `seed`.
        rows: as `Recipe.select_rows` reads them; None for the recipe's default.
        sets: number of data sets in an archive, from 1.
        seed: of the inputs in the data sets and of synthetic weights, 0 .. 2**32 - 1.
        reference: what computes the outputs that rows must give: `builtin` (the interpreter) or `caffe2` (real Caffe2).
        calibrate: folder of images or NPZ file on which the integer row is calibrated; None for the recipe's samples.
        runtime: the oldest that shall load the row of integer operators; None for every ONNX Runtime that has these.
        force: calibrate even on samples that are far from what the weights were trained on.
        data: folder of labelled images on which top-1 and top-5 are measured; None to measure nothing.
        labels: of `data`, as for `validation.ImageFolder`.
        dataset: name of the data set that `data` holds; None for the folder's name.
        cache: folder in which measured ranges are kept for the next time; None for none.
        timeout: seconds that one run of a model may take; None for no limit.
        jobs: number of threads, from 1; None for one a core, but no more than 4.

    Raises:
        ZoosmithError: a value is out of its range, the runtime has no integer operators, or a file to calibrate on does
            not exist.
    """

    weights: Path | None = None
    rows: str | None = None
    sets: int = 3
    seed: int = 0
    reference: str = REFERENCES[0]
    calibrate: Path | None = None
    runtime: Runtime | None = None
    force: bool = False
    data: Path | None = None
    labels: Path | None = None
    dataset: str | None = None
    cache: Path | None = None
    timeout: float | None = 300.0
    jobs: int | None = None

    def __post_init__(self) -> None:
        if self.reference not in REFERENCES:
            raise ZoosmithError(f"no reference {self.reference!r}; expected {' or '.join(REFERENCES)}")
        if self.sets < 1 or not 0 <= self.seed < 2**32 or (self.jobs is not None and self.jobs < 1):
            raise ZoosmithError(
                f"expected sets and jobs from 1 and a seed below 2**32, found {self.sets}, {self.jobs} and {self.seed}"
            )
        # it refuses a runtime without integer operators
        Target(runtime=self.runtime)
        if self.calibrate is not None and not self.calibrate.exists():
            raise ZoosmithError(
                f"{self.calibrate}: does not exist; expected a folder of images or an NPZ file to calibrate on"
            )

    def arguments(self) -> tuple[str, ...]:
        """The options of `zoosmith build` that say the same, files by name; what does not change a file is left out."""
        default = BuildOptions()
        named = (
            *("weights", "rows", "sets", "seed", "reference", "calibrate", "runtime", "force"),
            *("data", "labels", "dataset"),
        )
        given = {name: getattr(self, name) for name in named if getattr(self, name) != getattr(default, name)}
        words: list[str] = []
        for name, value in given.items():
            words.append(f"--{_OPTIONS.get(name, name)}")
            if value is not True:
                words.append(file_name(value) if isinstance(value, Path) else str(value))
        return tuple(words)

    @property
    def threads(self) -> int:
        """The number of threads to use."""
        return self.jobs or default_workers(_MOST_THREADS)


def file_name(path: Path) -> str:
    """Name a file or folder as a command does that is run beside it; `.` has a name too."""
    return os.path.basename(os.path.abspath(path))
