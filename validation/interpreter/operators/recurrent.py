"""Recurrent cells, and the network that runs one for each step of a sequence."""

from collections.abc import Sequence

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _cut(op: Operator, gates: np.ndarray, state: np.ndarray, count: int) -> Sequence[np.ndarray]:
    if state.ndim != 3 or state.shape[0] != 1 or gates.shape != (*state.shape[:2], count * state.shape[2]):
        raise op.error(
            f"gates {gates.shape} and state {state.shape} do not fit: expected (1, n, {count} d) and (1, n, d)"
        )
    return np.split(gates, count, axis=2)


def _running(op: Operator, rest: Sequence[np.ndarray]) -> np.ndarray:
    """Which sequences (1, n, 1) still run at this step."""
    if not op.flag("sequence_lengths", True):
        return np.ones((1, 1, 1), np.bool_)
    if len(rest) != 2:
        raise op.error("it lacks the lengths of the sequences, which argument sequence_lengths asks for")
    lengths, step = rest
    return (step.reshape(-1)[0] < lengths).reshape(1, -1, 1)


def _next(op: Operator, running: np.ndarray, after: np.ndarray, before: np.ndarray) -> np.ndarray:
    return np.where(running, after, 0.0 if op.flag("drop_states") else before)


@operator("LSTMUnit")
def lstm_unit(
    op: Operator, hidden: np.ndarray, cell: np.ndarray, gates: np.ndarray, *rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Hidden state and cell (1, n, d), gates (1, n, 4 d), lengths (n), step (1): both states after the step."""
    into, forget, out, content = _cut(op, gates, cell, 4)
    kept = _sigmoid(forget + op.number("forget_bias", 0.0)) * cell + _sigmoid(into) * np.tanh(content)
    running = _running(op, rest)
    return _next(op, running, _sigmoid(out) * np.tanh(kept), hidden), _next(op, running, kept, cell)


@operator("GRUUnit")
def gru_unit(op: Operator, hidden: np.ndarray, gates: np.ndarray, *rest: np.ndarray) -> np.ndarray:
    """Hidden state (1, n, d), gates (1, n, 3 d), lengths (n), step (1): the state after the step."""
    _, update, content = _cut(op, gates, hidden, 3)
    share = _sigmoid(update)
    return _next(op, _running(op, rest), share * hidden + (1 - share) * np.tanh(content), hidden)


@operator("ZeroGradient")
def zero_gradient(op: Operator, x: np.ndarray) -> tuple[()]:
    """Nothing: it matters to a training alone."""
    return ()


@operator("RecurrentNetwork")
def recurrent_network(op: Operator, sequence: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray | None, ...]:
    """Sequences (t, n, …), initial states and parameters: the states of all steps that the aliases ask for."""
    blobs = dict(zip(op.inputs, (sequence, *others), strict=True))
    steps, batch = sequence.shape[:2]
    if any(window != 1 for window in op.integers("link_window")):
        raise op.error("it links more than one step at a time")
    histories: dict[str, list[np.ndarray]] = {}
    for name, place in zip(op.texts("recurrent_states"), op.integers("initial_recurrent_state_ids"), strict=True):
        initial = blobs[op.inputs[place]]
        if initial.ndim == 3 and len(initial) != 1:
            raise op.error(f"its initial state {op.inputs[place]!r} {initial.shape} is of several steps")
        histories[name] = [np.broadcast_to(initial, (1, batch, initial.shape[-1]))]
    links = list(zip(op.texts("link_internal"), op.texts("link_external"), op.integers("link_offset"), strict=True))
    for step in range(steps):
        given = dict(blobs)
        if op.has("timestep"):
            given[op.text("timestep")] = np.array([step], np.int32)
        for inner, outer, offset in links:
            if outer not in histories:
                given[inner] = blobs[outer][step + offset : step + offset + 1]
            elif offset == 0:
                given[inner] = histories[outer][step]
        after = {inner: outer for inner, outer, offset in links if outer in histories and offset == 1}
        for inner, value in op.run_net("step_net", given, list(after)).items():
            histories[after[inner]].append(value)
    whole = {name: np.concatenate(parts) for name, parts in histories.items()}
    aliases = zip(op.texts("alias_src"), op.texts("alias_dst"), op.integers("alias_offset"), strict=True)
    results = {target: whole[source][offset:] for source, target, offset in aliases}
    return tuple(results.get(name) for name in op.outputs)
