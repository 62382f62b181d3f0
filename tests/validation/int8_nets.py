"""Random nets of Caffe2's int8 operators: what is quantized, computed, and dequantized again."""

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from tests.validation.caffe2_nets import net_of
from zoosmith.convert.proto.caffe2_pb2 import NetDef

Case = tuple[NetDef, dict[str, np.ndarray]]
_SCALES = [0.02, 0.01, 0.05, 0.1, 0.5, 0.25, 0.037, 0.0123, 1 / 256, 0.003, 1.0, 2.5, 0.125]


def quantization(random: Generator, scale: float | None = None) -> dict[str, object]:
    """A scale and a zero point, often at an end of the range."""
    zero_point = random.choice([0, 1, 128, 255, random.integers(256)])
    chosen = random.choice(_SCALES) if scale is None else scale
    return {"Y_scale": float(np.float32(chosen)), "Y_zero_point": int(zero_point)}


def _data(random: Generator, shape: tuple[int, ...], like: dict[str, object]) -> np.ndarray:
    """Values in and around the range, many of them on a step or half a step."""
    steps = random.integers(-40, 552, shape) / 2 - float(str(like["Y_zero_point"]))
    noise = random.standard_normal(shape) if random.random() < 0.4 else 0.0
    return np.asarray((steps + noise) * float(str(like["Y_scale"])), np.float32)


def _size(random: Generator, low: int, high: int) -> int:
    return int(random.integers(low, high))


def _shape(random: Generator, rank: int | None = None, high: int = 7) -> tuple[int, ...]:
    return tuple(map(int, random.integers(1, high, _size(random, 1, 5) if rank is None else rank)))


def _weights(random: Generator, shape: tuple[int, ...]) -> tuple:
    values = random.integers(0, 256, shape).astype(np.uint8)
    # The wire format keeps bytes in a string field, which takes any.
    given = {"shape": list(shape), **quantization(random, 0.1 * random.choice(_SCALES))}
    return ("Int8GivenTensorFill", "", "w", given, values.tobytes())


def _bias(random: Generator, count: int) -> tuple:
    values = [int(v) for v in random.integers(-5000, 5000, count)]
    return ("Int8GivenIntTensorFill", "", "b", {"shape": [count], "values": values, **quantization(random)})


def _net(
    random: Generator,
    kind: str,
    shape: tuple[int, ...],
    arguments: dict[str, object],
    *fills: tuple,
    same: bool = False,
    output: dict[str, object] | None = None,
    outputs: str = "y",
) -> Case:
    """One operator between a quantization and a dequantization; `same` keeps the input's scale."""
    given = quantization(random)
    target = output or (given if same else quantization(random))
    read = " ".join(["q", *(fill[2] for fill in fills)])
    net = net_of(
        *(fill[:4] for fill in fills),
        ("Int8Quantize", "x", "q", given),
        (kind, read, outputs, {**arguments, **target}),
        ("Int8Dequantize", "y", "f"),
        outputs="y f",
    )
    for op, fill in zip(net.op, fills, strict=False):
        if len(fill) > 4:
            op.arg.add(name="values", s=fill[4])
    return net, {"x": _data(random, shape, given)}


def _window(random: Generator, square: bool = False) -> tuple[dict[str, object], list[int]]:
    """Window arguments in Caffe2's spellings, and the kernel."""
    kernel = [int(v) for v in random.integers(1, 5, 2)]
    if square or random.random() < 0.3:
        kernel = [kernel[0]] * 2
        arguments: dict[str, object] = {"kernel": kernel[0]}
    elif random.random() < 0.5:
        arguments = {"kernel_h": kernel[0], "kernel_w": kernel[1]}
    else:
        arguments = {"kernels": kernel}
    if random.random() < 0.6:
        arguments |= {"stride_h": _size(random, 1, 4), "stride_w": _size(random, 1, 4)}
    choice = random.random()
    if choice < 0.3:
        arguments["pad"] = _size(random, 0, min(kernel))
    elif choice < 0.6:
        arguments |= _pads(random, kernel)
    elif choice < 0.7:
        arguments["legacy_pad"] = _size(random, 1, 4)
    return arguments | {"order": "NHWC"}, kernel


def _pads(random: Generator, kernel: list[int]) -> dict[str, object]:
    return {f"pad_{side}": _size(random, 0, kernel[n % 2]) for n, side in enumerate("tlbr")}


def _convolution(random: Generator) -> Case:
    arguments, kernel = _window(random)
    if "legacy_pad" not in arguments and random.random() < 0.2:
        arguments["dilation"] = 2
    group = int(random.choice([1, 1, 2, 4]))
    channels, outputs = group * _size(random, 1, 12), group * _size(random, 1, 9)
    if random.random() < 0.3:
        group = channels = outputs = int(random.choice([2, 4, 9, 16]))
    if group > 1:
        arguments["group"] = group
    weights = _weights(random, (outputs, *kernel, channels // group))
    kind = str(random.choice(["Int8Conv", "Int8ConvRelu"]))
    shape = (_size(random, 1, 3), _size(random, 3, 10), _size(random, 3, 10), channels)
    return _net(random, kind, shape, arguments, weights, _bias(random, outputs))


def _transposed(random: Generator) -> Case:
    kernel = [int(v) for v in random.integers(1, 5, 2)]
    stride = [int(v) for v in random.integers(1, 4, 2)]
    arguments: dict[str, object] = {"order": "NHWC", "kernel_h": kernel[0], "kernel_w": kernel[1]}
    arguments |= {"stride_h": stride[0], "stride_w": stride[1]}
    if random.random() < 0.5:
        arguments |= _pads(random, kernel)
    if random.random() < 0.5:
        arguments |= {"adj_h": _size(random, 0, stride[0]), "adj_w": _size(random, 0, stride[1])}
    channels, outputs = _size(random, 1, 12), _size(random, 1, 9)
    fills = _weights(random, (channels, *kernel, outputs)), _bias(random, outputs)
    shape = (1, _size(random, 4, 7), _size(random, 4, 7), channels)
    return _net(random, "Int8ConvTranspose", shape, arguments, *fills)


def _linear(random: Generator) -> Case:
    shape, outputs = _shape(random), _size(random, 1, 9)
    weights = _weights(random, (outputs, int(np.prod(shape[1:]))))
    return _net(random, "Int8FC", shape, {}, weights, _bias(random, outputs))


def _two_inputs(
    random: Generator, kind: str, shapes: list[tuple[int, ...]], arguments: dict[str, object], **output: object
) -> Case:
    """An operator of two quantized inputs, at times in place."""
    given = [quantization(random), quantization(random)]
    joins = kind == "Int8Concat"
    target = given[0] if joins else quantization(random)
    written = "y" if joins else str(random.choice(["y", "q", "r"]))
    net = net_of(
        ("Int8Quantize", "x", "q", given[0]),
        ("Int8Quantize", "z", "r", given[1]),
        (kind, "q r", written, {**arguments, **target}),
        ("Int8Dequantize", written, "f"),
        inputs="x z",
        outputs=f"{written} f",
    )
    return net, {name: _data(random, shape, own) for name, shape, own in zip("xz", shapes, given, strict=True)}


def _sum(random: Generator) -> Case:
    kind = str(random.choice(["Int8Add", "Int8AddRelu", "Int8Sum", "Int8SumRelu"]))
    return _two_inputs(random, kind, [_shape(random, high=9)] * 2, {})


def _concat(random: Generator) -> Case:
    shape = list(_shape(random))
    axis = _size(random, 0, len(shape))
    arguments: dict[str, object] = {"axis": axis}
    if len(shape) == 4 and random.random() < 0.5:
        axis, arguments = 3, {"order": "NHWC"}
    other = [*shape[:axis], _size(random, 1, 5), *shape[axis + 1 :]]
    return _two_inputs(random, "Int8Concat", [tuple(shape), tuple(other)], arguments)


def _pool(random: Generator) -> Case:
    shape = (_size(random, 1, 3), _size(random, 2, 9), _size(random, 2, 9), int(random.choice([1, 3, 8, 17])))
    arguments, _ = _window(random)
    if random.random() < 0.3:
        arguments = {"global_pooling": 1, "order": "NHWC"}
    kind = str(random.choice(["Int8AveragePool", "Int8AveragePoolRelu", "Int8MaxPool", "Int8MaxPoolRelu"]))
    return _net(random, kind, shape, arguments, same="Max" in kind)


def _elementwise(random: Generator) -> Case:
    kind = str(random.choice(["Int8Relu", "Int8LeakyRelu", "Int8Sigmoid", "Int8Softmax"]))
    arguments: dict[str, object] = {}
    if kind == "Int8LeakyRelu" and random.random() < 0.8:
        arguments["alpha"] = float(random.choice([0.1, 0.5, 0.01, 0.3, 0.999]))
    probability: dict[str, object] | None = None
    if kind in {"Int8Sigmoid", "Int8Softmax"}:
        probability = {"Y_scale": 1 / 256, "Y_zero_point": 0}
    return _net(random, kind, _shape(random, high=9), arguments, same=kind == "Int8Relu", output=probability)


def _layout(random: Generator) -> Case:
    kind = str(random.choice(["Flatten", "Reshape", "Transpose", "Slice", "ResizeNearest", "ChannelShuffle"]))
    arguments: dict[str, object] = {}
    shape, outputs = _shape(random), "y"
    if kind == "Flatten":
        arguments = {"axis": _size(random, 0, len(shape) + 1)}
    elif kind == "Reshape":
        count, outputs = int(np.prod(shape)), "y old"
        arguments = {"shape": [[-1], [count, 1], [0, -1], [-1, 1, 1]][_size(random, 0, 4)]}
    elif kind == "Transpose":
        arguments = {"axes": random.permutation(len(shape)).tolist()} if random.random() < 0.7 else {}
    elif kind == "Slice":
        arguments = _cut(random, shape)
    elif kind == "ResizeNearest":
        shape = _shape(random, 4)
        scales = random.choice([1.0, 2.0, 0.5, 1.5, 3.3, 0.7], 2)
        arguments = {"height_scale": float(scales[0]), "width_scale": float(scales[1])}
        if random.random() < 0.3:
            arguments = {"output_size": [shape[1] * _size(random, 1, 4) + _size(random, 0, 2), shape[2] * 2]}
    else:
        group = _size(random, 1, 5)
        shape = (*_shape(random, 3), group * _size(random, 1, 5))
        arguments = {"group": group, "kernel": 1, "order": "NHWC"}
    return _net(random, f"Int8{kind}", shape, arguments, same=True, outputs=outputs)


def _cut(random: Generator, shape: tuple[int, ...]) -> dict[str, object]:
    axis = _size(random, 0, len(shape))
    start = _size(random, 0, shape[axis])
    end = -1 if random.random() < 0.3 else _size(random, start + 1, shape[axis] + 1)
    start = start - shape[axis] - 1 if random.random() < 0.2 else start
    if random.random() < 0.3:
        return {"dim": axis, "start_idx": start, "end_idx": end}
    starts, ends = [0] * len(shape), [-1] * len(shape)
    starts[axis], ends[axis] = start, end
    return {"starts": starts, "ends": ends}


def _regions(random: Generator) -> Case:
    shape = (_size(random, 1, 3), _size(random, 2, 10), _size(random, 2, 10), _size(random, 1, 5))
    arguments: dict[str, object] = {"spatial_scale": 0.5, "sampling_ratio": _size(random, 1, 4)}
    arguments |= {"pooled_h": _size(random, 1, 4), "pooled_w": _size(random, 1, 4)}
    corners = random.uniform(-5, 15, (_size(random, 0, 6), 2))
    ids = random.integers(0, shape[0], (len(corners), 1))
    rois = np.concatenate([ids, corners, corners + random.uniform(0, 12, corners.shape)], axis=1).astype(np.float32)
    if shape[0] == 1 and random.random() < 0.5:
        rois = rois[:, 1:]
    given = quantization(random, 0.02)
    net = net_of(
        ("Int8Quantize", "x", "q", given),
        ("Int8RoIAlign", "q r", "y", {**arguments, **quantization(random)}),
        ("Int8Dequantize", "y", "f"),
        inputs="x r",
        outputs="y f",
    )
    return net, {"x": _data(random, shape, given), "r": rois}


def _chain(random: Generator) -> Case:
    """A small network over one image, whose operators rewrite two blobs in turn, under other scales."""
    channels, size = int(random.choice([2, 4, 8])), 6
    current: dict[str, object] = quantization(random, 0.02)
    operators: list[tuple] = [("Int8Quantize", "x", "q", current)]
    old, new = "q", "r"
    window = {"kernel": 3, "pad": 1, "order": "NHWC"}
    for n in range(_size(random, 2, 7)):
        kind = str(random.choice(["Conv", "ConvRelu", "Sum", "MaxPool", "AveragePool", "Relu", "Transpose", "Tanh"]))
        target = {"Y_scale": float(np.float32(0.04 * (n + 1))), "Y_zero_point": int(random.integers(256))}
        if kind in {"MaxPool", "Relu", "Transpose"}:
            moves = {"MaxPool": window, "Transpose": {"axes": [0, 2, 1, 3]}, "Relu": {}}
            operators.append((f"Int8{kind}", old, new, {**moves[kind], **current}))
            target = current
        elif kind == "Tanh":
            operators += [("Int8Dequantize", old, "f"), ("Tanh", "f", "f"), ("Int8Quantize", "f", new, target)]
        elif kind == "Sum":
            operators.append(("Int8Sum", f"{old} {old}", new, target))
        elif kind == "AveragePool":
            operators.append(("Int8AveragePool", old, new, {**window, **target}))
        else:
            shape = [channels, 3, 3, channels]
            values = random.integers(0, 256, shape).astype(np.uint8).tobytes()
            bias = {"shape": [channels], "values": [90 * n] * channels}
            weights = {"shape": shape, "Y_scale": 0.01, "Y_zero_point": 128}
            operators.append(("Int8GivenTensorFill", "", "w", weights, values))
            operators.append(("Int8GivenIntTensorFill", "", "b", bias))
            operators.append((f"Int8{kind}", f"{old} w b", new, {**window, **target}))
        current, old, new = target, new, old
    net = net_of(*(operator[:4] for operator in operators), ("Int8Dequantize", old, "y"))
    for op, operator in zip(net.op, operators, strict=False):
        if len(operator) > 4:
            op.arg.add(name="values", s=operator[4])
    return net, {"x": random.uniform(-2, 2, (2, size, size, channels)).astype(np.float32)}


KINDS: dict[str, Callable[[Generator], Case]] = {
    "convolution": _convolution,
    "transposed": _transposed,
    "linear": _linear,
    "sum": _sum,
    "concat": _concat,
    "pool": _pool,
    "elementwise": _elementwise,
    "layout": _layout,
    "chain": _chain,
    "regions": _regions,
}
