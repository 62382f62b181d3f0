"""Calibration samples: a model's inputs from images, from arrays in a file, made-up pictures, or random."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.ports import Port, input_ports
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.samples.digests import PixelDigest
from zoosmith.quantize.samples.made_pictures import made_pictures
from zoosmith.quantize.samples.sequence import SampleSequence
from zoosmith.validation import ImageFolder, InputSource, ValidationError, random_inputs
from zoosmith.validation.accuracy.classifier import ImageInput, channel_axis, image_input
from zoosmith.validation.reading.array_files import open_arrays
from zoosmith.validation.reading.images import OnBroken, load_image
from zoosmith.validation.reading.preprocess import ToArray

# sources that are no data of a user
SYNTHETIC = "synthetic"
SOUND = "synthetic sound"
MADE_UP = (SYNTHETIC, SOUND, "random")

Item = TypeVar("Item")


def takes_images(model: onnx.ModelProto) -> bool:
    """Whether the model's one input is float32 [N, 3, height, width] or [N, height, width, 3]."""
    required = [port for port in input_ports(model.graph) if port.required]
    if len(required) != 1:
        return False
    axis = channel_axis(required[0])
    # one channel may as well be a spectrogram
    return axis is not None and (required[0].shape or ())[axis] == 3


def random_samples(model: onnx.ModelProto, count: int, *, seed: int = 0) -> Samples:
    """`count` samples of `validation.random_inputs`, of seeds `seed`, `seed + 1`, ..., made when they are asked for."""
    return LazySamples(count, lambda index: random_inputs(model, seed=seed + index))


def synthetic_samples(
    model: onnx.ModelProto,
    count: int,
    preprocess: ToArray,
    *,
    seed: int = 0,
    kind: str | None = None,
    first: int = 0,
) -> Samples:
    """`count` made-up pictures from number `first` on, pre-processed, as many per sample as the model's batch holds.

    They are of a kind of `MadePictures`, by default natural ones, or lines of text where the model's input is wide and
    low. They are made when they are asked for: memory does not grow with their number.

    Raises ValidationError where the model does not read images.
    """
    reads = image_input(model)
    pictures = made_pictures(reads.size, seed, kind)
    # a batch of several has some of each sort
    sorts = pictures.sorts if reads.batch == 1 else 1
    numbers = range(first, first + count)
    return _in_batches(numbers, lambda number: preprocess(pictures[number], reads.size), reads, sorts=sorts)


def image_samples(
    model: onnx.ModelProto,
    folder: ImageFolder,
    preprocess: ToArray,
    *,
    on_broken: OnBroken | None = None,
    inputs: InputSource | None = None,
) -> Samples:
    """The images of a folder, as many a sample as the model's batch holds.

    All are decoded once, to know those that can be read, and again when a sample is asked for: memory does not grow
    with their number. `inputs` gives sizes that the model leaves open.

    Raises ValidationError where the model does not read images, and where none can be read.
    """
    reads = image_input(model, inputs=inputs)
    paths, digests = [], set()
    for image in folder:
        pixels = PixelDigest(preprocess)
        try:
            load_image(image.path, pixels, reads.size)
        except ValidationError as error:
            if on_broken is None:
                raise
            on_broken(image.path, str(error).removeprefix(f"{image.path}: "))
        else:
            paths.append(image.path)
            digests.add(pixels.digest)
    if not paths:
        raise ValidationError(f"{folder.path}: none of its {len(folder)} images can be read")
    return _in_batches(paths, lambda path: load_image(path, preprocess, reads.size), reads, digests=frozenset(digests))


class LazySamples(SampleSequence):
    """Samples that are made when they are asked for, and not kept; a slice of them is a list.

    Args:
        count: how many.
        make: gives the sample of a number from 0.
        digests: of the pictures that they are made of; None where these are no data of a user.
        sorts: of how many sorts they are, in turns.

    Attributes:
        digests: as given.
        sorts: as given.
    """

    def __init__(
        self,
        count: int,
        make: Callable[[int], Mapping[str, Array]],
        digests: frozenset[str] | None = None,
        sorts: int = 1,
    ) -> None:
        self._count = count
        self._make = make
        self.digests = digests
        self.sorts = sorts

    def part(self, first: int, last: int) -> "LazySamples":
        """Those from `first` to before `last`, made when they are asked for; of all, the digests."""
        return LazySamples(last - first, lambda index: self._make(first + index), self.digests, self.sorts)

    def __len__(self) -> int:
        return self._count

    def sample(self, index: int) -> Mapping[str, Array]:
        """As made for this index. Raises IndexError where there is none."""
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._make(index)


def _check_type(found: np.dtype, port: Port, path: str | os.PathLike[str]) -> None:
    """Raise QuantizeError where an array is of another type than an input."""
    wanted = onnx.helper.tensor_dtype_to_np_dtype(port.elem_type)
    # numpy's files know its own types only
    if wanted.isbuiltin == 1 and wanted.kind in "fiub" and found != wanted:
        raise QuantizeError(f"{path}: {port.name!r} is {found}; expected {wanted}")


def _in_batches(
    items: Sequence[Item],
    load: Callable[[Item], Array],
    reads: ImageInput,
    *,
    digests: frozenset[str] | None = None,
    sorts: int = 1,
) -> Samples:
    """Whole batches; what is left over would need made-up samples beside it. Fewer than one batch are repeated."""
    batch = reads.batch
    repeats = 1 if len(items) >= batch else -(-batch // len(items))
    every = (list(items) * repeats)[: max(batch, len(items))]

    def make(index: int) -> Mapping[str, Array]:
        images = np.stack([load(item) for item in every[index * batch : (index + 1) * batch]])
        return {reads.name: reads.arranged(images)}

    return LazySamples(len(every) // batch, make, digests, sorts)


def array_samples(model: onnx.ModelProto, path: str | os.PathLike[str], count: int) -> Samples:
    """Up to `count` samples of an NPZ file that holds, for each input by its name, an array of samples along axis 0.

    Of an input that is a scalar, the array has one axis.

    They are read when they are asked for: memory does not grow with their number.

    Raises ValidationError where it cannot be read, QuantizeError where an input is missing or of another shape or type,
    and where inputs disagree about the number of samples; both name the file.
    """
    ports = [port for port in input_ports(model.graph) if port.required]
    batches, numbers = {}, []
    with open_arrays(path) as arrays:
        for port in ports:
            if port.name not in arrays.names:
                held = ", ".join(arrays.names) or "none"
                raise QuantizeError(f"{path}: no array {port.name!r}, the model's input; it has {held}")
            shape = arrays.shape(port.name)
            _check_fits(shape, port, path)
            _check_type(arrays.dtype(port.name), port, path)
            batches[port.name] = _batch(port)
            numbers.append(shape[0] // _batch(port))
    if len(set(numbers)) > 1:
        raise QuantizeError(f"{path}: the arrays hold {', '.join(map(str, numbers))} samples, expected as many each")
    scalars = frozenset(port.name for port in ports if port.shape == ())
    return _ArraySamples(path, batches, scalars, min([count, *numbers]))


class _ArraySamples(SampleSequence):
    """Arrays of an NPZ file in whole batches, read when they are asked for."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        batches: Mapping[str, int],
        scalars: frozenset[str],
        count: int,
        first: int = 0,
    ) -> None:
        self._path = path
        self._batches = batches
        self._scalars = scalars
        self._count = count
        self._first = first

    def part(self, first: int, last: int) -> "_ArraySamples":
        """Those from `first` to before `last`."""
        return _ArraySamples(self._path, self._batches, self._scalars, last - first, self._first + first)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Mapping[str, Array]]:
        return self._read(0, self._count)

    def sample(self, index: int) -> Mapping[str, Array]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return next(self._read(index, index + 1))

    def _read(self, first: int, last: int) -> Iterator[Mapping[str, Array]]:
        with open_arrays(self._path) as arrays, ExitStack() as streams:
            rows = {
                name: streams.enter_context(closing(arrays.rows(name, batch, (self._first + first) * batch)))
                for name, batch in self._batches.items()
            }
            for _ in range(first, last):
                entries = {name: next(each) for name, each in rows.items()}
                yield {name: value.reshape(()) if name in self._scalars else value for name, value in entries.items()}


def array_files(source: str | os.PathLike[str]) -> list[Path]:
    """The NPZ files of a folder, by name; none where it is none."""
    folder = Path(source)
    return sorted(path for path in folder.glob("*.npz") if path.name[0] != ".") if folder.is_dir() else []


class _MergedSamples(SampleSequence):
    """Samples of several sources, each spread evenly over all, so that every part has some of each."""

    def __init__(self, sources: Sequence[Samples], places: Sequence[tuple[int, int]]) -> None:
        self._sources, self._places = sources, places

    @classmethod
    def of(cls, sources: Sequence[Samples]) -> "_MergedSamples":
        """All samples of the sources."""
        spread = [
            ((index + 0.5) / len(samples), number, index)
            for number, samples in enumerate(sources)
            for index in range(len(samples))
        ]
        return cls(sources, [(number, index) for _, number, index in sorted(spread)])

    def part(self, first: int, last: int) -> "_MergedSamples":
        """Those from `first` to before `last`."""
        return _MergedSamples(self._sources, self._places[first:last])

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Mapping[str, Array]]:
        # of each source a stretch in order: files are opened once
        numbers = dict.fromkeys(number for number, _ in self._places)
        stretches = {number: [place for other, place in self._places if other == number] for number in numbers}
        streams = {
            number: iter(part_of(self._sources[number], places[0], places[-1] + 1))
            for number, places in stretches.items()
        }
        return (next(streams[number]) for number, _ in self._places)

    def sample(self, index: int) -> Mapping[str, Array]:
        number, place = self._places[index]
        return self._sources[number][place]


def part_of(samples: Samples, first: int, last: int) -> Samples:
    """The samples from `first` to before `last`, read or made when they are asked for, as all of them are."""
    if isinstance(samples, LazySamples | _ArraySamples | _MergedSamples):
        return samples.part(first, last)
    return samples[first:last]


def sorts_of(samples: Samples) -> int:
    """Of how many sorts samples are, in turns; 1 where that is not known."""
    return samples.sorts if isinstance(samples, LazySamples) else 1


def _batch(port: Port) -> int:
    """Entries of an array along axis 0 that make a sample; of a scalar input it holds one each."""
    return port.shape[0] if port.shape and isinstance(port.shape[0], int) else 1


def _check_fits(found: Sequence[int], port: Port, path: str | os.PathLike[str]) -> None:
    """Raise QuantizeError where an array of this shape holds no samples of an input."""
    # a scalar has one in each entry
    shape = (None,) if port.shape == () else port.shape or ()
    fits = len(found) == len(shape) > 0 and all(
        not isinstance(size, int) or size == given for size, given in zip(shape[1:], found[1:], strict=True)
    )
    batch = _batch(port)
    if not fits or found[0] < max(1, batch):
        spelled = ", ".join("N" if index == 0 else str(size or "?") for index, size in enumerate(shape))
        raise QuantizeError(
            f"{path}: {port.name!r} is {list(found)}; expected [{spelled}] of at least {batch} along axis 0"
        )


def read_samples(
    model: onnx.ModelProto,
    source: str,
    count: int,
    preprocess: ToArray,
    *,
    seed: int = 0,
    kind: str | None = None,
    on_broken: OnBroken | None = None,
) -> Samples:
    """Samples from what a user names.

    Args:
        model: what reads them.
        source: `random`, `synthetic` (pictures of natural statistics), an NPZ file, a folder of them, whose samples may
            differ in shape from file to file, or a folder of images; samples are spread evenly over a folder.
        count: the most samples to take.
        preprocess: makes the model's input of a picture.
        seed: of `random` and `synthetic` ones.
        kind: of `synthetic` pictures, as for `synthetic_samples`.
        on_broken: called with images that cannot be read.

    Raises:
        QuantizeError: the source is not there, or is a file that does not fit the model.
        ValidationError: the model does not read images, or no image can be read.
    """
    if source == "random":
        return random_samples(model, count, seed=seed)
    if source == SYNTHETIC:
        return synthetic_samples(model, count, preprocess, seed=seed, kind=kind)
    if not Path(source).exists():
        raise QuantizeError(
            f"{source}: does not exist; expected a folder of images or NPZ files, an NPZ file, synthetic or random"
        )
    files = array_files(source)
    if files:
        return _MergedSamples.of([array_samples(model, path, count) for path in files]).part(0, count)
    if Path(source).is_dir():
        return image_samples(model, ImageFolder(source, limit=count), preprocess, on_broken=on_broken)
    return array_samples(model, source, count)
