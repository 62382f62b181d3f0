"""Measure what operators cost in float and in integers, and print the table of quantize/plan/costs.py.

python benchmarks/int8_costs.py [--rounds 60] [KIND ...]

Each kind of operator stands several times in nets of some sizes, between convolutions where it would not stand alone.
Each net runs as it is and all in integers, one thread; a node's time is the least of all rounds, as ONNX Runtime's
profiler gives it. A kind takes what its net takes more than the same one without it; kinds of small operators, for
which the profiler takes longer than they do, are timed by whole runs. Costs are fitted to the sizes
with the least relative error; on standard error, the fitted times stand beside the measured ones.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import onnxruntime
from int8_nets import Net

from zoosmith.optimize import to_proto
from zoosmith.optimize.values import name_of
from zoosmith.quantize import quantizer
from zoosmith.quantize.calibration import calibrate
from zoosmith.quantize.plan.costs import conversion_cost, step_cost
from zoosmith.quantize.plan.partition import partition, units
from zoosmith.quantize.plan.planning import tensor_shapes
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation.runtimes import target_for

# how often the operator stands in its net
COUNT = 4
LAYOUT = ("Transpose", "ReorderInput", "ReorderOutput")
CONVOLUTIONS = ("Conv", "FusedConv", "QLinearConv")

Operator = Callable[[Net, str, str], str]
"""Adds an operator on the output of a convolution, and on that of the one before."""


@dataclass(frozen=True)
class Trial:
    """One size of an operator: its net, and what the cost is a function of.

    Attributes:
        model: holds the operator COUNT times.
        values: how many the operator reads or makes, whichever are more.
        products: how many it computes.
        kernels: those of ONNX Runtime that count; none for all.
        without: what the net takes beside the operator.
        clock: time whole runs with and without the operator: the profiler takes longer than a small one.
        conversions: microseconds of those that the integer form of each operator needs.
    """

    model: onnx.ModelProto
    values: int
    products: int = 0
    kernels: tuple[str, ...] = ()
    without: onnx.ModelProto | None = None
    clock: bool = False
    conversions: float = 0.0


def convolutions(inputs: int, outputs: int, kernel: int, size: int, group: int = 1) -> Trial:
    net = Net("net", [1, inputs, size, size])
    x = "data"
    for _ in range(COUNT // 2):
        for read, made in ((inputs, outputs), (outputs, inputs)):
            x = net.add("Relu", net.conv(x, read, made, kernel, group=group))
    padded = [-(-channels // 16) * 16 if group == 1 else channels for channels in (inputs, outputs)]
    products = (inputs * padded[1] + outputs * padded[0]) // 2 // group * kernel**2 * size**2
    return Trial(net.model(x), max(inputs, outputs) * size**2, products, CONVOLUTIONS)


def sequences(channels: int, kernel: int, length: int) -> Trial:
    def of(count: int) -> onnx.ModelProto:
        net = Net("net", [1, channels, length])
        x = "data"
        for _ in range(count):
            weights = net.normal(channels, channels, kernel, spread=(2 / channels / kernel) ** 0.5)
            x = net.add("Relu", net.add("Conv", x, weights, net.normal(channels), pads=[kernel // 2] * 2))
        return net.model(x)

    products = -(-channels // 16) * 16 * channels * kernel * length
    return Trial(of(COUNT + 1), channels * length, products, without=of(1), clock=True)


def pictures(outputs: int, kernel: int, size: int) -> Trial:
    net = Net("net", [1, 3, size, size])
    made = [net.add("Relu", net.conv("data", 3, outputs, kernel, 2)) for _ in range(COUNT)]
    positions = (size // 2) ** 2
    products = 3 * outputs * kernel**2 * positions
    values = max(3 * size**2, outputs * positions)
    return Trial(net.model(net.add("Concat", *made, axis=1)), values, products, CONVOLUTIONS)


def signals(outputs: int, kernel: int, length: int) -> Trial:
    """Wide kernels over a signal, as a Fourier transform is, in the form of an image of one row."""
    net = Net("net", [1, 1, 1, length])
    given = {"kernel_shape": [1, kernel], "strides": [1, kernel // 2]}
    weights = [net.normal(outputs, 1, 1, kernel) for _ in range(COUNT)]
    made = [net.add("Conv", "data", each, **given) for each in weights]
    positions = (length - kernel) // (kernel // 2) + 1
    values, products = max(length, outputs * positions), -(-outputs // 16) * 16 * kernel * positions
    return Trial(net.model(net.add("Concat", *made, axis=1)), values, products, (*CONVOLUTIONS, *LAYOUT))


def rows(inputs: int, outputs: int) -> Trial:
    return replace(convolutions(inputs, outputs, 1, 1), products=inputs * outputs)


def matrices(count: int, inputs: int, outputs: int) -> Trial:
    def of(pairs: int) -> onnx.ModelProto:
        net = Net("net", [1, count, inputs])
        x = "data"
        for _ in range(pairs):
            x = net.dense(net.dense(x, inputs, outputs), outputs, inputs)
        return net.model(x)

    values, products = count * max(inputs, outputs), count * inputs * outputs
    conversions = (conversion_cost((count, inputs))[0] + conversion_cost((count, outputs))[0]) / 2
    return Trial(of(COUNT // 2 + 1), values, products, without=of(1), clock=True, conversions=conversions)


def between(operator: Operator | None, channels: int, size: int, kernel: int = 1) -> onnx.ModelProto:
    """Convolutions with an operator behind each."""
    net = Net("net", [1, channels, size, size])
    x = net.conv("data", channels, channels, kernel)
    for _ in range(COUNT):
        made = net.conv(x, channels, channels, kernel)
        x = operator(net, made, x) if operator else made
    return net.model(net.conv(x, channels, channels, kernel))


def more(operator: Operator, rest: Operator | None = None, kernel: int = 1) -> list[Trial]:
    """What nets with an operator take more than nets without it."""
    return [
        Trial(
            between(operator, channels, size, kernel),
            channels * size**2,
            without=between(rest, channels, size, kernel),
        )
        for channels, size in SIZES
    ]


SIZES = ((16, 24), (96, 14), (48, 48), (64, 56))


def batch_normalization(net: Net, x: str, _: str) -> str:
    channels = net.input.type.tensor_type.shape.dim[1].dim_value
    given = [net.constant(np.linspace(0.5, 1, channels)) for _ in range(4)]
    return net.add("BatchNormalization", net.add("Relu", x), *given)


def cut(net: Net, x: str, _: str) -> str:
    """An affine and a Relu, a Max on uint8 for runtimes that have it."""
    channels = net.input.type.tensor_type.shape.dim[1].dim_value
    scale, mean, variance = (net.constant(np.linspace(0.5, 1, channels)) for _ in range(3))
    shift = net.constant(np.linspace(-0.5, 0, channels))
    return net.add("Relu", net.add("BatchNormalization", net.add("Relu", x), scale, shift, mean, variance))


def rectified(net: Net, x: str, _: str) -> str:
    return net.add("Relu", x)


def concat(channels: int, size: int) -> Trial:
    net = Net("net", [1, channels, size, size])
    x = net.conv("data", channels, channels)
    for _ in range(COUNT):
        x = net.conv(net.add("Concat", net.conv(x, channels, channels), x, axis=1), 2 * channels, channels)
    return Trial(net.model(x), 2 * channels * size**2, kernels=("Concat", "QLinearConcat"))


def moves(channels: int, size: int) -> Trial:
    net = Net("net", [1, channels, size, size])
    x = net.conv("data", channels, channels)
    for _ in range(COUNT):
        x = net.conv(net.add("Transpose", x, perm=[0, 1, 3, 2]), channels, channels)
    return Trial(net.model(x), channels * size**2, kernels=LAYOUT)


def views(channels: int, length: int) -> Trial:
    """Slice of sequences, which has no layout to change."""
    net = Net("net", [1, channels, length])
    x = net.add("Conv", "data", net.normal(channels, channels, 1))
    for _ in range(COUNT):
        bounds = (net.constant(np.array([number]), np.int64) for number in (1, length, 2))
        x = net.add("Slice", x, *bounds)
    return Trial(net.model(x), channels * length, kernels=("Slice",))


def hard_sigmoids(channels: int, size: int) -> Trial:
    """HardSigmoid of what was integer: it does not become part of a float convolution."""
    net = Net("net", [1, channels, size, size])
    x = net.add("Tanh", net.conv("data", channels, channels))
    for _ in range(COUNT):
        x = net.add("HardSigmoid", x, alpha=1 / 6)
    return Trial(net.model(x), channels * size**2, kernels=("HardSigmoid", "Clip"))


def hard_swish(net: Net, x: str, _: str) -> str:
    return net.add("HardSwish", x)


def product(net: Net, x: str, before: str) -> str:
    return net.add("Mul", x, before)


def total(net: Net, x: str, before: str) -> str:
    return net.add("Add", x, before)


def relu(net: Net, x: str, _: str) -> str:
    return net.add("Add", x, net.add("Relu", x))


def twice(net: Net, x: str, _: str) -> str:
    return net.add("Add", x, x)


def silu(net: Net, x: str, _: str) -> str:
    return net.add("Mul", x, net.add("Sigmoid", x))


def squared(net: Net, x: str, _: str) -> str:
    return net.add("Mul", x, x)


def gated(net: Net, x: str, _: str) -> str:
    return net.add("Mul", x, net.add("GlobalAveragePool", x))


def leaky_relu(net: Net, x: str, _: str) -> str:
    return net.add("LeakyRelu", x, alpha=0.1)


def max_pool(net: Net, x: str, _: str) -> str:
    return net.add("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def average_pools(channels: int, size: int) -> Trial:
    with_pools, without = Net("net", shape := [1, channels, size, size]), Net("net", shape)
    x = with_pools.conv("data", channels, channels)
    for _ in range(COUNT):
        x = with_pools.add("AveragePool", x, kernel_shape=[2, 2])
    x = with_pools.conv(x, channels, channels)
    rest = without.conv(without.conv("data", channels, channels), channels, channels)
    return Trial(with_pools.model(x), channels * size**2, without=without.model(rest))


def padded_average_pool(net: Net, x: str, _: str) -> str:
    return net.add("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def pools_before_conversion(channels: int, size: int) -> Trial:
    """MaxPool of what was float: its layout is not the one that integer convolutions give it."""
    net = Net("net", [1, channels, size, size])
    x = net.add("Tanh", net.conv("data", channels, channels))
    for _ in range(COUNT):
        x = max_pool(net, x, x)
    return Trial(net.model(x), channels * size**2, kernels=("MaxPool", *LAYOUT))


KINDS: dict[str, Callable[[], list[Trial]]] = {
    "Conv": lambda: [
        convolutions(*size)
        for size in (
            (16, 16, 3, 24),
            (16, 32, 3, 56),
            (64, 64, 3, 28),
            (128, 128, 3, 14),
            (256, 256, 3, 7),
            (24, 24, 5, 24),
        )
    ],
    "Conv of pictures": lambda: [pictures(*size) for size in ((16, 3, 224), (8, 3, 96), (32, 3, 160), (16, 5, 64))],
    "1 x 1 Conv": lambda: [
        convolutions(*size)
        for size in (
            (8, 16, 1, 48),
            (16, 64, 1, 56),
            (24, 88, 1, 24),
            (64, 256, 1, 28),
            (96, 384, 1, 14),
            (160, 960, 1, 7),
        )
    ],
    "depthwise Conv": lambda: [
        convolutions(channels, channels, kernel, size, channels)
        for channels, kernel, size in ((32, 3, 48), (64, 3, 56), (96, 5, 28), (240, 3, 14), (672, 5, 7), (96, 5, 12))
    ],
    # channels that are no multiple of 16, or few
    "odd depthwise Conv": lambda: [
        convolutions(channels, channels, kernel, size, channels)
        for channels, kernel, size in ((8, 3, 48), (16, 3, 112), (40, 3, 56), (72, 5, 28), (16, 5, 14))
    ],
    "Conv of sequences": lambda: [
        sequences(*size)
        for size in ((32, 3, 64), (128, 3, 64), (128, 5, 16), (256, 3, 8), (128, 3, 4), (64, 3, 2), (128, 3, 1))
    ],
    "Conv of signals": lambda: [
        signals(*size) for size in ((130, 128, 320), (258, 256, 640), (258, 256, 4096), (514, 512, 8192))
    ],
    "row": lambda: [rows(*size) for size in ((16, 64), (64, 256), (240, 960), (512, 1000))],
    "product": lambda: [
        matrices(*size) for size in ((32, 64, 64), (40, 120, 240), (128, 384, 384), (196, 384, 1536), (64, 768, 768))
    ],
    # one or two rows, for which float kernels have nothing to share
    "product of few rows": lambda: [
        matrices(*size) for size in ((1, 64, 128), (1, 128, 512), (1, 256, 256), (1, 512, 1024), (2, 128, 512))
    ],
    "HardSigmoid": lambda: more(hard_swish, squared),
    "Sigmoid": lambda: more(silu, squared),
    "Mul of two": lambda: more(product),
    "Add of two": lambda: more(total),
    "Relu": lambda: more(relu, twice),
    "LeakyRelu": lambda: more(leaky_relu),
    "affine": lambda: more(batch_normalization, kernel=3),
    "threshold": lambda: more(cut, rectified),
    "MaxPool": lambda: more(max_pool),
    "padded AveragePool": lambda: more(padded_average_pool),
    "AveragePool": lambda: [average_pools(*size) for size in SIZES],
    "GlobalAveragePool": lambda: more(gated, squared),
    "MaxPool before a conversion": lambda: [pools_before_conversion(*size) for size in SIZES],
    "HardSigmoid before a conversion": lambda: [hard_sigmoids(*size) for size in SIZES],
    "Concat": lambda: [concat(*size) for size in SIZES],
    "view": lambda: [views(*size) for size in ((16, 64), (128, 32), (128, 256), (256, 512))],
    "move": lambda: [moves(*size) for size in SIZES],
}


def integer(model: onnx.ModelProto, chosen: Callable[[int], bool] = lambda index: True) -> onnx.ModelProto:
    """The model with all operators, or the chosen ones, in integers."""
    with mock.patch.object(quantizer, "PadDepthwiseConvolutions", lambda: lambda model: None):
        prepared = quantizer.prepare(model)
    names = {step.name for index, step in enumerate(step for step in units(prepared) if step.form) if chosen(index)}
    parts = partition(prepared, names)
    exact, samples = to_proto(prepared), random_samples(model, 2)
    ranges = calibrate(exact, samples, tensors=tensor_shapes(prepared, exact, samples))
    quantizer.write_integer(prepared, parts, ranges, Target(runtime=target_for("onnxruntime")))
    return to_proto(prepared)


def kernel_times(model: onnx.ModelProto, rounds: int, sample: Mapping[str, np.ndarray] | None = None) -> Counter[str]:
    """Microseconds of each kernel of ONNX Runtime in one run, the least of all rounds."""
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as temporary:
        options.profile_file_prefix = str(Path(temporary) / "run")
        profiled = session(model, options)
        given = random_samples(model, 1)[0] if sample is None else sample
        for _ in range(rounds):
            profiled.run(None, given)
        events = json.loads(Path(profiled.end_profiling()).read_text())
    least: dict[str, tuple[str, float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            _, before = least.get(event["name"], ("", np.inf))
            least[event["name"]] = (event["args"]["op_name"], min(before, event["dur"]))
    result: Counter[str] = Counter()
    for kernel, duration in least.values():
        result[kernel] += duration
    return result


def run_time(model: onnx.ModelProto, without: onnx.ModelProto, rounds: int) -> float:
    """Microseconds that a run of one model takes more than one of another: the median over rounds of ten runs each."""
    sessions = [session(each) for each in (model, without)]
    samples = [random_samples(each, 1)[0] for each in (model, without)]
    taken = []
    for _ in range(rounds):
        row = []
        for each, sample in zip(sessions, samples, strict=True):
            begin = time.perf_counter()
            for _ in range(10):
                each.run(None, sample)
            row.append((time.perf_counter() - begin) / 10)
        taken.append(row[0] - row[1])
    return 1e6 * float(np.median(taken[rounds // 10 :]))


def session(model: onnx.ModelProto, options: onnxruntime.SessionOptions | None = None) -> onnxruntime.InferenceSession:
    """A session of one thread."""
    options = options or onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def measured(trial: Trial, rounds: int, make: Callable[[onnx.ModelProto], onnx.ModelProto]) -> float:
    """Microseconds of the operator."""
    if trial.clock:
        assert trial.without is not None
        conversions = trial.conversions if make is integer else 0.0
        return max(run_time(make(trial.model), make(trial.without), rounds) / COUNT - conversions, 0.05)
    times = kernel_times(make(trial.model), rounds)
    if trial.kernels:
        return max(sum(times[kernel] for kernel in trial.kernels) / COUNT, 0.05)
    assert trial.without is not None
    return max((times.total() - kernel_times(make(trial.without), rounds).total()) / COUNT, 0.05)


def fitted(features: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Coefficients, none of them negative, with the least squared relative error; a microsecond is noise."""
    weights = 1 / (times + 1)
    scaled = features * weights[:, None]
    used = [index for index in range(features.shape[1]) if scaled[:, index].any()]
    while True:
        found = np.zeros(features.shape[1])
        found[used] = np.linalg.lstsq(scaled[:, used], times * weights, rcond=None)[0]
        if (found >= 0).all():
            return found
        used.remove(int(np.argmin(found)))


def show(kind: str, features: np.ndarray, sides: list[np.ndarray]) -> None:
    costs, notes = [], []
    for times in sides:
        found = fitted(features, times)
        costs.append(f"Cost({', '.join(f'{value:.3g}' for value in found[: 3 if found[2] else 2])})")
        pairs = zip(features @ found, times, strict=True)
        notes.append(" ".join(f"{made:.0f}/{time:.0f}" for made, time in pairs))
    print(f'    "{kind}": ({", ".join(costs)}),', flush=True)
    print(f"{kind}: {'; '.join(notes)}", file=sys.stderr, flush=True)


def show_conversions(rounds: int) -> None:
    features, sides = [], ([], [])
    for channels, size in SIZES:
        net = Net("net", [1, channels, size, size])
        x = net.conv("data", channels, channels)
        for _ in range(2 * COUNT):
            # without Abs, ONNX Runtime quantizes a convolution in QDQ form by itself
            x = net.conv(net.add("Abs", x), channels, channels)
        mixed = integer(net.model(x), lambda index: index % 2 == 0)
        times = kernel_times(mixed, rounds)
        count = sum(node.op_type == "QuantizeLinear" for node in mixed.graph.node)
        features.append([1, channels * size**2 / 1000, 0])
        for side, kernels in zip(
            sides, (("QuantizeLinear", "ReorderOutput"), ("DequantizeLinear", "ReorderInput")), strict=True
        ):
            side.append((sum(times[kernel] for kernel in kernels) + times["Transpose"] / 2) / count)
    show("image", np.array(features), [np.array(side) for side in sides])
    features, times = [], []
    for count, width in ((1, 128), (16, 64), (64, 384), (196, 384), (128, 1536)):
        features.append([1, count * width / 1000, 0])
        # there is no layout to change, so both ways cost nearly the same
        times.append(
            run_time(with_conversions(count, width, True), with_conversions(count, width, False), rounds) / COUNT / 2
        )
    show("other", np.array(features), [np.array(times)] * 2)
    features, times = [], []
    for channels, squeezed in ((64, 16), (80, 18), (128, 30), (240, 60), (480, 120), (672, 168)):
        features.append([1, channels / 1000, 0])
        times.append(time_of_positions(channels, squeezed, rounds))
    show("position", np.array(features), [np.array(times)] * 2)


def time_of_positions(channels: int, squeezed: int, rounds: int) -> float:
    """Microseconds of a conversion of a 1 x 1 map: what squeeze-and-excite takes more in float than the table says."""
    net = Net("net", [1, channels, 14, 14])
    x = net.add("Relu", net.conv("data", channels, channels))
    for _ in range(COUNT):
        gate = net.add("Relu", net.conv(net.add("GlobalAveragePool", x), channels, squeezed))
        gate = net.add("HardSigmoid", net.conv(gate, squeezed, channels), alpha=1 / 6)
        x = net.conv(net.add("Mul", x, gate), channels, channels)
    model = net.model(x)
    prepared = quantizer.prepare(model)
    shapes = tensor_shapes(prepared, to_proto(prepared), random_samples(model, 1))
    steps = [step for step in units(prepared) if step.form]
    excited = {
        index: step_cost(step, shapes)
        for index, step in enumerate(steps)
        if prod(shapes[name_of(step.output)][2:]) == 1 and step.node.op_type != "GlobalAveragePool"
    }
    stated = sum(in_float - in_integers for in_float, in_integers in excited.values())
    more = run_time(integer(model, lambda index: index not in excited), integer(model), rounds)
    return max((more - stated) / COUNT / 2, 0.05)


def with_conversions(count: int, width: int, conversions: bool) -> onnx.ModelProto:
    """Float operators, with or without conversions between them."""
    net = Net("net", [1, count, width])
    encoded = [net.constant(np.array(0.01, np.float32)), net.constant(np.array(128), np.uint8)]
    x = net.add("Abs", "data")
    for _ in range(COUNT):
        if conversions:
            x = net.add("DequantizeLinear", net.add("QuantizeLinear", x, *encoded), *encoded)
        x = net.add("Abs", x)
    return net.model(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=[*KINDS, "conversions"])
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args()
    for kind in arguments.kinds:
        if kind == "conversions":
            show_conversions(arguments.rounds)
            continue
        trials = KINDS[kind]()
        features = np.array([[1, trial.values / 1000, trial.products / 1000] for trial in trials])
        makers = (lambda model: model, integer)
        show(
            kind, features, [np.array([measured(trial, arguments.rounds, make) for trial in trials]) for make in makers]
        )


if __name__ == "__main__":
    main()
