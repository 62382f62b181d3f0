"""`zoosmith opset --dry-run`, `--explain`, `--to ai.onnx.ml=N` and `--standard`."""

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from tests.zoosmith.cli.calls import Answer, Refusal
from zoosmith.cli.application import run

FLOAT = TensorProto.FLOAT


def model_of(operator: str, *, domain: str = "", imports: dict[str, int], **attributes: Any) -> ModelProto:
    """One node from `x` to `y`."""
    x, y = (helper.make_tensor_value_info(name, FLOAT, [2, 3]) for name in "xy")
    graph = helper.make_graph([helper.make_node(operator, ["x"], ["y"], domain=domain, **attributes)], "net", [x], [y])
    opsets = [helper.make_opsetid(name, version) for name, version in imports.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    models = tmp_path / "models"
    (models / "below").mkdir(parents=True)
    onnx.save(model_of("Relu", imports={"": 18}), models / "a.onnx")
    onnx.save(model_of("RegexFullMatch", imports={"": 20}, pattern="a"), models / "below" / "b.onnx")
    return models


@pytest.mark.usefixtures("folder")
class TestDryRun:
    def test_each_model_of_a_folder_has_a_row_and_progress(self, capsys) -> None:
        assert run(["opset", "--dry-run", "models"]) == 0
        out, err = capsys.readouterr()
        lines = [line.split() for line in out.splitlines()]
        assert lines[1][:3] == ["models/a.onnx", "18", "1"]
        assert lines[2][:3] == ["models/below/b.onnx", "20", "20"] and "RegexFullMatch:" in lines[2]
        assert "trying: 2 of 2, b.onnx" in err

    def test_json_has_every_node_that_blocks(self, answer: Answer) -> None:
        files = answer("--dry-run", "models/below/b.onnx", "models/a.onnx")["files"]
        assert [(row["lowest"], row["error"]) for row in files] == [(20, None), (1, None)]
        assert files[0]["blockers"][0]["operator"] == "RegexFullMatch"

    def test_a_broken_file_does_not_stop_the_others(self, answer: Answer, capsys, folder: Path) -> None:
        (folder / "aa.onnx").write_text("no model")
        files = answer("--dry-run", "models", code=1)["files"]
        assert ["expected an ONNX model" in (row["error"] or "") for row in files] == [False, True, False]
        assert run(["opset", "--dry-run", "models"]) == 1
        assert "models/aa.onnx: cannot be judged: expected an ONNX model" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((), "expected files or folders of models"),
            (("missing",), "missing: no such file or folder"),
            (("models", "--to", "13"), "--dry-run takes files and folders"),
        ],
    )
    def test_what_cannot_be_done_is_one_line(self, refusal: Refusal, arguments: tuple[str, ...], words: str) -> None:
        assert words in refusal("--dry-run", *arguments)

    def test_a_folder_without_models_is_refused(self, refusal: Refusal, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert "found none in it" in refusal("--dry-run", "empty")


class TestExplain:
    def test_a_row_for_each_operator_follows_the_result(self, capsys, folder: Path) -> None:
        onnx.save(model_of("HardSwish", imports={"": 18}), "m.onnx")
        assert run(["opset", "m.onnx", "-o", "o.onnx", "--to", "13", "--explain"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("o.onnx: ")
        assert [line.split() for line in lines[1:]] == [
            ["operator", "from", "to", "how", "nodes"],
            ["HardSwish", "14", "-", "decomposition", "1", "->", "2"],
        ]

    def test_json_has_the_same(self, answer: Answer, folder: Path) -> None:
        found = answer("models/a.onnx", "-o", "o.onnx", "--to", "13", "--explain")
        assert found["operators"] == [
            {
                "operator": "Relu",
                "from": 14,
                "to": 13,
                "how": "kept",
                "nodes_before": 1,
                "nodes_after": 1,
            }
        ]
        assert "operators" not in answer("models/a.onnx", "-o", "o.onnx", "--to", "13")


class TestOtherDomains:
    def test_the_version_of_another_domain_can_be_given_alone(self, answer: Answer, capsys, folder: Path) -> None:
        scaler = {"domain": "ai.onnx.ml", "offset": [0.0], "scale": [2.0]}
        onnx.save(model_of("Scaler", imports={"ai.onnx.ml": 5, "": 21}, **scaler), "m.onnx")
        assert run(["opset", "m.onnx", "-o", "o.onnx", "--to", "ai.onnx.ml=3"]) == 0
        assert "o.onnx: opset 21, ai.onnx.ml 5 -> 3, IR 8, verified, equal" in capsys.readouterr().out
        onnx.save(model_of("Scaler", imports={"ai.onnx.ml": 5}, **scaler), "alone.onnx")
        assert run(["opset", "alone.onnx", "-o", "o.onnx", "--to", "ai.onnx.ml=3"]) == 0
        assert "o.onnx: ai.onnx.ml 5 -> 3, IR 8, verified, equal" in capsys.readouterr().out
        found = answer("m.onnx", "-o", "o.onnx", "--to", "ai.onnx.ml=3", "--to", "13")
        assert (found["to"], found["domains"]) == (13, {"ai.onnx.ml": {"from": 5, "to": 3}})

    def test_a_runtime_lowers_it_as_it_lowers_the_opset(self, answer: Answer, refusal: Refusal, folder: Path) -> None:
        scaler = {"domain": "ai.onnx.ml", "offset": [0.0], "scale": [2.0]}
        onnx.save(model_of("Scaler", imports={"ai.onnx.ml": 5, "": 21}, **scaler), "m.onnx")
        arguments = ["m.onnx", "-o", "o.onnx", "--for", "onnxruntime==1.6"]
        found = answer(*arguments)
        assert (found["to"], found["domains"]["ai.onnx.ml"]["to"], found["ir"]) == (13, 2, 7)
        assert "do not agree: it takes versions up to 2" in refusal(*arguments, "--to", "ai.onnx.ml=3")

    def test_operators_of_onnx_runtime_become_standard_ones(self, answer: Answer, folder: Path) -> None:
        onnx.save(model_of("QuickGelu", domain="com.microsoft", imports={"com.microsoft": 1, "": 17}), "m.onnx")
        found = answer("m.onnx", "-o", "o.onnx", "--standard")
        assert found["proof"]["passed"] and found["domains"] == {"com.microsoft": {"from": 1, "to": None}}
        assert all(not node.domain for node in onnx.load("o.onnx").graph.node)

    def test_an_operator_of_onnx_runtime_without_a_standard_form_is_refused(
        self, refusal: Refusal, folder: Path
    ) -> None:
        onnx.save(model_of("NoSuch", domain="com.microsoft", imports={"com.microsoft": 1, "": 17}), "m.onnx")
        assert "no form in standard operators is known" in refusal("m.onnx", "-o", "o.onnx", "--standard")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--to", "many"), "expected an opset, as in 13, or one of another domain, as in ai.onnx.ml=3"),
            (("--to", "13", "--to", "12"), "--to is given twice for one domain"),
            (("--to", "13", "--standard", "--engine", "onnx"), "--engine onnx converts the default domain alone"),
            (("--to", "other=3"), "domain 'other' is not converted"),
        ],
    )
    def test_what_cannot_be_done_is_one_line(
        self, refusal: Refusal, folder, arguments: tuple[str, ...], words: str
    ) -> None:
        assert words in refusal("models/a.onnx", "-o", "o.onnx", *arguments)
