"""Files of classifiers measured on labelled images, preprocessed as they were trained."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto

from zoosmith.execution import SILENT, Executor, Progress
from zoosmith.files.preprocessing import AUTO, choose, of_file
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.loading import load_model
from zoosmith.quantize.samples.seen_samples import refuse_seen, stated_digests
from zoosmith.quantize.samples.statistics import states_statistics
from zoosmith.validation.accuracy.evaluation import PICTURES, WHOLE, Evaluation, evaluate, merge
from zoosmith.validation.accuracy.state import Shard
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.reading.images import ImageFolder
from zoosmith.validation.reading.preprocess import Disturbed, Preprocess, preprocessing
from zoosmith.validation.running.run_limit import runs_limited

_SETTINGS = ("data", "preprocess", "disturb", "seed")


@dataclass(frozen=True)
class Images:
    """What classifiers are measured on.

    Attributes:
        data: folder of labelled images.
        labels: their labels, as `ImageFolder` reads them; None where class folders or the folder itself have them.
        limit: how many of them, spread evenly over the folder; None for all.
        preprocess: name of the convention, or `auto` for the one that the first model with statistics was trained with.
        disturb: how images are disturbed first, as `Disturbed` takes it; None for not at all.
        seed: of that disturbance.
    """

    data: Path
    labels: Path | None
    limit: int | None
    preprocess: str
    disturb: str | None
    seed: int


@dataclass(frozen=True)
class Evaluated:
    """What was measured.

    Attributes:
        evaluation: accuracies and agreements.
        settings: data, preprocessing and disturbance, as plain values.
        seconds: that the runs took; None for what was put together of shards.
    """

    evaluation: Evaluation
    settings: dict[str, Any]
    seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**self.settings, **self.evaluation.as_dict()}


def evaluate_files(
    models: Sequence[Path],
    images: Images,
    *,
    inputs: InputSource | None = None,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    workers: Callable[[], AbstractContextManager[Executor | None]] = nullcontext,
    shard: Shard | None = None,
    state: Path | None = None,
    pictures: bool = False,
    timeout: float | None = None,
    progress: Progress = SILENT,
) -> Evaluated:
    """Measure classifiers on labelled images, and how far they agree.

    Args:
        models: files, as `validation.evaluate` takes them.
        images: what they are measured on.
        inputs: sizes that are given for what models leave open.
        providers: execution providers of ONNX Runtime.
        threads: how many; None for one a core.
        workers: opens what counts the images; None of it for threads of this process.
        shard: the part of the images to count; None for all.
        state: a file that keeps what was counted.
        pictures: whether a few images are kept with what each model answers.
        timeout: seconds that one run of a model may take; None for no limit.
        progress: told of the images, and of a preprocessing that was found or does not fit.

    Returns:
        What was measured.

    Raises:
        ZoosmithError: a model or the images cannot be read or run, or a model was calibrated on some of them.
    """
    folder = ImageFolder(images.data, images.labels, images.limit)
    with runs_limited(timeout):
        convention = _checked_preprocessing(models, images, folder, inputs, progress)
        disturbed = convention if images.disturb is None else Disturbed(convention, images.disturb, images.seed)
        values = (str(images.data), convention.name, images.disturb, images.seed)
        settings = dict(zip(_SETTINGS, values, strict=True))
        with workers() as executor:
            start = time.monotonic()
            evaluation = evaluate(
                models,
                folder,
                disturbed,
                on_broken=lambda path, reason: progress.note(f"skipped: {path}: {reason}"),
                inputs=inputs,
                providers=providers,
                threads=threads,
                executor=executor,
                shard=shard or WHOLE,
                state=state,
                settings=settings,
                pictures=PICTURES if pictures else 0,
                progress=progress,
            )
            return Evaluated(evaluation, settings, time.monotonic() - start)


def _checked_preprocessing(
    files: Sequence[Path], images: Images, folder: ImageFolder, inputs: InputSource | None, progress: Progress
) -> Preprocess:
    """The preprocessing for all models, none of which was calibrated on the images."""
    if images.preprocess != AUTO:
        preprocessing(images.preprocess)
    read = [(load_model(file), file) for file in files]
    stating = next((each for each in read if states_statistics(each[0])), read[0])
    with _errors_of(*stating, images.data):
        convention = choose(stating[0], images.preprocess, images.data, progress, inputs)
    for model, file in read:
        seen = stated_digests(model)
        if seen:
            with _errors_of(model, file, images.data):
                refuse_seen(model, seen, folder, convention, inputs)
    return convention


@contextmanager
def _errors_of(model: ModelProto, file: Path, data: Path) -> Iterator[None]:
    try:
        yield
    except ZoosmithError as error:
        raise of_file(error, model, file, data) from error


def merge_files(states: Sequence[Path]) -> Evaluated:
    """Put the shards of an evaluation together.

    Args:
        states: their state files.

    Returns:
        What one evaluation of all images would have measured.

    Raises:
        ValidationError: files are of different evaluations, or parts are missing.
    """
    evaluation, settings = merge(states)
    return Evaluated(evaluation, {name: settings.get(name) for name in _SETTINGS})
