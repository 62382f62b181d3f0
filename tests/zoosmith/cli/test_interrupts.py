"""Ctrl-C at any moment is one line and exit code 130."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

COMMANDS = {
    "inspect": "inspect conv.onnx",
    "opset": "opset conv.onnx -o {out}/o.onnx --to 14 --json",
    "quantize": "quantize conv.onnx -o {out}/q.onnx --calibrate random --samples 400 --force",
    "evaluate": "evaluate conv.onnx --data images --preprocess none",
    "convert": "convert plain.pb -o {out}/c.onnx --input x=2,3",
    "bench": "bench conv.onnx --runs 2000",
}


def interrupted(words: list[str], folder: Path, delay: float) -> tuple[int, str, str]:
    """What a command does when it and its children get an interrupt so many seconds after its own first line."""
    # what is told apart from the interpreter's own start, during which Python prints what it likes
    code = "import os, zoosmith.cli as c; os.write(1, b'#'); c.main()"
    command = [sys.executable, "-c", code, *words]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None and process.stdout.read(1) == b"#"
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def check(words: list[str], folder: Path, out: Path, delay: float) -> int:
    code, printed, err = interrupted(words, folder, delay)
    while code == -signal.SIGINT and err.count("File ") == 1:  # before the first line of `main`
        code, printed, err = interrupted(words, folder, delay)
    assert code in (0, 130), (delay, code, err)
    assert "Traceback" not in printed + err, (delay, err)
    assert err.count("interrupted\n") == (code == 130), (delay, err)
    if code == 130:
        assert err.endswith("interrupted\n"), (delay, err)
    leftovers = [path for path in out.iterdir() if path.name.startswith(".")]
    assert leftovers == [], (delay, leftovers)
    return code


@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupt_at_any_moment_is_one_line(command: str, sound: Path, tmp_path: Path) -> None:
    words = COMMANDS[command].format(out=tmp_path).split()
    codes = [check(words, sound, tmp_path, delay) for delay in (0.001, 0.02, 0.08, 0.15, 0.25, 0.4)]
    assert 130 in codes


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupt_at_any_of_many_moments_is_one_line(command: str, sound: Path, tmp_path: Path) -> None:
    words = COMMANDS[command].format(out=tmp_path).split()
    codes = [check(words, sound, tmp_path, 0.002 + 0.05 * step) for step in range(30)]
    assert 130 in codes


def guarded(code: str) -> subprocess.CompletedProcess[str]:
    begin = "import os, signal, sys, time\nfrom zoosmith.cli.interrupts import guarded\n"
    script = begin + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
    )


def test_an_interrupt_that_python_would_lose_is_raised_again() -> None:
    done = guarded(
        """
        class Lost:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
        def run(interrupted):
            lost = Lost()
            del lost
            time.sleep(5)
            return 0
        sys.exit(guarded(run, ends=True))
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="no masks of signals")
def test_an_interrupt_while_the_guard_itself_is_imported_is_not_lost() -> None:
    done = guarded(
        """
        del sys.modules["zoosmith.cli.interrupts"]
        class Lost:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)
        class Finder:
            def find_spec(self, name, path, target=None):
                if name == "zoosmith.cli.interrupts":
                    Lost()
        sys.meta_path.insert(0, Finder())
        sys.argv = ["zoosmith", "inspect", "net.onnx"]
        import zoosmith.cli
        zoosmith.cli.main()
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_an_interrupt_while_the_interpreter_shuts_down_is_one_line_or_none() -> None:
    done = guarded(
        """
        import threading
        threading.Thread(target=time.sleep, args=(2,)).start()
        def later():
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=later, daemon=True).start()
        sys.exit(guarded(lambda interrupted: 0, ends=True))
        """
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
