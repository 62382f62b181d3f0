"""Sums, means and extremes over runs of rows, as recommendation nets pool their embeddings."""

from collections.abc import Callable

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import Integers, limited

_COMBINE: dict[str, Callable] = {
    "Sum": lambda rows: rows.sum(0),
    "Mean": lambda rows: rows.sum(0) / max(1, len(rows)),
    "Max": lambda rows: rows.max(0) if len(rows) else np.zeros(rows.shape[1:]),
}


def _pooled(op: Operator, rows: np.ndarray, lengths: np.ndarray, combine: str) -> np.ndarray:
    """The rows, `lengths` of them at a time, made one each."""
    lengths = lengths.reshape(-1)
    if np.any(lengths < 0) or lengths.sum() != len(rows):
        raise op.error(f"lengths {lengths.tolist()[:10]} do not make up {len(rows)} rows")
    ends = np.cumsum(lengths)
    pooled = [_COMBINE[combine](rows[end - length : end]) for end, length in zip(ends, lengths, strict=True)]
    return np.stack(pooled) if pooled else np.zeros((0, *rows.shape[1:]))


def _taken(op: Operator, table: np.ndarray, indices: np.ndarray) -> np.ndarray:
    if indices.size and not 0 <= indices.min() <= indices.max() < len(table):
        raise op.error(f"indices {indices.min()} to {indices.max()} are outside of {len(table)} rows")
    rows = table[indices.reshape(-1)]
    # Caffe2 sums a table in half precision in single.
    return rows.astype(np.float64) if rows.dtype == np.float16 else rows


def _weighted(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return rows * weights.reshape(-1, *[1] * (rows.ndim - 1))


def _register(combine: str) -> None:
    @operator(f"Lengths{combine}")
    def lengths_pool(op: Operator, rows: np.ndarray, lengths: Integers) -> np.ndarray:
        return _pooled(op, rows, lengths, combine)

    @operator(f"SparseLengths{combine}")
    def sparse_lengths_pool(op: Operator, table: np.ndarray, indices: Integers, lengths: Integers) -> np.ndarray:
        return _pooled(op, _taken(op, table, indices), lengths, combine)


for _name in _COMBINE:
    _register(_name)


@operator("LengthsWeightedSum")
def lengths_weighted_sum(op: Operator, rows: np.ndarray, weights: np.ndarray, lengths: Integers) -> np.ndarray:
    """Sums of rows times their weights."""
    return _pooled(op, _weighted(rows, weights), lengths, "Sum")


@operator("SparseLengthsWeightedSum")
def sparse_lengths_weighted_sum(
    op: Operator, table: np.ndarray, weights: np.ndarray, indices: Integers, lengths: Integers
) -> np.ndarray:
    """Sums of a table's rows times weights, one weight per index."""
    return _pooled(op, _weighted(_taken(op, table, indices), weights), lengths, "Sum")


def _by_segment(op: Operator, rows: np.ndarray, segments: np.ndarray, combine: str) -> np.ndarray:
    segments = segments.reshape(-1)
    if len(segments) != len(rows) or np.any(segments < 0):
        raise op.error(f"has {len(segments)} segment ids for {len(rows)} rows, or negative ones")
    count = int(segments.max(initial=-1)) + 1
    if op.type.startswith("Unsorted"):
        count = max(count, op.integer("num_segments", -1))
    elif np.any(np.diff(segments, prepend=-1) > 1) or np.any(np.diff(segments) < 0):
        raise op.error("its segment ids must be sorted from 0 up, without gaps")
    limited(count, *rows.shape[1:])
    order = np.argsort(segments, kind="stable")
    return _pooled(op, rows[order], np.bincount(segments, minlength=count), combine)


@operator("SortedSegmentSum", "UnsortedSegmentSum")
def segment_sum(op: Operator, rows: np.ndarray, segments: Integers) -> np.ndarray:
    """Sums of the rows that have the same segment id."""
    return _by_segment(op, rows, segments, "Sum")


@operator("SortedSegmentMean", "UnsortedSegmentMean")
def segment_mean(op: Operator, rows: np.ndarray, segments: Integers) -> np.ndarray:
    """Means of the rows that have the same segment id."""
    return _by_segment(op, rows, segments, "Mean")


@operator("LengthsToSegmentIds")
def lengths_to_segment_ids(op: Operator, lengths: Integers) -> np.ndarray:
    """The number of each segment, as often as it is long, int32."""
    limited(sum(map(int, lengths.reshape(-1))))
    return np.repeat(np.arange(lengths.size, dtype=np.int32), lengths.reshape(-1))


@operator("SegmentIdsToLengths")
def segment_ids_to_lengths(op: Operator, segments: Integers) -> np.ndarray:
    """How long each segment is, int32."""
    limited(int(segments.max(initial=0)) + 1)
    return np.bincount(segments.reshape(-1)).astype(np.int32)


@operator("LengthsTile")
def lengths_tile(op: Operator, rows: np.ndarray, lengths: Integers) -> np.ndarray:
    """Each row as often as its length says."""
    limited(sum(map(int, lengths.reshape(-1))), *rows.shape[1:])
    return np.repeat(rows, lengths.reshape(-1), axis=0)
