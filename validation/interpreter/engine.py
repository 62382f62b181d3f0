"""Run a net: plan it once, then compute its operators one after the other over a workspace of named blobs."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from zoosmith.convert import NetSource, read_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.validation.errors import StoppedError, ValidationError
from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.liveness import needed_operators
from zoosmith.validation.interpreter.nested import every_operator, nets_of
from zoosmith.validation.interpreter.pieces import in_pieces
from zoosmith.validation.interpreter.registry import KERNELS, Kernel
from zoosmith.validation.interpreter.training import without_training
from zoosmith.validation.interpreter.values import QuantizedTensor, Value, widen
from zoosmith.validation.interpreter.workspace import Workspace
from zoosmith.validation.running.clock import Clock
from zoosmith.validation.running.run_limit import run_limit

# of the run that goes on, asked before each operator, those of nets inside of operators too
_CLOCK: ContextVar[Clock] = ContextVar("clock")


class Step(NamedTuple):
    """An operator of a net, the function that computes it, and the nets among its arguments, planned."""

    op: Operator
    kernel: Kernel
    nets: dict[str, list["Step"]]


Plan: TypeAlias = list[Step]


def interpret(
    predict_net: NetSource,
    init_net: "NetSource | None",
    inputs: Mapping[str, np.ndarray],
    *,
    outputs: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Run a Caffe2 net on the inputs, in float64, rounded once to float32 at the end.

    Args:
        predict_net: the net, as a path, bytes or a NetDef.
        init_net: the net that fills the parameters, likewise; None where there are none.
        inputs: arrays of numbers or booleans by blob name. A float64 array is a Caffe2 DOUBLE blob, and what is
            computed from it is returned as float64.
        outputs: the blobs wanted, any of the net; by default its external outputs.

    Returns:
        The wanted blobs by name: float32 for Caffe2 FLOAT, else the blob's own type; of an Int8 blob its values.

    Raises:
        ConvertError: a net cannot be read.
        ValidationError: an operator is not known (all of them are named, before anything is run); a blob or an
            argument is missing or does not fit.

    What each operator means was measured on the real Caffe2 (torch 1.10.2), to which the tests hold it.
    """
    return NetInterpreter(predict_net, init_net).run(inputs, outputs=outputs)


class NetInterpreter:
    """A net with its parameters, read once, run on as many inputs as wanted.

    Args:
        predict_net: the net, as a path, bytes or a NetDef.
        init_net: the net that fills the parameters, likewise; None where there are none.
        parameters: parameters by blob that are there already; their memory is read, never written.

    Raises:
        ConvertError: a net cannot be read.
        StoppedError: the init net takes longer than `runs_limited` allows.
        ValidationError: an operator is not known, or the init net cannot be run.
    """

    def __init__(
        self,
        predict_net: NetSource,
        init_net: "NetSource | None" = None,
        *,
        parameters: Mapping[str, np.ndarray] | None = None,
    ):
        net = without_training(read_net(predict_net))
        init = NetDef() if init_net is None else read_net(init_net)
        init, net = _without_unread(init, net)
        _refuse_unknown_operators(init, net)
        self._parameters = Workspace()
        for name, value in (parameters or {}).items():
            self._parameters.write(name, value, double=value.dtype == np.float64)
        self._name = net.name or "net"
        with _limited(init.name or "init net"):
            _execute(_plan(init, "init net operator"), self._parameters, keep=None)
        self._plan = _plan(net, "operator")
        self._external_inputs = set(net.external_input)
        self.output_names: tuple[str, ...] = tuple(dict.fromkeys(net.external_output))
        """The external outputs, each once."""
        self.input_names: tuple[str, ...] = tuple(
            name for name in self._needed(self.output_names) if name not in self._parameters
        )
        """The blobs that a run must be given."""
        self.computed = 0
        """How many numbers the operators wrote in the last run: a measure of its work."""

    def run(
        self,
        inputs: Mapping[str, np.ndarray],
        *,
        outputs: Sequence[str] | None = None,
        told: Callable[[int, int], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """Run the net.

        Args:
            inputs: arrays by blob name, one for each of `input_names` at least.
            outputs: the blobs wanted; by default the external outputs.
            told: called after each operator with how many are done, and how many there are.

        Returns:
            The wanted blobs by name, as `interpret` gives them.

        Raises:
            StoppedError: it takes longer than `runs_limited` allows; it stops before the next operator.
            ValidationError: an input is missing, unknown or does not fit.
        """
        wanted = self.output_names if outputs is None else tuple(outputs)
        if not wanted:
            raise ValidationError("the net declares no external output: name the blobs wanted")
        self._check_inputs(inputs, wanted)
        workspace = self._parameters.fork()
        for name, value in inputs.items():
            array = np.asarray(value)
            if array.dtype.kind not in "biuf":
                raise ValidationError(f"input {name!r} is of type {array.dtype}, expected numbers or booleans")
            workspace.write(name, array, double=array.dtype == np.float64)
        with _limited(self._name):
            _execute(self._plan, workspace, keep=wanted, told=told)
        absent = [name for name in wanted if name not in workspace]
        if absent:
            raise ValidationError(f"what the net writes into {_listed(absent)} is not computed")
        self.computed = workspace.written
        return {name: _rounded(workspace, name) for name in wanted}

    def _needed(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Blobs that are read before an operator has written them."""
        written: set[str] = set()
        needed: dict[str, None] = {}
        for op, _, _ in self._plan:
            needed.update((name, None) for name in op.inputs if name not in written)
            needed.update((name, None) for name in sorted(op.reads) if name not in written)
            written |= op.writes
        needed.update((name, None) for name in wanted if name not in written)
        return tuple(needed)

    def _check_inputs(self, inputs: Mapping[str, np.ndarray], wanted: Sequence[str]) -> None:
        missing = [name for name in self._needed(wanted) if name not in self._parameters and name not in inputs]
        if missing:
            raise ValidationError(f"no value for blob {_listed(missing)}: give it as an input, or in the init net")
        unknown = [name for name in inputs if name not in self._external_inputs and name not in self.input_names]
        if unknown:
            raise ValidationError(
                f"the net has no input {_listed(unknown)}; its inputs are {_listed(self.input_names)}"
            )


@contextmanager
def _limited(name: str) -> Iterator[None]:
    """Let a net run as long as a run may take here."""
    token = _CLOCK.set(Clock(run_limit()))
    try:
        yield
    except StoppedError as error:
        raise StoppedError(f"{name}: {error}") from error
    finally:
        _CLOCK.reset(token)


def _without_unread(init: NetDef, net: NetDef) -> tuple[NetDef, NetDef]:
    """Leave out operators of unknown types whose outputs nothing reads, random fills or statistics for instance.

    Where there are such operators, those of the init net that only they read go with them.
    """
    operators, first = [*init.op, *net.op], len(init.op)
    unknown = {place for place, op in enumerate(operators) if op.type not in KERNELS}
    if not unknown or not net.external_output:
        return init, net
    needed = needed_operators(operators, net.external_output, optional=unknown.union(range(first)))
    return (
        NetDef(name=init.name, op=[op for place, op in enumerate(init.op) if place in needed]),
        NetDef(
            name=net.name,
            op=[op for place, op in enumerate(net.op, first) if place in needed],
            external_input=net.external_input,
            external_output=net.external_output,
        ),
    )


def _refuse_unknown_operators(*nets: NetDef) -> None:
    unknown = sorted({op.type for net in nets for op in every_operator(net) if op.type not in KERNELS})
    if unknown:
        raise ValidationError(f"the interpreter does not know the Caffe2 operator {_listed(unknown)}")


def _plan(net: NetDef, where: str) -> Plan:
    known = KERNELS.entries()
    plan = [
        Step(
            Operator(definition, f"{where} {n}"),
            known[definition.type],
            {name: _plan(inner, f"{where} {n} {name} operator") for name, inner in nets_of(definition).items()},
        )
        for n, definition in enumerate(net.op)
    ]
    for (op, kernel, nets), definition in zip(plan, net.op, strict=True):
        if nets:
            op.run_net = partial(_run_apart, nets)
        if definition.engine.startswith("DNNLOWP"):
            raise op.error(f"engine {definition.engine!r} computes in integers of its own, which are not known")
        if not kernel.accepts(len(op.inputs)):
            raise op.error(f"cannot have {len(op.inputs)} inputs")
    return plan


def _execute(
    plan: Plan, workspace: Workspace, keep: Sequence[str] | None, told: Callable[[int, int], None] | None = None
) -> None:
    """Run the operators; blobs that are not to be kept are dropped after their last use (`keep=None` keeps all)."""
    touched = [] if keep is None else [step.op.reads | step.op.writes for step in plan]
    last_use = {name: n for n, names in enumerate(touched) for name in names}
    clock = _CLOCK.get()
    for n, (op, kernel, nets) in enumerate(plan):
        clock.left()
        results = _compute(op, kernel, workspace)
        if kernel.chooses:
            _execute(nets.get(str(results[0]), []), workspace, keep=None)
        elif kernel.shares:
            for name in op.outputs[:1]:
                workspace.share(op.inputs[0], name)
        else:
            for name, value in zip(op.outputs, results, strict=False):
                if value is not None:
                    workspace.write(name, value, double=op.double)
        if keep is not None:
            for name in touched[n].difference(keep):
                if last_use[name] == n:
                    workspace.drop(name)
        if told is not None:
            told(n + 1, len(plan))


def _run_apart(
    nets: Mapping[str, Plan], name: str, blobs: Mapping[str, Value], wanted: Sequence[str]
) -> Mapping[str, np.ndarray]:
    """Run a net on blobs of its own, and give plain tensors that there are then."""
    workspace = Workspace()
    for blob, value in blobs.items():
        workspace.write(blob, value)
    _execute(nets.get(name, []), workspace, keep=wanted)
    made = {blob: workspace[blob] for blob in wanted if blob in workspace}
    tensors = {blob: value for blob, value in made.items() if isinstance(value, np.ndarray)}
    if len(tensors) < len(wanted):
        raise ValidationError(f"its net {name!r} makes no plain tensor {_listed(set(wanted) - tensors.keys())}")
    return tensors


def _compute(op: Operator, kernel: Kernel, workspace: Workspace) -> Sequence:
    for name in op.inputs:
        if name not in workspace:
            raise op.error(f"its input blob {name!r} has no value")
    values = [workspace[name] for name in op.inputs]
    misfit = kernel.misfit(values)
    if misfit:
        raise op.error(f"its input {op.inputs[misfit[0]]!r} must be {misfit[1]}")
    op.double = any(map(workspace.is_double, op.inputs))
    try:
        with np.errstate(all="ignore"):
            result = _called(op, kernel, values)
    except (ValueError, LookupError, TypeError, ZeroDivisionError, OverflowError, MemoryError) as error:
        if isinstance(error, TypeError) and not any(map(_unusual, values)):
            raise
        shapes = ", ".join(
            f"{name!r} {getattr(value, 'shape', '')}" for name, value in zip(op.inputs, values, strict=True)
        )
        reason = " ".join(str(error).split())
        raise op.error(f"its inputs do not fit ({shapes or 'none'}): {reason}") from error
    # numpy gives numbers, not arrays, for reductions over everything.
    results = [
        np.asarray(value) if isinstance(value, np.generic) else value
        for value in (result if isinstance(result, tuple) else (result,))
    ]
    if len(results) < len(op.outputs) and not kernel.chooses:
        raise op.error(f"has {len(op.outputs)} outputs, at most {len(results)} are computed")
    return results


def _called(op: Operator, kernel: Kernel, values: Sequence[Value]) -> Any:
    if kernel.rows is not None and not op.double:
        pieces = in_pieces(partial(kernel.compute, op), values, every=kernel.rows == "all")
        if pieces is not None:
            return pieces
    return kernel.compute(op, *(values if kernel.raw else map(widen, values)))


def _unusual(value: Value) -> bool:
    """Whether numpy refuses a tensor by a TypeError in places: booleans in arithmetic, no dimension to count along."""
    return isinstance(value, np.ndarray) and (value.dtype == np.bool_ or value.ndim == 0)


def _rounded(workspace: Workspace, name: str) -> np.ndarray:
    value = workspace[name]
    if isinstance(value, QuantizedTensor):
        return value.values
    if value.dtype == np.float64 and not workspace.is_double(name):
        with np.errstate(over="ignore"):
            return value.astype(np.float32)
    # A copy: the value may be a parameter, or the caller's own input.
    return np.array(value, order="C")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
