import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest

from tests.zoosmith.endless import endless_model
from zoosmith import cli
from zoosmith.cli import application


def _exit(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        cli.main(list(arguments))
    printed = capsys.readouterr()
    return int(stopped.value.code or 0), printed.out, printed.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["biuld"],
        ["build", "--sets", "0"],
        ["convert"],
        ["validate", "no-such-file.tar.gz"],
        ["build", "--no-such-option"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, out, err = _exit(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1


def test_verbose_shows_the_traceback_at_either_place(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"no model")
    for arguments in (["--verbose", "inspect"], ["inspect", "--verbose"]):
        code, _, err = _exit(capsys, *arguments, str(tmp_path / "net.onnx"))
        assert code == 2 and "Traceback" in err
    assert "Traceback" not in _exit(capsys, "inspect", str(tmp_path / "net.onnx"))[2]


def test_a_fault_of_our_own_is_told_apart_from_bad_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(application.COMMANDS, "build", "zoosmith.no_such_module:build")
    code, _, err = _exit(capsys, "build")
    assert code == 70 and "internal error" in err and "Traceback" not in err


@pytest.mark.parametrize("command", list(application.COMMANDS))
def test_every_command_has_an_example_in_its_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = _exit(capsys, command, "--help")
    assert code == 0
    assert f"zoosmith {command}" in out.partition("Usage:")[2].partition("\n")[2]


def test_the_list_of_commands_shows_what_each_does_in_a_whole_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = _exit(capsys, "--help")
    commands = out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in commands] == list(application.COMMANDS)
    assert not [line for line in commands if line.endswith("...")]


@pytest.mark.parametrize("command", ["build", "convert", "opset", "bundle", "simplify", "quantize", "report", "fetch"])
def test_every_command_that_writes_takes_its_output_by_one_name(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert "-o, --output" in _exit(capsys, command, "--help")[1]


def test_the_help_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'onnx', 'onnxruntime', 'google.protobuf', 'rich', 'PIL'}"
    code = (
        "import sys\nfrom zoosmith.cli import main\n"
        f"try: main(['--help'])\nfinally: assert not {heavy} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_an_interrupt_is_one_line_and_exit_code_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # one while a module is imported, and one that C code turned into an error of another type
    for body in ("raise KeyboardInterrupt", INTERRUPTED_IMPORT):
        (tmp_path / "interrupted_module.py").write_text(body)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setitem(application.COMMANDS, "build", "interrupted_module:build")
        assert _exit(capsys, "build") == (130, "", "interrupted\n")


INTERRUPTED_IMPORT = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    raise ImportError("initialization failed")
"""


def test_a_real_interrupt_ends_a_run_without_an_end(tmp_path: Path) -> None:
    onnx.save(endless_model(), tmp_path / "endless.onnx")
    command = [sys.executable, "-m", "zoosmith", "bundle", "endless.onnx", "-o", "o.tar.gz", "--timeout", "20"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["endless.onnx"]
