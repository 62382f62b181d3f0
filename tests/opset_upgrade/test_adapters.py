"""Every adapter has a case that comes out right with it and fails, or comes out otherwise, without it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, numpy_helper
from onnx.backend.test.case.node import collect_testcases

from tests.opset_upgrade.backend_cases import CASES as BACKEND
from tests.opset_upgrade.hand_cases import CASES, REFUSED, Key
from tests.opset_upgrade.nodes import OLD_ONNX_RUNTIME, run, run_original
from zoosmith.opset_upgrade import OpsetError, convert_version, version_steps
from zoosmith.opset_upgrade.registry import ADAPTERS
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.verification.comparison import compare

REGISTERED = sorted(key for key in ADAPTERS if not key[0].startswith("ai.onnx.ml."))  # those: test_ml_domain.py


@contextmanager
def without(key: Key) -> Iterator[None]:
    """The registry as if nobody had written the adapter."""
    taken = ADAPTERS.entries().pop(key)
    try:
        _forget_steps()
        yield
    finally:
        ADAPTERS.entries()[key] = taken
        _forget_steps()


def _forget_steps() -> None:
    for remembered in (version_steps.next_step, version_steps._up, version_steps._down):
        remembered.cache_clear()


@cache
def backend_tests() -> dict[str, Any]:
    return {case.name: case for case in collect_testcases()}


def _plain(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def _opsets(key: Key) -> tuple[int, int]:
    _, source, target = key
    return (target - 1, target) if target > source else (source, source - 1)


def made(key: Key) -> tuple[ModelProto, dict[str, Any], dict[str, Any]]:
    """A model from which the step starts, what to feed it, and what comes out of it."""
    if key in CASES:
        model, feeds = CASES[key]()
        return model, feeds, run_original(model, feeds)
    case = backend_tests()[BACKEND[key]]
    start, _ = _opsets(key)
    model = case.model if case.model.opset_import[0].version == start else convert_version(case.model, start)
    inputs, outputs = case.data_sets[0]
    given = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in case.model.graph.input if value.name not in given]
    results = [value.name for value in case.model.graph.output]
    return (
        model,
        dict(zip(names, map(_plain, inputs), strict=True)),
        dict(zip(results, map(_plain, outputs), strict=True)),
    )


def right(model: ModelProto, feeds: dict[str, Any], expected: dict[str, Any]) -> bool:
    try:
        checker.check_model(model, full_check=True)
        with np.errstate(all="ignore"):
            return compare(expected, run(model, feeds)).passed
    except (checker.ValidationError, ValidationError, Exception):
        return False


@pytest.mark.parametrize(
    "key", [key for key in REGISTERED if key not in REFUSED], ids=lambda key: f"{key[0]}-{key[1]}-{key[2]}"
)
def test_the_step_is_right_and_it_is_the_adapter_that_makes_it_so(key: Key) -> None:
    try:
        model, feeds, expected = made(key)
    except ValidationError as error:
        if OLD_ONNX_RUNTIME:
            pytest.skip(f"NOT RUN: the original does not run here: {error}")
        raise
    _, end = _opsets(key)
    converted = convert_version(model, end)
    assert right(converted, feeds, expected)
    with without(key):
        try:
            plain = convert_version(model, end)
        except OpsetError:
            return
    assert not right(plain, feeds, expected) or plain.SerializeToString() != converted.SerializeToString()


@pytest.mark.parametrize("key", sorted(REFUSED), ids=lambda key: f"{key[0]}-{key[1]}-{key[2]}")
def test_what_the_older_version_does_not_mean_is_refused_by_the_adapter(key: Key) -> None:
    model, _ = REFUSED[key]()
    _, end = _opsets(key)
    with pytest.raises(OpsetError, match=f"node 'node' \\({key[0]}\\)"):
        convert_version(model, end)


def test_every_registered_adapter_is_tested_here() -> None:
    assert set(REGISTERED) == set(BACKEND.keys() | CASES.keys() | REFUSED.keys())
