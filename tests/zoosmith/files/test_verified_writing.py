"""What commands write, refuse, and say of their proof."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper, parser

from tests.opset_upgrade.nodes import OLD_ONNX_RUNTIME
from tests.zoosmith.endless import endless_model
from zoosmith.cli.application import run
from zoosmith.convert import write_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.files.conversion import convert_net
from zoosmith.files.writing import write_verified
from zoosmith.onnx_model.saving import save_model
from zoosmith.validation import ValidationError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def relu(opset: int = 13, shape: Any = (2, 3), *more: onnx.NodeProto) -> ModelProto:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"]), *more], "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def test_an_invalid_source_is_refused_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    twice = relu(13, (2, 3), helper.make_node("Neg", ["x"], ["y"]))
    bogus = relu()
    bogus.graph.node[0].attribute.append(helper.make_attribute("bogus", 3))
    for name, model in (("twice", twice), ("bogus", bogus)):
        onnx.save(model, f"{name}.onnx")
        assert run(["opset", f"{name}.onnx", "-o", "o.onnx", "--to", "17"]) == 2
        assert run(["simplify", f"{name}.onnx", "-o", "o.onnx"]) == 2
        assert capsys.readouterr().out == ""
    assert not Path("o.onnx").exists()


def test_a_result_that_the_runtime_refuses_is_a_failure_and_no_case_for_another_runtime() -> None:
    onnx.save(relu(), "m.onnx")
    # the checker takes two nodes of one name, ONNX Runtime does not
    named = [helper.make_node("Relu", ["x"], ["a"], name="n"), helper.make_node("Identity", ["a"], ["y"], name="n")]
    broken = relu()
    del broken.graph.node[:]
    broken.graph.node.extend(named)
    from zoosmith.validation import verify_models

    found = write_verified(
        Path("o.onnx"),
        lambda path: save_model(broken, path),
        Path("m.onnx"),
        lambda path, check: verify_models("m.onnx", path, meanwhile=check),
    )
    assert found.output is None and found.proof is not None and found.proof.verdict == "refused"
    assert "is refused by ONNX Runtime" in found.verified
    assert not Path("o.onnx").exists()


def test_an_invalid_result_of_a_valid_source_is_a_failure() -> None:
    onnx.save(relu(), "m.onnx")
    broken = relu(13, (2, 3), helper.make_node("Neg", ["x"], ["y"]))
    found = write_verified(Path("o.onnx"), lambda path: save_model(broken, path), Path("m.onnx"), None)
    assert found.output is None and found.verified.startswith("is not valid: onnx's checker")
    assert not Path("o.onnx").exists()


@pytest.mark.parametrize("command", ["opset", "simplify"])
def test_a_model_without_an_end_is_stopped_and_nothing_is_written(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save(endless_model(), "m.onnx")
    more = ["--to", "17"] if command == "opset" else []
    assert run([command, "m.onnx", "-o", "o.onnx", *more, "--timeout", "1.5"]) == 2
    assert "stopped: no result after 1.5 s; --timeout" in capsys.readouterr().err
    assert not Path("o.onnx").exists()
    assert run([command, "m.onnx", "-o", "o.onnx", *more, "--no-verify"]) == 0


def test_a_net_that_cannot_be_run_writes_nothing_unless_unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    net = NetDef(name="small", external_input=["x"], external_output=["y"])
    net.op.add(type="Relu", input=["x"], output=["y"])
    Path("net.pb").write_bytes(write_net(net))

    def refuse(*args: Any, **named: Any) -> Any:
        raise ValidationError("it cannot be run")

    monkeypatch.setattr("zoosmith.validation.verification.nets.NetInterpreter", refuse)
    monkeypatch.setattr("zoosmith.validation.verification.nets.run_apart", refuse)
    arguments = ["convert", "net.pb", "-o", "o.onnx", "--input", "x=2,3"]
    assert run(arguments) == 2
    assert not Path("o.onnx").exists()
    assert run([*arguments, "--no-verify"]) == 0
    assert Path("o.onnx").exists()
    declared = {"x": (TensorProto.FLOAT, [2, 3])}
    with pytest.raises(ValidationError, match=r"net\.pb: cannot be verified: .*`verify=False`"):
        convert_net(Path("net.pb"), None, Path("p.onnx"), declared=declared)


@pytest.mark.parametrize("command", [["opset", "--to", "10"], ["simplify"], ["bundle"]])
def test_ids_stay_inside_their_table_in_every_command(command: list[str]) -> None:
    model = parser.parse_model(
        '<ir_version: 7, opset_import: ["": 12]> g (int64[b,s] ids) => (float[b,s,4] y)'
        "{ e = Gather <axis = 0> (t, ids)  y = Relu (e) }"
    )
    model.graph.initializer.append(numpy_helper.from_array(np.ones((5, 4), np.float32), "t"))
    onnx.save(model, "m.onnx")
    assert run([command[0], "m.onnx", "-o", "o", *command[1:], "--dim", "s=20"]) == 0


@pytest.mark.skipif(OLD_ONNX_RUNTIME, reason="ONNX Runtime 1.23 reflects over the edge of an axis that is too short")
@pytest.mark.parametrize("dims", [["b", "n"], [None, None]])
@pytest.mark.parametrize("command", [["opset", "--to", "13"], ["simplify"]])
def test_open_sizes_are_found_named_or_not(
    command: list[str], dims: list[str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    pads = numpy_helper.from_array(np.array([0, 4, 0, 4]), "p")
    graph = helper.make_graph(
        [helper.make_node("Pad", ["x", "p"], ["q"], mode="reflect"), helper.make_node("Relu", ["q"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None])],
        [pads],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "m.onnx")
    assert run([command[0], "m.onnx", "-o", "o.onnx", *command[1:], "--json"]) == 0
    proof = json.loads(capsys.readouterr().out)["result"]["proof"]
    assert len({tuple(sizes.values()) for sizes in proof["sizes"]}) >= 2
    assert all(1 not in sizes.values() and sizes for sizes in proof["sizes"])
    option = ["--dim", "n=64"] if dims[1] else ["--input", "x=3,64"]
    assert run([command[0], "m.onnx", "-o", "o.onnx", *command[1:], *option, "--json"]) == 0
    proof = json.loads(capsys.readouterr().out)["result"]["proof"]
    assert {shapes["x"][1] for shapes in proof["shapes"]} == {64}


def test_a_bundle_of_a_model_that_draws_random_numbers_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    drawing = parser.parse_model(
        '<ir_version: 8, opset_import: ["": 13]> g (float[2,3] x) => (float[2,3] y)'
        "{ n = RandomNormalLike (x)  y = Add (x, n) }"
    )
    training = parser.parse_model(
        '<ir_version: 8, opset_import: ["": 13]> g (float[2,3] x) => (float[2,3] y)'
        "<bool on = {1}, float half = {0.5}> { y = Dropout (x, half, on) }"
    )
    for name, model in (("RandomNormalLike", drawing), ("Dropout", training)):
        onnx.save(model, "m.onnx")
        assert run(["bundle", "m.onnx", "-o", "b.tar.gz"]) == 2
        assert f"it draws random numbers ({name})" in capsys.readouterr().err
    training.graph.initializer[0].CopyFrom(helper.make_tensor("on", TensorProto.BOOL, [], [False]))
    onnx.save(training, "m.onnx")
    assert run(["bundle", "m.onnx", "-o", "b.tar.gz"]) == 0


def test_a_bundle_of_maps_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    maps = helper.make_sequence_type_proto(
        helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    )
    graph = helper.make_graph(
        [helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", classlabels_strings=["a", "b"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [helper.make_value_info("y", maps)],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 2)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), "m.onnx")
    assert run(["bundle", "m.onnx", "-o", "b.tar.gz"]) == 2
    error = capsys.readouterr().err
    assert "output 'y' is a sequence without tensors" in error and error.count("\n") == 1


def test_the_first_value_that_differs_is_shown_with_both_values(capsys: pytest.CaptureFixture[str]) -> None:
    # onnx's own converter keeps the axis where the older Softmax means all axes from it on
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["y"], name="soft", axis=1)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3, 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), "m.onnx")
    assert run(["opset", "m.onnx", "-o", "o.onnx", "--to", "12", "--engine", "onnx", "--json"]) == 1
    found = capsys.readouterr()
    first = json.loads(found.out)["result"]["proof"]["first_difference"]
    assert (first["node"], first["op_type"], first["output"]) == ("soft", "Softmax", "y")
    assert len(first["place"]) == 3 and first["expected"] != first["actual"]
    assert f"{first['actual']}, expected {first['expected']}, at {first['place']}" in found.err


def test_a_conversion_leaves_large_weights_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.linspace(-1, 1, 1 << 16, dtype=np.float32).reshape(256, 256)
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[2,256] x) => (float[2,256] y) { y = MatMul (x, w) }'
    )
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    onnx.save(model, "m.onnx")

    def refuse(*args: Any) -> Any:
        raise AssertionError("the whole file was read")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert run(["opset", "m.onnx", "-o", "o.onnx", "--to", "12"]) == 0
    assert run(["inspect", "o.onnx"]) == 0
    assert numpy_helper.to_array(onnx.load("o.onnx").graph.initializer[0]).tobytes() == weight.tobytes()
