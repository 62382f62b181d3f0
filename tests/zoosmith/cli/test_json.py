"""`--json` and `-q` of every command: one object of one form, or nothing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import zoosmith
from tests.optimize.nets import Net
from tests.zoosmith.hub.trees import entry, write_tree
from tests.zoosmith.small_models import scaling_model
from zoosmith.cli import main
from zoosmith.cli.application import COMMANDS
from zoosmith.convert import write_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.hub.manifest import MANIFEST_NAME

ONES = np.ones((1, 3, 8, 8), np.float32)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a model, a classifier, a net, a bundle and images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path / "cache"))
    onnx.save(scaling_model(ONES), "m.onnx")
    net = Net([1, 3, 8, 8])
    x = net.add("GlobalAveragePool", "data")
    onnx.save(net.model(net.add("Conv", x, net.constant(np.eye(3, dtype=np.float32)[:, :, None, None]))), "c.onnx")
    predict = NetDef(name="small", external_input=["x"], external_output=["y"])
    predict.op.add(type="Relu", input=["x"], output=["y"])
    Path("net.pb").write_bytes(write_net(predict))
    zoosmith.bundle(Path("m.onnx"), Path("b.tar.gz"), sets=1)
    model = Path("m.onnx").read_bytes()
    write_tree(Path("zoo"), {"m.onnx": model, MANIFEST_NAME: json.dumps([entry("m.onnx", model, None)]).encode()})
    Path("zoo", "report.json").write_text('{"title": "Zoo", "rows": []}')
    for index in range(3):
        Path("images", str(index)).mkdir(parents=True)
        Image.new("RGB", (8, 8), (80 * index, 9, 9)).save(f"images/{index}/a.png")
    return tmp_path


CALLS: dict[str, tuple[list[str], set[str]]] = {
    "build": (["build", "--out", "zoo", "--rows", "9", "--sets", "1"], {"out", "rows", "passed"}),
    "convert": (["convert", "net.pb", "-o", "o.onnx", "--input", "x=N,4"], {"net", "output", "proof", "to"}),
    "opset": (["opset", "m.onnx", "-o", "o.onnx", "--to", "12"], {"input", "output", "from", "to", "proof"}),
    "inspect": (["inspect", "m.onnx", "net.pb"], {"files"}),
    "bundle": (["bundle", "m.onnx", "-o", "o.tar.gz"], {"model", "output", "sets", "bytes"}),
    "validate": (["validate", "b.tar.gz"], {"bundle", "passed", "sets", "rtol", "atol"}),
    "simplify": (["simplify", "c.onnx", "-o", "o.onnx"], {"model", "output", "nodes", "nodes_before", "proof"}),
    "quantize": (
        ["quantize", "c.onnx", "-o", "o.onnx", "--calibrate", "random", "--samples", "4", "--atol", "1"],
        {"model", "output", "samples", "proof", "kept_in_float"},
    ),
    "evaluate": (["evaluate", "c.onnx", "--data", "images", "--preprocess", "none"], {"images", "models", "data"}),
    "bench": (["bench", "m.onnx", "--runs", "1"], {"models"}),
    "runtime": (["runtime", "list"], {"runtimes"}),
    "audit": (["audit", "m.onnx", "b.tar.gz", "--jobs", "1"], {"passed", "defects", "checks", "files"}),
    "report": (["report", "zoo"], {"out", "page", "bytes", "plots", "sources"}),
    "fetch": (["fetch", "m", "--source", "zoo"], {"path", "sha256", "pinned", "license", "source"}),
}


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    printed = capsys.readouterr()
    return int(stopped.value.code or 0), printed.out, printed.err


def test_every_command_is_called_here() -> None:
    # preprocess wants images like those that a net was trained on: its own tests have them
    assert {*CALLS, "preprocess"} == set(COMMANDS)


@pytest.mark.parametrize("command", list(CALLS))
def test_json_is_one_object_with_command_version_and_result(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    arguments, keys = CALLS[command]
    code, out, _ = call(capsys, *arguments, "--json")
    answer: dict[str, Any] = json.loads(out)
    assert code == 0
    assert list(answer) == ["command", "version", "result"]
    assert answer["command"] == ("runtime list" if command == "runtime" else command)
    assert answer["version"] == zoosmith.__version__
    assert keys <= set(answer["result"])


@pytest.mark.parametrize("command", list(CALLS))
def test_quiet_prints_nothing_where_nothing_fails(here: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    arguments, _ = CALLS[command]
    assert call(capsys, *arguments, "-q")[1:] == ("", "")


def test_a_feed_is_what_the_proof_names(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("x.npy", 3 * ONES)
    _, out, _ = call(capsys, "opset", "m.onnx", "-o", "o.onnx", "--to", "12", "--feed", "x.npy", "--json")
    proof = json.loads(out)["result"]["proof"]
    assert (proof["inputs"], proof["shapes"], proof["verdict"]) == ("x.npy", [{"x": [1, 3, 8, 8]}], "equal")


def test_the_sizes_of_a_net_can_be_chosen(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def shapes(*more: str) -> Any:
        _, out, _ = call(capsys, "convert", "net.pb", "-o", "o.onnx", "--input", "x=N,4", "--json", *more)
        return json.loads(out)["result"]["proof"]["shapes"]

    assert shapes() == [{"x_0": [2, 4]}, {"x_0": [3, 4]}]
    assert shapes("--dim", "N=5") == [{"x_0": [5, 4]}, {"x_0": [5, 4]}]


def test_a_limit_of_quantization_that_is_not_kept_writes_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["quantize", "c.onnx", "-o", "o.onnx", "--calibrate", "random", "--samples", "4", "--every-layer"]
    code, out, err = call(capsys, *arguments, "--atol", "1e-9", "--rtol", "0")
    assert (code, out) == (1, "")
    assert "the integer model differs" in err
    assert not Path("o.onnx").exists()


def test_a_run_without_an_end_is_stopped_and_nothing_is_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.zoosmith.endless import endless_model

    onnx.save(endless_model(), "endless.onnx")
    code, _, err = call(capsys, "opset", "endless.onnx", "-o", "o.onnx", "--to", "14", "--timeout", "0.5")
    assert code == 2
    assert "stopped: no result after 0.5 s" in err.splitlines()[-1]
    assert not Path("o.onnx").exists()


@pytest.mark.parametrize(
    "command", ["opset", "convert", "simplify", "quantize", "bundle", "bench", "validate", "evaluate"]
)
def test_a_provider_that_is_not_there_is_refused(here: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, err = call(capsys, *CALLS[command][0], "--providers", "Nowhere")
    assert (code, out) == (2, "")
    assert "provider 'Nowhere': the installed ONNX Runtime" in err


def test_the_input_type_is_held_against_the_model(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "bundle", "m.onnx", "-o", "o.tar.gz", "--input", "x=int64:1,3,8,8")
    assert code == 2
    assert "is of float, not int64" in err
