"""A model card whose model, inputs and data have hostile names is read as it is meant."""

from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from onnx import TensorProto, helper

from tests.zoosmith.cli.test_json import call
from zoosmith.onnx_model.saving import save_model

HOSTILE = "a`<b>x<\u2215b>|[y](javascript:z)```"


def test_names_of_files_and_inputs_are_shown_and_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    port = f"{HOSTILE}\n```\n<script>"
    graph = helper.make_graph(
        [helper.make_node("Relu", [port], ["y"])],
        HOSTILE,
        [helper.make_tensor_value_info(port, TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
    )
    save_model(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), Path(f"{HOSTILE}.onnx")
    )
    code, _, err = call(capsys, "build", "--model", f"{HOSTILE}.onnx", "--rows", "9,13", "--sets", "1", "--out", "zoo")
    assert code == 0, err
    (card,) = Path("zoo").rglob("README.md")
    tokens = MarkdownIt("commonmark").enable("table").parse(card.read_text())
    parts = [part for token in tokens for part in (token, *(token.children or ()))]
    html = [part.content for part in parts if part.type.startswith("html_")]
    assert [text for text in html if not text.startswith("<!--- SPDX")] == []
    links = [part.attrs["href"] for part in parts if part.type == "link_open"]
    assert len(links) == 4 and all(link.startswith("model/") for link in links)
    code_of_name = {part.content for part in parts if part.type == "code_inline" and part.content.startswith("a`")}
    assert code_of_name == {f"{HOSTILE}.onnx"}
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    own = """Description, Paper, Dataset, Source, Model input and output, Input, Output, Pre-processing steps,
        Post-processing steps, Sample test data, Results/accuracy on test set, Quantization, Environment, Prepare model,
        Model quantize, References, Contributors, License"""
    assert headings[1:] == [" ".join(heading.split()) for heading in own.split(",")]
