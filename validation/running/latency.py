"""How long models take, measured in turns so that a noisy machine disturbs all of them alike."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from zoosmith.execution import SILENT, Progress, ThreadExecutor
from zoosmith.onnx_model.external_data import external_files
from zoosmith.onnx_model.loading import Model, load_model, model_name
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.inputs.fitting import usual_case
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.running.memory import peak_memory
from zoosmith.validation.running.onnx_runtime import OnnxRuntimeRunner
from zoosmith.validation.running.run_limit import runs_limited


@dataclass(frozen=True)
class Latency:
    """One model's time for one run at `threads` threads; times in milliseconds.

    `speed` is the median of the first model's time over this one's, paired within a round: 2.0 is twice as fast.
    `times_ms` are those of all rounds, in their order, to the microsecond. `shapes` are those of the inputs, by name.
    """

    model: str
    threads: int
    runs: int
    median_ms: float
    fastest_ms: float
    speed: float
    times_ms: tuple[float, ...]
    shapes: Mapping[str, tuple[int, ...]]

    def as_dict(self) -> dict[str, Any]:
        """Give the measurement for JSON."""
        return asdict(self)


def measure(
    models: Sequence[Model],
    *,
    threads: int = 1,
    runs: int = 20,
    warmup: int = 3,
    inputs: InputSource | None = None,
    providers: Sequence[str] | None = None,
    timeout: float | None = None,
    progress: Progress = SILENT,
) -> list[Latency]:
    """Time models in ONNX Runtime, one after the other in each of `runs` rounds (A B A B ...).

    All are loaded first, run once, and then `warmup` rounds that do not count. Sizes that a model leaves open are those
    with which such nets are used, or where it does not run with these, others that fit.

    Args:
        models: what is timed.
        threads: inside an operator.
        runs: rounds that count.
        warmup: rounds before them.
        inputs: where they come from; random ones by default.
        providers: execution providers of ONNX Runtime.
        timeout: seconds that loading a model may take, and its first run; the others are not watched, which takes time.
        progress: notified of every round, those before, too.

    Returns:
        The times of each model, in the order of `models`.

    Raises:
        ValidationError: a model cannot be loaded or run, or a count is out of range.
    """
    found = _measured(models, threads, runs, warmup, inputs or InputSource(), providers, timeout, progress)
    return [latency for latency, _ in found]


def _measured(
    models: Sequence[Model],
    threads: int,
    runs: int,
    warmup: int,
    source: InputSource,
    providers: Sequence[str] | None,
    timeout: float | None,
    progress: Progress,
) -> list[tuple[Latency, Mapping[str, Any]]]:
    """As `measure`, with the inputs of each model."""
    for name, value, least in (("threads", threads, 1), ("runs", runs, 1), ("warmup", warmup, 0)):
        if value < least:
            raise ValidationError(f"{name} is {value}: expected at least {least}")
    read = [None if source.feed is None else source.cases(model)[0] for model in models]
    with runs_limited(timeout):
        runners = [OnnxRuntimeRunner(model, threads=threads, providers=providers) for model in models]
        fed = [
            _first_run(model, runner, source, values)
            for model, runner, values in zip(models, runners, read, strict=True)
        ]
    rounds = []
    label = f"{threads} thread{'s' if threads > 1 else ''}"
    # beside the main thread, which is there for interrupts, so that no run has to start a thread of its own
    with progress.task(label, warmup + runs) as task, ThreadExecutor(1) as beside:
        for index in range(warmup + runs):
            times = beside.submit(_times, runners, fed).result()
            if index >= warmup:
                rounds.append(times)
            task.advance()
    found = [
        Latency(
            model_name(model),
            threads,
            runs,
            1000 * median(times[column] for times in rounds),
            1000 * min(times[column] for times in rounds),
            median(times[0] / times[column] for times in rounds),
            tuple(round(1000 * times[column], 3) for times in rounds),
            {name: np.shape(value) for name, value in fed[column].items()},
        )
        for column, model in enumerate(models)
    ]
    return list(zip(found, fed, strict=True))


def _first_run(
    model: Model, runner: OnnxRuntimeRunner, source: InputSource, values: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """Run a model once, on these values or on random ones that fit; return them."""
    if values is None:
        structure = load_model(model, external_data=False)
        try:
            return usual_case(structure, runner.run, source).inputs
        except ValidationError as error:
            text = str(error).removeprefix(f"{model_name(structure)}: ").removeprefix(f"{model_name(model)}: ")
            raise type(error)(f"{model_name(model)}: {text}") from error
    runner.run(values)
    return values


def measure_all(
    models: Sequence[str | os.PathLike[str]],
    *,
    threads: Sequence[int],
    runs: int,
    warmup: int,
    inputs: InputSource,
    providers: Sequence[str] | None,
    timeout: float | None,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Measure latency, size and memory of model files for each number of threads; plain values for JSON.

    Arguments and errors are those of `measure` and `peak_memory`.
    """
    sizes = [stored_size(model) for model in models]
    rows = []
    for count in threads:
        measured = _measured(models, count, runs, warmup, inputs, providers, timeout, progress)
        for model, (latency, fed), size in zip(models, measured, sizes, strict=True):
            memory = peak_memory(model, fed, threads=count, providers=providers, timeout=timeout)
            rows.append({**latency.as_dict(), "bytes": size, "peak_memory_bytes": memory})
    return rows


def _times(runners: Sequence[OnnxRuntimeRunner], fed: Sequence[Mapping[str, Any]]) -> list[float]:
    return [_time(runner, values) for runner, values in zip(runners, fed, strict=True)]


def _time(runner: OnnxRuntimeRunner, inputs: Mapping[str, Any]) -> float:
    start = time.perf_counter()
    runner.run(inputs)
    return time.perf_counter() - start


def stored_size(model: str | os.PathLike[str]) -> int:
    """Count the bytes of a model file and of the files beside it that hold its initializers.

    Args:
        model: the model file.

    Raises:
        ModelError: it cannot be read.
    """
    external = external_files(load_model(model, external_data=False))
    files = {Path(model), *(Path(model).parent / name for name in external)}
    return sum(file.stat().st_size for file in files)
