"""A whole zoo from one file: one tree, one manifest, and what is done is kept."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.zoosmith.recipes.test_given import write_small_net
from tests.zoosmith.small_models import scaling_model
from zoosmith.building.zoo_build import BuiltZoo, build_zoo
from zoosmith.building.zoo_file import read_zoo
from zoosmith.cli.application import run
from zoosmith.execution import ProcessDiedError, ProcessExecutor
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.saving import save_model

ZOO = """
[[model]]
net = "predict_net.pb"
weights = "init_net.pb"
rows = "9,12"
sets = 1
input = {image = [1, 3, 16, 16], shift = {type = "float32", shape = [1, 10]}}

[[model]]
model = "scale.onnx"
rows = "9,13"
name = "scaled"
sets = 2
"""


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    write_small_net(tmp_path)
    save_model(scaling_model(np.ones(3, np.float32)), tmp_path / "scale.onnx")
    (tmp_path / "zoo.toml").write_text(ZOO)
    return tmp_path / "zoo.toml"


def outcomes(built: BuiltZoo) -> dict[str, str]:
    return {entry.name: entry.outcome for entry in built.entries}


def test_models_come_into_one_tree_with_one_manifest_and_what_is_done_is_kept(zoo: Path) -> None:
    out = zoo.parent / "out"
    built = build_zoo(zoo, out, jobs=2)
    assert built.passed
    first = {"small/small": "6 of 6 checks passed, 2 rows", "scaled/scaled": "8 of 8 checks passed, 2 rows"}
    assert outcomes(built) == first
    manifest = json.loads((out / "ONNX_HUB_MANIFEST.json").read_text())
    assert [entry["model_path"].rpartition("/")[2] for entry in manifest] == [
        "scaled-13.onnx",
        "scaled-9.onnx",
        "small-12.onnx",
        "small-9.onnx",
    ]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.onnx")}
    again = build_zoo(zoo, out, jobs=1)
    assert outcomes(again) == {name: f"{text}, built before" for name, text in first.items()}
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.onnx")} == before
    assert json.loads((out / "ONNX_HUB_MANIFEST.json").read_text()) == manifest

    # other weights, and a file that was changed
    save_model(scaling_model(np.full(3, 2, np.float32)), zoo.parent / "scale.onnx")
    (out / "small" / "model" / "small-9.onnx").write_bytes(b"damaged")
    assert outcomes(build_zoo(zoo, out, jobs=1)) == first


def test_a_model_whose_weights_lie_in_a_file_of_any_name_is_built_again_when_that_changes(zoo: Path) -> None:
    path, out = zoo.parent / "scale.onnx", zoo.parent / "out"
    model = scaling_model(np.ones(3, np.float32))
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    zoo.write_text("[[model]]\nmodel = 'scale.onnx'\nrows = '13'\nsets = 1")
    first = build_zoo(zoo, out, jobs=1).entries[0]
    assert first.report is not None and not first.kept
    assert sorted(first.report["nets"]) == ["scale.onnx", "weights.bin"]
    assert build_zoo(zoo, out, jobs=1).entries[0].kept
    changed = np.frombuffer((zoo.parent / "weights.bin").read_bytes(), np.float32) * 2
    (zoo.parent / "weights.bin").write_bytes(changed.tobytes())
    assert not build_zoo(zoo, out, jobs=1).entries[0].kept


def test_a_model_that_cannot_be_built_does_not_stop_the_others(zoo: Path) -> None:
    (zoo.parent / "init_net.pb").write_bytes(b"no net")
    built = build_zoo(zoo, zoo.parent / "out", jobs=1)
    failed, passed = built.entries
    assert passed.passed and not failed.passed and failed.error is not None and "init_net.pb" in failed.error
    report = json.loads((zoo.parent / "out" / "report.json").read_text())
    assert not report["passed"] and len(report["models"]) == 2


class Killed(ProcessExecutor):
    """Processes that end without a word when they begin their work, as those that the system kills."""

    def submit(self, function: Any, /, *arguments: Any, **named: Any) -> Any:
        return super().submit(os._exit, 9)


def test_models_whose_processes_were_killed_are_built_once_more(zoo: Path) -> None:
    with Killed(2) as executor:
        built = build_zoo(zoo, zoo.parent / "out", executor=executor)
    assert built.passed and len(built.entries) == 2


def test_a_model_that_ends_two_processes_is_told_and_the_others_are_built(
    zoo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def apart(function: Callable[..., Any], timeout: float | None, build: Any) -> Any:
        if build.name == "small/small":
            raise ProcessDiedError("the process ended with signal 9")
        return function(build)

    monkeypatch.setattr("zoosmith.building.zoo_build.call_in_process", apart)
    monkeypatch.setattr("zoosmith.building.zoo_build.local_executor", lambda workers, processes: Killed(workers))
    assert run(["build", str(zoo), "--out", str(zoo.parent / "out")]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("failed: ")]
    assert told == [
        "failed: small/small: the process that built it died, and so did the next: the process ended with signal 9; "
        "has the machine enough memory?"
    ]
    report = json.loads((zoo.parent / "out" / "report.json").read_text())
    assert [model["report"] is not None for model in report["models"]] == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[model]]\nrow = '9'", "model 1: unknown key 'row'; the keys are net, model, weights"),
        ("[[model]]\nsets = 'x'", "model 1: sets = 'x': expected a number"),
        ("[[model]]\nsets = 0", "model 1: expected sets and jobs from 1"),
        ("[[model]]\nnet = 'none.pb'", "model 1: net = 'none.pb': does not exist"),
        ("[[model]]\nmodel = 'scale.onnx'\ninput = {x = 3}", "input 'x': 3: expected sizes"),
        ("[[model]]\nmodel = 'scale.onnx'\ninput = {x = {type = 'no', shape = [3]}}", "'no' is no type"),
        ("[[model]]\nmodel = 'scale.onnx'\nname = 'a/b'", "model 1: name 'a/b': expected letters, digits"),
        ("[[model]]\nmodel = 'scale.onnx'\ndim = {N = 'x'}", "dim 'N' = 'x': expected a size"),
        ("[[models]]", "expected tables [[model]] and nothing else, found 'models'"),
        ("", "expected tables [[model]] and nothing else"),
        ("model = []", "expected at least one [[model]], found none"),
        ("[[model]", "expected a zoo in TOML"),
        ("[[model]]\nmodel='scale.onnx'\n[[model]]\nmodel='scale.onnx'", "two models have the folder scale,"),
        (
            "[[model]]\nmodel='scale.onnx'\n[[model]]\nmodel='scale.onnx'\nname='b'\ncard='same.toml'",
            "two models have the folder scale, whose README.md describes one",
        ),
        ("[[model]]\nmodel='scale.onnx'\nrows='9,99'", "no row '99'"),
    ],
)
def test_what_is_wrong_in_a_zoo_file_is_named_before_anything_is_built(text: str, message: str, zoo: Path) -> None:
    zoo.write_text(text)
    (zoo.parent / "same.toml").write_text("folder = 'scale'")
    with pytest.raises(ZoosmithError) as refusal:
        build_zoo(zoo, zoo.parent / "out")
    assert message in str(refusal.value)
    assert not (zoo.parent / "out").exists()


def test_paths_are_relative_to_the_zoo_file(zoo: Path) -> None:
    entries = read_zoo(zoo)
    assert entries[0].files == {"net": zoo.parent / "predict_net.pb", "weights": zoo.parent / "init_net.pb"}
    assert entries[1].options.sets == 2


def test_the_command_prints_a_line_a_model(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from zoosmith.cli import main

    def called(*arguments: Any) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return int(ended.value.code or 0), capsys.readouterr().out

    call: Callable[..., tuple[int, str]] = called
    code, out = call("build", zoo, "--out", zoo.parent / "out", "--jobs", 1)
    assert code == 0
    assert out.splitlines()[0] == "small/small: 6 of 6 checks passed, 2 rows"
    assert out.splitlines()[-1].startswith("2 of 2 models passed, see ")


@pytest.mark.parametrize("option", [("--rows", "9"), ("--sets", "3"), ("--dim", "N=2"), ("--force",)])
def test_options_of_one_model_are_refused_beside_a_zoo_file(
    option: tuple[str, ...], zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from zoosmith.cli import main

    with pytest.raises(SystemExit) as ended:
        main(["build", str(zoo), "--out", str(zoo.parent / "out"), *option])
    assert ended.value.code == 2
    assert f"{option[0]} is of one model" in capsys.readouterr().err
    assert not (zoo.parent / "out").exists()
