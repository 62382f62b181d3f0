"""Ranges that were measured before, kept in a folder by the hash of all that they depend on."""

import hashlib
import io
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import write_atomic
from zoosmith.onnx_model.mapped import content_of
from zoosmith.quantize import calibration
from zoosmith.quantize.calibration import Range, Samples, calibrate
from zoosmith.validation import ValidationError
from zoosmith.validation.reading.array_files import open_arrays
from zoosmith.validation.running.onnx_runtime import onnx_runtime

# files of up to a megabyte each; those that were used last stay
_KEPT = 100
_FIELDS = ("low", "high", "mean", "deviation")


def kept_or_calibrated(
    model: onnx.ModelProto,
    samples: Samples,
    *,
    method: str,
    tensors: Iterable[str],
    cache: Path | None,
    progress: Progress = SILENT,
) -> dict[str, Range]:
    """Return what `calibrate` returns, from the cache where it was measured before.

    Args:
        model: as for `calibrate`; `samples`, `method` and `tensors`, too.
        samples: see `model`.
        method: see `model`.
        tensors: see `model`.
        cache: folder of the cache, made where it does not exist; None for none.
        progress: notified of the runs, or told that the ranges are from the cache.

    Raises:
        QuantizeError: as `calibrate` does; `ValidationError`, too. A cache that cannot be read or written is no error.
    """
    names = list(tensors)
    if cache is None or not samples:
        return calibrate(model, samples, method=method, tensors=names, progress=progress)
    path = cache / f"{_key(model, samples, method, names, progress)}.npz"
    found = _read(path, names)
    if found is not None:
        progress.note(f"ranges from the cache, {cache}")
        with suppress(OSError):
            os.utime(path)
        return found
    found = calibrate(model, samples, method=method, tensors=names, progress=progress)
    try:
        write_atomic(path, _written(found))
        _remove_oldest(cache)
    except (OSError, ZoosmithError) as error:
        progress.note(f"ranges are not kept: {error}")
    return found


def _key(model: onnx.ModelProto, samples: Samples, method: str, names: list[str], progress: Progress) -> str:
    """The hash of model, samples, method and of what computes."""
    # the file itself stands for its version: one that was changed measures otherwise
    code = hashlib.sha256(Path(calibration.__file__).read_bytes()).hexdigest()
    total = hashlib.sha256(repr([version("zoosmith"), code, str(onnx_runtime()), method, names]).encode())
    for part in content_of(model):
        total.update(part)
    with progress.task("hashing the samples", len(samples)) as task:
        for sample in samples:
            for name, value in sorted(sample.items()):
                array = np.ascontiguousarray(value)
                total.update(f"{name!r}{array.dtype.str}{array.shape}".encode())
                total.update(array.tobytes() if array.dtype.hasobject else array.data)
            task.advance()
    return total.hexdigest()


def _written(ranges: Mapping[str, Range]) -> bytes:
    """All tensors' figures one after the other, and how many channels each has."""
    low, high, mean, deviation = (
        np.concatenate([getattr(found, name) for found in ranges.values()]) for name in _FIELDS
    )
    channels = [found.low.size for found in ranges.values()]
    buffer = io.BytesIO()
    np.savez(buffer, names=list(ranges), channels=channels, low=low, high=high, mean=mean, deviation=deviation)
    return buffer.getvalue()


def _read(path: Path, names: list[str]) -> dict[str, Range] | None:
    """The ranges of a file; None where there is none, or one that is damaged."""
    try:
        if not path.exists():
            return None
        with open_arrays(path) as arrays:
            found = {name: arrays.read(name) for name in ("names", "channels", *_FIELDS)}
    except (OSError, ValidationError, LookupError):
        return None
    channels, kept = found["channels"], found["names"].tolist()
    if not _sound(found) or sorted(kept) != sorted(set(names)):
        return None
    ends = np.cumsum(channels)[:-1]
    parts = (np.split(found[name], ends) for name in _FIELDS)
    return {name: Range(*figures) for name, *figures in zip(kept, *parts, strict=True)}


def _sound(found: Mapping[str, Array]) -> bool:
    """Whether the arrays of a file fit each other."""
    channels = found["channels"]
    return bool(
        (channels.dtype.kind, found["names"].dtype.kind) == ("i", "U")
        and channels.shape == found["names"].shape
        and channels.ndim == 1
        and np.all(channels > 0)
        and all(found[name].dtype == np.float64 and found[name].shape == (channels.sum(),) for name in _FIELDS)
        and all(np.isfinite(found[name]).all() for name in _FIELDS)
    )


def _remove_oldest(folder: Path) -> None:
    def used(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:
            return 0.0

    for path in sorted(folder.glob("*.npz"), key=used, reverse=True)[_KEPT:]:
        path.unlink(missing_ok=True)
