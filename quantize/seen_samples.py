"""Whether images that accuracy is measured on were calibrated on: the figure would flatter the model."""

import hashlib
from collections.abc import Iterable, Iterator

from onnx import ModelProto

from zoosmith.onnx_model.constants import Array
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.errors import QuantizeError
from zoosmith.validation import ImageFolder
from zoosmith.validation.classifier import Classifier
from zoosmith.validation.preprocess import ToArray

# of a model's metadata: the hashes, sorted, each of as many digits
_KEY = "zoosmith.calibrated_on"

# hexadecimal digits of a hash: of a million images and a thousand samples, two are alike by chance once in 280,000
_DIGITS = 12


def sample_digests(samples: Samples) -> frozenset[str]:
    """Hashes of what a model of one input reads in samples: of each entry along axis 0."""
    return frozenset(_digest(entry) for sample in samples for array in sample.values() for entry in array)


def refuse_seen(model: ModelProto, seen: frozenset[str], folder: ImageFolder, to_array: ToArray) -> None:
    """Refuse to measure accuracy on images that were calibrated on.

    Images are compared as the model reads them: decoded and pre-processed, so that the same picture in another file,
    of another name or format, is the same, and so is one in an NPZ file.

    Args:
        model: reads the images.
        seen: hashes of what was calibrated on.
        folder: the images to measure on; those that cannot be read are left out.
        to_array: makes the model's input of an image.

    Raises:
        QuantizeError: some were calibrated on; the message names the first one and counts them.
    """
    arrays = folder.arrays(to_array, Classifier(model).size, on_broken=lambda path, reason: None)
    found = [image.path for image, array in arrays if _digest(array) in seen]
    if found:
        raise QuantizeError(
            f"{folder.path}: {len(found)} of its {len(folder)} images were calibrated on, {found[0].name} first; "
            "measure accuracy on others"
        )


def state_digests(model: ModelProto, digests: Iterable[str]) -> None:
    """Let a model state what it was calibrated on."""
    text = "".join(sorted(digests))
    if text:
        model.metadata_props.add(key=_KEY, value=text)


def stated_digests(model: ModelProto) -> frozenset[str]:
    """The hashes of what a model was calibrated on; none where it states nothing."""
    return frozenset(_stated(model))


def _stated(model: ModelProto) -> Iterator[str]:
    for entry in model.metadata_props:
        if entry.key == _KEY:
            yield from (entry.value[start : start + _DIGITS] for start in range(0, len(entry.value), _DIGITS))


def _digest(array: Array) -> str:
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()[:_DIGITS]
