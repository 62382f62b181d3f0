"""`zoosmith build`, `bundle` and `validate` as a user runs them."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.zoosmith.built import FOLDER, Built
from tests.zoosmith.small_models import identity_model, scaling_model
from zoosmith.convert import write_net
from zoosmith.onnx_model import saving
from zoosmith.onnx_model.saving import save_model
from zoosmith.recipes.densenet121.net import predict_net
from zoosmith.validation.reading.unpacking import unpacked


def refused(result: tuple[int, str, str]) -> str:
    """The one line of an error that is the user's to mend."""
    code, out, err = result
    assert code == 2
    assert out == ""
    # before it, the steps that were done
    *steps, last = err.splitlines()
    assert last.startswith("error: ") and not any("error" in step or "Traceback" in step for step in steps)
    return last


def test_build_ends_with_the_table_and_one_line(run: Any, tmp_path: Path) -> None:
    code, out, err = run("build", "-o", tmp_path, "--rows", "9,3", "--sets", 1)
    assert code == 0
    assert "densenet-9" in err.splitlines()[-1] or "densenet-3" in err.splitlines()[-1]
    lines = [line.rstrip() for line in out.splitlines() if line.strip()]
    assert lines[0].startswith("DenseNet-121, weights: synthetic, seed 0.")
    assert lines[1].split() == ["row", "opset", "bytes", "archive", "error", "1", "-", "cosine", "top-1", "checks"]
    assert [line.split()[:3] for line in lines[3:5]] == [
        ["densenet-9", "9", "32,719,461"],
        ["densenet-3", "3", "32,718,955"],
    ]
    assert lines[5] == f"10 of 10 checks passed; 2 rows in {tmp_path}, see {tmp_path}/report.html"


def test_a_failed_check_exits_1_and_is_named(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoosmith.building.row_verification.compare", _failing)
    code, out, err = run("build", "--out", tmp_path, "--rows", "9", "--sets", 1)
    assert code == 1
    assert re.fullmatch(
        r"failed: densenet-9: data set 0: error: max_abs: .*; reason: \S.*; expected rtol: \S+; atol: \S+; scale: \S+",
        err.splitlines()[-1],
    )
    assert "4 of 5 checks passed" in out
    assert json.loads((tmp_path / "report.json").read_text())["passed"] is False


def test_a_row_that_cannot_be_made_is_told_with_its_reason(run: Any, tmp_path: Path) -> None:
    save_model(identity_model((onnx.TensorProto.FLOAT, [2])), tmp_path / "m.onnx")
    code, _, err = run("build", "--model", tmp_path / "m.onnx", "--out", tmp_path / "out", "--rows", "12-int8")
    assert code == 1
    (line,) = [line for line in err.splitlines() if line.startswith("failed: ")]
    assert line.startswith("failed: m-12-int8: made: ") and "expected made" not in line


def _failing(expected: Any, actual: Any) -> Any:
    from zoosmith.validation import compare

    return compare(expected, actual, rtol=0, atol=1e-12)


def a_predict_net(path: Path) -> None:
    path.write_bytes(write_net(predict_net()))


def damaged_init_net(path: Path) -> None:
    path.write_bytes(b"\x0a\x10densenet121_init\x12\xff")


def no_parameters(path: Path) -> None:
    save_model(scaling_model(np.ones(3, np.float32)), path)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("none.pb", lambda path: None, "none.pb: cannot be read: No such file"),
        ("folder.pb", Path.mkdir, "folder.pb: "),
        ("init_net.pb", damaged_init_net, "init_net.pb: expected "),
        ("init_net.pb", lambda path: path.write_bytes(b"x" * 100), "init_net.pb: expected "),
        ("init_net.pb", lambda path: path.write_bytes(b""), "init_net.pb: expected "),
        ("init_net.pbtxt", lambda path: path.write_text("op {"), "init_net.pbtxt: expected "),
        (
            "predict_net.pb",
            a_predict_net,
            "predict_net.pb: expected constant",
        ),
        ("model.onnx", lambda path: path.write_bytes(b"text"), "model.onnx: expected an ONNX model"),
        ("model.onnx", no_parameters, "model.onnx: expected the 848 parameters of DenseNet-121"),
    ],
    ids=["missing", "folder", "truncated", "text", "empty", "pbtxt", "predict net", "no model", "another model"],
)
def test_weights_that_cannot_be_used_are_refused_by_name(
    name: str, make: Callable[[Path], Any], message: str, run: Any, tmp_path: Path
) -> None:
    make(tmp_path / name)
    assert message in refused(run("build", "--out", tmp_path / "out", "--weights", tmp_path / name))
    assert not (tmp_path / "out").exists()


def test_truncated_weights_are_refused(run: Any, default_build: Built, tmp_path: Path) -> None:
    (tmp_path / "row.onnx").write_bytes(default_build.model("9").read_bytes()[:20_000_000])
    message = refused(run("build", "--out", tmp_path / "out", "--weights", tmp_path / "row.onnx"))
    assert "row.onnx: expected an ONNX model, found something else or a truncated file" in message
    assert not (tmp_path / "out").exists()


def test_an_unknown_row_is_refused(run: Any, tmp_path: Path) -> None:
    message = refused(run("build", "--out", tmp_path / "out", "--rows", "9,99"))
    assert message.startswith("error: no row '99'; the rows are 3, 6, 7, 8, 9, 12, 12-int8, ")
    assert "and there is one for every opset" in message
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_place_of_the_folder_is_named(run: Any, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    message = refused(run("build", "--out", tmp_path / "out", "--rows", "9", "--sets", 1))
    assert message == f"error: {tmp_path}/out: is no folder; expected one to write into"


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which file is written")
def test_a_full_disk_leaves_whole_rows_or_none(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = saving._copy_span

    def full(source: Any, offset: int, length: int, target: Any) -> None:
        if "densenet-12.onnx" in os.readlink(f"/proc/self/fd/{target.fileno()}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        copy(source, offset, length, target)

    monkeypatch.setattr(saving, "_copy_span", full)
    message = refused(run("build", "--out", tmp_path, "--rows", "9,12", "--sets", 1))
    assert f"{FOLDER}/model/densenet-12.onnx: cannot be written: No space left on device" in message
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*densenet*.*") if path.is_file()}
    assert left <= {f"{FOLDER}/model/densenet-9.onnx", f"{FOLDER}/model/densenet-9.tar.gz"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Seconds after which a build is killed: two, or with `--kills` as many as are asked for."""
    if "delay" in metafunc.fixturenames:
        metafunc.parametrize("delay", [0.4 * number for number in range(metafunc.config.getoption("kills"))])


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.slow
def test_a_killed_build_leaves_whole_files_or_none_and_the_next_goes_on(
    delay: float, default_build: Built, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "zoosmith", "build", "--out", str(tmp_path), "--rows", "9,12", "--sets", "1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    # killed in the middle of its writing, some time after the first file has been begun
    while process.poll() is None and not list(tmp_path.rglob("*densenet*")):
        time.sleep(0.005)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for path in (tmp_path / FOLDER / "model").glob("densenet-*.onnx"):
        assert path.read_bytes() == (default_build.out / path.relative_to(tmp_path)).read_bytes()
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    model_folder = tmp_path / FOLDER / "model"
    assert sorted(path.name for path in model_folder.iterdir()) == [
        "densenet-12.onnx",
        "densenet-12.tar.gz",
        "densenet-9.onnx",
        "densenet-9.tar.gz",
    ]


def test_bundle_and_validate_say_what_they_did(run: Any, tmp_path: Path) -> None:
    save_model(identity_model((onnx.TensorProto.FLOAT, ["batch", 3])), tmp_path / "identity.onnx")
    archive = tmp_path / "out" / "identity.tar.gz"
    code, out, err = run("bundle", tmp_path / "identity.onnx", "-o", archive, "--sets", 2, "--dim", "batch=4")
    assert (code, out) == (0, f"{archive}: 2 data sets, {archive.stat().st_size:,} bytes\n")
    assert err == ""  # it is done soon
    with unpacked(archive) as folder:
        (stored,) = {np.load(path)["inputs"].shape for path in folder.glob("*/test_data_*.npz")}
        assert stored == (1, 4, 3)
    assert run("validate", archive, "-q") == (0, "", "")
    assert run("validate", archive)[:2] == (0, "test_data_set_0: equal\ntest_data_set_1: equal\n")
    code, out, _ = run("validate", archive, "--json")
    assert code == 0
    assert json.loads(out)["result"]["passed"] is True
    assert list(json.loads(out)["result"]["sets"]) == ["test_data_set_0", "test_data_set_1"]


def test_validate_exits_1_where_an_output_differs(run: Any, tmp_path: Path) -> None:
    save_model(scaling_model(np.ones(3, np.float32)), tmp_path / "model.onnx")
    run("bundle", tmp_path / "model.onnx", "-o", tmp_path / "b.tar.gz", "--sets", 1)
    with unpacked(tmp_path / "b.tar.gz") as folder:
        save_model(scaling_model(np.full(3, 1.1, np.float32)), folder / "b" / "model.onnx")
        code, out, _ = run("validate", folder / "b")
        assert code == 1
        assert out.startswith("test_data_set_0: differs: y: 3 of 3 elements over the limit")
        code, out, _ = run("validate", folder / "b", "--json")
        assert code == 1 and json.loads(out)["result"]["passed"] is False
        assert run("validate", folder / "b", "--rtol", "0.2")[0] == 0


def test_bundle_refuses_what_it_cannot_pack(run: Any, tmp_path: Path) -> None:
    save_model(identity_model((onnx.TensorProto.FLOAT, ["batch", 3])), tmp_path / "identity.onnx")
    (tmp_path / "text.onnx").write_text("text")
    archive = tmp_path / "out.tar.gz"
    assert "none.onnx: cannot be read" in refused(run("bundle", tmp_path / "none.onnx", "-o", archive))
    assert "text.onnx: expected an ONNX model" in refused(run("bundle", tmp_path / "text.onnx", "-o", archive))
    message = refused(run("bundle", tmp_path / "identity.onnx", "-o", archive, "--dim", "N=2"))
    assert "no input has a dimension named 'N'; named dimensions: batch" in message
    code, _, err = run("bundle", tmp_path / "identity.onnx", "-o", archive, "--dim", "batch")
    assert code == 2 and "'batch': expected NAME=SIZE, as in batch=2" in err
    assert not archive.exists()


def test_validate_refuses_what_is_no_bundle(run: Any, tmp_path: Path) -> None:
    (tmp_path / "text.tar.gz").write_text("text")
    assert "expected a tar.gz archive" in refused(run("validate", tmp_path / "text.tar.gz"))
    assert "none.tar.gz: cannot be read: No such file" in refused(run("validate", tmp_path / "none.tar.gz"))
    (tmp_path / "empty").mkdir()
    assert "empty: expected one model" in refused(run("validate", tmp_path / "empty"))


def test_validate_refuses_an_archive_whose_members_climb_out(run: Any, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("model/../../evil.onnx"))
    message = refused(run("validate", tmp_path / "evil.tar.gz"))
    assert "evil.tar.gz: refused: member 'model/../../evil.onnx' climbs out of the folder" in message
    assert [path.name for path in tmp_path.iterdir()] == ["evil.tar.gz"]


def test_bundle_refuses_a_place_that_it_cannot_write(run: Any, tmp_path: Path) -> None:
    save_model(scaling_model(np.ones(3, np.float32)), tmp_path / "model.onnx")
    archive = tmp_path / "model.onnx" / "out.tar.gz"
    assert f"{archive}: cannot be written: " in refused(run("bundle", tmp_path / "model.onnx", "-o", archive))
