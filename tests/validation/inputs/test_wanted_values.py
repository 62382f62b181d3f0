"""Random values reach what operators distinguish, and indices stay inside of what they index."""

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, parser

from zoosmith.validation import random_inputs, runner_for
from zoosmith.validation.inputs.random_values import InputShape
from zoosmith.validation.inputs.wanted_values import wanted_values

TABLE = "float[5,4] t = {" + ",".join(["0"] * 20) + "}"


def model(
    inputs: str, nodes: str, *, opset: int = 17, initializers: str = TABLE, output: str = "float[N] y"
) -> ModelProto:
    return parser.parse_model(
        f'<ir_version: 8, opset_import: ["": {opset}, "com.microsoft": 1]> g ({inputs}) => ({output}) '
        f"<{initializers}> {{ {nodes} }}"
    )


def ids(found: ModelProto, shape: Sequence[int] = (200,), name: str = "i") -> np.ndarray:
    return random_inputs(found, seed=1, shapes={name: InputShape(tuple(shape))})[name]


CHAINS = {
    "direct": "y = Gather <axis = 0> (t, i)",
    "cast": "c = Cast <to = 6> (i)  y = Gather <axis = 0> (t, c)",
    "shape": "a = Constant <value_ints = [0]> ()  u = Unsqueeze (i, a)  r = Identity (u)  y = Gather <axis = 0> (t, r)",
    "elements": "a = Constant <value_ints = [1]> ()  u = Unsqueeze (i, a)  y = GatherElements <axis = 0> (t, u)",
    "nd": "a = Constant <value_ints = [1]> ()  u = Unsqueeze (i, a)  y = GatherND (t, u)",
    "sliced": "s = Constant <value_ints=[0]> () e = Constant <value_ints=[9]> () p = Slice (i, s, e) y = Gather (t, p)",
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS.keys())
def test_indices_take_all_of_their_range_and_nothing_beyond(chain: str) -> None:
    assert sorted(set(ids(model("int64[N] i", chain)).tolist())) == list(range(-5, 5))


def test_before_opset_11_indices_do_not_count_from_the_end() -> None:
    found = ids(model("int64[N] i", CHAINS["direct"], opset=10))
    assert sorted(set(found.tolist())) == [0, 1, 2, 3, 4]


def test_a_shift_of_the_indices_is_taken_back() -> None:
    nodes = "o = Constant <value_int = 3> ()  s = Add (i, o)  y = Gather <axis = 0> (t, s)"
    assert sorted(set(ids(model("int64[N] i", nodes)).tolist())) == list(range(-8, 2))
    nodes = "o = Constant <value_int = 2> ()  s = Mul (i, o)  y = Gather <axis = 0> (t, s)"
    assert sorted(set(ids(model("int64[N] i", nodes)).tolist())) == [-2, -1, 0, 1, 2]


def test_the_axis_counts_and_the_size_may_be_an_inputs_own() -> None:
    assert set(ids(model("int64[N] i", "y = Gather <axis = 1> (t, i)")).tolist()) == {-4, -3, -2, -1, 0, 1, 2, 3}
    moving = model("float[M,2] x, int64[N] i", "r = Relu (x)  y = Gather <axis = 0> (r, i)", initializers="")
    made = random_inputs(moving, seed=1, shapes={"x": InputShape((3, 2)), "i": InputShape((200,))})
    assert set(made["i"].tolist()) == {-3, -2, -1, 0, 1, 2}


def test_indices_in_functions_and_subgraphs_are_found() -> None:
    branch = helper.make_graph(
        [helper.make_node("Gather", ["t", "i"], ["b"])], "then", [], [helper.make_tensor_value_info("b", 1, None)]
    )
    found = model("bool c, int64[N] i", "y = Identity (t)")
    found.graph.node[0].CopyFrom(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))
    assert set(ids(found).tolist()) == set(range(-5, 5))
    function = parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17, "own": 1]> g (int64[N] i) => (float[N,4] y) '
        f"<{TABLE}> {{ y = own.Embed (t, i) }} "
        '<domain: "own", opset_import: ["": 17]> Embed (table, place) => (row) { row = Gather (table, place) }'
    )
    assert set(ids(function).tolist()) == set(range(-5, 5))


def test_indices_that_come_as_floats_stay_inside_too() -> None:
    nodes = "c = Cast <to = 7> (i)  y = Gather <axis = 0> (t, c)"
    made = ids(model("float[N] i", nodes))
    assert made.dtype == np.float32 and made.min() >= -5 and made.max() <= 4 and np.ptp(made) > 8


def test_scatters_and_one_hots_run_on_what_is_made() -> None:
    scatter = model("int64[N,1] i, float[N,4] u", "y = ScatterND (t, i, u)", output="float[5,4] y")
    one_hot = model(
        "int64[N] i", "y = OneHot (i, d, v)", initializers="int64 d = {3}, float[2] v = {0, 1}", output="float[N,3] y"
    )
    for found, shapes in ((scatter, {"i": (7, 1), "u": (7, 4)}), (one_hot, {"i": (50,)})):
        for seed in range(3):
            made = random_inputs(found, seed=seed, shapes={n: InputShape(s) for n, s in shapes.items()})
            runner_for(found).run(made)
    assert set(ids(one_hot).tolist()) == {-3, -2, -1, 0, 1, 2}


def test_an_integer_divisor_is_never_0() -> None:
    assert ids(model("int64[N] i", "o = Constant <value_int = 7> ()  y = Div (o, i)", output="int64[N] y")).min() == 1


def test_integers_that_index_nothing_are_what_they_were() -> None:
    plain = model("int64[N] i", "y = Neg (i)", output="int64[N] y")
    assert set(ids(plain).tolist()) == set(range(10))


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ("y = Round (x)", {-1.5, -0.5, 0.5, 1.5, 2.5}),
        ("y = HardSwish (x)", {-4, -3, 3, 4}),
        ("y = ThresholdedRelu <alpha = 2.0> (x)", {1, 2, 3}),
        ("c = Identity (x)  y = HardSigmoid <alpha = 0.5, beta = 0.5> (c)", {-2, -1, 1, 2}),
        (
            "l = Constant <value_float = -3.0> ()  h = Constant <value_float = 6.0> ()  y = Clip (x, l, h)",
            {-4, -3, 6, 7},
        ),
        ("o = Constant <value_float = 1.0> ()  s = Add (x, o)  y = HardSwish (s)", {-5, -4, 2, 3}),
    ],
)
def test_corners_are_among_the_values(nodes: str, expected: set[float]) -> None:
    found = model("float[N] x", nodes, initializers="")
    made = random_inputs(found, seed=0, shapes={"x": InputShape((4000,))}, manner="corners")["x"]
    assert expected <= set(made.tolist())
    assert made.min() < -3.5 and made.max() > 3.5
    plain = random_inputs(found, seed=0, shapes={"x": InputShape((4000,))})["x"]
    assert np.abs(plain).max() < 1


def test_grids_leave_the_image() -> None:
    found = model("float[1,1,4,4] x, float[1,9,9,2] g", "y = GridSample (x, g)", initializers="")
    grid = random_inputs(found, seed=0, manner="corners")["g"]
    assert {-2.0, -1.0, 1.0, 2.0} <= set(grid.reshape(-1).tolist())


def test_small_integers_are_0_and_1() -> None:
    plain = model("int64[N] i", "y = Neg (i)", output="int64[N] y")
    made = random_inputs(plain, seed=0, shapes={"i": InputShape((50,))}, manner="small")["i"]
    assert set(made.tolist()) == {0, 1}


def test_large_tensors_need_not_be_at_hand() -> None:
    found = model("int64[N] i", CHAINS["direct"])
    del found.graph.initializer[:]
    table = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[7, 4], data_location=TensorProto.EXTERNAL)
    table.external_data.add(key="location", value="nowhere")
    found.graph.initializer.append(table)
    assert wanted_values(found, {"i": (3,)})["i"].high == 6
    assert onnx.external_data_helper.uses_external_data(found.graph.initializer[0])
