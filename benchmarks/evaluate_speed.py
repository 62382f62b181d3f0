"""How fast `evaluate` is, against cores x the rate at which one core runs the model and does nothing else.

python benchmarks/evaluate_speed.py MODEL --data FOLDER [--labels FILE] [--images 3000] [--cluster local:2] [--rounds 3]

The images of the folder are repeated until there are `--images`. In each round one core runs the model alone, then
threads evaluate, then the cluster where one is given; sums of the rounds are printed. Where the machine has other work
the clock tells little; the time that cores spent tells what is left to gain. Loading the model is part of what is
timed, as it is of the command; a cluster is started before, and keeps the model after the first round. The evaluations
must agree to the last bit.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoosmith.execution import Executor, cluster_executor, default_workers
from zoosmith.validation import Evaluation, ImageFolder, OnnxRuntimeRunner, evaluate, preprocessing
from zoosmith.validation.accuracy.classifier import image_input

_SECONDS = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--preprocess", default="caffe-densenet")
    parser.add_argument("--images", type=int)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--cluster")
    arguments = parser.parse_args()
    folder = ImageFolder(arguments.data, arguments.labels)
    wanted = arguments.images or len(folder)
    folder.samples = (folder.samples * (-(-wanted // len(folder))))[:wanted]
    cores = default_workers()
    print(f"{arguments.model.name}, {len(folder)} images, {arguments.rounds} rounds, {cores} cores")
    results: list[Evaluation] = []

    def evaluation(executor: Executor | None = None) -> int:
        results.append(evaluate([arguments.model], folder, preprocessing(arguments.preprocess), executor=executor))
        return results[-1].images

    start = time.perf_counter()
    with cluster_executor(arguments.cluster) if arguments.cluster else nullcontext() as cluster:
        if cluster is not None:
            print(f"{arguments.cluster}: started in {time.perf_counter() - start:.1f} s")
        alone, threads, spread = _rounds(arguments.model, arguments.rounds, evaluation, cluster)
    rate, processor = cores * alone.rate, 1e3 * alone.processor / alone.images
    print(f"inference alone      {rate:7.1f} images/s (cores x one core), {processor:6.2f} ms of a core an image")
    own = 1e3 * threads.processor / threads.images
    print(f"evaluate             {threads.rate:7.1f} images/s, {own:6.2f} ms of a core an image")
    print(f"of inference alone   {threads.rate / rate:7.2f} by the clock, {processor / own:.2f} by core time")
    print(f"cores that were busy {threads.processor / threads.seconds:7.2f} of {cores}")
    if cluster is not None:
        print(f"{arguments.cluster:20} {spread.rate:7.1f} images/s, {spread.rate / threads.rate:.2f} of threads")
    print(f"top-1                {results[0].accuracies[0].top1.hits:7} of {results[0].images}")
    print(f"the same {len(results)} times     {'yes' if all(each == results[0] for each in results) else 'NO'}")


@dataclass(frozen=True)
class Spent:
    """What so many images took: seconds by the clock, and seconds of cores."""

    images: int
    seconds: float
    processor: float

    @property
    def rate(self) -> float:
        return self.images / self.seconds


def _rounds(
    model: Path, rounds: int, evaluation: Callable[[Executor | None], int], cluster: Executor | None
) -> tuple[Spent, Spent, Spent]:
    """What one core alone, threads and the cluster took in all rounds, in turns."""
    runner, feed = _one_image(model)
    alone, threads, spread = [], [], []
    for _ in range(rounds):
        alone.append(_spent(lambda: _run_alone(runner, feed)))
        threads.append(_spent(lambda: evaluation(None)))
        if cluster is not None:
            spread.append(_spent(lambda: evaluation(cluster)))
    return _sum(alone), _sum(threads), _sum(spread)


def _spent(work: Callable[[], int]) -> Spent:
    start, busy = time.perf_counter(), time.process_time()
    images = work()
    return Spent(images, time.perf_counter() - start, time.process_time() - busy)


def _sum(parts: Sequence[Spent]) -> Spent:
    return Spent(
        sum(each.images for each in parts), sum(each.seconds for each in parts), sum(each.processor for each in parts)
    )


def _one_image(path: Path) -> tuple[OnnxRuntimeRunner, dict[str, np.ndarray]]:
    reads = image_input(path)
    runner = OnnxRuntimeRunner(path, threads=1)
    images = np.random.RandomState(0).uniform(-2, 2, (reads.batch, 3, *reads.size)).astype(np.float32)
    runner.session.run(None, {reads.name: images})
    return runner, {reads.name: images}


def _run_alone(runner: OnnxRuntimeRunner, feed: dict[str, np.ndarray]) -> int:
    """Run a session of one thread for some seconds."""
    runs, start = 0, time.perf_counter()
    while time.perf_counter() - start < _SECONDS:
        runner.session.run(None, feed)
        runs += 1
    return runs * len(next(iter(feed.values())))


if __name__ == "__main__":
    main()
