"""Time one image through DenseNet-121: the interpreter (numpy, float64) against the real Caffe2 (float32), in one run.

python benchmarks/interpreter_speed.py [--init init_net.pb] [--rounds 9]

Both are warm and take turns; Caffe2 runs in its own environment (`zoosmith runtime install caffe2`). The memory is the
peak of each process with the net loaded.
"""

import argparse
import resource
import statistics
import time
from pathlib import Path

import numpy as np

from zoosmith.validation import Caffe2Runner, Caffe2Worker, NetInterpreter

SHARED = Path(__file__).resolve().parents[2] / "shared"


def seconds(runner: NetInterpreter | Caffe2Runner, inputs: dict[str, np.ndarray]) -> float:
    begin = time.perf_counter()
    runner.run(inputs)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predict", type=Path, default=SHARED / "caffe2_zoo" / "densenet121" / "predict_net.pbtxt")
    parser.add_argument("--init", type=Path, default=SHARED / "densenet121" / "init_net.pb")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    inputs = {"data": np.random.RandomState(0).randn(1, 3, 224, 224).astype(np.float32)}
    with Caffe2Worker() as worker:
        begin = time.perf_counter()
        interpreter = NetInterpreter(options.predict, options.init)
        loaded = time.perf_counter() - begin
        caffe2 = Caffe2Runner(options.predict, options.init, worker=worker)
        pairs = [(seconds(interpreter, inputs), seconds(caffe2, inputs)) for _ in range(options.rounds + 1)][1:]
        ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"load, interpreter  {loaded * 1000:7.0f} ms")
        print(f"run, interpreter   {ours * 1000:7.0f} ms   {memory:6.0f} MiB   float64")
        print(f"run, Caffe2        {theirs * 1000:7.0f} ms   {worker.peak_memory / 2**20:6.0f} MiB   float32")
        print(f"ratio              {ours / theirs:7.2f}")


if __name__ == "__main__":
    main()
