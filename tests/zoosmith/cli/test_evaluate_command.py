"""`zoosmith evaluate` prints what was measured, and refuses bad input in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tests.zoosmith.cli.calls import Run
from zoosmith.validation.reading.preprocess import DISTURBANCES, PREPROCESSINGS


def red_green_blue(path: Path, weights: np.ndarray) -> str:
    """A classifier of three classes: the mean red, green and blue, mixed by `weights`."""
    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["data"], ["mean"]),
            helper.make_node("Conv", ["mean", "weights"], ["logits"]),
        ],
        "colours",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, 1, 1])],
        [numpy_helper.from_array(weights.astype(np.float32)[:, :, None, None], "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return str(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Class folders of red, green and blue pictures; one of the blue is a red one."""
    colours = {"0red": (200, 10, 10), "1green": (10, 200, 10), "2blue": (10, 10, 200)}
    for name, colour in colours.items():
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        for index in range(4):
            Image.new("RGB", (8, 8), colour).save(folder / f"{index}.png")
    Image.new("RGB", (8, 8), colours["0red"]).save(tmp_path / "data" / "2blue" / "0.png")
    return tmp_path / "data"


def test_json_holds_accuracy_and_agreement(tmp_path: Path, data: Path, run: Run) -> None:
    (data / "1green" / "3.png").write_bytes(b"broken")
    models = [red_green_blue(tmp_path / "a.onnx", np.eye(3)), red_green_blue(tmp_path / "b.onnx", np.eye(3)[[1, 0, 2]])]
    code, out, err = run("evaluate", *models, "--data", data, "--preprocess", "none", "--json")
    report: dict[str, Any] = json.loads(out)["result"]
    assert code == 0
    assert (report["images"], report["broken"], report["preprocess"]) == (11, 1, "none")
    assert [entry["top1"]["images"] for entry in report["models"]] == [10, 3]
    assert report["models"][0]["top1"]["percent"] == 90.9091
    (pair,) = report["agreements"]
    assert pair["same_top1"]["images"] == 3
    assert "skipped: " in err
    assert "3.png" in err
    assert "images/s" in err


def test_the_tables_name_models_shares_and_intervals(tmp_path: Path, data: Path, run: Run) -> None:
    models = [red_green_blue(tmp_path / "a[1].onnx", np.eye(3)), red_green_blue(tmp_path / "b.onnx", 2 * np.eye(3))]
    code, out, _ = run("evaluate", *models, "--data", data, "--preprocess", "none")
    assert code == 0
    assert "a[1].onnx" in out
    # Wilson's interval of 11 in 12
    assert "91.67 │ 64.61 - 98.51" in out
    assert "100.00 │ 75.75 - 100.00" in out
    assert out.endswith("12 images\n")


def test_labels_preprocess_limit_and_disturbance_reach_the_measurement(tmp_path: Path, data: Path, run: Run) -> None:
    (tmp_path / "classes.txt").write_text("2blue\n1green\n0red\n")
    model = red_green_blue(tmp_path / "bgr.onnx", np.eye(3))
    options = ["--labels", tmp_path / "classes.txt", "--preprocess", "caffe", "--samples", 6, "--disturb", "darkened"]
    code, out, _ = run("evaluate", model, "--data", data, *options, "--json")
    report = json.loads(out)["result"]
    assert code == 0
    assert (report["images"], report["disturb"]) == (6, "darkened")
    # of the six, the red picture among the blue ones is the one that fails
    assert report["models"][0]["top1"]["images"] == 5


def test_the_help_names_every_preprocessing_and_disturbance(run: Run) -> None:
    code, out, _ = run("evaluate", "--help")
    assert code == 0
    words = set(out.replace(",", " ").replace(".", " ").split())
    assert {*PREPROCESSINGS, *DISTURBANCES} <= words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preprocess", "imagenet"], "no preprocessing is called 'imagenet'"),
        (["--disturb", "blurred"], "no disturbance is called 'blurred'"),
        (["--labels", "nowhere.csv"], "nowhere.csv: cannot be read"),
        (["--samples", "0"], "--samples"),
        (["--data", "nowhere"], "nowhere: not a folder"),
        (["--cluster", "tcp://192.0.2.1:8786"], "--cluster tcp://192.0.2.1:8786: not encrypted"),
        (["--shard", "1/2"], "--shard needs --state"),
        (["--providers", "NPU"], "provider 'NPU': the installed ONNX Runtime"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path, data: Path, run: Run, options: list[str], message: str
) -> None:
    model = red_green_blue(tmp_path / "a.onnx", np.eye(3))
    code, out, err = run("evaluate", model, "--data", data, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_labels_beyond_the_classes_and_files_that_are_no_model_are_refused(
    tmp_path: Path, data: Path, run: Run
) -> None:
    model = red_green_blue(tmp_path / "a.onnx", np.eye(3))
    (tmp_path / "classes.csv").write_text("0red,0\n1green,1\n2blue,3\n")
    code, _, err = run("evaluate", model, "--data", data, "--labels", tmp_path / "classes.csv")
    assert code == 2
    assert "label 3 is beyond the 3 classes" in err
    (tmp_path / "text.onnx").write_text("not a model")
    code, _, err = run("evaluate", tmp_path / "text.onnx", "--data", data)
    assert code == 2
    assert "text.onnx" in err
    assert len(err.strip().splitlines()) == 1


@pytest.fixture
def many(data: Path) -> Path:
    """More images than a portion holds, three of them broken."""
    for folder in data.iterdir():
        for index in range(4, 25):
            (folder / f"{index}.png").write_bytes((folder / "0.png").read_bytes())
        (folder / "9.png").write_bytes(b"broken")
    return data


def result(run: Run, *arguments: object) -> dict[str, Any]:
    code, out, err = run("evaluate", *arguments, "--json")
    assert code == 0, err
    return json.loads(out)["result"]


def test_shards_put_together_are_the_whole(tmp_path: Path, many: Path, run: Run) -> None:
    models = [red_green_blue(tmp_path / "a.onnx", np.eye(3)), red_green_blue(tmp_path / "b.onnx", np.eye(3)[[1, 0, 2]])]
    options = [*models, "--data", many, "--preprocess", "torchvision"]
    whole = result(run, *options)
    states = [tmp_path / f"{number}.state" for number in (1, 2, 3)]
    for number, state in enumerate(states, 1):
        part = result(run, *options, "--shard", f"{number}/3", "--state", state)
        assert 0 < part["images"] < whole["images"]
    assert result(run, "--merge", *reversed(states), states[0]) == whole
    code, out, err = run("evaluate", "--merge", *states[:2])
    assert (code, out) == (2, "")
    assert "1 of 5 portions are in none of the state files" in err


def test_an_evaluation_that_was_stopped_goes_on(tmp_path: Path, many: Path, run: Run) -> None:
    model, state = red_green_blue(tmp_path / "a.onnx", np.eye(3)), tmp_path / "state"
    options = [model, "--data", many, "--preprocess", "none", "--state", state]
    whole = result(run, *options)
    lines = state.read_bytes().splitlines(keepends=True)
    # stopped while it wrote its third portion
    state.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    for image in many.rglob("*.png"):
        if image.parent.name == "0red":
            image.write_bytes(b"not read again")
    assert result(run, *options) == whole
    assert len(state.read_bytes().splitlines()) == len(lines)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--preprocess", "unit"], "its preprocessing differ from those of what is evaluated now"),
        (["--samples", "20"], "its images differ"),
    ],
)
def test_the_state_of_another_evaluation_is_refused(
    tmp_path: Path, many: Path, run: Run, changed: list[str], message: str
) -> None:
    options = [red_green_blue(tmp_path / "a.onnx", np.eye(3)), "--data", many, "--state", tmp_path / "state"]
    result(run, *options, "--preprocess", "none")
    before = (tmp_path / "state").read_bytes()
    code, out, err = run("evaluate", *options, "--preprocess", "none", *changed)
    assert (code, out) == (2, "")
    assert message in err
    assert (tmp_path / "state").read_bytes() == before


@pytest.mark.parametrize("content", [b"text\n", b"{}\n", b'{"format": "zoosmith evaluation 1", "what": 3}\n', b"[" * 9])
def test_a_file_that_is_no_state_is_refused(tmp_path: Path, data: Path, run: Run, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    model = red_green_blue(tmp_path / "a.onnx", np.eye(3))
    code, _, err = run("evaluate", model, "--data", data, "--state", tmp_path / "state")
    assert code == 2
    assert "expected the state of an evaluation" in err
    assert (tmp_path / "state").read_bytes() == content


@pytest.mark.parametrize("shard", ["0/3", "4/3", "3", "a/b"])
def test_a_shard_that_is_none_is_refused(tmp_path: Path, data: Path, run: Run, shard: str) -> None:
    model = red_green_blue(tmp_path / "a.onnx", np.eye(3))
    code, _, err = run("evaluate", model, "--data", data, "--state", tmp_path / "state", "--shard", shard)
    assert code == 2
    assert "--shard" in err


def test_a_preprocessing_that_there_is_not_is_no_fault_of_the_model(data: Path, tmp_path: Path, run: Run) -> None:
    model = red_green_blue(tmp_path / "net.onnx", np.eye(3))
    code, _, err = run("evaluate", model, "--data", data, "--preprocess", "zz")
    assert code == 2 and err.startswith("error: no preprocessing is called 'zz': choose one of caffe-densenet, ")
