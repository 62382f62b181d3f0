"""The command line, run in this process, and what it answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.zoosmith.cli.calls import Answer, Refusal, Run
from zoosmith.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line; gives exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def answer(run: Run) -> Answer:
    """Run `zoosmith opset` with --json; gives the result."""

    def call(*arguments: object, code: int = 0) -> Any:
        ended, out, _ = run("opset", *arguments, "--json")
        assert ended == code
        return json.loads(out)["result"]

    return call


@pytest.fixture
def refusal(run: Run) -> Refusal:
    """Run `zoosmith opset` on what it refuses: gives the one line of the error, and `o.onnx` stays as it was."""

    def call(*arguments: object) -> str:
        output = Path("o.onnx")
        before = output.read_bytes() if output.exists() else None
        code, out, err = run("opset", *arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert (output.read_bytes() if output.exists() else None) == before
        return err

    return call
