"""Samples that are kept from calibration, to measure on."""

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto

from zoosmith.onnx_model.counting import counted
from zoosmith.onnx_model.mapped import size_in_bytes
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.samples.reading import MADE_UP, SYNTHETIC, part_of

# samples that outputs are compared on, at the most: of any net, and of one that is small
COMPARED, OF_SMALL = 32, 256
# bytes of weights and of values that all compared samples together may go through where they are more than COMPARED
_BYTES, _OF_VALUE = 250_000_000, 16
# samples from which on the last quarter is held out, and those of a smaller number that are compared
_ENOUGH, _OF_FEW = 8, 8


@dataclass(frozen=True)
class Split:
    """Samples in two parts.

    Attributes:
        calibrated: to calibrate on.
        compared: to compare outputs on.
        held_out: whether none of `compared` is in `calibrated`.
    """

    calibrated: Samples
    compared: Samples
    held_out: bool

    @property
    def more(self) -> Samples:
        """Samples that were calibrated on, up to `COMPARED` with those held out, which tell little where they are few.

        One decision in six that changes is seen or not by chance: of two trained nets that read text, 6 samples stated
        cosines of 0.994 and 0.996, and 12 others 0.986 and 0.980.
        """
        return (
            part_of(self.calibrated, 0, min(len(self.calibrated), COMPARED - len(self.compared)))
            if self.held_out and len(self.compared) < COMPARED
            else ()
        )

    def __str__(self) -> str:
        """What outputs are compared on."""
        return f"{counted(len(self.compared), 'sample')} {'not calibrated on' if self.held_out else 'calibrated on'}"


def with_held_out(source: str, count: int) -> int:
    """How many samples of a source to read, so that `count` are calibrated on: more where they are made up."""
    return count + _added(source)


def most_compared(model: ModelProto, samples: Samples) -> int:
    """How many samples a net's outputs are compared on, at the most: the more, the less work each one is."""
    values = sum(np.size(value) for value in samples[0].values()) if samples else 0
    return min(max(_BYTES // (size_in_bytes(model) + _OF_VALUE * values + 1), COMPARED), OF_SMALL)


def split(samples: Samples, source: str, most: int = COMPARED) -> Split:
    """Hold out the last quarter of 8 samples or more, and of made-up ones those that `with_held_out` adds.

    Args:
        samples: all of them.
        source: what they are.
        most: how many outputs are compared on.
    """
    count = len(samples)
    of_a_user = count // 4 if count >= _ENOUGH else 0
    held_out = min(_added(source), count - 1) if source in MADE_UP else of_a_user
    if not held_out:
        return Split(samples, part_of(samples, 0, min(count, _OF_FEW)), held_out=False)
    first = count - held_out
    return Split(part_of(samples, 0, first), part_of(samples, first, min(count, first + most)), held_out=True)


def _added(source: str) -> int:
    """Samples that are made to be compared: pictures take longer to make than others."""
    if source not in MADE_UP:
        return 0
    return COMPARED if source == SYNTHETIC else OF_SMALL
