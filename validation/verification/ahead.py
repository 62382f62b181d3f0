"""Loading the original of a verification while something else is done; small models only: both are in memory then."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from onnx import ModelProto

from zoosmith.execution import Job, ThreadExecutor
from zoosmith.onnx_model.external_data import external_files
from zoosmith.onnx_model.links import as_path
from zoosmith.onnx_model.loading import Model

if TYPE_CHECKING:
    # a runtime is loaded only where something runs
    from zoosmith.validation.running.runner import Runner

_SMALL = 128 << 20
"""Models whose files are larger are never in memory beside another one, in bytes."""


def is_small(model: Model, structure: ModelProto) -> bool:
    """Whether a model is a file, with what lies beside it, of which there may be a second one in memory.

    Args:
        model: the model.
        structure: its graph.
    """
    if not isinstance(model, (str, os.PathLike)):
        return False
    path = as_path(model)
    return sum(map(_size, [path, *(path.parent / name for name in external_files(structure))])) <= _SMALL


@contextmanager
def loading_ahead(
    path: Path, structure: ModelProto, *, timeout: float | None, providers: Sequence[str] | None
) -> "Iterator[Job[Runner] | None]":
    """Load a model in another thread until the block ends, for `verify_models`; None for a large one.

    Args:
        path: the model's file.
        structure: its graph.
        timeout: seconds after which loading is stopped.
        providers: execution providers of ONNX Runtime.
    """
    if not is_small(path, structure):
        yield None
        return
    with ThreadExecutor(1) as executor:
        yield executor.submit(_load, path, structure, timeout, providers)


def _load(path: Path, structure: ModelProto, timeout: float | None, providers: Sequence[str] | None) -> "Runner":
    from zoosmith.validation.running.choice import runner_for

    return runner_for(path, structure=structure, timeout=timeout, providers=providers, few_runs=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # who reads it says so
        return 0
