"""`--cluster local:N` of the commands: what one machine finds and writes, and workers that end with the command."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.zoosmith.cli.test_evaluate_command import red_green_blue
from tests.zoosmith.small_models import scaling_model
from zoosmith.cli import main
from zoosmith.onnx_model.saving import save_model

pytest.importorskip("distributed", reason="Dask is not installed: pip install 'zoosmith[cluster]'")


def result(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    # 1: the cards of these models have gaps, which an audit tells
    assert stop.value.code in (None, 0, 1), captured.err
    return json.loads(captured.out)["result"]


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    for scale, name in enumerate(("one", "two"), 1):
        save_model(scaling_model(np.full(3, scale, np.float32)), tmp_path / f"{name}.onnx")
    entries = [f'[[model]]\nmodel = "{name}.onnx"\nrows = "9,13"\nname = "{name}"\n' for name in ("one", "two")]
    (tmp_path / "zoo.toml").write_text("\n".join(entries))
    return tmp_path / "zoo.toml"


def files(folder: Path) -> dict[str, bytes]:
    """The files of a zoo but for the report, which has times and paths."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("report"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.mark.slow
def test_a_zoo_is_built_and_audited_as_on_one_machine(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = zoo.parent / "here", zoo.parent / "there"
    result(capsys, "build", zoo, "--out", here)
    built = result(capsys, "build", zoo, "--out", there, "--cluster", "local:2")
    assert built["passed"]
    assert files(there) == files(here)
    assert result(capsys, "audit", here, "--cluster", "local:2") == result(capsys, "audit", here)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("evaluate one.onnx --data . --threads 2 --cluster local:2", "--threads is of this machine"),
        ("audit one.onnx --jobs 2 --cluster local:2", "--jobs is of this machine"),
        ("build zoo.toml --out out --jobs 2 --cluster local:2", "--jobs is of this machine"),
        ("audit one.onnx --no-tls", "--no-tls is of --cluster"),
    ],
)
def test_options_that_a_cluster_does_not_have_are_refused(
    command: str, message: str, zoo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(zoo.parent)
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_rows_of_one_model_are_not_spread(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["build", "--model", str(zoo.parent / "one.onnx"), "--out", str(zoo.parent), "--cluster", "local:2"])
    assert stop.value.code == 2
    assert "--cluster builds the models of a ZOO.toml" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.slow
def test_an_interrupt_ends_the_workers(tmp_path: Path) -> None:
    for name, colour in (("0red", "red"), ("1green", "green")):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (2000, 2000), colour).save(tmp_path / "data" / name / "0.png")
        for index in range(1, 400):
            os.link(tmp_path / "data" / name / "0.png", tmp_path / "data" / name / f"{index}.png")
    model = red_green_blue(tmp_path / "a.onnx", np.eye(3))
    command = [sys.executable, "-m", "zoosmith", "evaluate", model, "--data", tmp_path / "data", "--preprocess", "none"]
    environment = {**os.environ, "ZOOSMITH_TEST": str(tmp_path)}
    process = subprocess.Popen(
        [*map(str, command), "--cluster", "local:2"], stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    while not process.stderr.readline().startswith("images: "):
        assert process.poll() is None
    # as a terminal does it: to the workers, too
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    deadline = time.monotonic() + 20
    while (left := _with(str(tmp_path))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def _with(mark: str) -> list[str]:
    """Processes that the command started: they have its environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and f"ZOOSMITH_TEST={mark}".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_text())
        except OSError:  # it ended
            continue
    return found
