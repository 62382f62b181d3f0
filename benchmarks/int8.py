"""Measure the integer model against the float one and ONNX Runtime's static quantizer, all in one run.

python benchmarks/int8.py densenet-12.onnx --images FOLDER --labels labels.csv [--runs 60]

One integer model is for every ONNX Runtime from 1.6 on, another for the newest one alone. Every other image calibrates,
the rest measures: as it is, brightened, darkened and noised (seeded). Speed is on one thread, the models taking turns
in one process. The relative top-1 drop comes with its 95 % interval from the images on which the two models disagree.
Other quantizers' files made elsewhere can join: --also FILE.onnx.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx.version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from zoosmith.optimize import optimize
from zoosmith.quantize import quantize as quantize_integer
from zoosmith.quantize.samples.reading import image_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import ImageFolder, load_images, preprocessing
from zoosmith.validation.accuracy.classifier import Classifier
from zoosmith.validation.reading.preprocess import DISTURBANCES, Disturbed
from zoosmith.validation.running.latency import measure
from zoosmith.validation.runtimes import target_for

PREPROCESS = preprocessing("caffe-densenet")


class Reader(CalibrationDataReader):
    """Feeds samples to ONNX Runtime's quantizer."""

    def __init__(self, samples: list[dict]) -> None:
        self._samples = iter(samples)

    def get_next(self) -> dict | None:
        return next(self._samples, None)


def with_onnx_runtime(source: Path, output: Path, samples: list[dict]) -> None:
    """ONNX Runtime's own recipe: preprocess, then static quantization, int8 weights by channel, uint8 activations.

    Scales by channel need opset 13 in its format.
    """
    newer, prepared = output.with_suffix(".13.onnx"), output.with_suffix(".prepared.onnx")
    onnx.save(onnx.version_converter.convert_version(onnx.load(source), 13), newer)
    quant_pre_process(str(newer), str(prepared), skip_symbolic_shape=True)
    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(
        str(prepared), str(output), Reader(samples), quant_format=QuantFormat.QDQ, per_channel=True, **kinds
    )


def halves(folder: Path, labels: Path) -> tuple[ImageFolder, ImageFolder]:
    """Every other image, and the others."""
    first, second = ImageFolder(folder, labels), ImageFolder(folder, labels)
    first.samples, second.samples = first.samples[0::2], second.samples[1::2]
    return first, second


def drop(exact: np.ndarray, found: np.ndarray, truth: np.ndarray) -> str:
    """The relative drop of top-1 in percent, with its 95 % interval (paired by image)."""
    right = exact.argmax(1) == truth
    lost = right.astype(float) - (found.argmax(1) == truth)
    width = 1.96 * lost.std() / np.sqrt(len(lost))
    return f"{100 * lost.mean() / right.mean():.2f} +- {100 * width / right.mean():.2f}"


def print_accuracy(models: dict[str, Path], folder: ImageFolder) -> None:
    """Top-1, its drop, the agreement with the first model and the error of logits, clean and disturbed."""
    truth = np.array([sample.label for sample in folder])
    classifiers = {name: Classifier(path) for name, path in models.items()}
    disturbed: dict[str, list[list[np.ndarray]]] = {}
    for kind in ("clean", *DISTURBANCES):
        to_array = PREPROCESS if kind == "clean" else Disturbed(PREPROCESS, kind)
        images = load_images(folder, to_array, (224, 224))
        logits = {name: classifier.logits(images) for name, classifier in classifiers.items()}
        exact = next(iter(logits.values()))
        for name, found in logits.items():
            print_row(kind, name, exact, found, truth)
            if kind != "clean":
                disturbed.setdefault(name, []).append([exact, found])
    for name, pairs in disturbed.items():
        exact, found = (np.concatenate(part) for part in zip(*pairs, strict=True))
        print_row("all three", name, exact, found, np.tile(truth, len(pairs)))


def print_row(kind: str, name: str, exact: np.ndarray, found: np.ndarray, truth: np.ndarray) -> None:
    top1 = 100 * (found.argmax(1) == truth).mean()
    same = 100 * (exact.argmax(1) == found.argmax(1)).mean()
    error = np.abs(found - exact).mean() / exact.std()
    print(
        f"{kind:10s} {name:22s} top-1 {top1:6.2f} %  drop {drop(exact, found, truth):>16s} %  "
        f"same top-1 {same:6.2f} %  logit error {error:.4f}",
        flush=True,
    )


def conversions(path: Path) -> Iterator[str]:
    counts = Counter(node.op_type for node in onnx.load(path).graph.node)
    for op_type in ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "Max", "Conv", "BatchNormalization"):
        yield f"{op_type} {counts[op_type]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", type=Path, help="the float model, opset 12, that all are measured against")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--also", type=Path, action="append", default=[], help="another quantizer's file")
    parser.add_argument("--keep", type=Path, help="folder for the models; by default they are thrown away")
    parser.add_argument("--runs", type=int, default=60)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        models = {"float": arguments.row}
        names = ("folded", "integer", "integer-for-newest", "onnxruntime-static")
        models.update({name: folder / f"{name}.onnx" for name in names})
        row, optimized, integer, newest, theirs = models.values()
        model = onnx.load(row)
        onnx.save(optimize(model), optimized)
        calibration, measured = halves(arguments.images, arguments.labels)
        samples = list(image_samples(model, calibration, PREPROCESS))
        onnx.save(quantize_integer(model, samples), integer)
        onnx.save(quantize_integer(model, samples, target=Target(runtime=target_for("onnxruntime"))), newest)
        with_onnx_runtime(row, theirs, samples)
        models.update({path.stem: path for path in arguments.also})
        print(f"{len(samples)} images to calibrate, {len(measured)} others to measure")
        for latency, (name, path) in zip(
            measure(list(models.values()), threads=1, runs=arguments.runs), models.items(), strict=True
        ):
            print(
                f"{name:22s} {path.stat().st_size:>11,} bytes  median {latency.median_ms:6.2f} ms  "
                f"fastest {latency.fastest_ms:6.2f} ms  speed {latency.speed:.2f}x  {', '.join(conversions(path))}"
            )
        print_accuracy(models, measured)


if __name__ == "__main__":
    main()
