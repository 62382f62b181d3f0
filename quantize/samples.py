"""Calibration samples: a model's inputs from images, from arrays in a file, made-up pictures, or random."""

import os
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import onnx

from zoosmith.onnx_model.ports import Port, input_ports
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.natural_images import natural_images
from zoosmith.validation import ImageFolder, load_images, random_inputs
from zoosmith.validation.accuracy import Classifier
from zoosmith.validation.images import OnBroken
from zoosmith.validation.preprocess import ToArray


def takes_images(model: onnx.ModelProto) -> bool:
    """Whether the model's one input is float32 [N, 3, height, width]."""
    required = [port for port in input_ports(model.graph) if port.required]
    if len(required) != 1 or required[0].elem_type != onnx.TensorProto.FLOAT:
        return False
    shape = required[0].shape
    return shape is not None and len(shape) == 4 and shape[1] == 3


def random_samples(model: onnx.ModelProto, count: int, *, seed: int = 0) -> Samples:
    """`count` samples of `validation.random_inputs`, of seeds `seed`, `seed + 1`, ..."""
    return [random_inputs(model, seed=seed + index) for index in range(count)]


def synthetic_samples(model: onnx.ModelProto, count: int, preprocess: ToArray, *, seed: int = 0) -> Samples:
    """`count` pictures of `natural_images`, pre-processed, as many per sample as the model's batch holds.

    Raises ValidationError where the model does not read images.
    """
    classifier = Classifier(model)
    height, width = classifier.size
    images = np.stack([preprocess(image, (height, width)) for image in natural_images(count, seed=seed)])
    return _batches(images, next(port.name for port in input_ports(model.graph) if port.required), classifier.batch)


def image_samples(
    model: onnx.ModelProto, folder: ImageFolder, preprocess: ToArray, *, on_broken: OnBroken | None = None
) -> Samples:
    """The images of a folder, as many a sample as the model's batch holds.

    Raises ValidationError where the model does not read images, and where none can be read.
    """
    classifier = Classifier(model)
    height, width = classifier.size
    images = load_images(folder, preprocess, (height, width), on_broken=on_broken)
    return _batches(images, next(port.name for port in input_ports(model.graph) if port.required), classifier.batch)


def array_samples(model: onnx.ModelProto, path: str | os.PathLike[str], count: int) -> Samples:
    """Up to `count` samples of an NPZ file that holds, for each input by its name, an array of samples along axis 0.

    Raises QuantizeError, naming the file, where it cannot be read, where an input is missing or of another shape, and
    where inputs disagree about the number of samples.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, BadZipFile, AttributeError) as error:
        raise QuantizeError(f"{path}: cannot be read as an NPZ file of arrays: {error}") from error
    parts = []
    for port in [port for port in input_ports(model.graph) if port.required]:
        if port.name not in arrays:
            raise QuantizeError(
                f"{path}: no array {port.name!r}, the model's input; it has {', '.join(arrays) or 'none'}"
            )
        parts.append(_split(arrays[port.name], port, path))
    if len({len(part) for part in parts}) > 1:
        raise QuantizeError(
            f"{path}: the arrays hold {', '.join(str(len(part)) for part in parts)} samples, expected as many each"
        )
    return [{name: value for one in together for name, value in one.items()} for together in zip(*parts, strict=True)][
        :count
    ]


def _split(array: np.ndarray, port: Port, path: str | os.PathLike[str]) -> Samples:
    shape = port.shape or ()
    fits = array.ndim == len(shape) and all(
        not isinstance(size, int) or size == found for size, found in zip(shape[1:], array.shape[1:], strict=True)
    )
    batch = shape[0] if shape and isinstance(shape[0], int) else 1
    if not fits or len(array) < batch:
        spelled = ", ".join("N" if index == 0 else str(size or "?") for index, size in enumerate(shape))
        raise QuantizeError(
            f"{path}: {port.name!r} is {list(array.shape)}; expected [{spelled}] of at least {batch} along axis 0"
        )
    return _batches(array, port.name, batch)


def _batches(array: np.ndarray, name: str, batch: int) -> Samples:
    """Whole batches; what is left over would need made-up samples beside it. Fewer than one batch are repeated."""
    if len(array) < batch:
        array = np.resize(array, (batch, *array.shape[1:]))
    return [{name: array[start : start + batch]} for start in range(0, len(array) - batch + 1, batch)]


def read_samples(
    model: onnx.ModelProto,
    source: str,
    count: int,
    preprocess: ToArray,
    *,
    on_broken: OnBroken | None = None,
) -> Samples:
    """Samples from what a user names.

    Args:
        model: what reads them.
        source: `random`, `synthetic` (pictures of natural statistics), an NPZ file, or a folder of images, spread
            evenly over it.
        count: the most samples to take.
        preprocess: makes the model's input of a picture.
        on_broken: called with images that cannot be read.

    Raises:
        QuantizeError: the source is not there, or is a file that does not fit the model.
        ValidationError: the model does not read images, or no image can be read.
    """
    if source == "random":
        return random_samples(model, count)
    if source == "synthetic":
        return synthetic_samples(model, count, preprocess)
    if not Path(source).exists():
        raise QuantizeError(f"{source}: does not exist; expected a folder of images, an NPZ file, synthetic or random")
    if Path(source).is_dir():
        return image_samples(model, ImageFolder(source, limit=count), preprocess, on_broken=on_broken)
    return array_samples(model, source, count)
