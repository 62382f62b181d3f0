"""What is counted of a portion of images: whole numbers, and sums that add up to the same in any order.

The images of a folder are cut into the same portions whoever counts them, so that threads, other machines, and runs
that go on with an earlier one give the same figures to the last bit.
"""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoosmith.execution import Shared, keep_freed
from zoosmith.validation.accuracy.classifier import Carried, Classifier
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.reading.images import Sample, load_image
from zoosmith.validation.reading.preprocess import ToArray
from zoosmith.validation.running.run_limit import runs_limited

# so many that handing them out costs nothing, so few that the last worker ends soon after the others
_IMAGES = 16
# images that are read one after the other before models run on them: that takes two thirds of the time, for a run
# pushes the decoder out of the caches
_READ = 8


@dataclass(frozen=True)
class Portion:
    """Images that are counted together.

    Attributes:
        number: of the portion, from 0.
        images: absolute path and label of each.
    """

    number: int
    images: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Distance:
    """How far the logits of two models are from each other.

    Attributes:
        same: images with the same best class.
        count: logits.
        error: sum of |second - first|.
        largest: of them.
        sum: of the first model's logits.
        squares: sum of their squares.
    """

    same: int
    count: int
    error: float
    largest: float
    sum: float
    squares: float


@dataclass(frozen=True)
class Counts:
    """What was counted of a portion.

    Attributes:
        number: of the portion.
        images: that could be read.
        top1: images whose label is the best answer, for each model.
        top5: images whose label is among the five best.
        distances: of each pair of models, in the order of `itertools.combinations`.
        broken: images that cannot be read: position in the portion, and the reason.
    """

    number: int
    images: int
    top1: tuple[int, ...]
    top5: tuple[int, ...]
    distances: tuple[Distance, ...]
    broken: tuple[tuple[int, str], ...]

    def as_dict(self) -> dict[str, Any]:
        """Give plain values for JSON, which keeps every bit of them."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "Counts":
        """Read what `as_dict` gave. Raises LookupError, TypeError or ValueError for anything else."""
        return Counts(
            number=int(values["number"]),
            images=int(values["images"]),
            top1=tuple(map(int, values["top1"])),
            top5=tuple(map(int, values["top5"])),
            distances=tuple(Distance(**each) for each in values["distances"]),
            broken=tuple((int(place), str(reason)) for place, reason in values["broken"]),
        )


class Portions:
    """Images cut into portions of whole batches; each portion is made when it is asked for.

    Args:
        samples: the images, each with a label.
        batch: the most that a model takes at once.

    Attributes:
        size: images of a portion; the last one may have fewer.
    """

    def __init__(self, samples: Sequence[Sample], batch: int) -> None:
        self.size = batch * max(1, _IMAGES // batch)
        self._samples = samples

    def __len__(self) -> int:
        return (len(self._samples) + self.size - 1) // self.size

    def __getitem__(self, number: int) -> Portion:
        images = self._samples[number * self.size : (number + 1) * self.size]
        return Portion(number, tuple((os.path.abspath(sample.path), sample.label or 0) for sample in images))

    def images(self, number: int) -> int:
        """How many images a portion has."""
        return min(self.size, len(self._samples) - number * self.size)


def added(distances: Iterable[Distance]) -> Distance:
    """Add what was counted of one pair; sums are rounded once, so that their order makes no difference."""
    every = list(distances)
    return Distance(
        same=sum(each.same for each in every),
        count=sum(each.count for each in every),
        error=math.fsum(each.error for each in every),
        largest=max(each.largest for each in every),
        sum=math.fsum(each.sum for each in every),
        squares=math.fsum(each.squares for each in every),
    )


class Panel:
    """Classifiers that see the same images, each run by one thread for each portion that is counted.

    Args:
        models: the classifiers.
        preprocess: makes the input of an image.
        providers: execution providers of ONNX Runtime.
        highest: label of all images.
        origin: of the labels, for messages.
        seconds: that loading a model, or a run of it, may take; None for no limit.
        inputs: sizes that are given for what models leave open.

    Attributes:
        names: what messages call the models.
        preprocess: makes the input of an image.
        size: height and width of the input.

    Raises:
        ValidationError: a model cannot be loaded.
    """

    def __init__(
        self,
        models: Sequence[Carried],
        preprocess: ToArray,
        providers: Sequence[str] | None,
        highest: int,
        origin: str,
        seconds: float | None,
        inputs: InputSource | None = None,
    ) -> None:
        # where portions are counted side by side, threads inside of operators would only wait for each other
        with runs_limited(seconds):
            self._classifiers = [Classifier(model, providers, threads=1, inputs=inputs) for model in models]
        keep_freed()
        self._seconds = seconds
        self.names = [classifier.name for classifier in self._classifiers]
        self.preprocess = preprocess
        self.size = self._classifiers[0].size
        largest = max(classifier.batch for classifier in self._classifiers)
        self._group = largest * max(1, _READ // largest)
        self._highest = highest
        self._origin = origin

    def count(self, portion: Portion) -> Counts:
        """Read the images of a portion and run every model on them.

        Raises:
            ValidationError: a model fails, gives logits that are not finite, or has too few classes for a label.
        """
        number = len(self._classifiers)
        top1, top5 = [0] * number, [0] * number
        distances: list[list[Distance]] = [[] for _ in combinations(range(number), 2)]
        broken: list[tuple[int, str]] = []
        waiting: list[tuple[NDArray[np.float32], int]] = []
        images = 0

        def run() -> None:
            labels = np.array([label for _, label in waiting], np.int64)
            logits = self.logits([array for array, _ in waiting])
            waiting.clear()
            self._check_classes(logits)
            for index, values in enumerate(logits):
                better = _better(values, labels)
                top1[index] += int((better < 1).sum())
                top5[index] += int((better < 5).sum())
            for found, (first, second) in zip(distances, combinations(logits, 2), strict=True):
                found.append(_distance(first, second))

        for place, (path, label) in enumerate(portion.images):
            try:
                waiting.append((load_image(Path(path), self.preprocess, self.size), label))
            except ValidationError as error:
                broken.append((place, str(error).removeprefix(f"{path}: ")))
                continue
            images += 1
            if len(waiting) == self._group:
                run()
        if waiting:
            run()
        totals = tuple(added(each) for each in distances) if images else ()
        return Counts(portion.number, images, tuple(top1), tuple(top5), totals, tuple(broken))

    def logits(self, images: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Run every model.

        Args:
            images: each float32 [3, height, width].

        Returns:
            Logits of each model, [n, classes].

        Raises:
            ValidationError: a model fails, or gives logits that are not finite.
        """
        with runs_limited(self._seconds):
            return [classifier.logits(images) for classifier in self._classifiers]

    def _check_classes(self, logits: list[NDArray[np.float32]]) -> None:
        first, classes = self._classifiers[0].name, logits[0].shape[1]
        for values, classifier in zip(logits, self._classifiers, strict=True):
            if values.shape[1] != classes:
                raise ValidationError(
                    f"{classifier.name}: {values.shape[1]} classes, but {first} has {classes}: evaluate them separately"
                )
        if self._highest >= classes:
            raise ValidationError(
                f"{self._origin}: label {self._highest} is beyond the {classes} classes of {first} "
                f"(0 .. {classes - 1}): give the file of labels that the model was trained with"
            )


def count_portion(panel: Shared[Panel], portion: Portion) -> Counts:
    """Count a portion where an executor runs it.

    Args:
        panel: of the worker.
        portion: what to count.
    """
    return panel.value.count(portion)


def _better(logits: NDArray[np.float32], truth: NDArray) -> NDArray:
    """How many classes are better answers than the label; of equal logits the lower class is."""
    own = np.take_along_axis(logits, truth[:, None], axis=1)
    lower = np.arange(logits.shape[1])[None, :] < truth[:, None]
    return ((logits > own) | ((logits == own) & lower)).sum(axis=1)


def _distance(first: NDArray[np.float32], second: NDArray[np.float32]) -> Distance:
    expected = first.astype(np.float64)
    error = np.abs(second - expected)
    return Distance(
        same=int((first.argmax(axis=1) == second.argmax(axis=1)).sum()),
        count=first.size,
        error=float(error.sum()),
        largest=float(error.max()),
        sum=float(expected.sum()),
        squares=float((expected**2).sum()),
    )
