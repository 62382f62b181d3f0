"""Choose what runs a model: ONNX Runtime, or the reference evaluator for what that does not have."""

from collections.abc import Sequence
from functools import cache

import onnx
from onnx import TensorProto

from zoosmith.onnx_model.loading import Model, load_structure
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.ports import input_ports, output_ports
from zoosmith.validation.errors import StoppedError, UnsupportedError, ValidationError
from zoosmith.validation.running.onnx_runtime import OnnxRuntimeRunner
from zoosmith.validation.running.runner import Runner

OLDEST_OF_ONNX_RUNTIME = 7
"""The first opset that ONNX Runtime has; what is older runs in the reference evaluator."""
# of the IR versions that every ONNX Runtime of today reads
_OLDEST_IR = 7


def runner_for(
    model: Model,
    *,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
    few_runs: bool = False,
    timeout: float | None = None,
    structure: onnx.ModelProto | None = None,
    spin: bool = True,
) -> Runner:
    """Return a runner that can run a model: ONNX Runtime, or the reference evaluator for what that does not have.

    That is an opset that it lacks (below 7, or newer than it), an operator without a kernel, a type that it does not
    move in or out. What ONNX Runtime refuses for another reason is not run.

    Args:
        model: as for OnnxRuntimeRunner.
        threads: for ONNX Runtime.
        providers: for ONNX Runtime, and nothing but it may run the model then.
        few_runs: for ONNX Runtime.
        timeout: for ONNX Runtime.
        structure: the model's graph, where it has been read already.
        spin: for ONNX Runtime.

    Returns:
        What runs the model; its `runtime` says which of both it is.

    Raises:
        StoppedError: the time is up.
        ValidationError: ONNX Runtime's, where neither can.
    """
    if providers:
        return OnnxRuntimeRunner(
            model, threads=threads, providers=providers, few_runs=few_runs, timeout=timeout, spin=spin
        )
    structure = load_structure(model) if structure is None else structure
    opset = default_opset(structure)
    if opset is not None and not onnx_runtime_has(opset):
        return _reference_runner(model)
    try:
        return OnnxRuntimeRunner(model, threads=threads, few_runs=few_runs, timeout=timeout, spin=spin)
    except StoppedError:
        raise
    except ValidationError as refusal:
        types = {port.elem_type for port in (*input_ports(structure.graph), *output_ports(structure.graph))}
        if not isinstance(refusal, UnsupportedError) and all(map(_onnx_runtime_moves, types)):
            raise
        try:
            return _reference_runner(model)
        except ValidationError:
            raise refusal from None


def _reference_runner(model: Model) -> Runner:
    # loading it takes longer than most commands take
    from zoosmith.validation.running.reference import ReferenceRunner

    return ReferenceRunner(model)


@cache
def onnx_runtime_has(opset: int) -> bool:
    """Whether the installed ONNX Runtime knows a version of ONNX's own operators."""
    return opset >= OLDEST_OF_ONNX_RUNTIME and _loads_identity(opset, TensorProto.FLOAT)


@cache
def _onnx_runtime_moves(elem_type: int) -> bool:
    """Whether the installed ONNX Runtime knows an element type; 0, of what is no tensor, counts as known."""
    newest = max(filter(onnx_runtime_has, range(OLDEST_OF_ONNX_RUNTIME, onnx.defs.onnx_opset_version() + 1)))
    return not elem_type or _loads_identity(newest, elem_type)


def _loads_identity(opset: int, elem_type: int) -> bool:
    ports = [onnx.helper.make_tensor_value_info(name, elem_type, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "probe", ports[:1], ports[1:])
    probe = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=_OLDEST_IR)
    try:
        OnnxRuntimeRunner(probe, threads=1)
    except ValidationError:
        return False
    return True
