"""Time `zoosmith opset` with its proof against a script that calls onnx's converter without any, from start to end.

python benchmarks/opset_command.py [MODEL.onnx] [--to OPSET] [--rounds N]

Without a model: DenseNet-121 with synthetic weights, opset 12 to 17. The commands take turns, each a process of its
own; medians of the times, and of their ratio round by round. Both sides find their modules compiled, as an installed
wheel has them: in a folder of this run, since a checkout may have none.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

BY_ONNX = """
import sys, onnx
from onnx import version_converter
onnx.save(version_converter.convert_version(onnx.load(sys.argv[1]), int(sys.argv[2])), sys.argv[3])
"""


def densenet(folder: Path) -> Path:
    from zoosmith.onnx_model.saving import save_model
    from zoosmith.recipes.densenet121 import DENSENET121_NET

    path = folder / "densenet-12.onnx"
    save_model(DENSENET121_NET.open(seed=0).model(12), path)
    return path


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds by the clock and of the processors."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, env=environment)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--to", type=int, default=17)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        model = str(options.model or densenet(folder))
        ours, theirs = str(folder / "ours.onnx"), str(folder / "theirs.onnx")
        zoosmith = [sys.executable, "-m", "zoosmith", "opset", model, "-o", ours, "--to", str(options.to), "-q"]
        sides = {
            "zoosmith opset": zoosmith,
            "zoosmith opset --no-verify": [*zoosmith, "--no-verify"],
            "onnx's converter": [sys.executable, "-c", BY_ONNX, model, str(options.to), theirs],
        }
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
        for command in sides.values():
            measured(command, environment)
        rounds = [[measured(command, environment) for command in sides.values()] for _ in range(options.rounds)]
        print(f"{Path(model).name}: {os.path.getsize(model) / 1e6:.0f} MB, to opset {options.to}")
        for index, label in enumerate(sides):
            seconds, cpu = (statistics.median(each[index][part] for each in rounds) for part in (0, 1))
            ratio = statistics.median(each[index][0] / each[-1][0] for each in rounds)
            print(f"{label:27} {seconds:.2f} s, {ratio:.2f} x onnx's, processor time {cpu:.2f} s")


if __name__ == "__main__":
    main()
