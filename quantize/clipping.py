"""Ranges narrowed to where the error of uint8 is least: rare large values are cut off, all others get finer steps."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import name_of
from zoosmith.quantize.calibration import Range, Samples, Watched, by_channel
from zoosmith.quantize.writing.quantization_parameters import LEVELS, QuantizationParameters

# samples that errors are measured on
_SAMPLES = 8
# shares of the largest magnitude at which values are cut off
_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)

Choose = Callable[[Mapping[str, Range]], Mapping[ir.Value, QuantizationParameters]]


def narrow_ranges(
    exact: onnx.ModelProto, choose: Choose, ranges: Mapping[str, Range], samples: Samples
) -> dict[str, Range]:
    """Cut each range where the values in uint8 have the least squared error.

    Args:
        exact: the float model.
        choose: gives the parameters of the encoded values of its plan, by their ranges.
        ranges: of the values, by name, as calibrated.
        samples: the model's inputs by name; the first ones are run.

    Returns:
        The ranges; those of values that are not encoded as they were.

    Raises:
        ValidationError: the model cannot be run.
    """
    tried = [{name_of(value): found for value, found in choose(_all_cut(ranges, share)).items()} for share in _SHARES]
    # what is encoded a second time depends on the ranges
    errors = {name: np.zeros(len(_SHARES)) for name in tried[0] if all(name in each for each in tried)}
    for values in Watched(exact, errors).run(samples[:_SAMPLES]):
        for name, value in values.items():
            channels = by_channel(value)
            errors[name] += [_squared_error(channels, parameters[name]) for parameters in tried]
    return {
        name: _cut(found, _SHARES[int(np.argmin(errors[name]))]) if name in errors else found
        for name, found in ranges.items()
    }


def _all_cut(ranges: Mapping[str, Range], share: float) -> dict[str, Range]:
    return {name: _cut(found, share) for name, found in ranges.items()}


def _cut(found: Range, share: float) -> Range:
    """The part of a range up to a share of its largest magnitude, so that the longer tail is cut off first."""
    reach = np.maximum(np.abs(found.low), np.abs(found.high)) * share
    return replace(found, low=np.maximum(found.low, -reach), high=np.minimum(found.high, reach))


def _squared_error(channels: Array, parameters: QuantizationParameters) -> float:
    scale, zero_point = (part.astype(np.float32)[:, None] for part in (parameters.scale, parameters.zero_point))
    # in place: fresh memory for each step takes longer than the arithmetic
    error = channels / scale
    error += zero_point
    np.rint(error, out=error)
    np.clip(error, 0, LEVELS, out=error)
    error -= zero_point
    error *= scale
    error -= channels
    np.square(error, out=error)
    return float(np.sum(error, dtype=np.float64))
