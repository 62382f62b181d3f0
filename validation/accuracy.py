"""How often classifiers are right on a folder of images, and how often they agree with each other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from zoosmith.execution import SILENT, Executor, Progress, Task, ThreadExecutor
from zoosmith.onnx_model.loading import Model, load_model, model_name
from zoosmith.onnx_model.ports import input_ports
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.images import ImageFolder, OnBroken
from zoosmith.validation.preprocess import ToArray
from zoosmith.validation.runners import runner_for

# The standard normal's 97.5th percentile: intervals hold the true share in 95 of 100 cases.
_Z95 = 1.959963984540054

# What a model with a symbolic height or width is fed: the size of ImageNet's classifiers.
_USUAL_SIDE = 224


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

    def to_dict(self) -> dict[str, Any]:
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


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measured: one `Accuracy` a model, one `Agreement` a pair, in the order of the models."""

    images: int
    broken: int
    accuracies: list[Accuracy]
    agreements: list[Agreement]

    def to_dict(self) -> dict[str, Any]:
        """Give the evaluation for JSON."""
        return {
            "images": self.images,
            "broken": self.broken,
            "models": [
                {"model": entry.model, "top1": entry.top1.to_dict(), "top5": entry.top5.to_dict()}
                for entry in self.accuracies
            ],
            "agreements": [
                {
                    "first": entry.first,
                    "second": entry.second,
                    "same_top1": entry.same_top1.to_dict(),
                    "mean_logit_error": entry.mean_logit_error,
                    "max_logit_error": entry.max_logit_error,
                }
                for entry in self.agreements
            ],
        }


def evaluate(
    models: Sequence[Model],
    folder: ImageFolder,
    preprocess: ToArray,
    *,
    on_broken: OnBroken | None = None,
    providers: Sequence[str] | None = None,
    jobs: int = 1,
    progress: Progress = SILENT,
) -> Evaluation:
    """Run classifiers over the labelled images of a folder; memory does not grow with their number.

    Where logits are equal the lower class counts as the better answer.

    Args:
        models: each has one float32 input [N, 3, H, W] (N fixed or symbolic; a symbolic H or W is taken as 224), the
            same H and W in all of them, and a first output of logits, [N, classes] with any further dimensions 1.
        folder: images, each with a label.
        preprocess: makes the input of an image.
        on_broken: called with each image that cannot be read; such images are left out and counted.
        providers: ONNX Runtime's execution providers, the preferred first.
        jobs: how many threads decode images.
        progress: notified of every image.

    Returns:
        Top-1 and top-5 of each model with their intervals, and how far each pair of models agrees.

    Raises:
        ValidationError: an image has no label or one beyond the classes, a model is of another shape, logits are not
            finite, or no image can be read.
    """
    truth = [sample.label for sample in folder if sample.label is not None]
    if len(truth) < len(folder):
        name = next(sample.path.name for sample in folder if sample.label is None)
        raise ValidationError(f"{folder.path}: {name} has no label; give a labels file, or put images in class folders")
    if not models:
        raise ValidationError("no model to evaluate")
    classifiers = [Classifier(model, providers) for model in models]
    size = _common_size(classifiers)
    tallies = [_Tally() for _ in classifiers]
    pairs = [(i, j, _Distance()) for i, j in combinations(range(len(classifiers)), 2)]
    group = max(classifier.batch for classifier in classifiers)
    highest = max(truth)
    total = 0
    with progress.task("images", len(folder)) as task, ThreadExecutor(jobs) as decoders:
        for images, labels in _batches(folder, preprocess, size, group, decoders, _counted(task, on_broken)):
            logits = [classifier.logits(images) for classifier in classifiers]
            _check_classes(logits, classifiers, highest, folder)
            for tally, values in zip(tallies, logits, strict=True):
                tally.add(values, labels)
            for i, j, distance in pairs:
                distance.add(logits[i], logits[j])
            total += len(images)
            task.advance(steps=len(images))
    if not total:
        raise ValidationError(f"{folder.path}: none of its {len(folder)} images can be read")
    names = [classifier.name for classifier in classifiers]
    return Evaluation(
        total,
        len(folder) - total,
        [
            Accuracy(name, Share(tally.top1, total), Share(tally.top5, total))
            for name, tally in zip(names, tallies, strict=True)
        ],
        [distance.agreement(names[i], names[j], total) for i, j, distance in pairs],
    )


def _counted(task: Task, on_broken: OnBroken | None) -> OnBroken:
    """Called with a broken image, which counts as done."""

    def skip(path: Path, reason: str) -> None:
        if on_broken is not None:
            on_broken(path, reason)
        task.advance()

    return skip


def _batches(
    folder: ImageFolder,
    preprocess: ToArray,
    size: tuple[int, int],
    group: int,
    decoders: Executor,
    on_broken: OnBroken,
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    stream = folder.arrays(preprocess, size, on_broken=on_broken, executor=decoders)
    while part := list(islice(stream, group)):
        labels = [sample.label for sample, _ in part]
        yield np.stack([array for _, array in part]), np.array(labels, np.int64)


class Classifier:
    """A model that reads images: `size` is its (height, width), `batch` how many images it takes at once."""

    def __init__(self, model: Model, providers: Sequence[str] | None = None) -> None:
        self.name = model_name(model)
        required = [port for port in input_ports(load_model(model, external_data=False).graph) if port.required]
        if len(required) != 1:
            names = ", ".join(port.name for port in required) or "none"
            raise ValidationError(f"{self.name}: expected one input, an image; it has {len(required)}: {names}")
        self._input = required[0]
        shape = self._input.shape
        if (
            self._input.kind != "tensor"
            or self._input.elem_type != TensorProto.FLOAT
            or shape is None
            or len(shape) != 4
            or (isinstance(shape[1], int) and shape[1] != 3)
        ):
            raise ValidationError(
                f"{self.name}: input {self._input.name!r} is {_spelled(self._input.elem_type, shape)}; "
                "expected float [N, 3, height, width]"
            )
        self.batch = shape[0] if isinstance(shape[0], int) else 1
        self.size = tuple(side if isinstance(side, int) else _USUAL_SIDE for side in shape[2:])
        if 0 in (self.batch, *self.size):
            raise ValidationError(f"{self.name}: input {self._input.name!r} has a dimension of 0, so no image fits")
        self._runner = runner_for(model, providers=providers)

    def logits(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the first output for images [n, 3, height, width] as [n, classes]. Raises ValidationError."""
        rows = [self._batch(images[start : start + self.batch]) for start in range(0, len(images), self.batch)]
        return np.concatenate(rows)

    def _batch(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        absent = self.batch - len(images)
        # a fixed batch is filled up, and what was filled is cut off again
        full = np.concatenate([images, np.repeat(images[-1:], absent, axis=0)]) if absent else images
        output = next(iter(self._runner.run({self._input.name: full}).values()))
        shape = np.shape(output)
        if len(shape) < 2 or shape[0] != self.batch or math.prod(shape[2:]) != 1:
            raise ValidationError(f"{self.name}: its first output is {list(shape)}; expected [{self.batch}, classes]")
        values = output.reshape(shape[:2])[: len(images)].astype(np.float32)
        if not np.isfinite(values).all():
            raise ValidationError(f"{self.name}: gives logits that are not finite (NaN or infinity)")
        return values


def _spelled(elem_type: int, shape: Sequence[int | str | None] | None) -> str:
    kind = TensorProto.DataType.Name(elem_type).lower()
    sizes = "of unknown rank" if shape is None else "[" + ", ".join("?" if s is None else str(s) for s in shape) + "]"
    return f"{kind} {sizes}"


def _common_size(classifiers: list[Classifier]) -> tuple[int, int]:
    first = classifiers[0]
    for other in classifiers[1:]:
        if other.size != first.size:
            raise ValidationError(
                f"{other.name}: reads images of {other.size}, {first.name} of {first.size}: evaluate them separately"
            )
    height, width = first.size
    return height, width


def _check_classes(
    logits: list[NDArray[np.float32]], classifiers: list[Classifier], highest: int, folder: ImageFolder
) -> None:
    classes = logits[0].shape[1]
    for values, classifier in zip(logits, classifiers, strict=True):
        if values.shape[1] != classes:
            raise ValidationError(
                f"{classifier.name}: {values.shape[1]} classes, but {classifiers[0].name} has {classes}: "
                "evaluate them separately"
            )
    if highest >= classes:
        raise ValidationError(
            f"{folder.path}: label {highest} is beyond the {classes} classes of {classifiers[0].name} "
            f"(0 .. {classes - 1}): give the file of labels that the model was trained with"
        )


class _Tally:
    def __init__(self) -> None:
        self.top1 = self.top5 = 0

    def add(self, logits: NDArray[np.float32], truth: NDArray) -> None:
        own = np.take_along_axis(logits, truth[:, None], axis=1)
        lower = np.arange(logits.shape[1])[None, :] < truth[:, None]
        better = ((logits > own) | ((logits == own) & lower)).sum(axis=1)
        self.top1 += int((better < 1).sum())
        self.top5 += int((better < 5).sum())


class _Distance:
    """Sums in float64, from which the error and the logits' standard deviation come without keeping the logits."""

    def __init__(self) -> None:
        self.same = self.count = 0
        self.error = self.largest = self.sum = self.squares = 0.0

    def add(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> None:
        expected = first.astype(np.float64)
        error = np.abs(second - expected)
        self.same += int((first.argmax(axis=1) == second.argmax(axis=1)).sum())
        self.count += first.size
        self.error += float(error.sum())
        self.largest = max(self.largest, float(error.max()))
        self.sum += float(expected.sum())
        self.squares += float((expected**2).sum())

    def agreement(self, first: str, second: str, images: int) -> Agreement:
        mean = self.sum / self.count
        deviation = math.sqrt(max(self.squares / self.count - mean * mean, 0.0))
        share = Share(self.same, images)
        if deviation == 0:
            return Agreement(first, second, share, None, None)
        return Agreement(first, second, share, self.error / self.count / deviation, self.largest / deviation)
