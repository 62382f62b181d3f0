"""How often classifiers are right on a folder of images, and how often they agree with each other."""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from zoosmith.execution import SILENT, Executor, Progress, local_executor
from zoosmith.onnx_model.loading import Model, model_name
from zoosmith.validation.accuracy.classifier import ImageInput, carried, image_input
from zoosmith.validation.accuracy.portions import Counts, Distance, Panel, Portions, added, count_portion
from zoosmith.validation.accuracy.sample_pictures import SamplePicture, sample_pictures
from zoosmith.validation.accuracy.state import Shard, StateFile, digest, digest_of_lines, merged
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.reading.images import ImageFolder, OnBroken, leave_out
from zoosmith.validation.reading.preprocess import ToArray
from zoosmith.validation.running.onnx_runtime import available_providers, onnx_runtime
from zoosmith.validation.running.run_limit import run_limit

PICTURES = 8
"""Images that a page shows."""

# The standard normal's 97.5th percentile: intervals hold the true share in 95 of 100 cases.
_Z95 = 1.959963984540054

WHOLE = Shard()
"""All images."""


@dataclass(frozen=True)
class Share:
    """So many of so many images, with Wilson's 95 % interval (Wilson 1927), which holds near 0 and 1, too."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.hits / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the 95 % interval, 0 to 1."""
        share, n = self.value, self.total
        middle = share + _Z95**2 / (2 * n)
        reach = _Z95 * math.sqrt(share * (1 - share) / n + _Z95**2 / (4 * n * n))
        low, high = (middle - reach) / (1 + _Z95**2 / n), (middle + reach) / (1 + _Z95**2 / n)
        return (0.0 if self.hits == 0 else low), (1.0 if self.hits == n else high)

    def as_dict(self) -> dict[str, Any]:
        """Give the share for JSON, in per cent."""
        low, high = self.interval
        return {
            "percent": round(100 * self.value, 4),
            "interval_95": [round(100 * low, 4), round(100 * high, 4)],
            "images": self.hits,
        }


@dataclass(frozen=True)
class Accuracy:
    """One model's share of images whose label is its best answer (`top1`) or among its five best (`top5`)."""

    model: str
    top1: Share
    top5: Share


@dataclass(frozen=True)
class Agreement:
    """How far `second` gives what `first` gives.

    `mean_logit_error` is the mean of |second - first| over all logits, `max_logit_error` the largest; both in standard
    deviations of all of `first`'s logits, None where these never vary.
    """

    first: str
    second: str
    same_top1: Share
    mean_logit_error: float | None
    max_logit_error: float | None

    def as_dict(self) -> dict[str, Any]:
        """Give the agreement for JSON."""
        return {
            "first": self.first,
            "second": self.second,
            "same_top1": self.same_top1.as_dict(),
            "mean_logit_error": self.mean_logit_error,
            "max_logit_error": self.max_logit_error,
        }


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured: one `Accuracy` a model, one `Agreement` a pair, in the order of the models.

    `pictures` are a few of the images, where they were asked for.
    """

    images: int
    broken: int
    accuracies: list[Accuracy]
    agreements: list[Agreement]
    pictures: tuple[SamplePicture, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Give the evaluation for JSON, with the pictures where there are any."""
        pictures = {"pictures": [picture.as_dict() for picture in self.pictures]} if self.pictures else {}
        return {
            "images": self.images,
            "broken": self.broken,
            "models": [
                {"model": entry.model, "top1": entry.top1.as_dict(), "top5": entry.top5.as_dict()}
                for entry in self.accuracies
            ],
            "agreements": [entry.as_dict() for entry in self.agreements],
            **pictures,
        }


def evaluate(
    models: Sequence[Model],
    folder: ImageFolder,
    preprocess: ToArray,
    *,
    on_broken: OnBroken | None = None,
    inputs: InputSource | None = None,
    providers: Sequence[str] | None = None,
    threads: int | None = None,
    executor: Executor | None = None,
    shard: Shard = WHOLE,
    state: Path | None = None,
    settings: Mapping[str, Any] | None = None,
    pictures: int = 0,
    progress: Progress = SILENT,
) -> Evaluation:
    """Run classifiers over the labelled images of a folder; memory does not grow with their number.

    Each thread reads the images of a portion and runs every model on them, within one core. Whatever counts the
    portions, the result is the same to the last bit, on like processors. Where logits are equal the lower class counts
    as the better answer.

    Args:
        models: each has one float32 input [N, 3, H, W] (N fixed or symbolic; a symbolic H or W is as `inputs` has it,
            else 224), the same H and W in all of them, and a first output of logits, [N, classes] with any further
            dimensions 1.
        folder: images, each with a label.
        preprocess: makes the input of an image.
        on_broken: called with each image that cannot be read; such images are left out and counted.
        inputs: sizes that are given for what models leave open.
        providers: ONNX Runtime's execution providers, the preferred first.
        threads: how many; None for one a core.
        executor: where portions are counted; None for threads of this process.
        shard: the part of the portions to count.
        state: a file that keeps what was counted; what it holds already is not counted again.
        settings: plain values that this file keeps as well.
        pictures: so many images, at most, are shown with what each model answers.
        progress: notified of the images.

    Returns:
        Top-1 and top-5 of each model with their intervals, and how far each pair of models agrees.

    Raises:
        ValidationError: an image has no label or one beyond the classes, a model is of another shape, logits are not
            finite, no image can be read, or the state is of another evaluation.
    """
    truth = [sample.label for sample in folder if sample.label is not None]
    if len(truth) < len(folder):
        name = next(sample.path.name for sample in folder if sample.label is None)
        raise ValidationError(f"{folder.path}: {name} has no label; give a labels file, or put images in class folders")
    if not models:
        raise ValidationError("no model to evaluate")
    if providers:
        available_providers(providers)
    names = [model_name(model) for model in models]
    reads = [image_input(model, providers, inputs) for model in models]
    _check_sizes(names, reads)
    portions = Portions(folder.samples, max(each.batch for each in reads))
    size = portions.size
    own = [number for number in range(len(portions)) if shard.has(number)]
    if not own:
        raise ValidationError(f"shard {shard}: there are only {len(portions)} portions of {size} images")
    tell = on_broken or leave_out
    with ExitStack() as exits:
        kept = None
        if state is not None:
            what = _identity(models, folder, preprocess, providers, len(portions), size, reads[0])
            kept = exits.enter_context(StateFile(state, what, {**(settings or {}), "models": names}))
        found = [kept.portions[number] for number in own if kept is not None and number in kept.portions]
        before = {counts.number for counts in found}
        executor = executor or exits.enter_context(local_executor(threads))
        task = exits.enter_context(progress.task("images", sum(map(portions.images, own))))
        task.advance(steps=sum(counts.images + len(counts.broken) for counts in found))
        sent = [carried(model) for model in models]
        panel = executor.share(Panel, sent, preprocess, providers, max(truth), str(folder.path), run_limit(), inputs)
        left = (portions[number] for number in own if number not in before)
        for counts in executor.map(partial(count_portion, panel), left):
            found.append(counts)
            if kept is not None:
                kept.add(counts)
            for place, reason in counts.broken:
                tell(folder.samples[counts.number * size + place].path, reason)
            task.advance(steps=counts.images + len(counts.broken))
        shown = sample_pictures(executor, panel, folder, pictures) if pictures else []
    return replace(evaluation_of(names, found, str(folder.path)), pictures=tuple(shown))


def evaluation_of(names: Sequence[str], counted: Iterable[Counts], origin: str) -> Evaluation:
    """Put together what was counted of portions of images.

    Args:
        names: of the models.
        counted: each portion once.
        origin: of the images, for messages.

    Returns:
        Top-1 and top-5 of each model, and how far each pair of models agrees.

    Raises:
        ValidationError: no image can be read.
    """
    every = list(counted)
    total, broken = sum(each.images for each in every), sum(len(each.broken) for each in every)
    if not total:
        raise ValidationError(f"{origin}: none of its {broken} images can be read")
    accuracies = [
        Accuracy(
            name,
            Share(sum(each.top1[index] for each in every), total),
            Share(sum(each.top5[index] for each in every), total),
        )
        for index, name in enumerate(names)
    ]
    agreements = [
        _agreement(first, second, added(each.distances[index] for each in every if each.images), total)
        for index, (first, second) in enumerate(combinations(names, 2))
    ]
    return Evaluation(total, broken, accuracies, agreements)


def merge(states: Sequence[Path]) -> tuple[Evaluation, Mapping[str, Any]]:
    """Put the shards of an evaluation together.

    Args:
        states: their state files.

    Returns:
        What one evaluation of all images would have measured, to the last bit, and the settings that were kept.

    Raises:
        ValidationError: files are of different evaluations, or portions are missing.
    """
    first, counted = merged(states)
    names = [str(name) for name in first.settings["models"]]
    return evaluation_of(names, counted, str(states[0])), first.settings


def _identity(
    models: Sequence[Model],
    folder: ImageFolder,
    preprocess: ToArray,
    providers: Sequence[str] | None,
    portions: int,
    size: int,
    reads: ImageInput,
) -> dict[str, Any]:
    """What decides over the counts: files by their hashes and places below the folder, never by where it lies."""
    images = (f"{sample.path.relative_to(folder.path).as_posix()} {sample.label}" for sample in folder)
    return {
        "models": [digest(model) for model in models],
        "images": digest_of_lines(images),
        "portions": portions,
        "portion sizes": size,
        "preprocessing": repr(preprocess),
        "providers": list(providers or ()),
        "image size": list(reads.size),
        "versions": {"onnxruntime": onnx_runtime().version},
    }


def _check_sizes(names: Sequence[str], inputs: Sequence[ImageInput]) -> None:
    for name, each in zip(names, inputs, strict=True):
        if each.size != inputs[0].size:
            raise ValidationError(
                f"{name}: reads images of {each.size}, {names[0]} of {inputs[0].size}: evaluate them separately"
            )


def _agreement(first: str, second: str, found: Distance, images: int) -> Agreement:
    mean = found.sum / found.count
    deviation = math.sqrt(max(found.squares / found.count - mean * mean, 0.0))
    share = Share(found.same, images)
    if deviation == 0:
        return Agreement(first, second, share, None, None)
    return Agreement(first, second, share, found.error / found.count / deviation, found.largest / deviation)
