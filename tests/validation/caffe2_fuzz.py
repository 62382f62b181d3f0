"""Random operators with random arguments in all their spellings, family by family.

Each generator takes a RandomState and gives `(type, arguments, inputs, number of outputs)`. Combinations on which
Caffe2 reads beyond its memory (its results are random then, or it dies) are left out, and said so.
"""

from collections.abc import Callable

import numpy as np

from tests.validation.caffe2_fuzz_sequences import sequences_and_regions
from tests.validation.caffe2_fuzz_shapes import SHAPE_OPERATORS, Case
from tests.validation.dice import Dice

FAMILIES: dict[str, Callable[[np.random.RandomState], Case]] = {}


def family(generate):
    FAMILIES[generate.__name__] = generate
    return generate


family(sequences_and_regions)


def spellings(dice, name, values, *, always=False):
    """`kernel`, `kernel_h` and `kernel_w`, or `kernels`; or none of them, and then ones."""
    style = dice.upto(0, 2 if always else 3)
    if len(values) == 2 and style == 0:
        return {name: values[0]}, [values[0]] * 2
    if len(values) == 2 and style == 1:
        return {f"{name}_h": values[0], f"{name}_w": values[1]}, values
    if style <= 2:
        return {f"{name}s": values}, values
    return {}, [1] * len(values)


def window(dice, rank, *, dilate=True):
    kernel_argument, kernel = spellings(dice, "kernel", [dice.upto(1, 4) for _ in range(rank)], always=True)
    stride_argument, _ = spellings(dice, "stride", [dice.upto(1, 3) for _ in range(rank)])
    arguments = kernel_argument | stride_argument
    legacy = dice.pick(0, 1, 2, 3) if dice.chance(0.5) else None
    # Caffe2 reads beyond its memory with legacy_pad 3 and dilation, or 1 and a dilated kernel larger than the image.
    if dilate and legacy not in {1, 3} and dice.chance(0.4):
        arguments |= spellings(dice, "dilation", [dice.upto(1, 2) for _ in range(rank)])[0]
    style = dice.upto(0, 4)
    if style == 0 and rank == 2:
        arguments["pad"] = dice.upto(0, 2)
    elif style == 1 and rank == 2:
        arguments |= {f"pad_{side}": dice.upto(0, 2) for side in "tlbr" if side != "b" or dice.chance(0.9)}
    elif style == 2:
        arguments["pads"] = [dice.upto(0, 2) for _ in range(2 * rank)]
    return arguments | ({} if legacy is None else {"legacy_pad": legacy}), kernel


def image(dice, channels, rank, arguments, *, size=(4, 12)):
    spatial = [dice.upto(*size) for _ in range(rank)]
    count = dice.upto(1, 2)
    if dice.chance(0.3):
        arguments["order"] = "NHWC"
        return dice.floats(count, *spatial, channels)
    return dice.floats(count, channels, *spatial)


@family
def convolution(random):
    dice = Dice(random)
    rank = dice.pick(1, 2, 2, 2, 3)
    arguments, kernel = window(dice, rank)
    group = dice.pick(1, 1, 1, 2, 3)
    channels, outputs = group * dice.upto(1, 3), group * dice.upto(1, 3)
    if group != 1 or dice.chance(0.1):
        arguments["group"] = group
    x = image(dice, channels, rank, arguments)
    inner = channels // group
    weights = dice.floats(outputs, *([*kernel, inner] if "order" in arguments else [inner, *kernel]))
    bias = [dice.floats(outputs)] if dice.chance(0.6) else []
    return dice.pick("Conv", "Conv", f"Conv{rank}D"), arguments, [x, weights, *bias], 1


@family
def transposed_convolution(random):
    dice = Dice(random)
    arguments, kernel = window(dice, 2)
    # Caffe2 ends with legacy_pad 3 here, and reads beyond its memory where adj is as large as the stride.
    if arguments.get("legacy_pad") == 3:
        del arguments["legacy_pad"]
    least = min(arguments.get("strides") or [v for k, v in arguments.items() if k.startswith("stride")] or [1])
    if least > 1:
        arguments |= spellings(dice, "adj", [dice.upto(0, least - 1) for _ in range(2)])[0]
    group = dice.pick(1, 1, 2)
    if group != 1:
        arguments["group"] = group
    channels, outputs = group * dice.upto(1, 3), dice.upto(1, 3)
    # Caffe2 ends where the pads leave nothing.
    x = image(dice, channels, 2, arguments, size=(5, 7))
    weights = dice.floats(channels, *([*kernel, outputs] if "order" in arguments else [outputs, *kernel]))
    bias = [dice.floats(group * outputs)] if dice.chance(0.6) else []
    return "ConvTranspose", arguments, [x, weights, *bias], 1


@family
def pooling(random):
    dice = Dice(random)
    rank = dice.pick(1, 2, 2, 2, 3)
    arguments, kernel = window(dice, rank, dilate=False)
    if dice.chance(0.15):
        arguments = dice.some(kernels=kernel) | {"global_pooling": 1}
    # A window that begins beyond the image reads beyond Caffe2's memory.
    if arguments.get("legacy_pad") == 3 and any("stride" in name for name in arguments):
        arguments["legacy_pad"] = 0
    arguments |= dice.some(0.3, count_include_pad=dice.upto(0, 1))
    x = image(dice, dice.upto(1, 3), rank, arguments)
    if rank == 2 and dice.chance(0.1):
        return "LpPool", {"kernels": kernel} | dice.some(p=3.0), [dice.floats(2, 2, 6, 7)], 1
    kind = dice.pick("MaxPool", "AveragePool")
    return dice.pick(kind, kind, f"{kind}{rank}D"), arguments, [x], 1


@family
def broadcasting(random):
    dice = Dice(random)
    kind = dice.word("Add Sub Mul Div EQ NE LT LE GT GE And Or Xor BitwiseAnd BitwiseOr BitwiseXor Pow")
    dtype = "bool" if kind in {"And", "Or", "Xor"} else "float32" if kind == "Pow" else dice.number()
    shape = dice.shape()
    first, last = sorted((dice.upto(0, len(shape)), dice.upto(0, len(shape))))
    arguments: dict[str, object] = {}
    if dice.chance(0.3):
        second = tuple(1 if dice.chance(0.3) else n for n in shape[first:])
        second = (2, *second) if dice.chance(0.1) else second
    else:
        arguments["broadcast"] = 1
        second = tuple(1 if dice.chance(0.2) else n for n in shape[first:last])
        if dice.chance(0.5):
            arguments["axis"] = first
        elif dice.chance(0.3) and first < len(shape):
            arguments |= {"axis_str": "NHWC"[first], "order": "NHWC"}
    a, b = dice.array(shape, dtype), dice.array(second, dtype)
    if kind == "Div":
        b = np.where(b == 0, 3, b).astype(dtype)
    return kind, arguments, [np.abs(a) if kind == "Pow" else a, b], 1


@family
def elementwise(random):
    dice = Dice(random)
    options = {
        "ReluN": dice.some(n=2.5),
        "LeakyRelu": dice.some(alpha=0.3),
        "Elu": dice.some(alpha=0.7),
        "Selu": dice.some(alpha=1.2, scale=0.9),
        "ThresholdedRelu": dice.some(alpha=0.4),
        "HardSigmoid": dice.some(alpha=0.3, beta=0.4),
        "Gelu": dice.some(fast_gelu=1),
        "Clip": dice.some(min=-0.5, max=0.7),
        "Logit": dice.some(eps=0.01),
        "Scale": dice.some(scale=2.5),
        "Mod": dice.some(sign_follow_divisor=1) | {"divisor": dice.pick(3, 5, -4)},
        "ReplaceNaN": dice.some(value=1.5),
        "Pow": {"exponent": dice.pick(0.0, 0.5, -0.5, 1.0, 2.0, -1.0, 1.7)},
        "Cast": {"to": dice.pick(1, 2, 5, 6, 7, 8, 9, 10, 13, "float", "INT32", "int64", "Bool", "double")},
        "Dropout": dice.some(ratio=0.3) | {"is_test": 1},
    }
    plain = """Relu Sigmoid Tanh Abs Negative Exp Log Log1p Sqrt Rsqrt Reciprocal Sqr Cube Cbrt Sin Cos Tan Sinh Cosh
        Asin Acos Atan Erf Ceil Floor Sign Softplus Softsign Swish Mish Not IsNaN Copy StopGradient EnsureDense
        EnsureCPUOutput CopyFromCPUInput Alias FloatToHalf Sum Max Min Mean Glu"""
    kind = dice.word(plain) if dice.chance(0.6) else dice.pick(*options)
    dtype = {"Not": "bool", "Mod": dice.pick("int32", "int64")}.get(kind, "float32")
    if kind in {"Cast", "Copy", "Sum", "Negative"}:
        dtype = dice.number()
    shape = dice.shape(1, 3)
    x = dice.array((*shape[:-1], 2 * shape[-1]), dtype)
    if dtype == "float32" and dice.chance(0.3):
        x *= 30
    if kind in {"ReplaceNaN", "IsNaN"}:
        x[x > 0.5] = np.nan
    if kind in {"Pow", "Logit"}:
        x = np.abs(x) % 1.2
    more = [dice.array(x.shape, dtype)] * dice.upto(0, 2) if kind in {"Sum", "Max", "Min", "Mean"} else []
    return kind, options.get(kind, {}), [x, *more], 1


@family
def normalization(random):
    dice = Dice(random)
    kind = dice.pick(
        "SpatialBN", "AffineChannel", "LRN", "InstanceNorm", "GroupNorm", "LayerNorm", "Normalize", "PRelu"
    )
    if kind in {"LayerNorm", "Normalize"}:
        x = dice.floats(*dice.shape(2, 4))
        arguments = dice.some(axis=dice.upto(-x.ndim, x.ndim - 1))
        if kind == "Normalize":
            return kind, arguments, [x], 1
        inner = x.shape[arguments.get("axis", 1) :]
        affine = [dice.floats(*inner), dice.floats(*inner)] if dice.chance(0.5) else []
        return kind, arguments | dice.some(epsilon=0.1) | {"elementwise_affine": int(bool(affine))}, [x, *affine], 3
    x = dice.floats(*dice.shape(4, 4))
    arguments = dice.some(0.4, order="NHWC")
    channels = x.shape[3 if arguments else 1]
    scale, bias = dice.floats(channels), dice.floats(channels)
    if kind == "PRelu":
        return kind, arguments, [x, scale if dice.chance(0.7) else scale[:1]], 1
    if kind == "AffineChannel":
        return kind, arguments, [x, scale, bias], 1
    if kind == "LRN":
        return (
            kind,
            arguments | dice.some(alpha=0.7, beta=0.75, bias=1.5) | {"size": dice.upto(1, 5)},
            [x],
            dice.upto(1, 2),
        )
    arguments |= dice.some(epsilon=dice.pick(1e-3, 0.1))
    if kind == "SpatialBN":
        return (
            kind,
            arguments | {"is_test": 1},
            [x, scale, bias, dice.floats(channels), np.abs(dice.floats(channels))],
            1,
        )
    if kind == "GroupNorm":
        arguments["group"] = dice.pick(*[n for n in range(1, channels + 1) if channels % n == 0])
    return kind, arguments, [x, scale, bias], dice.pick(1, 3)


@family
def matrices(random):
    dice = Dice(random)
    kind = dice.pick("FC", "FCTransposed", "MatMul", "BatchMatMul", "ElementwiseLinear", "Softmax", "DotProduct")
    shape = dice.shape()
    axis = dice.upto(0, len(shape) - 1)
    rows, inner, outputs = int(np.prod(shape[:axis])), int(np.prod(shape[axis:])), dice.upto(1, 4)
    x = dice.floats(*shape)
    if kind in {"FC", "FCTransposed"}:
        weights = dice.floats(*((outputs, inner) if kind == "FC" else (inner, outputs)))
        spelled = axis - len(shape) if dice.chance(0.2) else axis
        return kind, {"axis": spelled} | dice.some(0.2, axis_w=dice.pick(1, -1)), [x, weights, dice.floats(outputs)], 1
    if kind == "MatMul":
        arguments = {"axis_a": axis} | dice.some(0.4, trans_a=1, trans_b=1)
        inner = rows if "trans_a" in arguments else inner
        b = dice.floats(*((outputs, inner) if "trans_b" in arguments else (inner, outputs)))
        return kind, arguments, [x, b], 1
    if kind == "BatchMatMul":
        arguments = dice.some(0.4, trans_a=1, trans_b=1) | {"broadcast": 1}
        m, k, n = (dice.upto(1, 4) for _ in range(3))
        leading = dice.shape(0, 2, 3)
        a = dice.floats(*leading, *((k, m) if "trans_a" in arguments else (m, k)))
        narrow = tuple(1 if dice.chance(0.3) else size for size in leading[dice.upto(0, 1) :])
        b = dice.floats(*narrow, *((n, k) if "trans_b" in arguments else (k, n)))
        return kind, arguments, [dice.floats(k) if dice.chance(0.15) else a, b], 1
    if kind == "ElementwiseLinear":
        return kind, {"axis": axis}, [x, dice.floats(inner), dice.floats(inner)], 1
    if kind == "Softmax":
        return kind, dice.some(axis=dice.upto(-len(shape), len(shape) - 1)), [x * dice.pick(1, 60)], 1
    return kind, {}, [x, dice.floats(*shape)], 1


@family
def shapes(random):
    dice = Dice(random)
    kind = dice.word(
        """Concat Split Slice Reshape Flatten FlattenToVec ResizeLike Squeeze ExpandDims Transpose MergeDim PrependDim
        Shape Size Tile NumpyTile Expand ChannelShuffle PadImage SpaceToBatch BatchToSpace SplitByLengths"""
    )
    x = dice.array(dice.shape(), dice.number())
    axis = dice.upto(-x.ndim, x.ndim - 1)
    integers = dice.pick(np.int32, np.int64)
    generate = SHAPE_OPERATORS.get(kind)
    return generate(dice, x, axis, integers) if generate else (kind, {}, [x], 1)


@family
def reductions(random):
    dice = Dice(random)
    kind = dice.word(
        """ReduceSum ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 Moments SumElements SumSqrElements LpNorm
        RowwiseMax ColwiseMax ends ends"""
    )
    x = dice.floats(*dice.shape(*((3, 3) if "wiseMax" in kind else (1, 4))))
    if kind == "ends":
        kind = f"Reduce{dice.pick('Front', 'Back')}{dice.pick('Sum', 'Mean', 'Max')}"
        if dice.chance(0.3):
            kept, size = (x.shape[1:], x.shape[0]) if "Front" in kind else (x.shape[:-1], x.shape[-1])
            return kind, {}, [x, np.int32([dice.upto(0, size) for _ in range(int(np.prod(kept)))])], 1
        return kind, dice.some(num_reduce_dim=dice.upto(0, x.ndim)), [x], 1
    if kind in {"SumElements", "SumSqrElements"}:
        return kind, dice.some(average=1), [x], 1
    if kind == "LpNorm":
        return kind, dice.some(p=dice.upto(1, 2), average=1), [x], 1
    if "wiseMax" in kind:
        return kind, {}, [x], 1
    axes = [int(n) for n in random.permutation(x.ndim)[: dice.upto(1, x.ndim)]]
    if kind.startswith("Reduce"):
        axes = [n - x.ndim if dice.chance(0.2) else n for n in axes]
    return kind, dice.some(axes=axes, keepdims=dice.upto(0, 1)), [x], 2 if kind == "Moments" else 1


@family
def indexing(random):
    dice = Dice(random)
    kind = dice.pick("Gather", "BatchGather", "ArgMax", "ArgMin", "TopK", "OneHot", "BatchOneHot", "Where")
    x = dice.floats(*dice.shape())
    axis = dice.upto(-x.ndim, x.ndim - 1)
    integers = dice.pick(np.int32, np.int64)
    match kind:
        case "Gather":
            arguments = dice.some(axis=axis)
            size = x.shape[arguments.get("axis", 0)]
            low = -size if dice.chance(0.2) else 0
            if dice.chance(0.2):
                outer = x.shape[: arguments.get("axis", 0) % x.ndim]
                indices = np.asarray(random.randint(low, size, (*outer, *dice.shape(1, 2))), integers)
                return kind, arguments | {"match_outer": 1}, [x, indices], 1
            return kind, arguments, [x, np.asarray(random.randint(low, size, dice.shape(0, 2)), integers)], 1
        case "BatchGather":
            x = dice.floats(*dice.shape(2, 4))
            return kind, {}, [x, np.asarray(random.randint(0, x.shape[1], dice.shape(1, 2)), integers)], 1
        case "ArgMax" | "ArgMin":
            return kind, dice.some(axis=max(axis, -1), keepdims=dice.upto(0, 1)), [np.round(x)], 1
        case "TopK":
            return kind, dice.some(axis=axis) | {"k": dice.upto(1, 4)}, [np.round(2 * x)], dice.upto(2, 3)
        case "OneHot":
            return kind, {}, [random.randint(0, 4, 3).astype(np.int64), np.int64([4])], 1
        case "BatchOneHot":
            lengths = np.int32([2, 0, 3])
            return kind, {}, [random.randint(0, 3, (4, 3)).astype(np.int64), lengths, np.int64([0, 2, 1, 0, 2])], 1
    rows = dice.chance(0.4)
    condition = dice.array(x.shape[:1] if rows else x.shape, "bool")
    return kind, {"broadcast_on_rows": int(rows)}, [condition, x, dice.floats(*x.shape)], 1


@family
def segments(random):
    dice = Dice(random)
    kind = dice.word(
        """LengthsSum LengthsMean LengthsMax LengthsTile LengthsToSegmentIds SparseLengthsSum SparseLengthsMean
        SparseLengthsMax SparseLengthsWeightedSum UnsortedSegmentSum UnsortedSegmentMean"""
    )
    lengths = np.int32([dice.upto(0, 3) for _ in range(dice.upto(1, 4))])
    rows = len(lengths) if kind == "LengthsTile" else 5 if kind.startswith("Sparse") else int(lengths.sum())
    data = dice.floats(rows, *dice.shape(0, 2))
    indices = random.randint(0, 5, int(lengths.sum())).astype(dice.pick(np.int32, np.int64))
    if kind == "LengthsToSegmentIds":
        return kind, {}, [lengths], 1
    if kind.startswith("Unsorted"):
        return kind, dice.some(num_segments=5), [data, indices.astype(np.int32)], 1
    weights = [dice.floats(len(indices))] if "Weighted" in kind else []
    return kind, {}, [data, *weights, *([indices] if kind.startswith("Sparse") else []), lengths], 1


@family
def resizing(random):
    dice = Dice(random)
    scales = [dice.pick(1.0, 2.0, 3.0, 0.5, 1.5, 0.7, 2.3, 0.33, 1.1) for _ in range(2)]
    x = dice.floats(2, *(dice.upto(3, 9) for _ in range(3)))
    arguments = dice.some(0.3, order="NHWC")
    kind = dice.pick("ResizeNearest", "ResizeNearest", "UpsampleBilinear", "UpsampleBilinear", "ResizeNearest3D")
    if kind == "ResizeNearest3D":
        doubled = {"height_scale": 2.0, "width_scale": 2.0}
        return kind, doubled | dice.some(temporal_scale=scales[0]), [dice.floats(1, 2, 4, 3, 2)], 1
    if dice.chance(0.3):
        return kind, arguments, [x, np.float32(scales)], 1
    return kind, arguments | dice.some(height_scale=scales[0], width_scale=scales[1]), [x], 1


@family
def fills(random):
    dice = Dice(random)
    kind = dice.pick("ConstantFill", "ConstantFill", "Range", "LengthsRangeFill", "DiagonalFill", "GivenTensorFill")
    shape = dice.shape(1, 3)
    like = [dice.floats(*shape)]
    match kind:
        case "Range":
            dtype = dice.pick(np.int32, np.int64, np.float32)
            bounds = dice.pick([5], [-3, 6], [1, 9, 3], [9, 0, -2], [1, 6, 2])
            return kind, {}, [dtype([bound]) for bound in bounds], 1
        case "LengthsRangeFill":
            return kind, {}, [np.int32([dice.upto(0, 3) for _ in range(3)])], 1
        case "DiagonalFill":
            return kind, dice.some(value=2.5) | {"shape": [dice.upto(1, 4), dice.upto(1, 4)]}, [], 1
        case "GivenTensorFill":
            return kind, {"shape": list(shape), "values": [float(n) for n in range(int(np.prod(shape)))]}, [], 1
    arguments = dice.some(value=dice.pick(3.5, 2))
    if "value" in arguments and dice.chance(0.4):
        arguments |= {"value": 1, "dtype": dice.pick(2, 5, 10)}
    if dice.chance(0.4):
        return kind, arguments | {"shape": list(shape)}, [], 1
    if dice.chance(0.5):
        return kind, arguments | {"input_as_shape": 1} | dice.some(extra_shape=[2, 1]), [np.int64(shape)], 1
    return kind, arguments | dice.some(extra_shape=[2, 1]), like, 1
