"""Geometry of detection boxes, in float32 as Caffe2 computes it: one rounding more or less changes which box is kept.

A box is (x1, y1, x2, y2), or with an angle (centre x, centre y, width, height, degrees counter-clockwise). `plus_one`
is the convention that a box from pixel 3 to pixel 5 is 3 wide (`legacy_plus_one`, Caffe2's default).
"""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoosmith.validation.interpreter.arguments import Operator

Floats: TypeAlias = NDArray[np.float32]

# No regression makes a box more than this many times wider or higher.
_LARGEST_LOG = np.float32(np.log(1000.0 / 16.0))
# far above what any net has: a number in a file must not become hours of work
_MOST_BINS = 1 << 10
_MOST_SAMPLES = 1 << 14


def as_float32(values: np.ndarray) -> Floats:
    """The values in float32, the precision in which Caffe2 takes the decisions of detection operators."""
    return values.astype(np.float32)


def bins_of_region(op: Operator) -> tuple[int, int]:
    """The arguments `pooled_h` and `pooled_w`: into how many bins a region is divided, down and across."""
    pooled = op.integer("pooled_h", 1), op.integer("pooled_w", 1)
    if max(pooled) > _MOST_BINS:
        raise op.error(f"divides a region into {pooled[0]} by {pooled[1]} bins; at most {_MOST_BINS} along each axis")
    return pooled


def samples_of_bin(ratio: int, size: np.floating) -> int:
    """How many samples a bin has along one axis: `ratio`, or where that is not positive one for each pixel.

    Raises:
        ValueError: they are too many.
    """
    samples = ratio if ratio > 0 else math.ceil(size)
    if samples > _MOST_SAMPLES:
        raise ValueError(f"{samples} samples of each bin; at most {_MOST_SAMPLES}")
    return samples


def transform(boxes: Floats, deltas: Floats, weights: tuple[float, ...], plus_one: int) -> Floats:
    """Boxes (M, 4) moved and scaled by regression deltas (M, 4) over their weights."""
    one, half = np.float32(plus_one), np.float32(0.5)
    scaled = deltas / np.array(weights, np.float32)
    sizes = boxes[:, 2:] - boxes[:, :2] + one
    centres = scaled[:, :2] * sizes + (boxes[:, :2] + half * sizes)
    half_sizes = half * (np.exp(np.minimum(scaled[:, 2:], _LARGEST_LOG)) * sizes)
    return np.concatenate([centres - half_sizes, centres + half_sizes - one], axis=1)


def transform_rotated(
    boxes: Floats, deltas: Floats, weights: tuple[float, ...], bounds: tuple[int, int] | None
) -> Floats:
    """Boxes (M, 5) with an angle, likewise; `bounds` is the period into which the angle is brought."""
    scaled = deltas[:, :4] / np.array(weights, np.float32)
    sizes = boxes[:, 2:4]
    centres = scaled[:, :2] * sizes + boxes[:, :2]
    sizes = np.exp(np.minimum(scaled[:, 2:], _LARGEST_LOG)) * sizes
    angles = deltas[:, 4:] * np.float32(180) / np.float32(np.pi) + boxes[:, 4:]
    if bounds is not None:
        period = np.float32(bounds[1] - bounds[0])
        angles = np.where(angles < bounds[0], angles + period, np.where(angles > bounds[1], angles - period, angles))
    return np.concatenate([centres, sizes, angles], axis=1)


def clip(boxes: Floats, height: int, width: int, plus_one: int) -> Floats:
    """Boxes (M, 4) cut to the image."""
    limits = np.array([width - plus_one, height - plus_one] * 2, np.float32)
    return np.maximum(np.minimum(boxes, limits), np.float32(0))


def clip_rotated(boxes: Floats, height: int, width: int, plus_one: int, threshold: float) -> Floats:
    """Boxes (M, 5): those whose angle is at most `threshold` degrees are cut to the image, the others stay."""
    one, half = np.float32(plus_one), np.float32(2)
    upright = np.abs(boxes[:, 4]) <= np.float32(threshold)
    centres, sizes = boxes[upright, :2], boxes[upright, 2:4]
    corners = np.concatenate([centres - (sizes - one) / half, centres + (sizes - one) / half], axis=1)
    corners = clip(corners, height, width, plus_one)
    result = boxes.copy()
    result[upright, :2] = (corners[:, :2] + corners[:, 2:]) / half
    result[upright, 2:4] = corners[:, 2:] - corners[:, :2] + one
    return result


def large_enough(boxes: Floats, min_size: float, image: Floats, plus_one: int) -> NDArray[np.bool_]:
    """Boxes at least `min_size` times the scale wide and high, with the centre in the image (height, width, scale)."""
    sizes = boxes[:, 2:4] if boxes.shape[1] == 5 else boxes[:, 2:] - boxes[:, :2] + np.float32(plus_one)
    centres = boxes[:, :2] if boxes.shape[1] == 5 else boxes[:, :2] + sizes / np.float32(2)
    smallest = float(np.float32(min_size)) * float(image[2])
    return np.all(sizes.astype(np.float64) >= smallest, axis=1) & np.all(centres < image[1::-1], axis=1)


def overlaps(box: Floats, others: Floats, plus_one: int) -> Floats:
    """Intersection over union of one upright box (4) with others (M, 4)."""
    one = np.float32(plus_one)
    area = np.prod(box[2:] - box[:2] + one)
    areas = np.prod(others[:, 2:] - others[:, :2] + one, axis=1)
    sides = np.minimum(others[:, 2:], box[2:]) - np.maximum(others[:, :2], box[:2]) + one
    common = np.prod(np.maximum(sides, np.float32(0)), axis=1)
    return common / (area + areas - common)


def suppress(boxes: Floats, order: NDArray[np.int64], threshold: float, most: int, plus_one: int) -> list[int]:
    """Greedy suppression: of the indices `order`, best first, those that overlap no better kept one by more."""
    kept: list[int] = []
    while len(order) and not 0 <= most <= len(kept):
        kept.append(int(order[0]))
        order = order[1:]
        order = order[overlaps(boxes[kept[-1]], boxes[order], plus_one) <= np.float32(threshold)]
    return kept


def suppress_softly(
    boxes: Floats,
    scores: Floats,
    pending: NDArray[np.int64],
    method: str,
    sigma: float,
    threshold: float,
    lowest: float,
    plus_one: int,
) -> tuple[list[int], Floats]:
    """Soft suppression: what overlaps a better box loses score (`linear` or `gaussian`), and is dropped below `lowest`.

    Returns the kept indices, in the order of their reduced scores, and all scores.
    """
    scores = scores.copy()
    kept: list[int] = []
    while len(pending):
        best = int(np.argmax(scores[pending]))
        pending[[0, best]] = pending[[best, 0]]
        kept.append(int(pending[0]))
        pending = pending[1:]
        overlap = overlaps(boxes[kept[-1]], boxes[pending], plus_one).astype(np.float64)
        if method == "linear":
            factor = np.where(overlap > np.float32(threshold), 1.0 - overlap, 1.0)
        else:
            factor = np.exp(-overlap * overlap / float(np.float32(sigma)))
        scores[pending] *= factor.astype(np.float32)
        pending = pending[scores[pending] >= np.float32(lowest)]
    return kept, scores
