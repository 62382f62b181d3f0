"""Measure the table of `quantize/runtime_kernels.py` again, in every ONNX Runtime that is installed.

python benchmarks/measure_kernels.py [RUNTIME ...]

For each kernel or form a small net is quantized, and run in each release: the table shows the largest difference from
the outputs that the runtime beside gives, in their standard deviations; a dash where the release does not run the file.
`zoosmith runtime install` installs them.
"""

import argparse
from collections.abc import Mapping

import numpy as np
import onnx
from int8_nets import Net

from zoosmith.quantize import quantize
from zoosmith.quantize.runtime_kernels import FIRST_RELEASES, INTEGER_FORM, QDQ_FORM, UINT8_MAX
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import OnnxRuntimeRunner, ValidationError
from zoosmith.validation.runtimes import find_environment, runtime_for, supported, target_for
from zoosmith.validation.runtimes.process import WorkerProcess
from zoosmith.validation.runtimes.runner import ForeignRunner, start

OPSET, IR = 12, 7


def images() -> onnx.ModelProto:
    """Convolutions of several kinds, poolings, a Concat with an affine behind it, a row."""
    net = Net("images", [1, 3, 32, 32], OPSET)
    x = net.add("Relu", net.conv("data", 3, 16, 3, 2))
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    joined = net.add("Concat", x, net.add("Relu", net.conv(x, 16, 16, 3, group=16)), axis=1)
    joined = net.conv(net.add("AveragePool", joined, kernel_shape=[2, 2], strides=[2, 2]), 32, 16)
    return old(net, net.logits(net.add("Add", joined, net.conv(joined, 16, 16)), 16, 8))


def cut() -> onnx.ModelProto:
    """An affine and a Relu of a Concat, between convolutions."""
    net = Net("cut", [1, 3, 16, 16], OPSET)
    x = net.add("Concat", net.conv("data", 3, 16, 3), net.conv("data", 3, 16, 3), axis=1)
    scales, shifts = (net.constant(np.linspace(0.5, 1, 32).reshape(1, 32, 1, 1)) for _ in range(2))
    return old(net, net.conv(net.add("Relu", net.add("Add", net.add("Mul", x, scales), shifts)), 32, 8))


def product() -> onnx.ModelProto:
    """A product of several rows with a bias."""
    net = Net("product", [1, 16, 64], OPSET)
    return old(net, net.dense("data", 64, 128))


def gelu() -> onnx.ModelProto:
    """A GELU between products."""
    net = Net("gelu", [1, 16, 64], OPSET)
    x = net.dense("data", 64, 128)
    plus = net.add("Add", net.add("Erf", net.add("Div", x, net.constant(np.array(2**0.5)))), net.constant(np.array(1)))
    x = net.add("Mul", net.add("Mul", x, plus), net.constant(np.array(0.5)))
    return old(net, net.dense(x, 128, 64))


def lstm() -> onnx.ModelProto:
    """A product, and an LSTM of what it makes."""
    net = Net("lstm", [8, 1, 64], OPSET)
    matrices = [net.normal(1, 512, width, spread=0.1) for width in (64, 128)]
    return old(net, net.add("LSTM", net.dense("data", 64, 64), *matrices, hidden_size=128))


def old(net: Net, output: str) -> onnx.ModelProto:
    """The model with the IR version that the oldest runtimes of its opset load."""
    model = net.model(output)
    model.ir_version = IR
    return model


def files() -> dict[str, onnx.ModelProto]:
    """A quantized net for each row of the table."""
    newest, contrib = target_for("onnxruntime"), Target(contrib=True, every_layer=True)
    wanted: Mapping[str, tuple[onnx.ModelProto, Target]] = {
        INTEGER_FORM: (images(), Target(every_layer=True)),
        QDQ_FORM: (images(), Target("qdq")),
        UINT8_MAX: (cut(), Target(every_layer=True, runtime=newest)),
        "MatMulIntegerToFloat": (product(), contrib),
        "Gelu": (gelu(), contrib),
        "DynamicQuantizeLSTM": (lstm(), contrib),
    }
    made = {}
    for kernel, (model, target) in wanted.items():
        made[kernel] = quantize(model, random_samples(model, 4), target=target)
        held = {node.op_type for node in made[kernel].graph.node}
        if kernel.split()[0] not in held and kernel not in (INTEGER_FORM, QDQ_FORM):
            raise SystemExit(f"{kernel}: the file does not hold it")
    return made


def difference(process: WorkerProcess, model: onnx.ModelProto) -> str:
    """The largest difference of an output from what the runtime beside gives; a dash where the model does not run."""
    [sample] = random_samples(model, 1)
    expected = OnnxRuntimeRunner(model).run(sample)
    try:
        with ForeignRunner(process.name, model, process=process) as runner:
            found = runner.run(sample)
    except ValidationError:
        return "-"
    errors = [np.abs(found[name] - value).max() / value.std() for name, value in expected.items()]
    return f"{max(errors):.3f}"


def main() -> None:
    """Print a line for each runtime."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("runtimes", nargs="*", metavar="RUNTIME", help="by default every one that is installed")
    chosen = [runtime_for(text) for text in parser.parse_args().runtimes]
    every = [known for known in supported() if known.name == "onnxruntime" and find_environment(known)]
    made = files()
    print(f"{'':22}" + "".join(f"{kernel:>24}" for kernel in made))
    print(f"{'the table: from':22}" + "".join(f"{FIRST_RELEASES[kernel]:>24}" for kernel in made))
    for runtime in chosen or every:
        with start(runtime) as process:
            print(f"{runtime!s:22}" + "".join(f"{difference(process, each):>24}" for each in made.values()), flush=True)


if __name__ == "__main__":
    main()
