"""`zoosmith opset` as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from zoosmith.validation import verify_models


def zoosmith(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zoosmith", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def softmax_model(opset: int = 13, *, axis: int = 1, weight: np.ndarray | None = None) -> ModelProto:
    shape = ["batch", 3, 4]
    weight = np.linspace(0, 1, 4, dtype=np.float32) if weight is None else weight
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "w"], ["scaled"], name="scale"),
            helper.make_node("Softmax", ["scaled"], ["y"], name="soft", axis=axis),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(softmax_model(), tmp_path / "m.onnx")
    return tmp_path


def test_it_converts_verifies_and_says_so_in_one_line(model: Path) -> None:
    done = zoosmith("opset", "m.onnx", "-o", "older.onnx", "--to", "12", "--dim", "batch=2", folder=model)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("older.onnx: opset 13 -> 12, IR 7, verified, ")
    assert done.stdout.count("\n") == 1
    assert onnx.load(model / "older.onnx").opset_import[0].version == 12


def test_json_tells_the_largest_error(model: Path) -> None:
    done = zoosmith("opset", "m.onnx", "-o", "newer.onnx", "--to", "21", "--json", folder=model)
    report = json.loads(done.stdout)["result"]
    assert report["proof"]["verdict"] in ("equal", "close")
    assert report["from"] == 13 and report["to"] == 21
    assert report["proof"]["largest_error"] <= 1e-5


def test_without_verification_it_says_that_nothing_was_proved(model: Path) -> None:
    done = zoosmith("opset", "m.onnx", "-o", "newer.onnx", "--to", "21", "--no-verify", folder=model)
    assert done.stdout == "newer.onnx: opset 13 -> 21, IR 10, not verified\n"


def test_a_silently_wrong_conversion_fails_names_the_node_and_writes_nothing(model: Path) -> None:
    # onnx's own converter keeps the axis where the older Softmax means all axes from it on
    softmax = softmax_model()
    del softmax.graph.node[0]
    softmax.graph.node[0].input[0] = "x"
    onnx.save(softmax, model / "m.onnx")
    done = zoosmith("opset", "m.onnx", "-o", "older.onnx", "--to", "12", "--engine", "onnx", folder=model)
    assert done.returncode == 1
    assert "soft (Softmax), output 'y'" in done.stderr
    assert not (model / "older.onnx").exists()


def test_what_the_target_lacks_is_refused_by_name_with_the_lowest_opset_that_would_do(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("RegexFullMatch", ["x"], ["y"], name="match", pattern="a.*")],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.STRING, [2])],
        [helper.make_tensor_value_info("y", TensorProto.BOOL, [2])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "m.onnx")
    done = zoosmith("opset", "m.onnx", "-o", "older.onnx", "--to", "19", folder=tmp_path)
    assert done.returncode == 2
    assert "'match' (RegexFullMatch)" in done.stderr and "opset 20 is the lowest that would do" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "older.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.onnx", "--to", "12"), "missing.onnx"),
        (("text.onnx", "--to", "12"), "text.onnx: expected an ONNX model"),
        (("m.onnx", "--to", "99"), "opset 99 does not exist"),
        (("m.onnx", "--to", "12", "--dim", "batch"), "expected NAME=SIZE"),
        (("m.onnx", "--to", "12", "--dim", "rows=2"), "no input has a dimension named 'rows'"),
    ],
)
def test_bad_input_is_told_without_a_traceback(model: Path, arguments: tuple[str, ...], words: str) -> None:
    (model / "text.onnx").write_text("not a model")
    done = zoosmith("opset", *arguments, "-o", "out.onnx", folder=model)
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr
    assert not (model / "out.onnx").exists()


def test_large_tensors_in_files_stay_in_them_and_go_along(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    onnx.save(
        softmax_model(weight=np.full((5000, 1, 4), 2, dtype=np.float32)),
        source / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    target = tmp_path / "out"
    target.mkdir()
    options = ["-o", "older.onnx", "--to", "12", "--dim", "batch=5000"]
    done = zoosmith("opset", str(source / "m.onnx"), *options, folder=target)
    assert done.returncode == 0, done.stderr
    (data,) = target.glob("older.onnx.*.data")
    assert data.read_bytes() == (source / "m.data").read_bytes()
    assert sorted(path.name for path in source.iterdir()) == ["m.data", "m.onnx"]
    structure = onnx.load(target / "older.onnx", load_external_data=False)
    assert structure.graph.initializer[0].data_location == TensorProto.EXTERNAL
    onnx.checker.check_model(str(target / "older.onnx"), full_check=True)


def test_the_first_node_that_differs_is_named_not_the_last() -> None:
    result = verify_models(softmax_model(), softmax_model(weight=np.zeros(4, dtype=np.float32)))
    assert result.verdict == "differs"
    assert str(result.first_difference).startswith("scale (Mul), output 'scaled': ")
