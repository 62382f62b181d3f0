"""Measure what the rounding of weights, bias correction and equalization change in integer models, in one run.

python benchmarks/int8_weights.py MODEL.onnx ... [--images FOLDER] [--preprocess NAME] [--samples 24]

For each model: the error of the outputs, in standard deviations, of the integer model as it is written (rounding of the
weights corrected by the mean of what they multiply), with weights rounded by the covariance of what they multiply, as
under a limit of accuracy, without the correction, and of the model whose consecutive convolutions were equalized first
(Nagel et al., "Data-free quantization through weight equalization and bias correction", 2019, section 4.1). Every other
sample calibrates, the rest measures.
"""

import argparse
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
from onnx import numpy_helper

from zoosmith.execution import SILENT
from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.opsets import required_opset
from zoosmith.opset_upgrade import convert_version
from zoosmith.optimize import optimize
from zoosmith.quantize import quantize
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.mixed_precision import _Calibrated
from zoosmith.quantize.samples.reading import read_samples
from zoosmith.quantize.target import INTEGER
from zoosmith.quantize.writing.integer_writer import IntegerWriter
from zoosmith.quantize.writing.quantization_parameters import QuantizationParameters
from zoosmith.validation import preprocessing, runner_for


def equalized(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int]:
    """The model with the channels between two convolutions scaled to equal ranges, and how many pairs there are."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    pairs = 0
    for first in graph.node:
        if first.op_type != "Conv":
            continue
        name = first.output[0]
        while len(readers.get(name, [])) == 1 and name not in outputs and readers[name][0].op_type == "Relu":
            name = readers[name][0].output[0]
        following = readers.get(name, [])
        if len(following) != 1 or name in outputs or following[0].op_type != "Conv" or following[0].input[0] != name:
            continue
        pairs += _equalize(tensors, first, following[0])
    return result, pairs


def _equalize(tensors: dict[str, onnx.TensorProto], first: onnx.NodeProto, second: onnx.NodeProto) -> bool:
    if not all(name in tensors for name in (*first.input[1:], second.input[1])):
        return False
    before, after = (numpy_helper.to_array(tensors[node.input[1]]).astype(np.float64) for node in (first, second))
    if after.shape[1] == len(before):
        axes = (0, *range(2, after.ndim))
    elif after.shape[1] == 1 and len(after) == len(before):  # depthwise
        axes = tuple(range(1, after.ndim))
    else:
        return False
    leaving, entering = np.abs(before).max(axis=tuple(range(1, before.ndim))), np.abs(after).max(axis=axes)
    usable = (leaving > 0) & (entering > 0)
    scale = np.where(usable, np.sqrt(np.where(usable, leaving / np.where(entering > 0, entering, 1), 1)), 1)
    depthwise = axes[0] == 1
    _set(tensors[first.input[1]], before / scale.reshape(-1, *[1] * (before.ndim - 1)))
    for name in first.input[2:]:
        _set(tensors[name], numpy_helper.to_array(tensors[name]) / scale)
    _set(tensors[second.input[1]], after * scale.reshape(*([-1, 1] if depthwise else [1, -1]), *[1] * (after.ndim - 2)))
    return True


def _set(tensor: onnx.TensorProto, value: Array) -> None:
    tensor.CopyFrom(numpy_helper.from_array(value.astype(np.float32), tensor.name))


def uncorrected(writer: IntegerWriter, source: object, entering: QuantizationParameters) -> tuple[Array, Array]:
    """The moments of a source whose mean is not known."""
    mean, spread = _MOMENTS(writer, source, entering)  # type: ignore[arg-type]
    return np.zeros_like(mean), spread


_MOMENTS = IntegerWriter._moments


def by_covariance(model: onnx.ModelProto, samples: Samples) -> onnx.ModelProto:
    """The fastest integer model, its weights rounded by the covariance of what they multiply."""
    floats = _Calibrated(model, samples, "minmax", INTEGER, None, SILENT)
    fastest = floats.plan()
    return floats.rounded_by_covariance(fastest).written(fastest).model


def error(exact: onnx.ModelProto, integer: onnx.ModelProto, samples: Samples) -> float:
    """Mean absolute error of the outputs over their standard deviation."""
    before, after = runner_for(exact), runner_for(integer)
    wanted, found = [], []
    for sample in samples:
        values, others = before.run(sample), after.run(sample)
        wanted += [np.asarray(value, np.float64).ravel() for value in values.values()]
        found += [np.asarray(others[name], np.float64).ravel() for name in values]
    return float(np.abs(np.concatenate(found) - np.concatenate(wanted)).mean() / np.std(np.concatenate(wanted)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--images", default="synthetic", help="a folder, an NPZ file, synthetic or random")
    parser.add_argument("--preprocess", default="caffe-densenet")
    parser.add_argument("--samples", type=int, default=24)
    arguments = parser.parse_args()
    for path in arguments.models:
        model = onnx.load(path)
        model = convert_version(model, 12) if required_opset(model) < 12 else model
        samples = read_samples(model, arguments.images, arguments.samples, preprocessing(arguments.preprocess))
        calibrated, measured = samples[0::2], samples[1::2]
        folded = optimize(model)
        other, pairs = equalized(folded)
        figures = {"as written": error(model, quantize(folded, calibrated), measured)}
        figures["by covariance"] = error(model, by_covariance(folded, calibrated), measured)
        with mock.patch.object(IntegerWriter, "_moments", uncorrected):
            figures["without bias correction"] = error(model, quantize(folded, calibrated), measured)
        figures[f"{pairs} pairs equalized"] = error(model, quantize(other, calibrated), measured)
        print(f"{path.name:40s} " + "  ".join(f"{name} {value:.4f}" for name, value in figures.items()), flush=True)


if __name__ == "__main__":
    main()
