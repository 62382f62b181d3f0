"""How much memory a model takes, measured in a process of its own: within one process models cannot be told apart."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoosmith.execution import ProcessDiedError, call_in_process
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.running.onnx_runtime import OnnxRuntimeRunner
from zoosmith.validation.running.run_limit import runs_limited

_LINUX_STATUS = Path("/proc/self/status")


def peak_memory(
    model: str | os.PathLike[str],
    inputs: Mapping[str, Any],
    *,
    threads: int = 1,
    providers: Sequence[str] | None = None,
    timeout: float | None = None,
) -> int | None:
    """Measure how much memory ONNX Runtime takes to load a model and to run it twice.

    Args:
        model: the model file.
        inputs: of the runs, by name.
        threads: inside an operator.
        providers: ONNX Runtime's execution providers, the preferred first.
        timeout: seconds that loading may take, and each run.

    Returns:
        The bytes by which a fresh process grows at its peak; None where the system does not report it (Windows).

    Raises:
        ValidationError: the model cannot be run.
    """
    try:
        return call_in_process(_growth, None, model, threads, providers, inputs, timeout) or None
    except (ProcessDiedError, ValidationError) as error:
        raise ValidationError(f"{os.fspath(model)}: its memory cannot be measured: {error}") from error


def _growth(
    model: str | os.PathLike[str],
    threads: int,
    providers: Sequence[str] | None,
    inputs: Mapping[str, Any],
    timeout: float | None,
) -> int:
    before = _high_water()
    with runs_limited(timeout):
        runner = OnnxRuntimeRunner(model, threads=threads, providers=providers)
        for _ in range(2):
            runner.run(inputs)
    return _high_water() - before


def _high_water() -> int:
    if _LINUX_STATUS.exists():
        # getrusage would count the parent that this process was forked from
        lines = dict(line.split(":", 1) for line in _LINUX_STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, as macOS counts
