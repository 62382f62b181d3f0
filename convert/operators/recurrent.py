"""Recurrent cells, and the network that runs a cell once for each time step, as an ONNX Loop."""

from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import cast, reshape, split, squeeze, unsqueeze
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.boxes import plus, size_of
from zoosmith.convert.registry import at_least, translator


@translator("LSTMUnit", inputs=(4, 5))
def lstm_unit(op: Operator) -> None:
    """LSTMUnit: the states (1, n, d) after a step, of gates (1, n, 4 d): input, forget, output and new content."""
    hidden, cell, gates = op.inputs[:3]
    enter, forget, leave, content = _gates(op, cell, gates, 4)
    forget = op.emit("Sigmoid", plus(op, forget, op.number("forget_bias")))
    entering = op.emit("Mul", op.emit("Sigmoid", enter), op.emit("Tanh", content))
    next_cell = op.emit("Add", op.emit("Mul", forget, cell), entering)
    next_hidden = op.emit("Mul", op.emit("Sigmoid", leave), op.emit("Tanh", next_cell))
    _within_length(op, [(hidden, next_hidden), (cell, next_cell)])


@translator("GRUUnit", inputs=(3, 4))
def gru_unit(op: Operator) -> None:
    """GRUUnit: the state (1, n, d) after a step, of gates (1, n, 3 d): reset, which is done with, update and output."""
    hidden, gates = op.inputs[:2]
    _, update, output = _gates(op, hidden, gates, 3)
    keep = op.emit("Sigmoid", update)
    content = op.emit("Tanh", output)
    fresh = op.emit("Mul", content, op.emit("Sub", op.constant(np.array(1, np.float32)), keep))
    _within_length(op, [(hidden, op.emit("Add", op.emit("Mul", hidden, keep), fresh))])


def _gates(op: Operator, state: Value, gates: Value, count: int) -> list[Value]:
    op.expect_rank(state, 3, "the state")
    (size,) = op.sizes_from(state, 2)
    op.expect_shape(state, [1, None, None], "the state")
    op.expect_shape(gates, [1, op.shape(state)[1], count * size], "the gates")
    return split(op, gates, 2, [size] * count, [None] * count)


def _within_length(op: Operator, states: list[tuple[Value, Value]]) -> None:
    """Write the next states; sequences that have ended keep theirs, or drop it to zero."""
    if not op.flag("sequence_lengths", True):
        for index, (_, following) in enumerate(states):
            op.bind(index, following)
        return
    if len(op.inputs) != len(states) + 3:
        op.refuse(f"it has {len(op.inputs)} inputs, expected {len(states) + 3} with the lengths of the sequences")
    op.require(9, "ONNX has had Where since then")
    lengths, step = op.inputs[-2:]
    running = unsqueeze(op, op.emit("Less", step, lengths), [0, 2])
    for index, (before, following) in enumerate(states):
        ended = op.constant(np.array(0, np.float32)) if op.flag("drop_states") else before
        op.emit("Where", running, following, ended, to=index, like=before)


@translator("ZeroGradient", fewest_outputs=0)
def zero_gradient(op: Operator) -> None:
    """ZeroGradient has no outputs: it ends the gradient of unrolled cells."""


class _Link(NamedTuple):
    """A blob of the step net, the blob of the network that it is a step of, and how many steps later."""

    inner: str
    outer: str
    offset: int


class _State(NamedTuple):
    """A recurrent state: its blob, its blobs in the step net before and after a step, its initial value (1, n, d)."""

    name: str
    before: str
    after: str
    initial: Value


@translator("RecurrentNetwork", since=7, inputs=at_least(1))
def recurrent_network(op: Operator) -> None:
    """RecurrentNetwork: a Loop over the first dimension of the sequences, with the step net as its body."""
    blobs = dict(zip(op.definition.input, op.inputs, strict=True))
    links = _links(op)
    states = _states(op, links)
    names = [state.name for state in states]
    body = op.graph.body("step")
    inside = op.inside(body)
    turn = body.input(op.reserve_name(), TensorProto.INT64, ())
    go = body.input(op.reserve_name(), TensorProto.BOOL, ())
    before = [body.input(op.reserve_name(), x.initial.elem_type, op.shape(x.initial)) for x in states]
    for value in (turn, go, *before):
        value.describe_in(body.proto.input)
    given = {**blobs, **{state.before: value for state, value in zip(states, before, strict=True)}}
    for link in links:
        if link.outer in names:
            continue
        if link.offset or link.outer not in blobs:
            op.refuse(f"its step net links {link.inner!r} to {link.outer!r} with offset {link.offset}, no input of it")
        given[link.inner] = unsqueeze(inside, inside.emit("Gather", blobs[link.outer], turn, axis=0), [0])
    if op.has("timestep"):
        given[op.text("timestep")] = cast(inside, reshape(inside, turn, [1]), TensorProto.INT32)
    read = op.translate_net(op.net("step_net"), given, body)
    after = [read(state.after) for state in states]
    for state, value in zip(states, after, strict=True):
        op.expect_shape(value, op.shape(state.initial), f"what a step makes of {state.name!r},")
    steps = [squeeze(inside, value, [0]) for value in after]
    body.close([go, *after, *steps], [op.reserve_name() for _ in range(1 + 2 * len(states))])
    made = op.emit_many(
        "Loop",
        [size_of(op, op.inputs[0], 0), op.constant(np.array(True)), *(state.initial for state in states)],
        [None] * (2 * len(states)),
        body=body.proto,
    )
    for last, every, state in zip(made, made[len(states) :], states, strict=False):
        elem_type, (_, *sizes) = state.initial.elem_type, op.shape(state.initial)
        last.set_type(elem_type, (1, *sizes))
        every.set_type(elem_type, (op.shape(op.inputs[0])[0], *sizes))
    _bind_aliases(op, states, made)


def _texts(op: Operator, name: str) -> list[str]:
    """Read a list of blob names."""
    argument = op.argument(name)
    return [text.decode(errors="replace") for text in argument.strings] if argument is not None else []


def _links(op: Operator) -> list[_Link]:
    if any(size != 1 for size in op.integers("link_window")):
        op.refuse(f"argument link_window={op.integers('link_window')}: expected one step each")
    lists = _texts(op, "link_internal"), _texts(op, "link_external"), op.integers("link_offset")
    if len({len(part) for part in lists}) != 1:
        op.refuse(f"it has {', '.join(str(len(part)) for part in lists)} inner blobs, outer blobs and offsets of links")
    return [_Link(*link) for link in zip(*lists, strict=True)]


def _states(op: Operator, links: list[_Link]) -> list[_State]:
    names, places = _texts(op, "recurrent_states"), op.integers("initial_recurrent_state_ids")
    if not names or len(places) != len(names) or not all(0 <= place < len(op.inputs) for place in places):
        op.refuse(
            f"initial_recurrent_state_ids={places} of {len(op.inputs)} inputs: expected one for each state, {names}"
        )
    if op.rank(op.inputs[0]) < 2:
        op.refuse(
            f"the sequence {op.inputs[0].name!r} has {op.rank(op.inputs[0])} dimensions, expected steps and a batch"
        )
    states = []
    for name, place in zip(names, places, strict=True):
        inner = {offset: [link.inner for link in links if link[1:] == (name, offset)] for offset in (0, 1)}
        if [len(found) for found in inner.values()] != [1, 1] or sum(link.outer == name for link in links) != 2:
            op.refuse(f"the links of its state {name!r} are not one blob before a step and one after it")
        states.append(_State(name, inner[0][0], inner[1][0], _initial(op, op.inputs[place])))
    return states


def _initial(op: Operator, value: Value) -> Value:
    """Give an initial state its dimensions (1, n, d): (d) is the same for each sequence, (n, d) lacks the step."""
    rank, batch = op.rank(value), op.shape(op.inputs[0])[1]
    (size,) = op.sizes_from(value, rank - 1)
    if rank == 3:
        op.expect_shape(value, [1, batch, size], "the initial state")
        return value
    if rank == 2:
        op.expect_shape(value, [batch, size], "the initial state")
        return unsqueeze(op, value, [0])
    if rank != 1:
        op.refuse(f"the initial state {value.name!r} has {rank} dimensions, expected 1 to 3")
    parts = [reshape(op, part, [1]) for part in (size_of(op, op.inputs[0], 1), size_of(op, value, 0))]
    made = op.emit("Expand", value, op.emit("Concat", op.int64s(1), *parts, axis=0))
    made.set_type(value.elem_type, (1, batch, size))
    return made


def _bind_aliases(op: Operator, states: list[_State], made: list[Value]) -> None:
    """Make the states of all steps, or of the last one, the outputs that stand for them."""
    places = {state.name: n for n, state in enumerate(states)}
    sources, targets, offsets = _texts(op, "alias_src"), _texts(op, "alias_dst"), op.integers("alias_offset")
    if not len(sources) == len(targets) == len(offsets):
        op.refuse(
            f"it has {len(sources)} alias_src, {len(targets)} alias_dst and {len(offsets)} alias_offset: expected as "
            "many of each"
        )
    outputs = list(op.definition.output)
    for source, target, offset in zip(sources, targets, offsets, strict=True):
        if target not in outputs:
            continue
        if source not in places or offset not in {0, 1, -1}:
            op.refuse(f"its output {target!r} is {source!r} from step {offset} on: expected a state from 0, 1 or -1 on")
        last, every = made[places[source]], made[len(states) + places[source]]
        if offset == 0:
            op.emit("Concat", states[places[source]].initial, every, to=outputs.index(target), axis=0)
        else:
            op.bind(outputs.index(target), last if offset == -1 else every)
