"""Operators on regions of interest: pooling them, and distributing them over the levels of a feature pyramid."""

import math

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.boxes import Floats, as_float32, bins_of_region, samples_of_bin
from zoosmith.validation.interpreter.pieces import storage
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import limited
from zoosmith.validation.interpreter.windows import channels_first, channels_last


@operator("RoIAlign")
def roi_align(op: Operator, image: np.ndarray, rois: np.ndarray) -> np.ndarray:
    """Image (N, C, H, W), RoIs (R, 4) or (R, 5) with the image's index: the mean of bilinear samples, (R, C, h, w).

    The mean is separable: weights of the rows, times the image, times weights of the columns."""
    if op.channels_last:
        image = channels_first(image)
    if rois.ndim != 2 or rois.shape[1] not in {4, 5} or image.ndim != 4:
        raise op.error(f"image {image.shape} and rois {rois.shape} do not fit")
    pooled = bins_of_region(op)
    shape = limited(len(rois), image.shape[1], *pooled)
    result = np.zeros(shape, storage(math.prod(shape)))
    # Channels last: what a weight multiplies lies side by side.
    pixels = np.ascontiguousarray(channels_last(image))
    scale, aligned = np.float32(op.number("spatial_scale", 1.0)), op.flag("aligned")
    for n, roi in enumerate(as_float32(rois)):
        index = int(roi[0]) if len(roi) == 5 else 0
        corners = roi[-4:] * scale - np.float32(0.5 if aligned else 0)
        sides = corners[2:] - corners[:2]
        if not aligned:
            sides = np.maximum(sides, np.float32(1))
        elif (sides < 0).any():
            raise op.error(f"region {n} has a negative size, which is refused with aligned=1")
        rows, columns = (
            _sampling(
                corners[1 - axis],
                sides[1 - axis],
                pooled[axis],
                image.shape[2 + axis],
                op.integer("sampling_ratio", -1),
            )
            for axis in (0, 1)
        )
        result[n] = _weighted(pixels[index], rows, columns).transpose(2, 0, 1)
    return channels_last(result) if op.channels_last else result


def _weighted(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sums of pixels (H, W, C) by weights of their rows (h, H) and columns (w, W): (h, w, C)."""
    height, width = _extent(rows), _extent(columns)
    # whole lines lie side by side, a part of each would have to be copied
    lines = rows[:, height] @ pixels[height].reshape(height.stop - height.start, -1)
    return np.matmul(columns[:, width], lines.reshape(len(rows), *pixels.shape[1:])[:, width])


def _extent(weights: np.ndarray) -> slice:
    """Where the columns of weights (bins, size) that hold any begin and end."""
    used = np.flatnonzero(weights.any(axis=0))
    return slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 1)


def _sampling(start: np.float32, length: np.float32, bins: int, size: int, ratio: int) -> np.ndarray:
    """The weight (bins, size) of every row of an image in each bin of a region."""
    bin_size = length / np.float32(bins)
    samples = samples_of_bin(ratio, bin_size)
    weights = np.zeros(limited(bins, size))
    for sample in range(samples):
        offsets = np.float32(sample + 0.5) * bin_size / np.float32(samples)
        where = start + np.arange(bins).astype(np.float32) * bin_size + offsets
        inside = np.flatnonzero((where >= -1) & (where <= size))
        where = np.clip(where[inside], 0, size - 1)
        low = where.astype(np.int64)
        high = np.minimum(low + 1, size - 1)
        fraction = (where - low.astype(np.float32)).astype(np.float64)
        np.add.at(weights, (inside, low), (1 - fraction) / samples)
        np.add.at(weights, (inside, high), fraction / samples)
    return weights


@operator("RoIPool")
def roi_pool(op: Operator, image: np.ndarray, rois: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image (N, C, H, W), RoIs (R, 5): the largest element in each bin (R, C, h, w), and its index in the plane."""
    if rois.ndim != 2 or rois.shape[1] != 5 or op.channels_last:
        raise op.error(f"rois {rois.shape} with order {op.order}: expected 5 columns and NCHW")
    pooled = bins_of_region(op)
    scale = np.float32(op.number("spatial_scale", 1.0))
    result = np.zeros(limited(len(rois), image.shape[1], *pooled))
    index = np.full(result.shape, -1, np.int32)
    for n, roi in enumerate(as_float32(rois)):
        plane = image[int(roi[0])]
        x1, y1, x2, y2 = (int(np.floor(np.abs(v) + 0.5) * np.sign(v)) for v in (roi[1:] * scale).astype(np.float64))
        spans = _bins(y1, y2, pooled[0], plane.shape[1]), _bins(x1, x2, pooled[1], plane.shape[2])
        for h, (top, bottom) in enumerate(spans[0]):
            for w, (left, right) in enumerate(spans[1]):
                if top < bottom and left < right:
                    part = plane[:, top:bottom, left:right].reshape(len(plane), -1)
                    best = part.argmax(axis=1)
                    result[n, :, h, w] = part.max(axis=1)
                    row, column = np.divmod(best, right - left)
                    index[n, :, h, w] = (top + row) * plane.shape[2] + left + column
    return result, index


def _bins(first: int, last: int, bins: int, size: int) -> list[tuple[int, int]]:
    length = np.float32(max(last - first + 1, 1)) / np.float32(bins)
    edges = [(math.floor(np.float32(n) * length), math.ceil(np.float32(n + 1) * length)) for n in range(bins)]
    return [(min(max(low + first, 0), size), min(max(high + first, 0), size)) for low, high in edges]


@operator("CollectRpnProposals")
def collect_rpn_proposals(op: Operator, *blobs: np.ndarray) -> np.ndarray:
    """RoIs (n, 5) of all pyramid levels, then their scores: the best `rpn_post_nms_topN` RoIs of all, best first."""
    levels = op.integer("rpn_max_level", 6) - op.integer("rpn_min_level", 2) + 1
    if levels < 1 or len(blobs) != 2 * levels:
        raise op.error(f"has {len(blobs)} inputs for {levels} levels, expected rois and scores of each")
    rois = np.concatenate([blob.reshape(-1, 5) for blob in blobs[:levels]])
    scores = as_float32(np.concatenate([blob.ravel() for blob in blobs[levels:]]))
    order = np.argsort(-scores, kind="stable")
    most = op.integer("rpn_post_nms_topN", 2000)
    return rois[order[:most] if most > 0 else order]


@operator("DistributeFpnProposals")
def distribute_fpn_proposals(op: Operator, rois: np.ndarray) -> tuple[np.ndarray, ...]:
    """RoIs (n, 5): those of each pyramid level, and the places of the RoIs in the levels one after the other (n)."""
    lowest, highest = op.integer("roi_min_level", 2), op.integer("roi_max_level", 5)
    if highest < lowest or len(op.outputs) != highest - lowest + 2 + (op.type == "CollectAndDistributeFpnRpnProposals"):
        raise op.error(f"has {len(op.outputs)} outputs for the levels {lowest} to {highest}")
    levels = _levels(op, as_float32(rois[:, -4:]), lowest, highest)
    places = [np.flatnonzero(levels == level) for level in range(lowest, highest + 1)]
    return (*(rois[place] for place in places), np.argsort(np.concatenate(places), kind="stable").astype(np.int32))


def _levels(op: Operator, boxes: Floats, lowest: int, highest: int) -> np.ndarray:
    sides = boxes[:, 2:] - boxes[:, :2] + np.float32(op.flag("legacy_plus_one", True))
    areas = np.prod(sides, axis=1)
    if (areas < 0).any():
        raise op.error("a region has a negative area")
    relative = np.sqrt(areas) / np.float32(op.integer("roi_canonical_scale", 224)) + np.float32(1e-6)
    level = np.float32(op.integer("roi_canonical_level", 4)) + np.log(relative) / np.float32(np.log(2))
    return np.clip(np.floor(level), lowest, highest)


@operator("CollectAndDistributeFpnRpnProposals")
def collect_and_distribute(op: Operator, *blobs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Both in one: the collected RoIs, then the outputs of the distribution."""
    rois = collect_rpn_proposals(op, *blobs)
    return rois, *distribute_fpn_proposals(op, rois)


@operator("BatchPermutation")
def batch_permutation(op: Operator, x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The rows of x in the order of the indices, as many as there are rows."""
    if indices.shape != x.shape[:1]:
        raise op.error(f"indices {indices.shape} must be as many as the rows of {x.shape}")
    return x[indices]


@operator("HeatmapMaxKeypoint")
def heatmap_max_keypoint(op: Operator, heatmaps: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Heat maps (N, K, S, S), boxes (N, 4 or more): (N, 4, K) with x, y, score and probability of each map's peak.

    The peak is refined by a quadratic fit to its 3 by 3 neighbours."""
    count, keypoints, size = heatmaps.shape[:3]
    if heatmaps.shape[3] != size or size < 2 or len(boxes) != count or boxes.shape[1] < 4:
        raise op.error(f"heat maps {heatmaps.shape} and boxes {boxes.shape} do not fit")
    flat = heatmaps.reshape(count, keypoints, size * size)
    place = flat.argmax(axis=2)
    y, x = np.divmod(place, size)
    around = {(v, u): _neighbour(heatmaps, y, x, v, u) for v in (-1, 0, 1) for u in (-1, 0, 1)}
    slope_x, slope_y = (around[0, 1] - around[0, -1]) / 2, (around[1, 0] - around[-1, 0]) / 2
    bend_x = around[0, -1] - 2 * around[0, 0] + around[0, 1]
    bend_y = around[-1, 0] - 2 * around[0, 0] + around[1, 0]
    twist = (around[1, 1] - around[1, -1] - around[-1, 1] + around[-1, -1]) / 4
    determinant = bend_x * bend_y - twist * twist
    flat_peak = np.abs(determinant) < 1e-4
    safe = np.where(flat_peak, 1.0, determinant)
    move_x = np.where(flat_peak, 0.0, (twist * slope_y - bend_y * slope_x) / safe)
    move_y = np.where(flat_peak, 0.0, (twist * slope_x - bend_x * slope_y) / safe)
    farthest = np.maximum(np.maximum(np.abs(move_x), np.abs(move_y)), 1.5)
    move_x, move_y = move_x / farthest * 1.5, move_y / farthest * 1.5
    gain = slope_x * move_x + slope_y * move_y
    gain += (bend_x * move_x * move_x + 2 * twist * move_x * move_y + bend_y * move_y * move_y) / 2
    lengths = np.maximum(boxes[:, 2:4] - boxes[:, :2], 1.0)
    result = np.zeros((count, 4, keypoints))
    result[:, 0] = boxes[:, :1] + (0.5 + x + move_x) * lengths[:, :1] / size
    result[:, 1] = boxes[:, 1:2] + (0.5 + y + move_y) * lengths[:, 1:] / size
    result[:, 2] = around[0, 0] + gain
    if op.flag("should_output_softmax"):
        exponentials = np.exp(flat)
        result[:, 3] = np.take_along_axis(exponentials, place[..., None], 2)[..., 0] / exponentials.sum(axis=2)
    return result


def _neighbour(maps: np.ndarray, y: np.ndarray, x: np.ndarray, down: int, right: int) -> np.ndarray:
    """The element beside the peak; at the border the one on the other side stands in."""
    size = maps.shape[2]
    rows = np.where((y + down < 0) | (y + down >= size), y - down, y + down)
    columns = np.where((x + right < 0) | (x + right >= size), x - right, x + right)
    n, k = np.indices(y.shape)
    return maps[n, k, rows, columns]


@operator("RoIAlignRotated")
def roi_align_rotated(op: Operator, image: np.ndarray, rois: np.ndarray) -> np.ndarray:
    """Image (N, C, H, W), RoIs (R, 5 or 6) of centre, size and degrees: the mean of bilinear samples in each bin."""
    if op.channels_last:
        image = channels_first(image)
    if rois.ndim != 2 or rois.shape[1] not in {5, 6} or image.ndim != 4:
        raise op.error(f"image {image.shape} and rois {rois.shape} do not fit")
    bins = bins_of_region(op)
    result = np.zeros(limited(len(rois), image.shape[1], *bins))
    scale, aligned, ratio = (
        np.float32(op.number("spatial_scale", 1.0)),
        op.flag("aligned"),
        op.integer("sampling_ratio", -1),
    )
    for n, roi in enumerate(as_float32(rois)):
        plane = image[int(roi[0]) if len(roi) == 6 else 0]
        centre = roi[-5:-3] * scale - np.float32(0.5 if aligned else 0)
        sides = roi[-3:-1] * scale
        if aligned and (sides < 0).any():
            raise op.error(f"region {n} has a negative size, which is refused with aligned=1")
        sides = sides if aligned else np.maximum(sides, np.float32(1))
        steps = sides[1] / np.float32(bins[0]), sides[0] / np.float32(bins[1])
        grids = [samples_of_bin(ratio, step) for step in steps]
        limited(*bins, *grids)
        rows, columns = (
            np.add.outer(np.arange(count) * step, (np.arange(grid) + 0.5) * step / max(grid, 1)) - side / 2
            for count, step, grid, side in zip(bins, steps, grids, (sides[1], sides[0]), strict=True)
        )
        theta = math.radians(float(roi[-1]))
        v, u = rows[:, :, None, None], columns[None, None]
        y = v * math.cos(theta) - u * math.sin(theta) + centre[1]
        x = u * math.cos(theta) + v * math.sin(theta) + centre[0]
        samples = _bilinear(plane, y, x)
        result[n] = samples.sum(axis=(2, 4)) / np.float64(grids[0] * grids[1])
    return channels_last(result) if op.channels_last else result


def _bilinear(plane: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The plane (C, H, W) between its pixels; beyond the border by more than a pixel it is 0."""
    height, width = plane.shape[1:]
    outside = (y < -1) | (y > height) | (x < -1) | (x > width)
    y, x = y.clip(0, height - 1), x.clip(0, width - 1)
    top, left = y.astype(np.int64), x.astype(np.int64)
    bottom, right = np.minimum(top + 1, height - 1), np.minimum(left + 1, width - 1)
    down, along = y - top, x - left
    upper = plane[:, top, left] * (1 - along) + plane[:, top, right] * along
    lower = plane[:, bottom, left] * (1 - along) + plane[:, bottom, right] * along
    return np.where(outside, 0.0, upper * (1 - down) + lower * down)


@operator("PSRoIPool")
def ps_roi_pool(op: Operator, image: np.ndarray, rois: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image (N, D g g, H, W), RoIs (R, 5): (R, D, g, g), each bin the mean of its own channel; and that channel."""
    group, kinds = op.integer("group_size", 1), op.integer("output_dim", 1)
    if image.shape[1] != kinds * group * group or rois.shape[1:] != (5,) or op.channels_last:
        raise op.error(f"image {image.shape} and rois {rois.shape} do not fit {kinds} kinds of {group} by {group} bins")
    channels = np.arange(image.shape[1], dtype=np.int32).reshape(kinds, group, group)
    result = np.zeros(limited(len(rois), kinds, group, group))
    scale = np.float32(op.number("spatial_scale", 1.0))
    for n, roi in enumerate(as_float32(rois)):
        corners = np.floor(np.abs(roi[1:]) + np.float32(0.5)) * np.sign(roi[1:])
        starts, ends = corners[:2] * scale, (corners[2:] + np.float32(1)) * scale
        steps = np.maximum(ends - starts, np.float32(0.1)) / np.float32(group)
        for h, w in np.ndindex(group, group):
            place = np.array([w, h], np.float32)
            low = np.floor(place * steps + starts).clip(0, image.shape[:1:-1]).astype(int)
            high = np.ceil((place + np.float32(1)) * steps + starts).clip(0, image.shape[:1:-1]).astype(int)
            part = image[int(roi[0]), channels[:, h, w], low[1] : high[1], low[0] : high[0]]
            if part.size:
                result[n, :, h, w] = part.mean(axis=(1, 2))
    return result, np.broadcast_to(channels, result.shape)
