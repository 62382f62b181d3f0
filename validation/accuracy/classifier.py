"""Models that read images and give a row of logits for each."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from zoosmith.execution import CarriedFiles
from zoosmith.onnx_model.external_data import external_files
from zoosmith.onnx_model.links import as_path
from zoosmith.onnx_model.loading import Model, load_model, load_structure, model_name
from zoosmith.onnx_model.ports import Port
from zoosmith.validation.errors import RunError, ValidationError
from zoosmith.validation.inputs.given_sizes import sized_ports, ways_to_give
from zoosmith.validation.inputs.sizes import size_name
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.running.onnx_runtime import OnnxRuntimeRunner

# What a model with a symbolic height or width is fed: the size of ImageNet's classifiers.
_USUAL_SIDE = 224
# Images at once where a model takes any number. On a core, one is as fast as eight (DenseNet-121, fp32 and int8) and
# takes the least memory; what stands behind other providers needs many to be busy.
_BATCH_ON_CPU, _BATCH_ELSEWHERE = 1, 16


@dataclass(frozen=True)
class ImageInput:
    """The input of a model that reads images.

    Attributes:
        name: of the input.
        batch: how many images it is given at once.
        size: height and width.
        axis: of the channels: 1, or 3 where they come last.
        grey: it has one channel, the mean of the three.
        chosen: what is said of the size where the model leaves it open and nobody gave it; empty otherwise.
    """

    name: str
    batch: int
    size: tuple[int, int]
    axis: int = 1
    grey: bool = False
    chosen: str = ""

    def explained(self, error: ValidationError) -> ValidationError:
        """The error; where the model does not run on a size that was chosen here, with that and how to give another."""
        if not self.chosen or not isinstance(error, RunError) or self.chosen in str(error):
            return error
        return RunError(f"{error}; {self.chosen}")

    def arranged(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Lay out images, float32 [n, 3, height, width], as the model reads them."""
        if self.grey:
            images = images.mean(axis=1, keepdims=True, dtype=np.float32)
        return images if self.axis == 1 else np.ascontiguousarray(np.moveaxis(images, 1, self.axis))


def image_input(model: Model, providers: Sequence[str] | None = None, inputs: InputSource | None = None) -> ImageInput:
    """Find the one input of a model, float32 [N, 3, H, W] or [N, H, W, 3]; a symbolic H or W is taken as 224.

    One channel in the place of the three is grey.

    Args:
        model: the model.
        providers: execution providers; those beside the CPU's get batches where N is symbolic.
        inputs: sizes that are given for what is symbolic.

    Raises:
        ValidationError: it has another input, or several, or none of a size that is given.
    """
    name = model_name(model)
    required = sized_ports(load_model(model, external_data=False), inputs or InputSource(), name)
    if len(required) != 1:
        names = ", ".join(port.name for port in required) or "none"
        raise ValidationError(f"{name}: expected one input, an image; it has {len(required)}: {names}")
    (port,) = required
    shape = port.shape
    axis = channel_axis(port)
    if axis is None or shape is None:
        raise ValidationError(
            f"{name}: input {port.name!r} is {_spelled(port.elem_type, shape)}; expected float [N, 3, height, width] "
            "or [N, height, width, 3]"
        )
    many = _BATCH_ELSEWHERE if providers and not providers[0].startswith("CPU") else _BATCH_ON_CPU
    batch, height, width = (
        size if isinstance(size, int) else other
        for size, other in zip(shape[:axis] + shape[axis + 1 :], (many, _USUAL_SIDE, _USUAL_SIDE), strict=True)
    )
    if 0 in (batch, height, width):
        raise ValidationError(f"{name}: input {port.name!r} has a dimension of 0, so no image fits")
    return ImageInput(port.name, batch, (height, width), axis, shape[axis] == 1, _chosen(port, axis, (height, width)))


def _chosen(port: Port, axis: int, size: tuple[int, int]) -> str:
    """What is said of a height or width that the model leaves open."""
    axes = [each for each in range(1, 4) if each != axis and not isinstance((port.shape or ())[each], int)]
    if not axes:
        return ""
    free = [size_name(port, each) for each in axes]
    return (
        f"the model leaves {' and '.join(free)} open, and images are {size[0]} x {size[1]}: "
        f"give sizes that fit with {' or '.join(ways_to_give([port], free))}"
    )


def channel_axis(port: Port) -> int | None:
    """Where an input of images has its channels, 1 or 3; None for one that takes no images."""
    shape = port.shape
    if port.kind != "tensor" or port.elem_type != TensorProto.FLOAT or shape is None or len(shape) != 4:
        return None
    for channels in (3, 1):
        if channels in (shape[1], shape[3]):
            return 1 if shape[1] == channels else 3
    return None if isinstance(shape[1], int) else 1


def carried(model: Model) -> "Carried":
    """The model as it can be sent to workers of an executor, which may be other machines."""
    if isinstance(model, (bytes, ModelProto)):
        return Carried(model_name(model), model)
    path = as_path(model)
    return Carried(model_name(model), CarriedFiles(path, external_files(load_structure(path))))


@dataclass(frozen=True)
class Carried:
    """A model, and what messages call it.

    Attributes:
        name: of the model.
        content: the model, or its files.
    """

    name: str
    content: "Model | CarriedFiles"


class Classifier:
    """A model that reads images, ready to be run by several threads at a time.

    Args:
        model: as for `runner_for`, or carried from elsewhere.
        providers: execution providers of ONNX Runtime.
        threads: inside an operator; None leaves it to ONNX Runtime.
        inputs: sizes that are given for what the model leaves open.

    Attributes:
        name: what messages call it.
        batch: how many images it is given at once.
        size: their height and width.
    """

    def __init__(
        self,
        model: Model | Carried,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        inputs: InputSource | None = None,
    ) -> None:
        source = model if isinstance(model, Carried) else Carried(model_name(model), model)
        self.name = source.name
        self._files = source.content if isinstance(source.content, CarriedFiles) else None
        here: Model = source.content.path if isinstance(source.content, CarriedFiles) else source.content
        self._local_name = model_name(here)
        try:
            self._input = image_input(here, providers, inputs)
            self._runner = runner_for(here, providers=providers, threads=threads)
        except ValidationError as error:
            raise self._named(error) from error
        self.batch = self._input.batch
        self.size = self._input.size
        # the reference evaluator is not made for several threads
        self._alone = None if isinstance(self._runner, OnnxRuntimeRunner) else threading.Lock()

    def logits(self, images: NDArray[np.float32] | Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Give the first output for images.

        Args:
            images: float32 [n, 3, height, width], or each of [3, height, width].

        Returns:
            float32 [n, classes].

        Raises:
            ValidationError: the model fails, gives no rows of logits, or some that are not finite.
        """
        parts = (images[start : start + self.batch] for start in range(0, len(images), self.batch))
        return np.concatenate([self._batch(_stacked(part)) for part in parts])

    def _batch(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        absent = self.batch - len(images)
        # a batch is filled up, and what was filled is cut off again
        full = np.concatenate([images, np.repeat(images[-1:], absent, axis=0)]) if absent else images
        output = self._run(full)
        shape = np.shape(output)
        if len(shape) < 2 or shape[0] != self.batch or math.prod(shape[2:]) != 1:
            raise ValidationError(f"{self.name}: its first output is {list(shape)}; expected [{self.batch}, classes]")
        values = output.reshape(shape[:2])[: len(images)].astype(np.float32)
        if not np.isfinite(values).all():
            raise ValidationError(f"{self.name}: gives logits that are not finite (NaN or infinity)")
        return values

    def _run(self, images: NDArray[np.float32]) -> NDArray:
        try:
            if self._alone is None:
                outputs = self._runner.run({self._input.name: self._input.arranged(images)})
            else:
                with self._alone:
                    outputs = self._runner.run({self._input.name: self._input.arranged(images)})
        except ValidationError as error:
            raise self._named(self._input.explained(error)) from error
        return next(iter(outputs.values()))

    def _named(self, error: ValidationError) -> ValidationError:
        """The error with the name that the user knows, where the model's file was carried elsewhere."""
        text = str(error)
        if self._local_name == self.name or not text.startswith(self._local_name):
            return error
        return type(error)(self.name + text.removeprefix(self._local_name))


def _stacked(images: NDArray[np.float32] | Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    if isinstance(images, np.ndarray):
        return images
    return images[0][None] if len(images) == 1 else np.stack(images)


def _spelled(elem_type: int, shape: Sequence[int | str | None] | None) -> str:
    kind = TensorProto.DataType.Name(elem_type).lower()
    sizes = "of unknown rank" if shape is None else "[" + ", ".join("?" if s is None else str(s) for s in shape) + "]"
    return f"{kind} {sizes}"
