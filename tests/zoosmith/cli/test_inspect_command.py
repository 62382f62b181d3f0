"""`zoosmith inspect` on every kind of file."""

import json
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper

from tests.convert.caffe.caffe_files import caffemodel
from tests.convert.caffe.test_reader import BLOBS, NEW
from tests.convert.saved_files import minidb
from tests.convert.test_models import META, PARAMETERS, TENSORS
from zoosmith.cli.inspect import inspect
from zoosmith.convert import write_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.inspection.files import inspect_file


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    predict = NetDef(name="small", external_input=["x", "w"], external_output=["y"])
    predict.op.add(type="Mul", input=["x", "w"], output=["y"])
    predict.op.add(type="Relu", input=["y"], output=["y"])
    predict.op.add(type="NoSuchOperator", input=["y"], output=["y"])
    init = NetDef(name="small_init")
    fill = init.op.add(type="GivenTensorFill", output=["w"])
    fill.arg.add(name="shape", ints=[2, 3])
    fill.arg.add(name="values", floats=[1.0] * 6)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)])
    paths = {name: tmp_path / name for name in ("predict.pb", "predict.pbtxt", "init.pb", "model.onnx", "a.tar.gz")}
    paths["predict.pb"].write_bytes(write_net(predict))
    paths["predict.pbtxt"].write_bytes(write_net(predict, text=True))
    paths["init.pb"].write_bytes(write_net(init))
    paths["model.onnx"].write_bytes(model.SerializeToString())
    with tarfile.open(paths["a.tar.gz"], "w:gz") as archive:
        archive.add(paths["model.onnx"], "small/model.onnx")
    return paths


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(inspect, [str(argument) for argument in arguments], catch_exceptions=True)


@pytest.mark.parametrize("name", ["predict.pb", "predict.pbtxt"])
def test_a_net_shows_its_operators_and_those_that_cannot_be_translated(files: dict[str, Path], name: str) -> None:
    found = inspect_file(files[name])
    assert found["kind"] == "caffe2 net"
    assert found["operators"] == {"Mul": 1, "NoSuchOperator": 1, "Relu": 1}
    assert found["untranslatable"] == {"NoSuchOperator": 1}
    assert (found["inputs"], found["outputs"]) == (["x", "w"], ["y"])
    assert "cannot be translated: 1 NoSuchOperator" in run(files[name]).output


def test_an_init_net_shows_its_parameters(files: dict[str, Path]) -> None:
    found = inspect_file(files["init.pb"])
    assert found["kind"] == "caffe2 init net"
    assert (found["parameters"], found["parameter_values"]) == (1, 6)
    assert "1 parameter with 6 values" in run(files["init.pb"]).output


def test_a_model_shows_opset_inputs_and_symbolic_sizes(files: dict[str, Path]) -> None:
    found = inspect_file(files["model.onnx"])
    assert found["kind"] == "onnx model"
    assert found["opsets"] == {"": 9}
    assert found["inputs"] == [{"name": "x", "type": "float", "shape": ["N", 3]}]
    assert "x float[N,3]" in run(files["model.onnx"]).output


def test_an_archive_shows_its_members(files: dict[str, Path]) -> None:
    found = inspect_file(files["a.tar.gz"])
    assert found["kind"] == "archive"
    assert [member["name"] for member in found["members"]] == ["small/model.onnx"]


def test_every_form_of_nets_and_parameters_is_named(tmp_path: Path) -> None:
    contents = {
        "caffe2 minidb": minidb(PARAMETERS, META),
        "caffe2 meta net": META.SerializeToString(),
        "caffe2 tensors": TENSORS.SerializeToString(),
        "caffe net": NEW.encode(),
        "caffe model": caffemodel(BLOBS),
    }
    found = {}
    for kind, content in contents.items():
        (tmp_path / "file").write_bytes(content)
        found[kind] = inspect_file(tmp_path / "file")
        assert (found[kind]["kind"], found[kind]["bytes"]) == (kind, len(content))
    assert found["caffe2 minidb"]["outputs"] == found["caffe2 meta net"]["outputs"] == ["y"]
    assert found["caffe2 minidb"]["parameter_values"] == found["caffe2 tensors"]["parameter_values"] == 15
    assert found["caffe net"]["layers"]["Convolution"] == 1
    assert found["caffe net"]["inputs"] == [{"name": "data", "type": "float", "shape": [2, 4, 7, 9]}]
    assert found["caffe model"]["parameters"] == 4


def test_a_net_without_outputs_shows_the_results_that_nothing_reads(tmp_path: Path) -> None:
    net = NetDef(name="n", external_input=["x"])
    net.op.add(type="Relu", input=["x"], output=["y"])
    (tmp_path / "net.pb").write_bytes(write_net(net))
    assert inspect_file(tmp_path / "net.pb")["unread_results"] == ["y"]
    assert "no external outputs; results that nothing reads: y" in run(tmp_path / "net.pb").output


def test_a_damaged_file_of_a_known_form_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "cut.minidb").write_bytes(minidb(PARAMETERS, META)[:-2])
    result = run(tmp_path / "cut.minidb")
    assert "cut.minidb: expected a Caffe2 minidb: the record at byte" in str(result.exception)


def test_json_describes_all_files_in_order(files: dict[str, Path]) -> None:
    described = json.loads(run("--json", *files.values()).output)["result"]["files"]
    assert [entry["kind"] for entry in described] == [
        "caffe2 net",
        "caffe2 net",
        "caffe2 init net",
        "onnx model",
        "archive",
    ]


@pytest.mark.parametrize("content", [b"", b"no such thing", b"\xff" * 64])
def test_anything_else_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thing.pb").write_bytes(content)
    result = run(tmp_path / "thing.pb")
    assert result.exit_code != 0
    assert "thing.pb: expected a Caffe2 net, an ONNX model or an archive" in str(result.exception)


def test_a_file_that_cannot_be_read_leaves_the_others_described(files: dict[str, Path], tmp_path: Path) -> None:
    page, absent = tmp_path / "page.onnx", tmp_path / "absent.onnx"
    page.write_text("<html></html>")
    result = run(absent, page, files["model.onnx"])
    assert "model.onnx: onnx model" in result.stdout
    assert "absent.onnx: cannot be read" in result.stderr
    assert "page.onnx: expected a Caffe2 net, an ONNX model or an archive (.tar.gz), found a web page" in str(
        result.exception
    )
