"""Messages of the rooms name options where the command line runs."""

import ast
import re
from pathlib import Path

import pytest

import zoosmith
from zoosmith.cli.application import cli, run
from zoosmith.cli.option_names import OPTIONS

# the command line is for options; cards and pages quote commands
ROOMS = [
    path
    for path in Path(zoosmith.__file__).parent.iterdir()
    if path.is_dir() and path.name not in {"cli", "cards", "html_report", "__pycache__"}
]
# in a text, not one of a program's own arguments
_OPTION = re.compile(r"(^|[\s(`])--[a-z].*\s|\s[(`]?--[a-z]")


def test_every_argument_that_a_message_names_has_an_option_and_none_is_left_over() -> None:
    named = {
        call.args[0].value
        for room in ROOMS
        for path in room.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "argument"
        if isinstance(call.args[0], ast.Constant)
    }
    assert named == set(OPTIONS)


def test_every_option_is_one_of_a_command() -> None:
    context = cli.make_context("zoosmith", [], resilient_parsing=True)
    commands = [cli.get_command(context, name) for name in cli.list_commands(context)]
    parameters = [each for command in commands if command for each in command.params]
    options = {option for each in parameters for option in (*each.opts, *each.secondary_opts)}
    assert set(OPTIONS.values()) <= options


def test_no_text_of_a_room_names_an_option_itself() -> None:
    """Docstrings may; so may what is no text: a program's own arguments."""
    wrong = [
        f"{path.relative_to(room.parent)}: {text}"
        for room in ROOMS
        for path in room.rglob("*.py")
        for text in _texts(ast.parse(path.read_text()))
        if _OPTION.search(text)
    ]
    assert len(ROOMS) > 10 and wrong == []


def _texts(module: ast.Module) -> list[str]:
    """The strings of a module that are no docstrings."""
    alone = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    strings = [node for node in ast.walk(module) if isinstance(node, ast.Constant) and id(node) not in alone]
    return [node.value for node in strings if isinstance(node.value, str)]


def test_a_refusal_of_a_room_names_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from onnx import TensorProto, helper

    from zoosmith.onnx_model.saving import save_model

    port = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", port[:1], port[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    save_model(model, tmp_path / "m.onnx")
    assert run(["bench", str(tmp_path / "m.onnx")]) == 2
    assert "give its shape, as in --input x=1,3,64,64" in capsys.readouterr().err
