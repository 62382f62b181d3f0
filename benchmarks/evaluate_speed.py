"""How fast `evaluate` is, against cores x the rate at which one core runs the model and does nothing else.

python benchmarks/evaluate_speed.py MODEL --data FOLDER [--labels FILE] [--images 3000]

The images of the folder are repeated until there are `--images`. The rate of one core is measured before and after.
Where the machine has other work the clock tells little; the time that cores spent tells what is left to gain. Peak
memory is that of this process, in which threads work.
"""

import argparse
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoosmith.execution import default_workers
from zoosmith.validation import Evaluation, ImageFolder, OnnxRuntimeRunner, evaluate, preprocessing
from zoosmith.validation.classifier import image_input

_SECONDS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--preprocess", default="caffe-densenet")
    parser.add_argument("--images", type=int)
    arguments = parser.parse_args()
    folder = ImageFolder(arguments.data, arguments.labels)
    wanted = arguments.images or len(folder)
    folder.samples = (folder.samples * (-(-wanted // len(folder))))[:wanted]
    cores = default_workers()
    print(f"{arguments.model.name}, {len(folder)} images, {cores} cores")
    alone: list[Spent] = []
    alone.append(one_core(arguments.model))
    found, spent = evaluation(arguments.model, folder, arguments.preprocess)
    alone.append(one_core(arguments.model))
    rate = cores * sum(each.images for each in alone) / sum(each.seconds for each in alone)
    processor = sum(each.processor for each in alone) / sum(each.images for each in alone)
    print(f"inference alone      {rate:7.1f} images/s (cores x one core), {1e3 * processor:6.2f} ms of a core an image")
    own = spent.processor / spent.images
    print(f"evaluate             {spent.images / spent.seconds:7.1f} images/s, {1e3 * own:6.2f} ms of a core an image")
    by_clock = spent.images / spent.seconds / rate
    print(f"of inference alone   {by_clock:7.2f} by the clock, {processor / own:.2f} by core time")
    print(f"cores that were busy {spent.processor / spent.seconds:7.2f} of {cores}")
    print(f"top-1                {found.accuracies[0].top1.hits:7} of {found.images}")
    print(f"peak memory          {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:7.0f} MB")


@dataclass(frozen=True)
class Spent:
    """What so many images took: seconds by the clock, and seconds of cores."""

    images: int
    seconds: float
    processor: float


def one_core(path: Path) -> Spent:
    """Run a session of one thread for some seconds."""
    reads = image_input(path)
    runner = OnnxRuntimeRunner(path, threads=1)
    feed = {reads.name: np.random.RandomState(0).uniform(-2, 2, (reads.batch, 3, *reads.size)).astype(np.float32)}
    runner.session.run(None, feed)
    runs, start, busy = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < _SECONDS:
        runner.session.run(None, feed)
        runs += 1
    return Spent(runs * reads.batch, time.perf_counter() - start, time.process_time() - busy)


def evaluation(path: Path, folder: ImageFolder, preprocess: str) -> tuple[Evaluation, Spent]:
    start, busy = time.perf_counter(), time.process_time()
    found = evaluate([path], folder, preprocessing(preprocess))
    return found, Spent(found.images, time.perf_counter() - start, time.process_time() - busy)


if __name__ == "__main__":
    main()
