"""One call in a process of its own: it can be stopped at any point and has its own memory."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from zoosmith.onnx_model.errors import ZoosmithError

Given = ParamSpec("Given")
Result = TypeVar("Result")

_CHILD = Path(__file__).with_name("child.py")


class ProcessDiedError(ZoosmithError, RuntimeError):
    """The process ended without an answer: it was killed, ran out of memory or crashed. The message is one line."""


def call_in_process(
    function: Callable[Given, Result], timeout: float | None, /, *args: Given.args, **kwargs: Given.kwargs
) -> Result:
    """Return `function(*args, **kwargs)`, computed by a fresh Python process that ends afterwards.

    Args:
        function: a function of an importable module, not of a script.
        timeout: seconds after which the process is killed; None for no limit.
        *args: arguments that can be pickled.
        **kwargs: the same.

    Raises:
        TimeoutError: the process was killed at `timeout`.
        ProcessDiedError: it ended without an answer.
        Exception: what the function raises.
    """
    task = pickle.dumps([entry or os.getcwd() for entry in sys.path]) + pickle.dumps((function, args, kwargs))
    process = subprocess.Popen(
        [sys.executable, os.fspath(_CHILD)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        try:
            answer, complaint = process.communicate(task, timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"stopped after {timeout:g} s") from None
        finally:
            # also where this process is interrupted
            process.kill()
    return _result(process.returncode, answer, complaint)


def _result(code: int, answer: bytes, complaint: bytes) -> Any:
    if code or not answer:
        lines = complaint.decode(errors="replace").strip().splitlines()
        reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise ProcessDiedError(f"the process ended with {reason}" + (f": {lines[-1]}" if lines else ""))
    succeeded, value = pickle.loads(answer)
    if not succeeded:
        raise value
    return value
