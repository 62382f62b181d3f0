"""Drive the real Caffe2 in its own process."""

import os
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from zoosmith.convert import read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.loading import Model, load_model, model_name
from zoosmith.onnx_model.ports import Port, input_ports
from zoosmith.validation.caffe2 import worker as protocol
from zoosmith.validation.caffe2.environment import find_environment
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.input_checks import check_inputs, check_tensor

_NOT_INSTALLED = "the real Caffe2 is not installed; `zoosmith caffe2 install` makes its environment"


class Caffe2Worker:
    """A process with Caffe2 in it, which nets and models can share. Close it, or use it as a context manager.

    `timeout` is the number of seconds that a request may take. Raises ValidationError where Caffe2 is not installed.
    """

    def __init__(self, *, timeout: float = 600.0):
        python = find_environment()
        if python is None:
            raise ValidationError(_NOT_INSTALLED)
        self.timeout = timeout
        self.peak_memory = 0
        """The most memory that the process had, in bytes, as of the last reply."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        # -I keeps this project's files and the user's packages out of the process
        self._process = subprocess.Popen(
            [python, "-I", protocol.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # idle threads that spin would slow everything else on a busy machine
            env={**os.environ, "GLOG_minloglevel": "2", "OMP_WAIT_POLICY": "PASSIVE"},
        )
        self._stopped = ""
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _stop, self._process, self._errors)

    def request(self, do: str, parts: Sequence[bytes] = (), **header: Any) -> tuple[dict[str, Any], list[bytes]]:
        """Return what the process answers. Raises ValidationError: its error, its death, or no answer in time."""

        def expire() -> None:
            self._stopped = f"Caffe2 did not answer in {self.timeout:g} seconds and was stopped"
            self._process.kill()

        timer = threading.Timer(self.timeout, expire)
        with self._lock:
            timer.start()
            try:
                answer = self._exchange({"do": do, **header}, list(parts))
            finally:
                timer.cancel()
        if answer is None:
            self._process.wait()
            self._stopped = self._stopped or f"the Caffe2 process ended unexpectedly: {self._last_words()}"
            raise ValidationError(self._stopped)
        reply, results = answer
        self.peak_memory = reply["peak_memory"]
        if "error" in reply:
            raise ValidationError(f"Caffe2: {reply['error']}")
        return reply, results

    def export(
        self,
        predict: str | os.PathLike[str],
        init: str | os.PathLike[str],
        value_info: Mapping[str, tuple[int, Sequence[int]]],
        output: str | os.PathLike[str],
        *,
        repeats: int = 1,
    ) -> list[dict[str, float]]:
        """Run Caffe2's own ONNX exporter `repeats` times, from two net files to the model file `output`.

        Returns for each run the seconds that `parse`, `convert` and `write` took inside the process.
        """
        arguments = {
            "predict": str(Path(predict).resolve()),
            "init": str(Path(init).resolve()),
            "value_info": {name: [kind, list(shape)] for name, (kind, shape) in value_info.items()},
            "output": str(Path(output).resolve()),
        }
        reply, _ = self.request("export", arguments=arguments, repeats=repeats)
        timings: list[dict[str, float]] = reply["timings"]
        return timings

    def close(self) -> None:
        """End the process."""
        self._stopped = "this Caffe2 process was closed"
        self._finalizer()

    def __enter__(self) -> "Caffe2Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, header: dict[str, Any], parts: list[bytes]) -> tuple[dict[str, Any], list[bytes]] | None:
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            protocol.write_frame(self._process.stdin, header, parts)  # type: ignore[arg-type]
            return protocol.read_frame(self._process.stdout)  # type: ignore[arg-type]
        except (OSError, ValueError):
            return None  # the pipe broke or was closed

    def _last_words(self) -> str:
        if self._errors.closed:
            return self._stopped
        self._errors.seek(0)
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else f"exit code {self._process.returncode}"


class _Loaded:
    def __init__(self, name: str, worker: Caffe2Worker | None, do: str, parts: Sequence[bytes]):
        self.name = name
        self._own = worker is None
        self.worker = worker or Caffe2Worker()
        try:
            reply, _ = self.worker.request(do, parts)
        except ValidationError:
            if self._own:
                self.worker.close()
            raise
        self._id = reply["id"]

    def _run(
        self, expected: Sequence[Port], inputs: Mapping[str, np.ndarray], outputs: Sequence[str] | None
    ) -> dict[str, np.ndarray]:
        # Caffe2 itself ignores an unknown name, and runs on what an earlier run left where one is missing
        check_inputs(expected, inputs, self.name)
        for port in expected:
            if port.name in inputs:
                check_tensor(port, np.asarray(inputs[port.name]), self.name)
        packed = [protocol.pack_array(np.asarray(value)) for value in inputs.values()]
        wanted = None if outputs is None else list(outputs)
        reply, parts = self.worker.request("run", packed, id=self._id, inputs=list(inputs), outputs=wanted)
        return dict(zip(reply["outputs"], map(protocol.unpack_array, parts), strict=True))

    def close(self) -> None:
        """Let go of what was loaded, and end the process if it was started for it."""
        if self._own:
            self.worker.close()
        else:
            self.worker.request("unload", id=self._id)


class Caffe2Runner(_Loaded):
    """Runs a Caffe2 net in the real Caffe2.

    `predict` and `init` are what `convert.read_net` takes; `init` may be None. `worker` is the process to use, by
    default a new one. Raises ValidationError where Caffe2 is not installed or does not take the nets.
    """

    def __init__(self, predict: Any, init: Any = None, *, worker: Caffe2Worker | None = None):
        nets = [read_net(predict), NetDef() if init is None else read_net(init)]
        filled = {blob for op in nets[1].op for blob in op.output}
        read = dict.fromkeys(_read_first(nets[0]))
        self.inputs = [Port(blob, "tensor", 0, None, blob not in filled) for blob in read]
        super().__init__(f"net {nets[0].name!r}", worker, "load_net", [net.SerializeToString() for net in nets])

    def run(self, inputs: Mapping[str, np.ndarray], *, outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Return the blobs named in `outputs`, by default the external outputs, as they are when the net has run.

        An int8 blob gives its integers. Raises ValidationError with Caffe2's own reason.
        """
        return self._run(self.inputs, inputs, outputs)


class Caffe2Onnx(_Loaded):
    """Runs an ONNX model with Caffe2's ONNX backend, which knows opsets 3 to 9; arguments as for Caffe2Runner."""

    def __init__(self, model: Model, *, worker: Caffe2Worker | None = None):
        whole = load_model(model)
        self.inputs = input_ports(whole.graph)
        super().__init__(model_name(model), worker, "load_onnx", [whole.SerializeToString()])

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the model's outputs by name. Raises ValidationError with Caffe2's own reason."""
        return self._run(self.inputs, inputs, None)


def _read_first(net: NetDef) -> Iterator[str]:
    """The blobs that `net` reads before it writes them."""
    written: set[str] = set()
    for op in net.op:
        yield from (blob for blob in op.input if blob not in written)
        written.update(op.output)


def _stop(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, errors):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue  # what was still buffered has no reader
