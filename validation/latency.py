"""How long models take, measured in turns so that a noisy machine disturbs all of them alike."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from zoosmith.onnx_model.loading import Model, external_files, load_model, model_name
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.runners import OnnxRuntimeRunner
from zoosmith.validation.testdata import random_inputs


@dataclass(frozen=True)
class Latency:
    """One model's time for one run at `threads` threads; times in milliseconds.

    `speed` is the median of the first model's time over this one's, paired within a round: 2.0 is twice as fast.
    """

    model: str
    threads: int
    runs: int
    median_ms: float
    fastest_ms: float
    speed: float

    def to_dict(self) -> dict[str, Any]:
        """Give the measurement for JSON."""
        return asdict(self)


def measure(
    models: Sequence[Model],
    *,
    threads: int = 1,
    runs: int = 20,
    warmup: int = 3,
    dims: Mapping[str, int] | None = None,
    on_round: Callable[[], None] | None = None,
) -> list[Latency]:
    """Time `models` in ONNX Runtime with random inputs, one after the other in each of `runs` rounds (A B A B ...).

    All are loaded first and run `warmup` rounds that do not count. `dims` gives symbolic dimensions of inputs by name
    (1 where not given); `on_round` is called after every round, the `warmup` ones too. Raises ValidationError for a
    model that cannot be loaded or run, and for counts out of range.
    """
    for name, value, least in (("threads", threads, 1), ("runs", runs, 1), ("warmup", warmup, 0)):
        if value < least:
            raise ValidationError(f"{name} is {value}: expected at least {least}")
    runners = [OnnxRuntimeRunner(model, threads=threads) for model in models]
    inputs = [random_inputs(model, seed=0, dims=dims) for model in models]
    rounds = []
    for index in range(warmup + runs):
        times = [_time(runner, values) for runner, values in zip(runners, inputs, strict=True)]
        if index >= warmup:
            rounds.append(times)
        if on_round is not None:
            on_round()
    return [
        Latency(
            model_name(model),
            threads,
            runs,
            1000 * median(times[column] for times in rounds),
            1000 * min(times[column] for times in rounds),
            median(times[0] / times[column] for times in rounds),
        )
        for column, model in enumerate(models)
    ]


def _time(runner: OnnxRuntimeRunner, inputs: Mapping[str, Any]) -> float:
    start = time.perf_counter()
    runner.run(inputs)
    return time.perf_counter() - start


def stored_size(model: str | os.PathLike[str]) -> int:
    """Give the bytes of a model file and of the files beside it that hold its initializers. Raises ValidationError."""
    external = external_files(load_model(model, external_data=False))
    files = {Path(model), *(Path(model).parent / name for name in external)}
    return sum(file.stat().st_size for file in files)
