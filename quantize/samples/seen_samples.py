"""Whether images that accuracy is measured on were calibrated on: the figure would flatter the model."""

from collections.abc import Iterable, Iterator

from onnx import ModelProto

from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.samples.digests import DIGITS, PixelDigest, array_digest
from zoosmith.quantize.samples.reading import LazySamples
from zoosmith.validation import ImageFolder, InputSource, ValidationError
from zoosmith.validation.accuracy.classifier import image_input
from zoosmith.validation.reading.images import load_image
from zoosmith.validation.reading.preprocess import ToArray

# of a model's metadata: the hashes, sorted, each of as many digits
_KEY = "zoosmith.calibrated_on"


def sample_digests(samples: Samples) -> frozenset[str]:
    """Hashes of samples: of the decoded pixels of images, else of each entry of arrays along axis 0."""
    if isinstance(samples, LazySamples) and samples.digests is not None:
        return samples.digests
    # a scalar, as a sampling rate, tells no sample from another
    arrays = (array for sample in samples for array in sample.values() if array.ndim)
    return frozenset(array_digest(entry) for array in arrays for entry in array)


def refuse_seen(
    model: ModelProto,
    seen: frozenset[str],
    folder: ImageFolder,
    to_array: ToArray,
    inputs: InputSource | None = None,
) -> None:
    """Refuse to measure accuracy on images that were calibrated on.

    Images are compared by their decoded pixels, so that the same picture in another file, of another name or format, is
    the same, whatever it is pre-processed by; and as the model reads them, as they may stand in an NPZ file.

    Args:
        model: reads the images.
        seen: hashes of what was calibrated on.
        folder: the images to measure on; those that cannot be read are left out.
        to_array: makes the model's input of an image.
        inputs: sizes that are given for what the model leaves open.

    Raises:
        QuantizeError: some were calibrated on; the message names the first one and counts them.
    """
    if not seen:
        return
    reads, found = image_input(model, inputs=inputs), []
    for image in folder:
        pixels = PixelDigest(to_array)
        try:
            array = load_image(image.path, pixels, reads.size)
        except ValidationError:
            continue
        if pixels.digest in seen or array_digest(reads.arranged(array[None])[0]) in seen:
            found.append(image.path)
    if found:
        raise QuantizeError(
            f"{folder.path}: {len(found)} of its {len(folder)} images were calibrated on, {found[0].name} first; "
            "measure accuracy on others"
        )


def state_digests(model: ModelProto, digests: Iterable[str]) -> None:
    """Let a model state what it was calibrated on, beside what it states already."""
    text = "".join(sorted({*digests, *stated_digests(model)}))
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key != _KEY]
    del model.metadata_props[:]
    for key, value in [*kept, *([(_KEY, text)] if text else [])]:
        model.metadata_props.add(key=key, value=value)


def stated_digests(model: ModelProto) -> frozenset[str]:
    """The hashes of what a model was calibrated on; none where it states nothing."""
    return frozenset(_stated(model))


def _stated(model: ModelProto) -> Iterator[str]:
    for entry in model.metadata_props:
        if entry.key == _KEY:
            yield from (entry.value[start : start + DIGITS] for start in range(0, len(entry.value), DIGITS))
