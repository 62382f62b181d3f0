"""`zoosmith bench` prints times, sizes and memory of models side by side, and refuses bad input in one line."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.zoosmith.cli.calls import Run


def product(path: Path, side: int, opset: int = 13) -> str:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weights"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", side])],
        [numpy_helper.from_array(np.ones((side, side), np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return str(path)


def small_net(*shape: str | int, rows: int | None = None) -> onnx.ModelProto:
    """A Relu; with `rows`, a Reshape to so many, which not every size has."""
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    constants = []
    if rows is not None:
        constants = [numpy_helper.from_array(np.array([rows, -1]), "rows")]
        nodes = [helper.make_node("Reshape", ["x", "rows"], ["y"])]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in (("x", shape), ("y", None)))
    graph = helper.make_graph(nodes, "net", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_json_has_a_row_for_each_model_and_thread_count(tmp_path: Path, run: Run) -> None:
    models = [product(tmp_path / "a.onnx", 4), product(tmp_path / "b.onnx", 512)]
    code, out, _ = run("bench", *models, "--threads", "1,2", "--runs", 3, "--warmup", 1, "--dim", "batch=4", "--json")
    rows = json.loads(out)["result"]["models"]
    assert code == 0
    assert [(row["model"], row["threads"]) for row in rows] == [(model, n) for n in (1, 2) for model in models]
    assert [row["bytes"] for row in rows[:2]] == [Path(model).stat().st_size for model in models]
    assert rows[0]["speed"] == rows[2]["speed"] == 1.0
    assert all(row["runs"] == 3 and 0 < row["fastest_ms"] <= row["median_ms"] for row in rows)


def test_the_table_has_a_line_for_each_model(tmp_path: Path, run: Run) -> None:
    model = product(tmp_path / "a[1].onnx", 64)
    code, out, _ = run("bench", model, "--runs", 2)
    assert code == 0
    assert "a[1].onnx" in out
    assert "1.00x" in out
    assert f"{Path(model).stat().st_size:,}" in out
    assert out.splitlines()[-1] == "inputs: x [1, 64]"


def test_open_sizes_are_those_of_use_and_are_printed(tmp_path: Path, run: Run) -> None:
    net = small_net("N", 3, "height", "width")
    (tmp_path / "net.onnx").write_bytes(net.SerializeToString())
    code, out, _ = run("bench", tmp_path / "net.onnx", "--runs", 1)
    assert code == 0 and out.splitlines()[-1] == "inputs: x [1, 3, 224, 224]"
    code, out, _ = run("bench", tmp_path / "net.onnx", "--runs", 1, "--dim", "height=48", "--json")
    assert json.loads(out)["result"]["models"][0]["shapes"] == {"x": [1, 3, 48, 224]}


def test_a_model_that_runs_with_no_open_sizes_names_the_options(tmp_path: Path, run: Run) -> None:
    net = small_net("N", 3, 11, "width", rows=13 * 17 * 19)
    (tmp_path / "net.onnx").write_bytes(net.SerializeToString())
    code, _, err = run("bench", tmp_path / "net.onnx", "--runs", 1)
    assert (
        code == 2 and "N=1, width=224" in err and "give --dim N=N, --input x=N,3,11,N or data with --feed FILE" in err
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threads", "one"], "'one': expected numbers from 1"),
        (["--threads", "0,1"], "'0,1': expected numbers from 1"),
        (["--runs", "0"], "--runs"),
        (["--dim", "batch"], "expected NAME=SIZE"),
        (["--dim", "height=3"], "no input has a dimension named 'height'"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, run: Run, options: list[str], message: str) -> None:
    code, out, err = run("bench", product(tmp_path / "a.onnx", 4), *options)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_files_that_onnx_runtime_cannot_load_are_refused(tmp_path: Path, run: Run) -> None:
    code, _, err = run("bench", tmp_path / "nowhere.onnx")
    assert code == 2
    assert "nowhere.onnx: cannot be read: No such file" in err
    (tmp_path / "text.onnx").write_text("not a model")
    code, _, err = run("bench", tmp_path / "text.onnx")
    assert code == 2
    assert "text.onnx" in err
    assert len(err.strip().splitlines()) == 1


def test_an_input_of_unknown_rank_has_the_shape_that_is_given(tmp_path: Path, run: Run) -> None:
    net = small_net()
    net.graph.input[0].type.tensor_type.ClearField("shape")
    (tmp_path / "net.onnx").write_bytes(net.SerializeToString())
    code, out, _ = run("bench", tmp_path / "net.onnx", "--runs", 1, "--input", "x=2,3")
    assert code == 0 and out.splitlines()[-1] == "inputs: x [2, 3]"
    code, _, err = run("bench", tmp_path / "net.onnx", "--runs", 1)
    assert code == 2 and f"{tmp_path / 'net.onnx'}: input 'x' has no stated rank" in err
    assert err.endswith("give its shape, as in --input x=1,3,64,64; or data with --feed FILE\n")
