"""Segments of rows in a padded tensor, and rows written over others."""

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import Integers, limited


@operator("PackSegments")
def pack_segments(op: Operator, lengths: Integers, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, …) as (segments, longest, …), cut or filled with 0 or minus infinity; and which of them are rows."""
    if lengths.ndim != 1 or np.any(lengths < 0) or lengths.sum() != len(rows):
        raise op.error(f"lengths {lengths.tolist()[:10]} do not make up {len(rows)} rows")
    longest = op.integer("max_length", -1)
    if longest < 0:
        longest = int(lengths.max(initial=0))
    filling = -np.inf if op.flag("pad_minf") and rows.dtype.kind == "f" else 0
    packed = np.full(limited(len(lengths), longest, *rows.shape[1:]), filling, rows.dtype)
    for segment, part in enumerate(np.split(rows, np.cumsum(lengths)[:-1]) if len(lengths) else []):
        packed[segment, : len(part)] = part[:longest]
    return packed, np.arange(longest) < lengths[:, None]


@operator("UnpackSegments")
def unpack_segments(op: Operator, lengths: Integers, packed: np.ndarray) -> np.ndarray:
    """The rows of (segments, longest, …) one after the other, as many of each segment as its length says."""
    if packed.ndim < 2 or lengths.shape != packed.shape[:1] or np.any(lengths < 0):
        raise op.error(f"lengths {lengths.shape} do not fit the packed rows {packed.shape}")
    if lengths.max(initial=0) > packed.shape[1] or op.integer("max_length", -1) not in {-1, packed.shape[1]}:
        raise op.error(
            f"segments are packed {packed.shape[1]} long, not {max(lengths.max(), op.integer('max_length', -1))}"
        )
    return packed[np.arange(packed.shape[1]) < lengths[:, None]]


@operator("ScatterAssign")
def scatter_assign(op: Operator, rows: np.ndarray, indices: Integers, slices: np.ndarray) -> np.ndarray:
    """The rows with others written over those at the indices, one after the other."""
    places = indices.reshape(-1)
    if places.size and not 0 <= places.min() <= places.max() < len(rows):
        raise op.error(f"indices {places.min()} to {places.max()} are outside of {len(rows)} rows")
    result = rows.copy()
    for place, row in zip(places, slices.reshape(len(places), *rows.shape[1:]), strict=True):
        result[place] = row
    return result
