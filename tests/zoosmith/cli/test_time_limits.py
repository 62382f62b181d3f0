"""Every command that runs a model stops a run that takes longer than `--timeout`: one line, exit code 2, no file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from tests.zoosmith.endless import endless_classifier, endless_model, long_net
from zoosmith.cli.application import run
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.execution import ThreadExecutor
from zoosmith.validation.running.run_limit import run_limit, runs_limited


@pytest.fixture
def files(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    for label in "abc":
        (images / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(images / label / "0.png")
    np.savez(tmp_path / "samples.npz", x=np.random.RandomState(0).rand(2, 3, 8, 8).astype("f"))
    onnx.save(endless_classifier(), tmp_path / "classifier.onnx")
    onnx.save(endless_model(), tmp_path / "endless.onnx")
    onnx.save(endless_model(6), tmp_path / "old.onnx")
    (tmp_path / "long.pb").write_bytes(long_net().SerializeToString())
    (tmp_path / "none.pb").write_bytes(NetDef(name="none").SerializeToString())
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        "build --model {0}/endless.onnx --rows 14 --out {0}/out",
        "build --model {0}/old.onnx --rows 6,9 --out {0}/out",
        "build --net {0}/long.pb --weights {0}/none.pb --input x=700,700 --rows 9 --sets 1 --out {0}/out",
        "build --model {0}/classifier.onnx --rows 12-int8 --calibrate {0}/samples.npz --out {0}/out",
        "quantize {0}/classifier.onnx -o {0}/out/o.onnx --calibrate {0}/samples.npz",
        "quantize {0}/classifier.onnx -o {0}/out/o.onnx --calibrate random --force",
        "evaluate {0}/classifier.onnx --data {0}/images --preprocess none",
        "bench {0}/classifier.onnx --runs 1 --warmup 0",
        "bundle {0}/classifier.onnx -o {0}/out/o.tar.gz",
    ],
)
def test_a_run_without_an_end_is_stopped(command: str, files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.format(files).split(), "--timeout", "1", "-q"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    line = printed.err.splitlines()[-1]
    assert line.startswith("error: ") and "no result after" in line and "--timeout" in line
    assert not (files / "out").exists() or not any(path.is_file() for path in (files / "out").rglob("*"))


def test_a_row_that_cannot_be_packed_has_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes, ports = (
        [helper.make_node("Relu", ["x"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
    )
    graph = helper.make_graph(nodes, "g", ports, [onnx.ValueInfoProto(name="y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert run(["build", "--model", str(tmp_path / "m.onnx"), "--out", str(tmp_path / "out"), "-q"]) == 1
    assert "packed: output 'y'" in capsys.readouterr().err
    assert not list((tmp_path / "out").rglob("m-13*"))


def test_a_limit_of_runs_holds_in_its_block_and_in_threads_started_there() -> None:
    with ThreadExecutor(1) as executor:
        with runs_limited(7):
            assert executor.submit(run_limit).result() == run_limit() == 7
            with runs_limited(None):
                assert run_limit() is None
        assert executor.submit(run_limit).result() is run_limit() is None
