"""Runs commands one after the other in a process of its own, which a crash of a library may end."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ADDRESS_SPACE = 6 << 30
"""Bytes that a command may ask for: what asks for more must not take the machine with it."""

SECONDS = 60
"""When a command counts as one that hangs."""


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Attributes:
        code: its exit code; below 0, minus the signal that ended its process; None where it did not end.
        out: what it printed.
        err: what it printed on the standard error.
        grown: bytes by which its process grew at its peak.
        cpu: seconds of processor time.
    """

    code: int | None
    out: str
    err: str
    grown: int
    cpu: float


class Worker:
    """A process that runs commands; a new one where the last one ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, arguments: list[str], folder: Path) -> Outcome:
        """Run a command line in a folder."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.attacks.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        with tempfile.TemporaryDirectory() as printed:
            process.stdin.write(json.dumps({"arguments": arguments, "folder": str(folder), "printed": printed}) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            out, err = (_text(Path(printed, name)) for name in ("out", "err"))
        if answer:
            found = json.loads(answer)
            return Outcome(found["code"], out, err, found["grown"], found["cpu"])
        self._process = None
        ended = process.wait()
        return Outcome(None if ended == -14 else ended, out, err, 0, 0.0)

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="backslashreplace") if path.exists() else ""


def _memory(key: str) -> int:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) * 1024


def _run(arguments: list[str]) -> int:
    from zoosmith import cli

    try:
        cli.main(arguments)
    except SystemExit as stopped:
        return int(stopped.code or 0)
    raise AssertionError("the command line did not exit")


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    import signal

    os.chdir(task["folder"])
    streams = [os.dup(1), os.dup(2)]
    for number, name in ((1, "out"), (2, "err")):
        with open(Path(task["printed"], name), "wb") as file:
            os.dup2(file.fileno(), number)
    if os.path.exists("/proc/self/clear_refs"):
        Path("/proc/self/clear_refs").write_text("5")
    before, begin = _memory("VmRSS"), time.process_time()
    signal.alarm(SECONDS)
    try:
        code = _run(task["arguments"])
    finally:
        signal.alarm(0)
        sys.stdout.flush()
        sys.stderr.flush()
        for number, stream in zip((1, 2), streams, strict=True):
            os.dup2(stream, number)
            os.close(stream)
    return {"code": code, "grown": _memory("VmHWM") - before, "cpu": time.process_time() - begin}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        sys.__stdout__.write(json.dumps(_answer(json.loads(line))) + "\n")
        sys.__stdout__.flush()
