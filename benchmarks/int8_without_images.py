"""Measure the integer row of DenseNet-121 that a build makes without images, on photographs and on disturbed ones.

python benchmarks/int8_without_images.py [--weights init_net.pb] [--images FOLDER] [--labels labels.csv] [--runs 0]

By default the trained weights and the photographs of ../shared. The build has made-up pictures to calibrate on. The
photographs are measured as they are and again as others, by seed: brightness times 0.6 to 1.5, noise of a standard
deviation of 14 levels, and a crop of 70 to 100 % of the sides. Both models run in this one process, each on one thread.
"""

import argparse
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

import zoosmith
from zoosmith import BuildOptions
from zoosmith.recipes.densenet121 import DENSENET121
from zoosmith.validation import ImageFolder, load_images, preprocessing
from zoosmith.validation.accuracy.classifier import Classifier
from zoosmith.validation.running.latency import measure

SHARED = Path(__file__).resolve().parents[2] / "shared/densenet121"
PREPROCESS = preprocessing("caffe-densenet")
ROWS = ("12", "12-int8")


def as_others(image: Image.Image, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Pre-process a photograph after brightness, noise and crop, which the seed and its pixels choose."""
    pixels = np.asarray(image.convert("RGB"))
    random = np.random.RandomState([seed, zlib.crc32(pixels.tobytes())])
    height, width = (int(side * random.uniform(0.7, 1.0)) for side in pixels.shape[:2])
    top, left = random.randint(pixels.shape[0] - height + 1), random.randint(pixels.shape[1] - width + 1)
    cropped = pixels[top : top + height, left : left + width] * random.uniform(0.6, 1.5)
    noised = cropped + random.normal(0, 14, cropped.shape)
    return PREPROCESS(Image.fromarray(np.clip(np.rint(noised), 0, 255).astype(np.uint8)), size)


def print_accuracy(paths: list[Path], folder: ImageFolder) -> None:
    truth = np.array([sample.label for sample in folder])
    classifiers = [Classifier(path, threads=1) for path in paths]
    kinds: dict[str, Callable[[Image.Image, tuple[int, int]], np.ndarray]] = {
        "photographs": PREPROCESS,
        "others": as_others,
    }
    for kind, to_array in kinds.items():
        images = load_images(folder, to_array, (224, 224))
        exact, found = (classifier.logits(images).argmax(1) for classifier in classifiers)
        before, after = (100 * (answers == truth).mean() for answers in (exact, found))
        print(
            f"{kind:12s} {len(truth)} images  top-1 float {before:.1f} %, int8 {after:.1f} %, drop "
            f"{100 * (before - after) / before:.2f} % of it  same top-1 {100 * (exact == found).mean():.1f} %",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=SHARED / "init_net.pb")
    parser.add_argument("--images", type=Path, default=SHARED / "images")
    parser.add_argument("--labels", type=Path, default=SHARED / "labels.csv")
    parser.add_argument("--limit", type=int, help="so many of the images, spread evenly")
    parser.add_argument("--runs", type=int, default=0, help="also take the speed, over so many runs")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        report = zoosmith.build(out, options=BuildOptions(weights=arguments.weights, rows=",".join(ROWS), sets=1))
        assert report.calibration is not None
        print(f"calibrated on {report.calibration.samples}: {report.calibration.distance}", flush=True)
        paths = [out / DENSENET121.folder / DENSENET121.path(row) for row in ROWS]
        if arguments.runs:
            for row, found in zip(ROWS, measure(paths, threads=1, runs=arguments.runs), strict=True):
                print(f"{row:8s} median {found.median_ms:.2f} ms, {found.speed:.2f} x", flush=True)
        print_accuracy(paths, ImageFolder(arguments.images, arguments.labels, arguments.limit))


if __name__ == "__main__":
    main()
