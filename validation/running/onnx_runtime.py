"""Run a model in ONNX Runtime."""

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from zoosmith.execution import in_native_code
from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.external_data import external_files
from zoosmith.onnx_model.in_place import has_spans
from zoosmith.onnx_model.links import LinkedPath
from zoosmith.onnx_model.loading import Model, load_structure, model_name
from zoosmith.onnx_model.mapped import load_mapped, with_external_data
from zoosmith.onnx_model.ports import Port
from zoosmith.validation.errors import RunError, StoppedError, UnsupportedError, ValidationError
from zoosmith.validation.inputs.checks import checked_inputs
from zoosmith.validation.running.run_limit import run_limit
from zoosmith.validation.running.runner import Runtime
from zoosmith.validation.running.stopping import watched

# what goes wrong is raised; it would be printed as well
onnxruntime.set_default_logger_severity(4)

# ONNX Runtime moves these in and out as bits of the same size only.
_AS_BITS: dict[int, Any] = {
    TensorProto.BFLOAT16: np.uint16,
    TensorProto.FLOAT8E4M3FN: np.uint8,
    TensorProto.FLOAT8E4M3FNUZ: np.uint8,
    TensorProto.FLOAT8E5M2: np.uint8,
    TensorProto.FLOAT8E5M2FNUZ: np.uint8,
}
# Its kernels know these, but no numpy array of them goes in or comes out.
_IMMOVABLE = {
    getattr(TensorProto, name)
    for name in ("INT4", "UINT4", "INT2", "UINT2", "FLOAT4E2M1", "FLOAT8E8M0")
    if hasattr(TensorProto, name)
}
_TYPE_NAMES = {
    "float": TensorProto.FLOAT,
    **{key.lower(): value for key, value in TensorProto.DataType.items() if key != "FLOAT"},
}


_CPU = "CPUExecutionProvider"


def onnx_runtime() -> Runtime:
    """The installed ONNX Runtime."""
    return Runtime("ONNX Runtime", onnxruntime.__version__)


class OnnxRuntimeRunner:
    """Runs a model in ONNX Runtime.

    Args:
        model: a path (data in files beside it is found), the file's content or a message.
        threads: inside an operator; None leaves it to ONNX Runtime.
        providers: execution providers, the preferred first, such as `CUDA` or `CUDAExecutionProvider`; the CPU's by
            default, which also runs what the others cannot.
        few_runs: whether the model is run so few times that weights are not worth a second copy in the kernels' own
            layout, nor the whole graph in this machine's (all fusions are done), nor threads that wait for work while
            they keep the cores busy.
        timeout: seconds after which loading is stopped; None for those of `runs_limited`. ONNX Runtime below 1.31 holds
            Python's lock while it loads: there it is stopped late, or not at all.
        node_by_node: run the nodes of the file as they stand, no two of them joined.
        spin: whether threads that wait for work keep their cores busy, which is faster where nothing else needs these:
            no other model, and no other code between runs.

    Raises:
        UnsupportedError: ONNX Runtime has no kernel for an operator, or moves no tensors of a type in or out.
        StoppedError: the time is up.
        ValidationError: ONNX Runtime cannot load the model, or has not one of the providers.
    """

    def __init__(
        self,
        model: Model,
        *,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
        few_runs: bool = False,
        timeout: float | None = None,
        node_by_node: bool = False,
        spin: bool = True,
    ):
        self.name = model_name(model)
        self.runtime = onnx_runtime()
        wanted = available_providers(providers or [_CPU])
        source, folder = _onnx_runtime_source(model, self.name)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads or 0
        if folder is not None:
            options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        if few_runs:
            options.add_session_config_entry("session.disable_prepacking", "1")
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        if few_runs or not spin:
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if node_by_node:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        chosen = list(dict.fromkeys([*wanted, _CPU]))
        try:
            with in_native_code(str(self.runtime), f"loading {self.name}"):
                self.session = watched(
                    lambda: onnxruntime.InferenceSession(source, options, providers=chosen),
                    run_limit() if timeout is None else timeout,
                    lambda: options.set_load_cancellation_flag(True),
                    self.name,
                )
        except StoppedError:
            raise
        except Exception as error:
            # ONNX Runtime's exceptions share no base class
            kind = UnsupportedError if isinstance(error, NoKernel) else ValidationError
            raise kind(f"{self.name}: ONNX Runtime cannot load it: {first_line(error)}") from error
        for provider in wanted:
            if provider not in self.session.get_providers():
                raise ValidationError(f"{self.name}: ONNX Runtime could not start {provider} on this machine")
        optional = [(value, False) for value in self.session.get_overridable_initializers()]
        self.inputs = [_session_port(v, r) for v, r in [(v, True) for v in self.session.get_inputs()] + optional]
        self.output_names: list[str] = [value.name for value in self.session.get_outputs()]
        moved = [*self.session.get_inputs(), *self.session.get_outputs()]
        types = {_session_port(value, True).elem_type for value in moved}
        if types & _IMMOVABLE:
            kinds = ", ".join(TensorProto.DataType.Name(kind) for kind in sorted(types & _IMMOVABLE))
            raise UnsupportedError(f"{self.name}: ONNX Runtime moves no tensors of type {kinds} in or out")
        self._by_bits = bool(types & set(_AS_BITS))

    def run(self, inputs: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Return the outputs by name: arrays (of `ml_dtypes` where numpy has no such type), lists for sequences.

        Args:
            inputs: values by the names of the inputs.
            timeout: seconds after which ONNX Runtime stops before the next operator; None for those of
                `runs_limited`.

        Raises:
            ValidationError: as `Runner.run` does.
        """
        feeds = checked_inputs(self.inputs, inputs, self.name)
        timeout = run_limit() if timeout is None else timeout
        options = onnxruntime.RunOptions()
        options.log_severity_level = 4
        try:
            with in_native_code(str(self.runtime), f"running {self.name}"):
                return watched(
                    lambda: self._run(feeds, options), timeout, lambda: setattr(options, "terminate", True), self.name
                )
        except StoppedError:
            raise
        except Exception as error:
            raise RunError(f"{self.name}: ONNX Runtime failed: {first_line(error)}") from error

    def _run(self, feeds: dict[str, Any], options: Any) -> dict[str, Any]:
        if self._by_bits:
            return self._run_by_bits(feeds, options)
        return dict(zip(self.output_names, self.session.run(None, feeds, options), strict=True))

    def _run_by_bits(self, feeds: dict[str, Any], options: Any) -> dict[str, Any]:
        types = {port.name: port.elem_type for port in self.inputs}
        values = {name: _to_ort(value, types[name]) for name, value in feeds.items()}
        results = self.session.run_with_ort_values(self.output_names, values, options)
        return {name: _from_ort(value) for name, value in zip(self.output_names, results, strict=True)}


def available_providers(names: Sequence[str]) -> list[str]:
    """Full names of execution providers. Raises ValidationError where the installed ONNX Runtime lacks one."""
    known = onnxruntime.get_available_providers()
    full = [name if name.endswith("ExecutionProvider") else f"{name}ExecutionProvider" for name in names]
    for name, spelled in zip(names, full, strict=True):
        if spelled not in known:
            have = ", ".join(provider.removesuffix("ExecutionProvider") for provider in known)
            raise ValidationError(
                f"provider {name!r}: the installed ONNX Runtime {onnxruntime.__version__} lacks it; it has {have}"
            )
    return full


def _onnx_runtime_source(model: Model, name: str) -> tuple[str | bytes, str | None]:
    """A model as ONNX Runtime takes it: its path or content, and for the latter the folder of weights in files."""
    if isinstance(model, bytes):
        return model, None
    if isinstance(model, onnx.ModelProto):
        model, folder = with_external_data(model) if has_spans(model) else (model, None)
        try:
            return model.SerializeToString(), None if folder is None else os.fspath(folder)
        except Exception as error:
            raise ValidationError(
                f"{name}: beyond protobuf's 2 GB; save it with external data, give the path"
            ) from error
    if not Path(model).is_file():
        raise ValidationError(f"{name}: no such file; an ONNX model is expected")
    if isinstance(model, LinkedPath) and any(
        (model.parent / each).is_symlink() for each in external_files(load_structure(model))
    ):
        # ONNX Runtime follows a link to a data file only where the model is one into the same folder
        return _onnx_runtime_source(load_mapped(model), name)
    return os.fspath(model), None


def _session_port(value: Any, required: bool) -> Port:
    # ONNX Runtime spells types tensor(float), seq(tensor(int64)), optional(tensor(float))
    kind, _, rest = value.type.partition("(")
    kind = {"seq": "sequence"}.get(kind, kind)
    elem_type = _TYPE_NAMES.get(rest.rpartition("(")[2].rstrip(")"), 0)
    # it has no sizes for a scalar and for an unknown rank; of a scalar it refuses others by itself
    shape = tuple(value.shape) or None if kind == "tensor" else None
    return Port(value.name, kind, elem_type, shape, required)


def _to_ort(value: Any, elem_type: int) -> Any:
    make = onnxruntime.OrtValue
    if elem_type in _AS_BITS:
        bits = np.asarray(value, order="C").view(_AS_BITS[elem_type])
        return make.ortvalue_from_numpy_with_onnx_type(bits, elem_type)
    return make.ortvalue_from_numpy(value)


def _from_ort(value: Any) -> Any:
    elem_type = value.element_type() if value.is_tensor() else 0
    if elem_type not in _AS_BITS:
        return value.numpy()
    bits = np.dtype(_AS_BITS[elem_type])
    shape = value.shape()
    content = ctypes.string_at(value.data_ptr(), int(np.prod(shape, dtype=np.int64)) * bits.itemsize)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(elem_type)
    return np.frombuffer(content, bits).view(dtype).reshape(shape).copy()
