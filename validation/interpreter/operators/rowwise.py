"""Embedding tables of bytes, each row with a scale and a bias of its own."""

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import Integers


def _opened(op: Operator, table: np.ndarray, bits: int, tail: type) -> np.ndarray:
    """The numbers (n, d) of fused rows, which end with a scale and a bias of type `tail`."""
    if table.dtype != np.uint8 or table.ndim != 2 or table.shape[1] <= 2 * np.dtype(tail).itemsize:
        raise op.error(f"its table is {table.dtype} {table.shape}, expected fused rows of bytes")
    split = table.shape[1] - 2 * np.dtype(tail).itemsize
    ends = np.ascontiguousarray(table[:, split:]).view(tail).astype(np.float64)
    # the bits of each byte, lowest first, weighed together
    single = np.unpackbits(table[:, :split], axis=1, bitorder="little").reshape(len(table), -1, bits)
    return single @ (2.0 ** np.arange(bits)) * ends[:, :1] + ends[:, 1:]


def _separate(op: Operator, table: np.ndarray, ends: np.ndarray) -> np.ndarray:
    if table.dtype != np.uint8 or ends.shape != (len(table), 2):
        raise op.error(f"its table is {table.dtype} {table.shape}, with scales and biases {ends.shape}")
    return table * ends[:, :1] + ends[:, 1:]


def _pool(op: Operator, rows: np.ndarray, lengths: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Sums or means of rows, `lengths` of them at a time."""
    if np.any(lengths < 0) or lengths.sum() != len(rows):
        raise op.error(f"lengths {lengths.tolist()[:10]} do not make up {len(rows)} rows")
    if weights is not None:
        rows = rows * weights.reshape(-1, 1)
    which = np.repeat(np.arange(len(lengths)), lengths)
    total = np.zeros((len(lengths), rows.shape[1]))
    np.add.at(total, which, rows)
    return total / np.maximum(lengths, 1)[:, None] if "Mean" in op.type else total


def _taken(op: Operator, numbers: np.ndarray, indices: np.ndarray) -> np.ndarray:
    if indices.size and not 0 <= indices.min() <= indices.max() < len(numbers):
        raise op.error(f"indices {indices.min()} to {indices.max()} are outside of {len(numbers)} rows")
    return numbers[indices]


def _kept(op: Operator, numbers: np.ndarray, indices: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows of a pruned table: those that the map sends to -1 are zeros; a map of one zero stands for no pruning."""
    if places.tolist() == [0]:
        return _taken(op, numbers, indices)
    found = _taken(op, places, indices)
    return np.where((found >= 0)[:, None], _taken(op, numbers, np.maximum(found, 0)), 0.0)


def _register(bits: int, tail: type) -> None:
    @operator(f"SparseLengthsSumFused{bits}BitRowwise", f"SparseLengthsMeanFused{bits}BitRowwise")
    def fused(op: Operator, table: np.ndarray, indices: Integers, lengths: Integers) -> np.ndarray:
        return _pool(op, _taken(op, _opened(op, table, bits, tail), indices), lengths, None)

    @operator(f"SparseLengthsWeightedSumFused{bits}BitRowwise")
    def weighted(
        op: Operator, table: np.ndarray, weights: np.ndarray, indices: Integers, lengths: Integers
    ) -> np.ndarray:
        return _pool(op, _taken(op, _opened(op, table, bits, tail), indices), lengths, weights)

    @operator(f"SparseLengthsSum{bits}BitRowwiseSparse", f"SparseLengthsMean{bits}BitRowwiseSparse")
    def pruned(op: Operator, table: np.ndarray, indices: Integers, lengths: Integers, places: Integers) -> np.ndarray:
        return _pool(op, _kept(op, _opened(op, table, bits, tail), indices, places), lengths, None)

    @operator(f"SparseLengthsWeightedSum{bits}BitRowwiseSparse")
    def pruned_weighted(
        op: Operator, table: np.ndarray, weights: np.ndarray, indices: Integers, lengths: Integers, places: Integers
    ) -> np.ndarray:
        return _pool(op, _kept(op, _opened(op, table, bits, tail), indices, places), lengths, weights)


for _width, _end in ((8, np.float32), (4, np.float16), (2, np.float16)):
    _register(_width, _end)


@operator("SparseLengthsSum8BitsRowwise", "SparseLengthsMean8BitsRowwise")
def separate_pool(
    op: Operator, table: np.ndarray, indices: Integers, lengths: Integers, ends: np.ndarray
) -> np.ndarray:
    """Rows of bytes beside their scales and biases (n, 2), pooled."""
    return _pool(op, _taken(op, _separate(op, table, ends), indices), lengths, None)


@operator("SparseLengthsWeightedSum8BitsRowwise", "SparseLengthsWeightedMean8BitsRowwise")
def separate_weighted_pool(
    op: Operator, table: np.ndarray, weights: np.ndarray, indices: Integers, lengths: Integers, ends: np.ndarray
) -> np.ndarray:
    """The same, each row times its weight."""
    return _pool(op, _taken(op, _separate(op, table, ends), indices), lengths, weights)


@operator("Rowwise8BitQuantizedToFloat")
def separate_to_float(op: Operator, table: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """All numbers of such a table."""
    return _separate(op, table, ends)


@operator("GatherFused8BitRowwise")
def gather_fused(op: Operator, table: np.ndarray, indices: Integers) -> np.ndarray:
    """The numbers of the rows at the indices."""
    return _taken(op, _opened(op, table, 8, np.float32), indices)


_TO_FLOAT: dict[str, tuple[int, type]] = {
    "Fused8BitRowwiseQuantizedToFloat": (8, np.float32),
    "Fused8BitRowwiseQuantizedToHalfFloat": (8, np.float32),
    "Fused8BitRowwiseQuantizedHalfScaleBiasToFloat": (8, np.float16),
    "Fused8BitRowwiseQuantizedHalfScaleBiasToHalfFloat": (8, np.float16),
    "Fused4BitRowwiseQuantizedToFloat": (4, np.float16),
    "Fused4BitRowwiseQuantizedToHalf": (4, np.float16),
    "Fused2BitRowwiseQuantizedToFloat": (2, np.float16),
    "Fused2BitRowwiseQuantizedToHalf": (2, np.float16),
}
# despite its name the one with scales in half precision makes floats
_HALF = {name for name in _TO_FLOAT if name.endswith(("dToHalf", "dToHalfFloat"))}


@operator(*_TO_FLOAT)
def fused_to_float(op: Operator, table: np.ndarray) -> np.ndarray:
    """All numbers of a fused table, FLOAT or FLOAT16."""
    numbers = _opened(op, table, *_TO_FLOAT[op.type])
    return numbers.astype(np.float16) if op.type in _HALF else numbers
