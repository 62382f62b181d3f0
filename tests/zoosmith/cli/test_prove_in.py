"""`--prove-in`: the result also runs in another runtime, with this Python and its ONNX Runtime in its place."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from tests.zoosmith.small_models import scaling_model
from zoosmith.cli.application import run
from zoosmith.validation import Limits, ValidationError, verify_models
from zoosmith.validation.running.onnx_runtime import onnx_runtime
from zoosmith.validation.runtimes import environment, runner

OLD = "onnxruntime==1.6.0"
ONES = np.ones((2, 3), np.float32)


@pytest.fixture
def this_python(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (runner, environment):
        monkeypatch.setattr(module, "installed_python", lambda pinned: Path(sys.executable))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    model = scaling_model(ONES)
    model.ir_version = 7
    onnx.save(model, tmp_path / "in.onnx")
    return tmp_path / "in.onnx", tmp_path / "out.onnx"


@pytest.mark.usefixtures("this_python")
def test_a_proof_says_what_became_of_the_model_elsewhere() -> None:
    proof = verify_models(scaling_model(ONES), scaling_model(ONES), cases=2, limits=Limits(prove_in=(OLD,)))
    assert proof.passed and str(proof) == f"verified, equal ({onnx_runtime()}); verified in {OLD}, equal"
    (found,) = proof.as_dict()["elsewhere"]
    assert (found["runtime"], found["outcome"]) == (OLD, "verified") and found["versions"]["python"]


def test_what_another_runtime_cannot_do_with_the_original_either_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, this_python: None
) -> None:
    backend = tmp_path / "backend.py"
    backend.write_text(
        "class Backend:\n"
        "    def versions(self): return {'openvino': '1'}\n"
        "    def load(self, path, inputs, outputs): raise RuntimeError('it knows nothing')\n"
    )
    monkeypatch.setitem(runner._BACKENDS, "openvino", str(backend))
    with pytest.raises(ValidationError, match="cannot prove it: that runtime cannot do the original either: it knows"):
        verify_models(scaling_model(ONES), scaling_model(ONES), limits=Limits(prove_in=("openvino",)))


@pytest.mark.usefixtures("this_python")
def test_a_converted_file_that_runs_there_is_written(files: tuple[Path, Path], capsys) -> None:
    source, output = files
    assert run(["opset", str(source), "-o", str(output), "--to", "13", "--prove-in", OLD]) == 0
    assert f"verified in {OLD}" in capsys.readouterr().out and output.exists()


def test_a_converted_file_that_does_not_run_there_is_not_written(
    files: tuple[Path, Path], capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, this_python: None
) -> None:
    source, output = files
    backend = tmp_path / "backend.py"
    backend.write_text(
        "class Backend:\n"
        "    def versions(self): return {'onnxruntime': '1.6.0'}\n"
        "    def load(self, path, inputs, outputs): raise RuntimeError('not implemented')\n"
    )
    monkeypatch.setitem(runner._BACKENDS, "onnxruntime", str(backend))
    assert run(["opset", str(source), "-o", str(output), "--to", "13", "--prove-in", OLD, "--json"]) == 1
    out, err = capsys.readouterr()
    assert f"fails in {OLD}: not implemented" in err and not output.exists()
    proof = json.loads(out)["result"]["proof"]
    assert (proof["verdict"], proof["passed"], proof["reason"]) == ("refused", False, "not implemented")


def test_a_runtime_that_is_not_installed_is_said_before_anything_is_run(
    files: tuple[Path, Path], capsys, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path / "cache"))
    source, output = files
    assert run(["opset", str(source), "-o", str(output), "--to", "13", "--prove-in", OLD]) == 2
    assert f"`zoosmith runtime install {OLD}`" in capsys.readouterr().err and not output.exists()


class TestQuantize:
    def arguments(self, source: Path, output: Path) -> list[str]:
        net = Net([1, 3, 8, 8])
        weight = net.constant(np.ones((2, 3, 1, 1), np.float32))
        onnx.save(net.model(net.add("Conv", "data", weight)), source)
        return [
            "quantize",
            str(source),
            "-o",
            str(output),
            "--calibrate",
            "random",
            "--samples",
            "4",
            "--prove-in",
            OLD,
        ]

    @pytest.mark.usefixtures("this_python")
    def test_an_integer_model_is_run_there_too(self, files: tuple[Path, Path], capsys) -> None:
        assert run([*self.arguments(*files), "--atol", "1", "--json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)["result"]["proof"]["elsewhere"]
        assert (found["runtime"], found["outcome"]) == (OLD, "verified")

    @pytest.mark.usefixtures("this_python")
    def test_a_limit_is_needed(self, files: tuple[Path, Path], capsys) -> None:
        assert run(self.arguments(*files)) == 2
        assert "--prove-in needs --atol or --rtol" in capsys.readouterr().err

    @pytest.mark.usefixtures("this_python")
    def test_half_precision_has_limits_of_its_own(self, files: tuple[Path, Path], capsys) -> None:
        assert run([*self.arguments(*files), "--to", "float16", "--json"]) == 0
        proof = json.loads(capsys.readouterr().out)["result"]["proof"]
        assert [found["outcome"] for found in proof["elsewhere"]] == ["verified"]
        assert proof["passed"] and files[1].exists()
