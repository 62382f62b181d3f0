"""`zoosmith fetch`: what it prints, what it writes, and its exit code."""

import json
from pathlib import Path

import pytest

from tests.zoosmith.hub.trees import POINTER, small_tree, write_tree
from zoosmith.cli.application import run

MODEL = "vision/classification/small/model/small-12.onnx"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ZOOSMITH_CACHE", str(tmp_path / "cache"))
    return str(write_tree(tmp_path / "tree", small_tree()))


def test_a_file_is_fetched_with_its_hash_its_kind_and_its_licence(
    source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["fetch", "small:12", "--source", source, "-o", str(tmp_path / "here.onnx")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == str(tmp_path / "here.onnx")
    assert out[1] == f"  3,000,000 bytes, from {source}"
    assert out[2].endswith(", by the source's own manifest")
    assert out[3] == "  licence: Apache-2.0"
    assert (tmp_path / "here.onnx").read_bytes() == small_tree()[MODEL]
    assert run(["fetch", "small:12", "--source", source]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(str(tmp_path / "cache" / "hub" / "files"))
    assert "kept already" in out[1]


def test_the_list_names_what_there_is(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fetch", "--list", "--source", source]) == 0
    out = capsys.readouterr().out
    assert "small:12-int8" in out and out.rstrip().endswith("3 files")
    assert run(["fetch", "--tag", "text", "--source", source]) == 0
    assert capsys.readouterr().out.rstrip().endswith("0 files")


def test_json_says_whether_the_hash_is_the_published_one(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fetch", "small", "--archive", "--source", source, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["name"] == "small:12"
    assert result["path"].endswith("small-12.tar.gz")
    assert (result["pinned"], result["cached"], result["license"]) == (False, False, "Apache-2.0")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fetch"], "expected the NAME of a model; --list names all"),
        (["fetch", "small:7", "--source", "SOURCE"], "small has no row '7'"),
        (["fetch", "small", "--source", "http://example.com"], "http is taken on this machine only"),
    ],
)
def test_what_is_not_there_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([source if word == "SOURCE" else word for word in arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert message in err


def test_a_pointer_is_named_as_such(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (Path(source) / MODEL).write_bytes(POINTER)
    assert run(["fetch", "small", "--source", source, "-o", str(tmp_path / "here.onnx")]) == 2
    assert "is a Git LFS pointer to a file of 32,726,877 bytes" in capsys.readouterr().err
    assert not (tmp_path / "here.onnx").exists()
