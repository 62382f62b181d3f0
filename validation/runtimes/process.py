"""A worker process: another Python that answers requests over a pipe, within limits of time and memory."""

import os
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from zoosmith.validation.errors import ValidationError
from zoosmith.validation.runtimes import worker

_TIMEOUT = 600.0


class WorkerProcess:
    """A process that runs one backend; close it, or use it as a context manager.

    Args:
        python: the Python that runs it.
        backend: the file of its backend, see `worker`.
        name: what messages call it.
        timeout: seconds that one request may take.
        memory: bytes of address space that it may have; by default as much as the machine has memory.
        environment: variables for it, over those of this process.
    """

    def __init__(
        self,
        python: Path,
        backend: str | os.PathLike[str],
        name: str,
        *,
        timeout: float = _TIMEOUT,
        memory: int | None = None,
        environment: Mapping[str, str] | None = None,
    ):
        self.name = name
        self.timeout = timeout
        self.peak_memory = 0
        """The most memory that the process had, in bytes, as of the last reply."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        limit = _installed_memory() if memory is None else memory
        # -I keeps this project's files and the user's packages out of the process
        self._process = subprocess.Popen(
            [python, "-I", worker.__file__, os.fspath(backend), str(limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # idle threads that spin would slow everything else on a busy machine
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE", **(environment or {})},
        )
        self._stopped = ""
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _stop, self._process, self._errors)

    def request(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Return what the backend's method `do` answers.

        Raises:
            ValidationError: the backend's own error, the death of the process, no answer in time, or an argument
                that cannot be sent.
        """

        def expire() -> None:
            self._stopped = f"{self.name} did not answer in {self.timeout:g} seconds and was stopped"
            self._process.kill()

        timer = threading.Timer(self.timeout, expire)
        timer.daemon = True
        with self._lock:
            timer.start()
            try:
                answer = self._exchange({"do": do, "arguments": arguments, "seconds": self.timeout})
            finally:
                timer.cancel()
        if answer is None:
            self._wait()
            self._stopped = self._stopped or f"the process of {self.name} ended unexpectedly: {self._last_words()}"
            raise ValidationError(self._stopped)
        self.peak_memory = answer.pop("peak_memory", self.peak_memory)
        if "error" in answer:
            raise ValidationError(f"{self.name}: {answer['error']}")
        return answer

    @property
    def ended(self) -> bool:
        """Whether the process answers no more: closed, stopped or dead."""
        return bool(self._stopped) or self._process.poll() is not None

    def close(self) -> None:
        """End the process."""
        self._stopped = f"this process of {self.name} was closed"
        self._finalizer()

    def __enter__(self) -> "WorkerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self) -> None:
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:  # it lives on, but what it writes is no reply
            self._process.kill()
            self._process.wait()

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any] | None:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            worker.send(self._process.stdin, request)  # type: ignore[arg-type]
        except TypeError as error:
            raise ValidationError(f"{self.name}: {error}") from error
        except (OSError, ValueError):
            return None  # the pipe broke or was closed
        try:
            return worker.receive(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, ValueError, LookupError):
            return None

    def _last_words(self) -> str:
        if self._errors.closed:
            return self._stopped
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        code = self._process.returncode
        ended = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return lines[-1] if lines else ended


def _installed_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0


def _stop(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, errors):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue  # what was still buffered has no reader
