"""Recurrent cells and networks, as `caffe2/python/rnn_cell.py` and `gru_cell.py` write them."""

import numpy as np

from tests.caffe2_cases.case import Data, OperatorCase, case
from tests.validation.caffe2_nets import add_argument, net_of
from zoosmith.convert.proto.caffe2_pb2 import NetDef

DATA = Data(25)
STEPS, BATCH, SIZE = 5, 3, 2
STATE = (1, BATCH, SIZE)
LENGTHS = np.int32([0, 1, 2])
STEP = np.int32([1])

LSTM = net_of(
    ("FC", "hidden_prev w b", "gates", {"axis": 2}),
    ("Sum", "gates input_t", "gates"),
    ("LSTMUnit", "hidden_prev cell_prev gates lengths timestep", "hidden cell", {"forget_bias": 0.5}),
    inputs="input_t timestep hidden_prev cell_prev w b lengths",
    outputs="hidden cell",
)
GRU = net_of(
    ("Split", "input_t", "in_reset in_update in_output", {"axis": 2}),
    ("FC", "hidden_prev reset_w reset_b", "reset", {"axis": 2}),
    ("FC", "hidden_prev update_w update_b", "update", {"axis": 2}),
    ("Sum", "reset in_reset", "reset"),
    ("Sigmoid", "reset", "reset_share"),
    ("Mul", "reset_share hidden_prev", "remembered"),
    ("FC", "remembered output_w output_b", "output", {"axis": 2}),
    ("Sum", "update in_update", "update"),
    ("Sum", "output in_output", "output_sum"),
    ("Concat", "reset update output_sum", "gates dims", {"axis": 2}),
    ("GRUUnit", "hidden_prev gates lengths timestep", "hidden", {"drop_states": 1}),
    inputs="input_t timestep hidden_prev reset_w reset_b update_w update_b output_w output_b lengths",
    outputs="hidden",
)
PLAIN = net_of(
    ("FC", "hidden_prev w b", "moved", {"axis": 2}),
    ("Sum", "moved input_t", "moved"),
    ("Tanh", "moved", "hidden"),
    inputs="input_t timestep hidden_prev w b",
    outputs="hidden",
)


def network(label: str, cell: NetDef, states: dict[str, str], inputs: dict[str, np.ndarray]) -> OperatorCase:
    """A RecurrentNetwork over `x` (steps, batch, …).

    Args:
        label: what the case is about.
        cell: the step net; it reads the state `s` as `s_prev`.
        states: the initial value's blob of each state.
        inputs: data and parameters.
    """
    outputs = [f"{state}_{part}" for state in states for part in ("all", "last")]
    net = net_of(("RecurrentNetwork", " ".join(inputs), f"{' '.join(outputs)} scratch"), inputs=" ".join(inputs))
    net.external_output[:] = outputs
    op = net.op[0]
    for name, value in {
        "alias_src": [f"{state}_states" for state in states for _ in range(2)],
        "alias_dst": outputs,
        "alias_offset": [1, -1] * len(states),
        "recurrent_states": [f"{state}_states" for state in states],
        "initial_recurrent_state_ids": [list(inputs).index(blob) for blob in states.values()],
        "link_internal": [*(f"{state}{end}" for state in states for end in ("_prev", "")), "input_t"],
        "link_external": [*(f"{state}_states" for state in states for _ in range(2)), "x"],
        "link_offset": [*[0, 1] * len(states), 0],
        "timestep": "timestep",
    }.items():
        add_argument(op, name, value)
    step = op.arg.add(name="step_net").n
    step.CopyFrom(cell)
    step.name, step.type = f"{label} step", "simple"
    return OperatorCase("RecurrentNetwork", net, inputs, label=f"RecurrentNetwork {label}")


def parameters(*names: str) -> dict[str, np.ndarray]:
    """Weights (2, 2) and biases (2) of square FC operators."""
    return {name: DATA.floats(SIZE, SIZE) if name.endswith("w") else DATA.floats(SIZE) for name in names}


SEQUENCE_ENDS = {"lengths": np.int32([5, 3, 1])}

CASES = [
    case(
        "LSTMUnit", *(DATA.floats(*STATE) for _ in range(2)), DATA.floats(1, BATCH, 4 * SIZE), LENGTHS, STEP, outputs=2
    ),
    case(
        "LSTMUnit",
        *(DATA.floats(*STATE) for _ in range(2)),
        DATA.floats(1, BATCH, 4 * SIZE),
        LENGTHS,
        STEP,
        outputs=2,
        drop_states=1,
        forget_bias=1.5,
    ),
    case(
        "LSTMUnit",
        *(DATA.floats(*STATE) for _ in range(2)),
        DATA.floats(1, BATCH, 4 * SIZE),
        STEP,
        outputs=2,
        sequence_lengths=0,
    ),
    case("GRUUnit", DATA.floats(*STATE), DATA.floats(1, BATCH, 3 * SIZE), LENGTHS, STEP),
    case("GRUUnit", DATA.floats(*STATE), DATA.floats(1, BATCH, 3 * SIZE), LENGTHS, STEP, drop_states=1),
    case("GRUUnit", DATA.floats(*STATE), DATA.floats(1, BATCH, 3 * SIZE), STEP, sequence_lengths=0),
    network(
        "LSTM",
        LSTM,
        {"hidden": "h0", "cell": "c0"},
        {
            "x": DATA.floats(STEPS, BATCH, 4 * SIZE),
            "h0": DATA.floats(*STATE),
            "c0": DATA.floats(*STATE),
            "w": DATA.floats(4 * SIZE, SIZE),
            "b": DATA.floats(4 * SIZE),
            **SEQUENCE_ENDS,
        },
    ),
    network(
        "GRU of one initial state for all sequences",
        GRU,
        {"hidden": "h0"},
        {
            "x": DATA.floats(STEPS, BATCH, 3 * SIZE),
            "h0": DATA.floats(SIZE),
            **parameters("reset_w", "reset_b", "update_w", "update_b", "output_w", "output_b"),
            **SEQUENCE_ENDS,
        },
    ),
    network(
        "of a plain cell",
        PLAIN,
        {"hidden": "h0"},
        {"x": DATA.floats(STEPS, BATCH, SIZE), "h0": DATA.floats(BATCH, SIZE), **parameters("w", "b")},
    ),
    network(
        "of one step",
        PLAIN,
        {"hidden": "h0"},
        {"x": DATA.floats(1, BATCH, SIZE), "h0": DATA.floats(*STATE), **parameters("w", "b")},
    ),
    OperatorCase("ZeroGradient", net_of(("ZeroGradient", "x", ""), ("Relu", "x", "y")), {"x": DATA.floats(2, 3)}),
]
