"""That `evaluate` keeps its memory and its counts: many images, workers that are killed, runs that are killed.

python benchmarks/evaluate_memory.py --data FOLDER [--labels FILE] [--model MODEL] [--images 3000,50000] [--kills 5]

The images of the folder are repeated. Without a model a small net is made, so that the bookkeeping is what takes the
time. Printed are the peak memory of a process of its own for each number of images; what `local:2` counts while its
workers are killed; and what a run with a state file counts that is killed at random moments and goes on.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from zoosmith.execution import Progress, Task, cluster_executor
from zoosmith.onnx_model.saving import save_model
from zoosmith.validation import Evaluation, ImageFolder, evaluate, preprocessing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--preprocess", default="caffe-densenet")
    parser.add_argument("--images", default="3000,50000")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alone", choices=["memory", "state"], help=argparse.SUPPRESS)
    parser.add_argument("--state", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    numbers = [int(number) for number in arguments.images.split(",")]
    if arguments.alone:
        found = _evaluate(arguments, numbers[0], state=arguments.state)
        print(json.dumps({"found": found.as_dict(), "memory": _peak_memory()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        if arguments.model is None:
            arguments.model = Path(folder) / "small.onnx"
            save_model(small_net(), arguments.model)
        wanted = {}
        for number in numbers:
            start = time.perf_counter()
            answer = json.loads(_process(arguments, number, "memory").communicate()[0])
            wanted[number] = answer["found"]
            seconds = time.perf_counter() - start
            print(
                f"{number:7} images: peak memory {answer['memory']:.0f} MB, {number / seconds:.0f} images/s", flush=True
            )
        last = numbers[-1]
        _compare("workers killed", *_with_killed_workers(arguments, last), wanted[last])
        _compare("runs killed", *_with_killed_runs(arguments, last, Path(folder) / "state"), wanted[last])


def small_net() -> ModelProto:
    """A classifier of 1,000 classes that takes little time."""
    stream = np.random.RandomState(0)
    weights = [
        numpy_helper.from_array(stream.normal(size=(1000, 48)).astype(np.float32), "weights"),
        numpy_helper.from_array(np.array([0, 48], np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("AveragePool", ["data"], ["means"], kernel_shape=[56, 56], strides=[56, 56]),
        helper.make_node("Reshape", ["means", "shape"], ["row"]),
        helper.make_node("Gemm", ["row", "weights"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 1000])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _evaluate(arguments: argparse.Namespace, images: int, **named: object) -> Evaluation:
    folder = ImageFolder(arguments.data, arguments.labels)
    folder.samples = (folder.samples * (-(-images // len(folder))))[:images]
    # two of one model: the distances of their logits are added up as well
    models = [arguments.model, arguments.model]
    return evaluate(models, folder, preprocessing(arguments.preprocess), **named)  # type: ignore[arg-type]


def _peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _process(arguments: argparse.Namespace, images: int, alone: str, state: Path | None = None) -> subprocess.Popen:
    given = ["--data", arguments.data, "--model", arguments.model, "--preprocess", arguments.preprocess]
    given += ["--images", images, "--alone", alone]
    given += [] if arguments.labels is None else ["--labels", arguments.labels]
    given += [] if state is None else ["--state", state]
    return subprocess.Popen([sys.executable, __file__, *map(str, given)], stdout=subprocess.PIPE)


class _Killing(Progress):
    """Kills a worker at each of some numbers of images."""

    def __init__(self, moments: Sequence[int]) -> None:
        super().__init__()
        self._moments = list(moments)
        self.killed = 0
        self.done = 0

    def on_advance(self, task: Task, step: str) -> None:
        self.done = task.done
        if self._moments and task.done >= self._moments[0]:
            self._moments.pop(0)
            workers = _workers()
            if workers:
                os.kill(random.choice(workers), signal.SIGKILL)
                self.killed += 1


def _workers() -> list[int]:
    """Processes below this one that Dask started as workers."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            spawned = b"spawn_main" in folder.joinpath("cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == os.getpid() and spawned:
            found.append(int(folder.name))
    return found


def _with_killed_workers(arguments: argparse.Namespace, images: int) -> tuple[int, int, dict]:
    random.seed(arguments.seed)
    moments = sorted(random.randrange(images * 9 // 10) for _ in range(arguments.kills))
    with cluster_executor("local:2") as cluster:
        progress = _Killing(moments)
        found = _evaluate(arguments, images, executor=cluster, progress=progress)
    return progress.killed, progress.done, found.as_dict()


def _with_killed_runs(arguments: argparse.Namespace, images: int, state: Path) -> tuple[int, int, dict]:
    random.seed(arguments.seed)
    killed = 0
    while True:
        process = _process(arguments, images, "state", state)
        if killed < arguments.kills:
            began = time.monotonic()
            # somewhere in the first part of what is left, the start of Python included
            until = began + random.uniform(0.5, 6.0)
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            if process.poll() is None:
                process.kill()
                process.communicate()
                killed += 1
                continue
        found = json.loads(process.communicate()[0])["found"]
        return killed, found["images"] + found["broken"], found


def _compare(name: str, killed: int, counted: int, found: dict, wanted: dict) -> None:
    images = wanted["images"] + wanted["broken"]
    lost, twice = max(images - counted, 0), max(counted - images, 0)
    same = "the same to the last bit" if found == wanted else "NOT THE SAME"
    print(f"{name} {killed} times: {lost} images lost, {twice} counted twice; result {same}", flush=True)


if __name__ == "__main__":
    main()
