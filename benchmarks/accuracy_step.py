"""What the accuracy step of `build --data` takes, over `zoosmith evaluate` of the same nets.

python benchmarks/accuracy_step.py --weights init_net.pb --data FOLDER [--labels FILE] [--rows 9,12] [--images 500]

DenseNet-121 is built once; that is not timed. Rows of one net under several opsets are one net for the
step, so `evaluate` is given one file of each net. Both run in this process, in turns; sums of the rounds are printed.
"""

import argparse
import contextlib
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from zoosmith.building import builder
from zoosmith.building.accuracy_column import measure_accuracy
from zoosmith.cli.application import run
from zoosmith.execution import SILENT
from zoosmith.onnx_model.loading import model_name
from zoosmith.recipes.build_options import BuildOptions
from zoosmith.recipes.choice import Choice
from zoosmith.validation import ImageFolder
from zoosmith.validation.running.run_limit import runs_limited


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--rows", default="9,12,12-int8")
    parser.add_argument("--images", type=int)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        step, files = _built(arguments, Path(out))
        limit = ["--samples", str(arguments.images)] if arguments.images else []
        labels = ["--labels", str(arguments.labels)] if arguments.labels else []
        command = ["evaluate", *files, "--data", str(arguments.data), *labels, *limit, "--json"]
        times: dict[str, list[float]] = {"step": [], "evaluate": []}
        for _ in range(arguments.rounds):
            times["step"].append(_seconds(step))
            times["evaluate"].append(_seconds(lambda: _quietly(command)))
    print(f"{len(files)} nets of rows {arguments.rows}, {arguments.rounds} rounds")
    for name, each in times.items():
        print(f"{name:10} {sum(each):7.2f} s ({', '.join(f'{one:.2f}' for one in each)})")
    print(f"step over evaluate {sum(times['step']) / sum(times['evaluate']):.2f}")


def _built(arguments: argparse.Namespace, out: Path) -> tuple[Callable[[], Any], list[str]]:
    """Build the rows; return what measures them as the build does, and a file of each net."""
    calls: list[tuple[Any, ...]] = []

    def kept(*given: Any) -> None:
        calls.append(given)

    options = BuildOptions(
        weights=arguments.weights,
        rows=arguments.rows,
        sets=1,
        force=True,
        data=arguments.data,
        labels=arguments.labels,
    )
    recipe = Choice().recipe(arguments.weights)
    with patch.object(builder, "measure_accuracy", kept):
        builder.build(out, recipe, options)
    folder, recipe, rows, _, dataset, threads, task, _ = calls[0]
    images = ImageFolder(arguments.data, arguments.labels, arguments.images)
    given: Any = (folder, recipe, rows, images, dataset, threads, task, SILENT)
    accuracy = measure_accuracy(*given)
    assert accuracy is not None
    pairs = {name for pair in accuracy.agreements for name in (pair.first, pair.second)}
    paths = [folder / recipe.path(row.name) for row in rows]
    files = [str(path) for path in paths if not pairs or path.name in pairs or model_name(path) in pairs]

    def step() -> None:
        with runs_limited(options.timeout):
            measure_accuracy(*given)

    return step, files


def _quietly(command: list[str]) -> None:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert run(command) == 0


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
