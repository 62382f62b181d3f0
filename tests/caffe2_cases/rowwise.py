"""Embedding tables of quantized rows."""

import numpy as np

from tests.caffe2_cases.case import Data, OperatorCase, case, fill
from zoosmith.convert.proto.caffe2_pb2 import NetDef

DATA = Data(26)
ROWS, WIDTH = 5, 8
INDICES = np.int64([0, 4, 2, 2, 1, 3])
LENGTHS = np.int32([2, 0, 3, 1])
WEIGHTS = DATA.floats(6)
# rows 1 and 4 of seven are left out
PLACES = np.int32([0, -1, 1, 2, -1, 3, 4])
PRUNED = np.int64([0, 1, 2, 2, 5, 6]), LENGTHS, PLACES


def fused(bits: int, tail: type) -> np.ndarray:
    """A table of rows with numbers of so many bits, each ending with its scale and its bias."""
    numbers = DATA.integers(ROWS, WIDTH * bits // 8, high=256, dtype=np.uint8)
    ends = (DATA.floats(ROWS, 2) * [0.01, 1]).astype(tail)
    return np.concatenate([numbers, ends.view(np.uint8)], axis=1)


def with_table(
    operator: str, table: np.ndarray, *arrays: np.ndarray, parameters: int = 0, label: str = ""
) -> OperatorCase:
    """A case whose first input, and so many of the last ones, come from an init net."""
    made = case(operator, table, *arrays)
    init = NetDef(name="init")
    op = init.op.add(type="GivenTensorByteStringToUInt8Fill", output=["i0"])
    op.arg.add(name="values").strings.append(made.inputs.pop("i0").tobytes())
    op.arg.add(name="shape").ints.extend(table.shape)
    for blob in list(made.inputs)[len(made.inputs) - parameters :]:
        init.MergeFrom(fill(blob, made.inputs.pop(blob)))
    return OperatorCase(operator, made.net, made.inputs, init, label or operator)


FORMS = ((8, np.float32), (4, np.float16), (2, np.float16))
BYTES = DATA.integers(ROWS, WIDTH, high=256, dtype=np.uint8)
ENDS = np.asarray(DATA.floats(ROWS, 2) * [0.01, 1], np.float32)

CASES = [
    *(
        with_table(f"SparseLengths{kind}Fused{bits}BitRowwise", fused(bits, tail), *weights, INDICES, LENGTHS)
        for bits, tail in FORMS
        for kind, weights in (("Sum", []), ("Mean", []), ("WeightedSum", [WEIGHTS]))
    ),
    *(
        with_table(f"SparseLengths{kind}{bits}BitRowwiseSparse", fused(bits, tail), *weights, *PRUNED)
        for bits, tail in FORMS
        for kind, weights in (("Sum", []), ("Mean", []), ("WeightedSum", [WEIGHTS]))
    ),
    with_table(
        "SparseLengthsSumFused8BitRowwise",
        fused(8, np.float32),
        INDICES[:0].astype(np.int32),
        np.zeros(2, np.int32),
        label="SparseLengthsSumFused8BitRowwise of nothing",
    ),
    with_table(
        "SparseLengthsSum8BitRowwiseSparse",
        fused(8, np.float32),
        INDICES,
        LENGTHS,
        np.int32([0]),
        parameters=1,
        label="SparseLengthsSum8BitRowwiseSparse of a whole table",
    ),
    *(
        case(f"SparseLengths{kind}8BitsRowwise", BYTES, *weights, INDICES, LENGTHS, ENDS)
        for kind, weights in (("Sum", []), ("Mean", []), ("WeightedSum", [WEIGHTS]), ("WeightedMean", [WEIGHTS]))
    ),
    case("Rowwise8BitQuantizedToFloat", BYTES, ENDS),
    with_table("GatherFused8BitRowwise", fused(8, np.float32), INDICES),
    with_table("Fused8BitRowwiseQuantizedToFloat", fused(8, np.float32)),
    with_table("Fused8BitRowwiseQuantizedToHalfFloat", fused(8, np.float32)),
    with_table("Fused8BitRowwiseQuantizedHalfScaleBiasToFloat", fused(8, np.float16)),
    with_table("Fused8BitRowwiseQuantizedHalfScaleBiasToHalfFloat", fused(8, np.float16)),
    *(
        with_table(f"Fused{bits}BitRowwiseQuantizedTo{to}", fused(bits, np.float16))
        for bits in (4, 2)
        for to in ("Float", "Half")
    ),
]
