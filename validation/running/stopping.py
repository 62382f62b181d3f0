"""Calls that end when their time is over, or at an interrupt."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from zoosmith.execution import Deadline, ProcessDiedError, ThreadExecutor, call_in_process
from zoosmith.onnx_model.argument_names import argument
from zoosmith.validation.errors import StoppedError, ValidationError

Made = TypeVar("Made")


def run_apart(name: str, timeout: float, function: Any, *args: Any) -> Any:
    """Call a function of an importable module in a process that is stopped at `timeout`.

    Raises ValidationError, which names the model `name`, where it was stopped or died; and what the function raises.
    """
    try:
        return call_in_process(function, timeout, *args)
    except TimeoutError as error:
        raise _stopped(name, timeout) from error
    except ProcessDiedError as error:
        raise ValidationError(f"{name}: {error}") from error


def watched(call: Callable[[], Made], timeout: float | None, stop: Callable[[], None], name: str) -> Made:
    """Call a function of ONNX Runtime's; end it by `stop` when the time is over or at an interrupt.

    Python does not deliver an interrupt while its main thread is inside of ONNX Runtime, so another thread calls.
    """
    if threading.current_thread() is not threading.main_thread():
        return call() if timeout is None else _before_deadline(call, timeout, stop, name)
    with ThreadExecutor(1) as executor:
        job = executor.submit(call)
        try:
            return job.result(timeout)
        except Exception as error:
            if job.done():  # the error is its own, or it ended just now
                return job.result()
            stop()
            raise _stopped(name, timeout) from error
        except BaseException:
            stop()
            raise


def _before_deadline(call: Callable[[], Made], timeout: float, stop: Callable[[], None], name: str) -> Made:
    with Deadline(timeout, stop) as deadline:
        try:
            return call()
        except Exception as error:
            if not deadline.passed:
                raise
            raise _stopped(name, timeout) from error


def _stopped(name: str, timeout: float | None) -> StoppedError:
    return StoppedError(f"{name}: stopped: no result after {timeout:g} s; {argument('timeout')} gives it longer")
