"""Drive the real Caffe2 in its own process."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoosmith.convert import read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.loading import Model, load_model, model_name
from zoosmith.onnx_model.ports import Port, input_ports
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.inputs.checks import check_inputs, check_tensor
from zoosmith.validation.interpreter.nested import blobs_read, blobs_written
from zoosmith.validation.runtimes.environment import installed_python
from zoosmith.validation.runtimes.pins import runtime_for
from zoosmith.validation.runtimes.process import WorkerProcess

_BACKEND = Path(__file__).with_name("backend.py")


class Caffe2Worker(WorkerProcess):
    """A process with Caffe2 in it, which nets and models can share. Close it, or use it as a context manager.

    Args:
        timeout: seconds that a request may take.

    Raises:
        ValidationError: Caffe2 is not installed.
    """

    def __init__(self, *, timeout: float = 600.0):
        python = installed_python(runtime_for("caffe2"))
        super().__init__(python, _BACKEND, "Caffe2", timeout=timeout, environment={"GLOG_minloglevel": "2"})

    def export(
        self,
        predict: str | os.PathLike[str],
        init: str | os.PathLike[str],
        value_info: Mapping[str, tuple[int, Sequence[int]]],
        output: str | os.PathLike[str],
        *,
        repeats: int = 1,
    ) -> list[dict[str, float]]:
        """Run Caffe2's own ONNX exporter from files to a file.

        Args:
            predict: the net's file.
            init: the file of the net that fills its parameters.
            value_info: `(ONNX element type, shape)` of each data blob, by name.
            output: the model file to write.
            repeats: how often.

        Returns:
            For each run the seconds that `parse`, `convert` and `write` took inside the process.

        Raises:
            ValidationError: with Caffe2's own reason.
        """
        arguments = {
            "predict": str(Path(predict).resolve()),
            "init": str(Path(init).resolve()),
            "value_info": {name: [kind, list(shape)] for name, (kind, shape) in value_info.items()},
            "output": str(Path(output).resolve()),
        }
        timings: list[dict[str, float]] = self.request("export", arguments=arguments, repeats=repeats)["timings"]
        return timings


class _Loaded:
    def __init__(self, name: str, worker: Caffe2Worker | None, do: str, **content: bytes):
        self.name = name
        self._own = worker is None
        self.worker = worker or Caffe2Worker()
        try:
            self._model: int = self.worker.request(do, **content)["model"]
        except ValidationError:
            if self._own:
                self.worker.close()
            raise

    def _run(
        self, expected: Sequence[Port], inputs: Mapping[str, np.ndarray], outputs: Sequence[str] | None
    ) -> dict[str, np.ndarray]:
        # Caffe2 itself ignores an unknown name, and runs on what an earlier run left where one is missing
        check_inputs(expected, inputs, self.name)
        for port in expected:
            if port.name in inputs:
                check_tensor(port, np.asarray(inputs[port.name]), self.name)
        feeds = {name: np.asarray(value) for name, value in inputs.items()}
        wanted = None if outputs is None else list(outputs)
        results: dict[str, np.ndarray] = self.worker.request("run", model=self._model, feeds=feeds, outputs=wanted)[
            "outputs"
        ]
        return results

    def close(self) -> None:
        """Let go of what was loaded, and end the process if it was started for it."""
        if self._own:
            self.worker.close()
        else:
            self.worker.request("unload", model=self._model)


class Caffe2Runner(_Loaded):
    """Runs a Caffe2 net in the real Caffe2.

    Args:
        predict: the net, as `convert.read_net` takes it.
        init: the net that fills the parameters, likewise; None where there are none.
        worker: the process to use; by default a new one, which ends with `close`.

    Raises:
        ConvertError: a net cannot be read.
        ValidationError: Caffe2 is not installed, or does not take the nets.
    """

    def __init__(self, predict: Any, init: Any = None, *, worker: Caffe2Worker | None = None):
        nets = [read_net(predict), NetDef() if init is None else read_net(init)]
        filled = {blob for op in nets[1].op for blob in op.output}
        read = dict.fromkeys(_read_first(nets[0]))
        self.inputs = [Port(blob, "tensor", 0, None, blob not in filled) for blob in read]
        super().__init__(
            f"net {nets[0].name!r}",
            worker,
            "load_net",
            predict=nets[0].SerializeToString(),
            init=nets[1].SerializeToString(),
        )

    def run(self, inputs: Mapping[str, np.ndarray], *, outputs: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Run the net.

        Args:
            inputs: arrays by blob name, of the shapes and types that the net takes.
            outputs: the blobs wanted; by default the external outputs.

        Returns:
            The wanted blobs by name, as they are when the net has run; of an int8 blob its integers.

        Raises:
            ValidationError: an input is missing or unknown, or Caffe2 fails, with Caffe2's own reason.
        """
        return self._run(self.inputs, inputs, outputs)


class Caffe2Onnx(_Loaded):
    """Runs an ONNX model with Caffe2's ONNX backend, which knows opsets 3 to 9.

    Args:
        model: a path, the file's content or a message.
        worker: the process to use; by default a new one, which ends with `close`.

    Raises:
        ModelError: the model cannot be read.
        ValidationError: Caffe2 is not installed, or does not take the model.
    """

    def __init__(self, model: Model, *, worker: Caffe2Worker | None = None):
        whole = load_model(model)
        self.inputs = input_ports(whole.graph)
        super().__init__(model_name(model), worker, "load_onnx", model=whole.SerializeToString())

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run the model.

        Args:
            inputs: arrays by input name.

        Returns:
            The outputs by name.

        Raises:
            ValidationError: an input is missing, unknown or does not fit, or Caffe2 fails, with Caffe2's own reason.
        """
        return self._run(self.inputs, inputs, None)


def _read_first(net: NetDef) -> Iterator[str]:
    """The blobs that `net` reads before it writes them."""
    written: set[str] = set()
    for op in net.op:
        read = [*op.input, *sorted(blobs_read(op).difference(op.input))]
        yield from (blob for blob in read if blob not in written)
        written |= blobs_written(op)
