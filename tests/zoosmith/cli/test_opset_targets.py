"""`zoosmith opset --for`, `--ir`, `--exact`, `--fix`, `--free` and `--rename`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.zoosmith.cli.calls import Answer, Refusal
from zoosmith.cli.application import run
from zoosmith.onnx_model.ports import input_ports, output_ports
from zoosmith.validation.runtimes import environment, targets

FLOAT = TensorProto.FLOAT


def hardswish(*, opset: int = 18, ir: int = 10, shape: Sequence[int | str] = ("N", 3)) -> ModelProto:
    """HardSwish, which came with opset 14, and a Reshape to the shape that it has already."""
    nodes = [
        helper.make_node("HardSwish", ["x"], ["h"]),
        helper.make_node("Shape", ["h"], ["s"]),
        helper.make_node("Reshape", ["h", "s"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, FLOAT, shape) for name in "xy")
    return helper.make_model(
        helper.make_graph(nodes, "net", [x], [y]), opset_imports=[helper.make_opsetid("", opset)], ir_version=ir
    )


def with_computed_shape() -> ModelProto:
    """A Reshape with allowzero=1 by a shape that is an input: below 14 it does not hold for empty tensors."""
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "s"], ["y"], name="flat", allowzero=1)],
        "net",
        [
            helper.make_tensor_value_info("x", FLOAT, ["N", 4]),
            helper.make_tensor_value_info("s", TensorProto.INT64, [2]),
        ],
        [helper.make_tensor_value_info("y", FLOAT, [None, None])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path / "cache"))
    onnx.save(hardswish(), "m.onnx")
    return tmp_path


@pytest.mark.usefixtures("here")
class TestFor:
    def test_opset_and_ir_are_the_highest_that_the_newest_listed_release_takes(self, capsys) -> None:
        assert run(["opset", "m.onnx", "-o", "o.onnx", "--for", "onnxruntime==1.6"]) == 0
        assert capsys.readouterr().out.startswith("o.onnx: opset 18 -> 13, IR 7 for onnxruntime==1.6.0, verified, ")
        written = onnx.load("o.onnx")
        assert (written.opset_import[0].version, written.ir_version) == (13, 7)

    def test_a_model_stays_at_its_opset_where_the_runtime_takes_a_newer_one(self, answer: Answer) -> None:
        found = answer("m.onnx", "-o", "o.onnx", "--for", "onnxruntime==1.16.3")
        # it loads opset 19 and IR 9; the file came with opset 18 and IR 10
        assert (found["from"], found["to"], found["ir"], found["for"]) == (18, 18, 9, "onnxruntime==1.16.3")

    def test_an_older_opset_beside_it_is_taken(self, answer: Answer) -> None:
        found = answer("m.onnx", "-o", "o.onnx", "--for", "onnxruntime==1.6", "--to", "11")
        assert (found["to"], found["ir"]) == (11, 6)

    def test_an_opset_that_the_runtime_does_not_take_is_refused(self, refusal: Refusal) -> None:
        err = refusal("m.onnx", "-o", "o.onnx", "--for", "onnxruntime==1.6", "--to", "15")
        assert "m.onnx: --to 15 and --for onnxruntime==1.6.0 do not agree: it takes opsets up to 13" in err

    def test_what_needs_an_ir_version_that_the_runtime_does_not_load_is_refused(self, refusal: Refusal, capsys) -> None:
        model = hardswish()
        swish = helper.make_function(
            "local", "Swish", ["a"], ["b"], [helper.make_node("HardSwish", ["a"], ["b"])], [helper.make_opsetid("", 18)]
        )
        model.functions.append(swish)
        model.opset_import.append(helper.make_opsetid("local", 1))
        model.graph.node[0].op_type, model.graph.node[0].domain = "Swish", "local"
        onnx.save(model, "m.onnx")
        err = refusal("m.onnx", "-o", "o.onnx", "--for", "onnxruntime==1.6", "--no-verify")
        assert "onnxruntime==1.6.0 loads IR versions up to 7" in err and "model-local functions" in err
        assert run(["opset", "m.onnx", "-o", "o.onnx", "--to", "13"]) == 0
        assert "opset 18 -> 13, IR 8 (it has model-local functions), " in capsys.readouterr().out

    def test_the_list_prints_every_row_with_its_source(self, answer: Answer, capsys) -> None:
        assert run(["opset", "--for", "list"]) == 0
        printed = capsys.readouterr().out
        assert all(str(row) in printed and row.source in printed for row in targets())
        rows = answer("--for", "list")["targets"]
        assert {
            key: value
            for key, value in next(r for r in rows if r["runtime"] == "tensorrt==8.5").items()
            if key != "source"
        } == {"runtime": "tensorrt==8.5", "opset": 17, "ml": None, "ir": None}
        assert len(rows) == len(targets())

    def test_a_runtime_that_is_not_listed_is_refused(self, refusal: Refusal) -> None:
        assert "listed versions of onnxruntime are 1.0.0, " in refusal(
            "m.onnx", "-o", "o.onnx", "--for", "onnxruntime==0.1"
        )
        assert "--for list prints all" in refusal("m.onnx", "-o", "o.onnx", "--for", "toaster")

    def test_where_that_runtime_is_installed_a_proof_in_it_is_suggested(
        self, capsys, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert run(["opset", "m.onnx", "-o", "o.onnx", "--for", "onnxruntime==1.6"]) == 0
        assert "hint" not in capsys.readouterr().err
        monkeypatch.setattr("zoosmith.validation.runtimes.find_environment", lambda runtime: Path(sys.executable))
        assert run(["opset", "m.onnx", "-o", "o.onnx", "--for", "onnxruntime==1.6"]) == 0
        assert "--prove-in onnxruntime==1.6.0" in capsys.readouterr().err

    def test_a_proof_in_that_runtime_goes_with_it(self, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
        from zoosmith.validation.runtimes import runner

        for module in (runner, environment):
            monkeypatch.setattr(module, "installed_python", lambda pinned: Path(sys.executable))
        options = ["--for", "onnxruntime==1.6", "--prove-in", "onnxruntime==1.6"]
        assert run(["opset", "m.onnx", "-o", "o.onnx", *options]) == 0
        out, err = capsys.readouterr()
        assert "verified in onnxruntime==1.6.0" in out and "hint" not in err


@pytest.mark.usefixtures("here")
class TestIrVersion:
    def test_it_is_what_was_asked_for(self, answer: Answer) -> None:
        found = answer("m.onnx", "-o", "o.onnx", "--to", "13", "--ir", "9")
        assert (found["ir"], found["ir_reason"]) == (9, None)

    def test_alone_it_leaves_the_opset(self, answer: Answer) -> None:
        found = answer("m.onnx", "-o", "o.onnx", "--ir", "8")
        assert (found["from"], found["to"], found["ir"]) == (18, 18, 8)

    def test_it_goes_before_that_of_the_runtime(self, answer: Answer) -> None:
        assert answer("m.onnx", "-o", "o.onnx", "--for", "onnxruntime==1.6", "--ir", "8")["ir"] == 8


@pytest.mark.usefixtures("here")
class TestCaveats:
    def test_the_line_and_json_say_where_a_result_does_not_hold(self, answer: Answer, capsys) -> None:
        onnx.save(with_computed_shape(), "m.onnx")
        np.savez("feed.npz", x=np.ones((3, 4), np.float32), s=np.array([4, 3]))
        arguments = ["m.onnx", "-o", "o.onnx", "--to", "13", "--feed", "feed.npz"]
        assert run(["opset", *arguments]) == 0
        out = capsys.readouterr().out
        assert "verified, equal (" in out and "); 1 x Reshape: holds but for empty tensors: " in out
        (caveat,) = answer(*arguments)["caveats"]
        assert (caveat["node"], caveat["operator"], caveat["kind"]) == ("'flat'", "Reshape", "empty tensors")

    def test_exact_refuses_them(self, refusal: Refusal) -> None:
        onnx.save(with_computed_shape(), "m.onnx")
        err = refusal("m.onnx", "-o", "o.onnx", "--to", "13", "--exact", "--no-verify")
        assert "node 'flat' (Reshape): no exact way is known (holds but for empty tensors: " in err

    def test_exact_takes_what_holds_everywhere(self, answer: Answer) -> None:
        assert answer("m.onnx", "-o", "o.onnx", "--to", "13", "--exact")["caveats"] == []


@pytest.mark.usefixtures("here")
class TestPorts:
    def shapes(self) -> list[Any]:
        graph = onnx.load("o.onnx").graph
        return [(port.name, port.shape) for port in (*input_ports(graph), *output_ports(graph))]

    def test_a_size_is_fixed_without_a_new_opset_and_the_output_follows(self, answer: Answer) -> None:
        model = hardswish()
        model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "other"
        onnx.save(model, "m.onnx")
        found = answer("m.onnx", "-o", "o.onnx", "--fix", "N=5")
        assert self.shapes() == [("x", (5, 3)), ("y", (5, 3))]
        assert (found["to"], found["ir"], found["proof"]["verdict"]) == (18, 10, "equal")
        assert all(shapes == {"x": [5, 3]} for shapes in found["proof"]["shapes"])

    def test_a_size_is_freed_and_proved_at_other_sizes(self, answer: Answer) -> None:
        onnx.save(hardswish(shape=(1, 3)), "m.onnx")
        found = answer("m.onnx", "-o", "o.onnx", "--free", "x:0=N", "--dim", "N=4")
        assert self.shapes() == [("x", ("N", 3)), ("y", ("N", 3))]
        assert found["proof"]["shapes"][0] == {"x": [4, 3]}

    def test_a_size_that_the_graph_does_not_let_go_is_refused(self, refusal: Refusal) -> None:
        shape = numpy_helper.from_array(np.array([1, 3]), "s")
        model = hardswish(shape=(1, 3))
        del model.graph.node[1]
        model.graph.initializer.append(shape)
        onnx.save(model, "m.onnx")
        assert "m.onnx: cannot be verified: " in refusal("m.onnx", "-o", "o.onnx", "--free", "x:0=N", "--dim", "N=4")

    def test_ports_are_renamed_together_with_a_new_opset(self, answer: Answer) -> None:
        found = answer("m.onnx", "-o", "o.onnx", "--to", "13", "--rename", "x=image", "--rename", "y=mask")
        assert self.shapes() == [("image", ("N", 3)), ("mask", ("N", 3))]
        assert found["to"] == 13 and found["proof"]["passed"]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--fix", "M=2"), "m.onnx: no input has a dimension named 'M' (there are: 'N')"),
            (("--fix", "N=many"), "expected NAME=SIZE"),
            (("--free", "x=N"), "expected INPUT:AXIS=NAME, as in x:0=N"),
            (("--free", "q:0=N"), "m.onnx: 'q' is no input of the model; those are 'x'"),
            (("--rename", "x"), "expected OLD=NEW"),
            (("--rename", "x=y"), "m.onnx: 'x' cannot be renamed to 'y': the model uses that name already"),
            ((), "nothing to do: give --to, --for, --ir, --standard, --fix, --free or --rename"),
        ],
    )
    def test_what_cannot_be_done_is_one_line(self, refusal: Refusal, options: tuple[str, ...], words: str) -> None:
        assert words in refusal("m.onnx", "-o", "o.onnx", *options)

    def test_several_files_are_one_too_many(self, refusal: Refusal) -> None:
        assert "expected one IN.onnx and -o OUT.onnx" in refusal("m.onnx", "m.onnx", "--to", "13")
