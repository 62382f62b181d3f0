"""A few images of a folder, small, with what classifiers answer: for people to look at."""

import base64
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoosmith.onnx_model.loading import Model
from zoosmith.validation.classifier import Classifier
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.images import ImageFolder, load_image
from zoosmith.validation.preprocess import ToArray

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


def sample_pictures(
    models: Sequence[Model],
    folder: ImageFolder,
    preprocess: ToArray,
    *,
    count: int = 8,
    providers: Sequence[str] | None = None,
) -> list[SamplePicture]:
    """Run classifiers on a few images, spread evenly over a folder; unreadable ones are left out.

    Args:
        models: as `evaluate` takes them.
        folder: the images.
        preprocess: makes the input of an image.
        count: how many images at most.
        providers: ONNX Runtime's execution providers, the preferred first.

    Raises:
        ValidationError: a model is no classifier of images or does not run.
    """
    samples = [folder.samples[index * len(folder) // count] for index in range(count)]
    names = {
        sample.label: parts[0]
        for sample in folder
        if sample.label is not None and len(parts := sample.path.relative_to(folder.path).parts) > 1
    }
    classifiers = [Classifier(model, providers) for model in models]
    sizes = [(each.size[0], each.size[1]) for each in classifiers]
    found = []
    for sample in dict.fromkeys(samples):
        small = _Small(preprocess)
        try:
            arrays = {size: load_image(sample.path, small, size) for size in sizes}
        except ValidationError:
            continue
        answers = {
            each.name: _best(each.logits(arrays[size][None])[0], names)
            for each, size in zip(classifiers, sizes, strict=True)
        }
        name = "" if sample.label is None else names.get(sample.label, "")
        found.append(SamplePicture(sample.path.name, sample.label, name, small.jpeg, answers))
    return found


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
