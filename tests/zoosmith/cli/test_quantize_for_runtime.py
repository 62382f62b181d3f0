"""`zoosmith quantize --for` and `build --for`: what is written for a runtime, printed and refused."""

import json
from collections import Counter
from pathlib import Path

import onnx
import pytest

from tests.quantize.writing.test_thresholds import POSITIVE, rectified, runs_max
from zoosmith.cli import main
from zoosmith.files import quantization
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.opset_upgrade import convert_version
from zoosmith.validation.running.runner import Runtime

SHORT = ("--calibrate", "random", "--samples", "4", "--every-layer", "--force")


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["quantize", "net.onnx", "-o", "int8.onnx", *map(str, arguments)])
    return int(stop.value.code or 0)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    onnx.save(rectified(slopes=POSITIVE), "net.onnx")


def operators() -> Counter[str]:
    return Counter(node.op_type for node in onnx.load("int8.onnx").graph.node)


@runs_max
def test_it_says_which_runtimes_the_file_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SHORT, "--for", "onnxruntime==1.24") == 0
    assert ", for onnxruntime==1.24.4 and newer" in capsys.readouterr().out
    assert operators()["Max"] == 1
    assert run(*SHORT, "--for", "onnxruntime==1.24", "--json") == 0
    assert json.loads(capsys.readouterr().out)["result"]["for"] == "onnxruntime==1.24.4"


def test_without_it_the_file_is_for_every_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SHORT, "--json") == 0
    assert json.loads(capsys.readouterr().out)["result"]["for"] is None
    plain = Path("int8.onnx").read_bytes()
    assert run(*SHORT, "--for", "onnxruntime==1.6") == 0
    assert Path("int8.onnx").read_bytes() == plain


def test_the_opset_and_ir_version_are_lowered_to_what_the_runtime_takes(capsys: pytest.CaptureFixture[str]) -> None:
    model = convert_version(rectified(slopes=POSITIVE), 17)
    model.ir_version = 9
    onnx.save(model, "net.onnx")
    assert run(*SHORT, "--for", "onnxruntime==1.10", "--atol", "0.5") == 0
    printed = capsys.readouterr()
    assert "net.onnx: opset 17 lowered to 15, which onnxruntime==1.10.0 takes" in printed.err
    found = onnx.load("int8.onnx")
    assert default_opset(found) == 15
    assert found.ir_version <= 8


def test_an_older_opset_is_raised_no_higher_than_the_runtime_takes() -> None:
    onnx.save(convert_version(rectified(), 9), "net.onnx")
    assert run(*SHORT, "--for", "coremltools", "--format", "qdq") == 0
    assert default_opset(onnx.load("int8.onnx")) == 10


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            ("--for", "onnxruntime==1.3"),
            "onnxruntime==1.3.0 does not run operators of integers; expected onnxruntime 1.6",
        ),
        (
            ("--for", "openvino"),
            "openvino==2022.1.0: operators of integers are for onnxruntime; expected the format qdq",
        ),
        (("--for", "toaster"), "zoosmith opset --for list prints all"),
        (("--for", "onnxruntime", "--to", "float16"), "--for: of --to int8 only"),
    ],
)
def test_what_cannot_be_written_is_one_line(
    options: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*options) == 2
    printed = capsys.readouterr()
    assert reason in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not Path("int8.onnx").exists()


def test_an_onnx_runtime_that_cannot_measure_the_file_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quantization, "onnx_runtime", lambda: Runtime("ONNX Runtime", "1.23.2"))
    assert run("--for", "onnxruntime==1.32") == 2
    expected = "a file for onnxruntime==1.32.0 is measured here, and ONNX Runtime 1.23.2 cannot run it; install 1.24 or"
    assert expected in capsys.readouterr().err
    assert not Path("int8.onnx").exists()


def build(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["build", "-o", "zoo", *map(str, arguments)])
    return int(stop.value.code or 0)


@runs_max
def test_the_int8_row_of_a_build_is_for_a_runtime_and_says_so() -> None:
    onnx.save(rectified(), "net.onnx")
    Path("zoo.toml").write_text(
        '[[model]]\nmodel = "net.onnx"\nrows = "12-int8"\nsets = 1\nfor = "onnxruntime==1.24"\n'
    )
    assert build("--model", "net.onnx", "--rows", "12-int8", "--sets", 1, "--for", "onnxruntime==1.24") == 0
    [made] = Path("zoo").rglob("*-12-int8.onnx")
    assert "Max" in {node.op_type for node in onnx.load(made).graph.node}
    [report] = Path("zoo").rglob("report.json")
    found = json.loads(report.read_text())
    assert found["runtime"] == "onnxruntime==1.24.4"
    assert found["command"][-2:] == ["--for", "onnxruntime==1.24.4"]
    [card] = Path("zoo").rglob("README.md")
    assert "onnxruntime==1.24.4 and newer" in " ".join(card.read_text().split())
    alone = made.read_bytes()
    assert build("zoo.toml") == 0
    assert made.read_bytes() == alone


@pytest.mark.parametrize("text", ['for = "onnxruntime==1.3"', 'for = "openvino"', 'for = "toaster"'])
def test_a_runtime_without_integer_operators_is_refused_before_anything_is_built(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("zoo.toml").write_text(f'[[model]]\nmodel = "net.onnx"\n{text}\n')
    assert build("zoo.toml") == 2
    assert build("--model", "net.onnx", "--for", text.split('"')[1]) == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 2
    assert not Path("zoo").exists()
