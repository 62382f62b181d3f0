"""How much memory a model takes, measured in a process of its own: within one process models cannot be told apart."""

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from zoosmith.validation.errors import ValidationError
from zoosmith.validation.runners import OnnxRuntimeRunner
from zoosmith.validation.testdata import random_inputs

_LINUX_STATUS = Path("/proc/self/status")


def peak_memory(
    model: str | os.PathLike[str], *, threads: int = 1, dims: Mapping[str, int] | None = None
) -> int | None:
    """Give the bytes by which a fresh process grows at its peak while ONNX Runtime loads `model` and runs it twice.

    Inputs are those of `random_inputs`, with `dims`. None where the system does not tell (Windows). Raises
    ValidationError where the model cannot be run.
    """
    task = pickle.dumps((os.fspath(model), threads, random_inputs(model, seed=0, dims=dims)))
    rooms = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "zoosmith.validation.memory"],
        input=task,
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": rooms},
    )
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        reason = told[-1] if told else f"the process ended with {done.returncode}"
        raise ValidationError(f"{os.fspath(model)}: its memory cannot be measured: {reason}")
    return int(done.stdout) or None


def _child() -> None:
    path, threads, inputs = pickle.load(sys.stdin.buffer)
    before = _high_water()
    try:
        runner = OnnxRuntimeRunner(path, threads=threads)
        for _ in range(2):
            runner.run(inputs)
    except ValidationError as error:
        sys.exit(str(error))
    print(_high_water() - before)


def _high_water() -> int:
    if _LINUX_STATUS.exists():
        # getrusage would count the parent that this process was forked from
        lines = dict(line.split(":", 1) for line in _LINUX_STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, as macOS counts


if __name__ == "__main__":
    _child()
