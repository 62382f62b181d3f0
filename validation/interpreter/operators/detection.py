"""Detection operators: proposals, boxes, their selection."""

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.boxes import (
    Floats,
    as_float32,
    clip,
    clip_rotated,
    large_enough,
    suppress,
    suppress_softly,
    transform,
    transform_rotated,
)
from zoosmith.validation.interpreter.registry import operator


def _plus_one(op: Operator) -> int:
    return int(op.flag("legacy_plus_one", True))


def _angle_bounds(op: Operator) -> tuple[int, int] | None:
    if not op.flag("angle_bound_on", True):
        return None
    bounds = op.integer("angle_bound_lo", -90), op.integer("angle_bound_hi", 90)
    if bounds[1] <= bounds[0] or (bounds[1] - bounds[0]) % 180:
        raise op.error(f"angle bounds {bounds} must be a multiple of 180 degrees apart")
    return bounds


@operator("GenerateProposals", "GenerateProposalsCPP")
def generate_proposals(
    op: Operator, scores: np.ndarray, deltas: np.ndarray, image_info: np.ndarray, anchors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N, A, H, W), deltas (N, 4 A, H, W), (height, width, scale) of each image, anchors (A, 4): proposals
    (n, 5), each with its image's index, and their scores (n). Equal scores keep the order of (A, H, W)."""
    count, kinds, height, width = scores.shape
    columns = anchors.shape[1]
    if deltas.shape != (count, columns * kinds, height, width) or anchors.shape != (kinds, columns):
        raise op.error(f"deltas {deltas.shape} and anchors {anchors.shape} do not fit the scores {scores.shape}")
    if image_info.shape != (count, 3):
        raise op.error(f"image info {image_info.shape} does not fit the scores {scores.shape}")
    if columns != 4:
        raise op.error("proposals with angles are not supported")
    boxes, probabilities = [np.zeros((0, 5), np.float32)], [np.zeros(0, np.float32)]
    for n in range(count):
        chosen, score = _proposals(
            op, as_float32(scores[n]), as_float32(deltas[n]), as_float32(image_info[n]), as_float32(anchors)
        )
        boxes.append(np.concatenate([np.full((len(chosen), 1), n, np.float32), chosen], axis=1))
        probabilities.append(score)
    return np.concatenate(boxes).astype(np.float64), np.concatenate(probabilities).astype(np.float64)


def _proposals(op: Operator, scores: Floats, deltas: Floats, image: Floats, anchors: Floats) -> tuple[Floats, Floats]:
    kinds, height, width = scores.shape
    flat = scores.ravel()
    order = np.argsort(-flat, kind="stable")
    most = op.integer("pre_nms_topN", 6000)
    if 0 < most < len(order):
        order = order[:most]
    kind, rest = np.divmod(order, height * width)
    y, x = np.divmod(rest, width)
    stride = np.float32(1.0) / np.float32(op.number("spatial_scale", 1.0 / 16))
    moved = anchors[kind] + np.stack([x, y, x, y], axis=1).astype(np.float32) * stride
    chosen_deltas = deltas.reshape(kinds, 4, height * width).swapaxes(1, 2).reshape(-1, 4)[order]
    plus_one = _plus_one(op)
    boxes = transform(moved, chosen_deltas, (1.0, 1.0, 1.0, 1.0), plus_one)
    boxes = clip(boxes, int(image[0]), int(image[1]), plus_one)
    keep = np.flatnonzero(large_enough(boxes, op.number("min_size", 16.0), image, plus_one))
    limit = op.integer("post_nms_topN", 300)
    kept = suppress(boxes, keep, op.number("nms_thresh", 0.7), limit if limit > 0 else -1, plus_one)
    return boxes[kept], flat[order][kept]


@operator("BBoxTransform")
def bbox_transform(
    op: Operator, rois: np.ndarray, deltas: np.ndarray, image_info: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """RoIs (M, 4) or (M, 5) with the image's index first, deltas (M, 4 K): boxes (M, 4 K), and RoIs an image.

    With `rotated`, a box has 5 numbers. RoIs are taken to be sorted by image."""
    columns = 5 if op.flag("rotated") else 4
    if image_info.ndim != 2:
        raise op.error(f"image info {image_info.shape} must be one row for each image")
    images = len(image_info)
    if rois.shape[1] not in {columns, columns + 1} or deltas.shape[1] % columns or len(rois) != len(deltas):
        raise op.error(f"rois {rois.shape} and deltas {deltas.shape} do not fit boxes of {columns} numbers")
    if rois.shape[1] == columns and images != 1:
        raise op.error(f"rois {rois.shape} do not say to which of {images} images they belong")
    weights = op.numbers("weights", (1.0, 1.0, 1.0, 1.0))
    if len(weights) != 4:
        raise op.error(f"has {len(weights)} weights, expected 4")
    ids = np.zeros(len(rois), np.int64) if rois.shape[1] == columns else rois[:, 0].astype(np.int64)
    if len(ids) and not 0 <= ids.min() <= ids.max() < images:
        raise op.error(f"rois belong to image {ids.max()}, but there are {images}")
    counts = np.bincount(ids, minlength=images)
    plus_one = _plus_one(op)
    result = np.zeros(deltas.shape, np.float32)
    starts = np.concatenate([[0], np.cumsum(counts)])
    for image, start, stop in zip(as_float32(image_info), starts[:-1], starts[1:], strict=True):
        height, width = (int(float(size / image[2]) + 0.5) for size in image[:2])
        boxes = as_float32(rois[start:stop, -columns:])
        boxes[:, :4] /= image[2]
        for first in range(0, deltas.shape[1], columns):
            part = as_float32(deltas[start:stop, first : first + columns])
            if columns == 5:
                moved = transform_rotated(boxes, part, weights, _angle_bounds(op))
                moved = clip_rotated(moved, height, width, plus_one, op.number("clip_angle_thresh", 1.0))
            else:
                moved = clip(transform(boxes, part, weights, plus_one), height, width, plus_one)
            if op.flag("apply_scale", True):
                moved[:, :4] *= image[2]
            result[start:stop, first : first + columns] = moved
    return result.astype(np.float64), counts.astype(np.float64)


@operator("BoxWithNMSLimit")
def box_with_nms_limit(
    op: Operator, scores: np.ndarray, boxes: np.ndarray, splits: np.ndarray | None = None
) -> tuple[np.ndarray, ...]:
    """Scores (N, classes), boxes (N, 4 classes), boxes of each image: the detections, class by class.

    Returns scores (n), boxes (n, 4), classes (n), detections an image; then each detection's box as an index into its
    image's boxes (n), and detections for each image and class. Equal scores keep the order of the boxes."""
    if op.flag("rotated"):
        raise op.error("boxes with angles are not supported")
    scores, boxes = as_float32(scores.reshape(scores.shape[:2])), as_float32(boxes.reshape(boxes.shape[:2]))
    count, classes = scores.shape
    if splits is not None and splits.ndim != 1:
        raise op.error(f"the batch {splits.shape} must be one number for each image")
    counts = [count] if splits is None else [int(size) for size in splits]
    if sum(counts) != count or len(boxes) != count:
        raise op.error(f"{count} scores and {len(boxes)} boxes do not fit the batch {counts}")
    expected = 1 if op.flag("cls_agnostic_bbox_reg") else classes - (not op.flag("input_boxes_include_bg_cls", True))
    if boxes.shape[1] != 4 * expected:
        raise op.error(f"boxes {boxes.shape} do not fit scores {scores.shape}: expected {4 * expected} columns")
    found: list[tuple[Floats, Floats, Floats, np.ndarray, np.ndarray]] = []
    start = 0
    for size in counts:
        found.append(_detections(op, scores[start : start + size], boxes[start : start + size]))
        start += size
    results = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    totals = np.array([len(part[0]) for part in found], np.float64)
    best, chosen, labels, keeps, per_class = results
    return (
        best.astype(np.float64),
        chosen.astype(np.float64),
        labels.astype(np.float64),
        totals,
        keeps.astype(np.int32),
        per_class.astype(np.int32),
    )


def _detections(op: Operator, scores: Floats, boxes: Floats) -> tuple[Floats, Floats, Floats, np.ndarray, np.ndarray]:
    """The detections of one image."""
    classes = scores.shape[1]
    first_score = int(op.flag("input_boxes_include_bg_cls", True))
    limit = op.integer("detections_per_im", 100)
    found = []
    for label in range(1, classes):
        own_boxes = boxes[:, _box_columns(op, label)]
        kept, own_scores = _of_class(op, scores[:, label - 1 + first_score], own_boxes, limit)
        found += [(own_scores[index], label, index, own_boxes[index]) for index in kept]
    if 0 < limit < len(found):
        best = sorted(range(len(found)), key=lambda n: -found[n][0])[:limit]
        found = [found[n] for n in sorted(best, key=lambda n: (found[n][1], -found[n][0]))]
    labels = np.array([detection[1] for detection in found], np.int64)
    return (
        np.array([detection[0] for detection in found], np.float32),
        np.array([detection[3] for detection in found], np.float32).reshape(-1, 4),
        (labels - (not op.flag("output_classes_include_bg_cls", True))).astype(np.float32),
        np.array([detection[2] for detection in found], np.int32),
        np.bincount(labels, minlength=classes)[None],
    )


def _box_columns(op: Operator, label: int) -> slice:
    if op.flag("cls_agnostic_bbox_reg"):
        return slice(0, 4)
    position = label - (not op.flag("input_boxes_include_bg_cls", True))
    return slice(4 * position, 4 * position + 4)


def _of_class(op: Operator, scores: Floats, boxes: Floats, limit: int) -> tuple[list[int], Floats]:
    candidates = np.flatnonzero(scores > np.float32(op.number("score_thresh", 0.05)))
    threshold, plus_one = op.number("nms", 0.3), _plus_one(op)
    method = op.text("soft_nms_method", "linear")
    if method not in {"linear", "gaussian"}:
        raise op.error(f"soft_nms_method is {method!r}, expected linear or gaussian")
    if op.flag("soft_nms_enabled"):
        sigma, lowest = op.number("soft_nms_sigma", 0.5), op.number("soft_nms_min_score_thres", 0.001)
        return suppress_softly(boxes, scores, candidates, method, sigma, threshold, lowest, plus_one)
    order = candidates[np.argsort(-scores[candidates], kind="stable")]
    return suppress(boxes, order, threshold, limit if limit > 0 else -1, plus_one), scores
