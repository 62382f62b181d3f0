"""onnx's own backend test runner passes on what `bundle` packs, with ONNX Runtime as its backend."""

import shutil
import unittest
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx.backend.base import Backend, BackendRep
from onnx.backend.test import runner as runner_module
from onnx.backend.test.case.test_case import TestCase as BackendCase

from tests.zoosmith.built import Built
from tests.zoosmith.small_models import scaling_model
from zoosmith.archives.bundles import bundle
from zoosmith.onnx_model.saving import save_model
from zoosmith.validation import OnnxRuntimeRunner
from zoosmith.validation.reading.unpacking import unpacked


class _Prepared(BackendRep):
    def __init__(self, model: onnx.ModelProto):
        self._runner = OnnxRuntimeRunner(model)

    def run(self, inputs: Any, **_: Any) -> tuple[Any, ...]:
        required = [port.name for port in self._runner.inputs if port.required]
        return tuple(self._runner.run(dict(zip(required, inputs, strict=True))).values())


class OnnxRuntimeBackend(Backend):
    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **_: Any) -> BackendRep:
        return _Prepared(model)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"


class Result(unittest.TestResult):
    """Counts successes: whether `testsRun` has skipped tests in it depends on the Python."""

    def __init__(self) -> None:
        super().__init__()
        self.successes = 0

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self.successes += 1


def run_backend_test(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    case = BackendCase(
        name="test_bundle",
        model_name="bundle",
        url=None,
        model_dir=str(folder),
        model=None,
        data_sets=None,
        kind="real",
        rtol=1e-3,
        atol=1e-5,
    )
    # in the place of the thousands of tests that the runner brings along
    monkeypatch.setattr(runner_module, "load_model_tests", lambda kind: [case] if kind == "real" else [])
    cases = runner_module.Runner(OnnxRuntimeBackend, __name__).test_cases
    result = Result()
    for test in cases.values():
        unittest.defaultTestLoader.loadTestsFromTestCase(test).run(result)
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(scaling_model(np.linspace(1, 2, 6, dtype=np.float32)), tmp_path / "scale.onnx")
    bundle(tmp_path / "scale.onnx", tmp_path / "scale.tar.gz")
    with unpacked(tmp_path / "scale.tar.gz") as contents:
        shutil.copytree(contents, tmp_path / "unpacked")
    return tmp_path / "unpacked" / "scale"


def test_onnx_backend_test_passes_on_an_unpacked_bundle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run_backend_test(folder, monkeypatch)
    assert result.wasSuccessful(), result.errors + result.failures
    assert result.successes == 1


def test_onnx_backend_test_fails_where_an_output_differs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = onnx.numpy_helper.from_array(np.zeros(6, np.float32), "y")
    (folder / "test_data_set_2" / "output_0.pb").write_bytes(output.SerializeToString())
    assert not run_backend_test(folder, monkeypatch).wasSuccessful()


@pytest.mark.parametrize("row", ["9", "12"])
def test_onnx_backend_test_passes_on_an_unpacked_row(
    row: str, default_build: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unpacked(default_build.archive(row)) as contents:
        result = run_backend_test(contents / f"densenet-{row}", monkeypatch)
    assert result.wasSuccessful(), result.errors + result.failures
