"""A few images of a folder, small, with what classifiers answer: for people to look at."""

import base64
import io
import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoosmith.execution import Executor, Shared
from zoosmith.validation.accuracy.portions import Panel
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.reading.images import ImageFolder, Sample, load_image
from zoosmith.validation.reading.preprocess import ToArray

if TYPE_CHECKING:
    from PIL.Image import Image

# about 3 kB each
_SIDE, _QUALITY = 128, 75
_SHOWN = 5


@dataclass(frozen=True)
class Answer:
    """A class that a model gives: its index, the name of its folder (empty where there is none), its logit."""

    index: int
    name: str
    score: float


@dataclass(frozen=True)
class SamplePicture:
    """An image.

    Attributes:
        image: name of the file.
        label: the class index that its label says.
        name: of that class; empty where classes have no folders.
        jpeg: the image, at most 128 pixels a side, as JPEG in base64.
        answers: by model the five best classes, the best first.
    """

    image: str
    label: int | None
    name: str
    jpeg: str
    answers: dict[str, list[Answer]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        answers = {
            model: [{"class": each.index, "name": each.name, "score": each.score} for each in listed]
            for model, listed in self.answers.items()
        }
        return {**asdict(self), "answers": answers}


def sample_pictures(executor: Executor, panel: Shared[Panel], folder: ImageFolder, count: int) -> list[SamplePicture]:
    """Run the models of a panel on a few images, spread evenly over a folder; unreadable ones are left out.

    Args:
        executor: where they are run.
        panel: the models.
        folder: the images.
        count: how many images at most.

    Raises:
        ValidationError: a model does not run.
    """
    names = {
        sample.label: parts[0]
        for sample in folder
        if sample.label is not None and len(parts := sample.path.relative_to(folder.path).parts) > 1
    }
    chosen = dict.fromkeys(folder.samples[index * len(folder) // count] for index in range(count))
    samples = [Sample(Path(os.path.abspath(sample.path)), sample.label) for sample in chosen]
    found = executor.map(partial(_picture, panel, names), samples)
    return [picture for picture in found if picture is not None]


def _picture(panel: Shared[Panel], names: dict[int, str], sample: Sample) -> SamplePicture | None:
    small = _Small(panel.value.preprocess)
    try:
        array = load_image(sample.path, small, panel.value.size)
    except ValidationError:
        return None
    logits = panel.value.logits([array])
    answers = {model: _best(rows[0], names) for model, rows in zip(panel.value.names, logits, strict=True)}
    name = "" if sample.label is None else names.get(sample.label, "")
    return SamplePicture(sample.path.name, sample.label, name, small.jpeg, answers)


class _Small:
    """A preprocessing that keeps a small JPEG of the image it was given."""

    def __init__(self, preprocess: ToArray) -> None:
        self._preprocess = preprocess
        self.jpeg = ""

    def __call__(self, image: "Image", size: tuple[int, int]) -> NDArray[np.float32]:
        small = image.convert("RGB")
        small.thumbnail((_SIDE, _SIDE))
        file = io.BytesIO()
        small.save(file, "JPEG", quality=_QUALITY)
        self.jpeg = base64.b64encode(file.getvalue()).decode()
        return self._preprocess(image, size)


def _best(logits: NDArray[np.float32], names: dict[int, str]) -> list[Answer]:
    """The best classes; where logits are equal the lower class comes first."""
    order = np.argsort(-logits, kind="stable")[:_SHOWN]
    return [Answer(int(index), names.get(int(index), ""), round(float(logits[index]), 4)) for index in order]
