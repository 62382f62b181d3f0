"""Folders of images, read lazily: an ImageNet-style tree of class folders, or a flat folder with a file of labels."""

import csv
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zoosmith.execution import Executor, ThreadExecutor
from zoosmith.onnx_model.reading import open_regular, read_regular, reading
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.reading.preprocess import ToArray

if TYPE_CHECKING:
    from PIL.Image import Image

# what Pillow may take a file for, whatever its name: others would start programs
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})

# an image takes up to eight bytes a pixel while it is decoded and scaled
_MOST_PIXELS = 1 << 26
# of a labels file, in bytes
_LARGEST_LABELS = 1 << 26
_HIGHEST_LABEL = 2**31 - 1

# Decoded images waiting for the model: enough that it never waits, few enough that memory stays flat.
_AHEAD = 16

OnBroken = Callable[[Path, str], None]
"""Called with the path of an image that cannot be read, and the reason."""


def leave_out(_path: Path, _reason: str) -> None:
    """An `OnBroken` that tells nobody: the image has been reported before, or what it is read for can do without it."""


@dataclass(frozen=True)
class Sample:
    """One image of a folder; `label` is its class index, None where the folder has no labels."""

    path: Path
    label: int | None


class ImageFolder:
    """The images of a folder, in the order of their names.

    Layouts: class folders directly under `path` (their sorted order numbers the classes from 0), or images directly in
    it. `labels` overrides the numbering; `labels.csv` inside a flat folder is found by itself. A labels file is

    - `.csv`: rows `name,label` (a header is allowed), where a name is a file or a class folder, relative to `path`;
    - anything else: lines `name label`, or one class folder a line (first word), numbered from 0 as in `synset.txt`.

    `limit` keeps so many images, spread evenly over all, so that a part of a tree still holds every class.

    Raises ValidationError: no folder, no images, both layouts at once, a labels file that cannot be read or
    that has no label for an image.
    """

    def __init__(
        self, path: str | os.PathLike[str], labels: str | os.PathLike[str] | None = None, limit: int | None = None
    ) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise ValidationError(f"{self.path}: not a folder; expected images, or class folders of images")
        if limit is not None and limit < 1:
            raise ValidationError(f"a limit of {limit} images: expected at least 1")
        flat = _images_in(self.path)
        classes = {folder.name: found for folder in _folders_in(self.path) if (found := _images_below(folder))}
        if flat and classes:
            raise ValidationError(
                f"{self.path}: holds images ({flat[0].name}) and class folders ({next(iter(classes))}): keep one layout"
            )
        if not flat and not classes:
            raise ValidationError(f"{self.path}: no images; expected {', '.join(sorted(_SUFFIXES))} files")
        paths = flat or [image for found in classes.values() for image in found]
        if labels is None and flat and (self.path / "labels.csv").is_file():
            labels = self.path / "labels.csv"
        self.samples = _even_part(_label(self.path, paths, list(classes), labels), limit)

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def arrays(
        self,
        preprocess: ToArray,
        size: tuple[int, int],
        *,
        on_broken: OnBroken | None = None,
        executor: Executor | None = None,
    ) -> Iterator[tuple[Sample, NDArray[np.float32]]]:
        """Read the images in their order, some ahead of the one that is asked for.

        Args:
            preprocess: makes an array of an image.
            size: height and width of the arrays.
            on_broken: called with each image that cannot be read, which is skipped then.
            executor: decodes up to 16 images ahead; one thread by default.

        Yields:
            Each readable image with its array, float32 [3, height, width].

        Raises:
            ValidationError: an image cannot be read, and there is no `on_broken`.
        """
        load = partial(_loaded, preprocess=preprocess, size=size)
        with ThreadExecutor(1) if executor is None else nullcontext(executor) as decoders:
            loaded = decoders.map(load, (sample.path for sample in self.samples), ahead=_AHEAD)
            for sample, array in zip(self.samples, loaded, strict=True):
                if not isinstance(array, ValidationError):
                    yield sample, array
                elif on_broken is None:
                    raise array
                else:
                    on_broken(sample.path, str(array).removeprefix(f"{sample.path}: "))


def load_image(path: Path, preprocess: ToArray, size: tuple[int, int]) -> NDArray[np.float32]:
    """Read an image file; its EXIF orientation is ignored, as in Caffe and torchvision.

    Args:
        path: the file, of any format that Pillow reads.
        preprocess: makes an array of the image.
        size: height and width of the array.

    Returns:
        float32 [3, height, width].

    Raises:
        ValidationError: it is not an image that can be decoded whole; the message names the file.
    """
    with (
        reading(path, "an image", ValidationError),
        open_regular(path, error=ValidationError) as file,
        _opened(file) as image,
    ):
        if image.width * image.height > _MOST_PIXELS:
            raise ValidationError(
                f"{path}: has {image.width} x {image.height} pixels, {image.width * image.height:,}; "
                f"at most {_MOST_PIXELS:,} are decoded"
            )
        return preprocess(image, size)


def _opened(file: IO[bytes]) -> "Image":
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise ValidationError("cannot be read as an image") from error


def load_images(
    folder: ImageFolder, preprocess: ToArray, size: tuple[int, int], *, on_broken: OnBroken | None = None
) -> NDArray[np.float32]:
    """Read all images of a folder into one array, for calibration.

    Args:
        folder: the images; `ImageFolder(path, limit=samples)` chooses how many.
        preprocess: makes an array of an image.
        size: height and width of the arrays.
        on_broken: as in `ImageFolder.arrays`.

    Returns:
        float32 [images, 3, height, width].

    Raises:
        ValidationError: no image can be read, or one cannot and there is no `on_broken`.
    """
    arrays = [array for _, array in folder.arrays(preprocess, size, on_broken=on_broken)]
    if not arrays:
        raise ValidationError(f"{folder.path}: none of its {len(folder)} images can be read")
    return np.stack(arrays)


def _loaded(path: Path, preprocess: ToArray, size: tuple[int, int]) -> NDArray[np.float32] | ValidationError:
    """The image, or why it cannot be read: one that is broken does not end the others."""
    try:
        return load_image(path, preprocess, size)
    except ValidationError as error:
        return error


def _visible(folder: Path) -> list[Path]:
    return sorted((entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _images_in(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.suffix.lower() in _SUFFIXES and not entry.is_dir()]


def _folders_in(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.is_dir()]


def _images_below(folder: Path) -> list[Path]:
    found = _images_in(folder)
    for entry in _folders_in(folder):
        # a link to a parent would never end
        if not entry.is_symlink():
            found += _images_below(entry)
    return found


def _label(root: Path, paths: list[Path], classes: list[str], labels: str | os.PathLike[str] | None) -> list[Sample]:
    if labels is None:
        by_name: Mapping[str, int] = {name: index for index, name in enumerate(classes)}
        return [Sample(path, by_name.get(path.relative_to(root).parts[0])) for path in paths]
    by_name = read_labels(labels)
    samples = []
    for path in paths:
        relative = path.relative_to(root)
        candidates = (relative.as_posix(), relative.name, relative.parts[0])
        samples.append(Sample(path, next((by_name[name] for name in candidates if name in by_name), None)))
    missing = [sample.path for sample in samples if sample.label is None]
    if missing:
        name = missing[0].relative_to(root).as_posix()
        raise ValidationError(
            f"{os.fspath(labels)}: no label for {name} ({len(missing)} of {len(samples)} images lack one)"
        )
    return samples


def _even_part(samples: list[Sample], limit: int | None) -> list[Sample]:
    if limit is None or limit >= len(samples):
        return samples
    return [samples[index * len(samples) // limit] for index in range(limit)]


def read_labels(path: str | os.PathLike[str]) -> dict[str, int]:
    """Give the class index of each name (file or class folder) in a labels file; `ImageFolder` tells the formats.

    Raises ValidationError, naming file and line, for a label that is no index from 0 or a name with two labels.
    """
    source = Path(path)
    labels: dict[str, int] = {}
    with reading(source, "labels in UTF-8", ValidationError):
        text = read_regular(source, most=_LARGEST_LABELS, error=ValidationError).decode("utf-8-sig")
        rows = list(_rows(source, text))
    for line, (name, label) in rows:
        if not label.isdecimal() or len(label) > 10 or int(label) > _HIGHEST_LABEL:
            raise ValidationError(f"{source}:{line}: label {label!r} of {name} is not a class index from 0")
        if labels.setdefault(name, int(label)) != int(label):
            raise ValidationError(f"{source}:{line}: {name} has two labels, {labels[name]} and {int(label)}")
    if not labels:
        raise ValidationError(f"{source}: holds no labels; expected rows of a name and a class index")
    return labels


def _rows(source: Path, text: str) -> Iterator[tuple[int, tuple[str, str]]]:
    if source.suffix.lower() == ".csv":
        yield from _csv_rows(source, text)
        return
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    words = [line.rsplit(None, 1) for _, line in lines]
    indexed = bool(words) and len(words[0]) == 2 and words[0][1].isdecimal()
    for index, ((number, line), row) in enumerate(zip(lines, words, strict=True)):
        if not indexed:
            yield number, (line.split(None, 1)[0], str(index))
        elif len(row) == 2:
            yield number, (row[0], row[1])
        else:
            raise ValidationError(f"{source}:{number}: expected a name and a class index, found {line!r}")


def _csv_rows(source: Path, text: str) -> Iterator[tuple[int, tuple[str, str]]]:
    # a NUL is what csv.reader itself refuses, by an error of its own in some Pythons only
    reader = csv.reader(text.replace("\0", "\ufffd").splitlines())
    for index, row in enumerate(row for row in reader if row):
        if len(row) < 2:
            raise ValidationError(f"{source}:{reader.line_num}: expected name,label, found {','.join(row)!r}")
        name, label = row[0].strip(), row[1].strip()
        is_header = index == 0 and not label.lstrip("-").isdecimal()
        if not is_header:
            yield reader.line_num, (name, label)
