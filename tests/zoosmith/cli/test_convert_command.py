"""`zoosmith convert` as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from tests.convert.caffe.caffe_files import write
from tests.convert.caffe.test_reader import BLOBS, NEW
from tests.convert.saved_files import minidb
from tests.convert.test_models import META, PARAMETERS
from zoosmith.convert import write_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    predict = NetDef(name="small", external_input=["x", "w", "b"], external_output=["y"])
    predict.op.add(type="FC", input=["x", "w", "b"], output=["y"])
    predict.op.add(type="Relu", input=["y"], output=["y"])
    init = NetDef(name="small_init")
    for blob, shape in (("w", [3, 4]), ("b", [3])):
        fill = init.op.add(type="ConstantFill", output=[blob])
        fill.arg.add(name="shape", ints=shape)
        fill.arg.add(name="value", f=0.5)
    (tmp_path / "predict_net.pb").write_bytes(write_net(predict))
    (tmp_path / "init_net.pb").write_bytes(write_net(init))
    return tmp_path


def zoosmith(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zoosmith", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def convert(nets: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return zoosmith("convert", "predict_net.pb", "init_net.pb", "-o", "net.onnx", *more, folder=nets)


def test_it_writes_a_valid_model_of_opset_9_and_says_so_in_one_line(nets: Path) -> None:
    done = convert(nets, "--input", "x=2,4")
    assert done.returncode == 0, done.stderr
    model = onnx.load(nets / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 9
    assert done.stdout.startswith("net.onnx: ")
    assert done.stdout.count("\n") == 1


def test_a_symbolic_size_reaches_the_file(nets: Path) -> None:
    assert convert(nets, "--input", "x=N,4").returncode == 0
    output = onnx.load(nets / "net.onnx").graph.output[0]
    assert [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim] == ["N", 3]


def test_a_value_info_file_declares_inputs(nets: Path) -> None:
    (nets / "value_info.json").write_text(json.dumps({"x": [1, [5, 4]]}))
    assert convert(nets, "--value-info", "value_info.json", "--names", "caffe2").returncode == 0
    assert onnx.load(nets / "net.onnx").graph.input[0].name == "x"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--input", "y=2,4"], "the net has no input 'y'"),
        (["--input", "x"], "'x': expected NAME=SHAPE"),
        (["--input", "x=nonsense:2,4"], "'nonsense' is no type"),
        (["--input", "x=2,-4"], "size -4 is negative"),
        (["--input", "x=2,5"], "takes 4 values"),
        (["--input", "x=2,4", "--opset", "2"], "opset 2: expected 3 to"),
        (["--value-info", "init_net.pb"], "init_net.pb: damaged or unsupported: expected JSON"),
        ([], "nothing gives 'x'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2_and_writes_nothing(nets: Path, arguments: list[str], says: str) -> None:
    done = convert(nets, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (nets / "net.onnx").exists()


def test_a_file_that_is_no_net_is_named(nets: Path) -> None:
    (nets / "predict_net.pb").write_bytes(b"no net at all")
    done = convert(nets, "--input", "x=2,4")
    assert done.returncode == 2
    assert "predict_net.pb: expected a Caffe2 NetDef" in done.stderr


def test_an_output_folder_that_cannot_be_made_is_named(nets: Path) -> None:
    done = zoosmith(
        "convert", "predict_net.pb", "init_net.pb", "-o", "init_net.pb/net.onnx", "--input", "x=2,4", folder=nets
    )
    assert done.returncode == 2
    assert "init_net.pb/net.onnx: cannot be written" in done.stderr


@pytest.mark.parametrize("extra", [[], ["--input", "data=2,4"]])
def test_a_predictor_export_is_one_file_that_states_its_inputs(tmp_path: Path, extra: list[str]) -> None:
    (tmp_path / "export.minidb").write_bytes(minidb(PARAMETERS, META))
    done = zoosmith("convert", "export.minidb", "-o", "net.onnx", *extra, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout
    (port,) = (value for value in onnx.load(tmp_path / "net.onnx").graph.input if value.name == "data_0")
    assert [dim.dim_value for dim in port.type.tensor_type.shape.dim] == [2, 4]


def test_a_caffe_net_is_converted_with_its_model(tmp_path: Path) -> None:
    write(tmp_path, NEW, BLOBS)
    arguments = ("deploy.prototxt", "n.caffemodel", "-o", "net.onnx", "--input", "data=N,4,7,9")
    done = zoosmith("convert", *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "verified" in done.stdout


def test_files_in_the_wrong_order_say_what_to_give(tmp_path: Path) -> None:
    write(tmp_path, NEW, BLOBS)
    done = zoosmith("convert", "n.caffemodel", "deploy.prototxt", "-o", "net.onnx", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip() == "error: n.caffemodel: a Caffe model holds parameters; give its .prototxt before it"
    assert not (tmp_path / "net.onnx").exists()


def test_output_blobs_replace_the_outputs(nets: Path) -> None:
    done = convert(nets, "--input", "x=2,4", "--output-blob", "y", "--output-blob", "x")
    assert done.returncode == 0, done.stderr
    assert len(onnx.load(nets / "net.onnx").graph.output) == 2
