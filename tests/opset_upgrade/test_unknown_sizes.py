"""Operators between values of sizes known at run time only, below the opset that brought them or what they do."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from tests.opset_upgrade.node_cases import assert_same
from tests.opset_upgrade.nodes import OLD_ONNX_RUNTIME, Constant, node_model
from zoosmith.onnx_model.ports import required_inputs
from zoosmith.opset_upgrade import OpsetError, convert_version
from zoosmith.validation.running.choice import runner_for

R = np.random.RandomState(0)
FREE_RANGE = (10, 9, 7)


def _values(*shape: int) -> np.ndarray:
    return R.standard_normal(shape).astype(np.float32)


def _model(operator: str, opset: int, *inputs: Any, kept: Sequence[Sequence[int]] = (), **how: Any) -> Any:
    """A node between ports whose dimensions are symbols, but for the axes `kept` of each input."""
    model, feeds = node_model(operator, opset, *inputs, **how)
    for place, port in enumerate(model.graph.input):
        shape = port.type.tensor_type.shape
        for axis, dimension in enumerate(shape.dim):
            if place >= len(kept) or axis not in [k % len(shape.dim) for k in kept[place]]:
                dimension.dim_param = f"{port.name}_{axis}"
    for port in model.graph.output:
        for dimension in port.type.tensor_type.shape.dim:
            dimension.Clear()
    return model, feeds


def _assert_lowers(model: ModelProto, data: Sequence[dict[str, np.ndarray]], *targets: int) -> None:
    for target in targets:
        lowered = convert_version(model, target)
        checker.check_model(lowered, full_check=True)
        names = [port.name for port in required_inputs(lowered.graph)]
        for feeds in data:
            expected = runner_for(model).run(feeds)
            actual = runner_for(lowered).run(dict(zip(names, feeds.values(), strict=True)))
            for name, value in expected.items():
                assert_same(value, actual[name])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_elements_are_gathered_along_an_axis(axis: int) -> None:
    model, feeds = _model("GatherElements", 13, _values(3, 4, 5), R.randint(-3, 3, (2, 3, 4)), axis=axis)
    other = {"x0": _values(4, 3, 6), "x1": R.randint(0, 3, (1, 3, 2))}
    _assert_lowers(model, [feeds, other], *FREE_RANGE)


@pytest.mark.parametrize(("batch", "depth"), [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1)])
def test_slices_are_gathered_by_rows_of_indices(batch: int, depth: int) -> None:
    data, rows = _values(2, 3, 4, 5), R.randint(-3, 3, (2, 3, 2, depth))
    rows[..., : max(1 - batch, 0)] %= 2
    model, feeds = _model("GatherND", 13, data, rows, kept=[[], [-1]], batch_dims=batch)
    _assert_lowers(model, [feeds], *(FREE_RANGE if batch else (11, 10, 9, 7)))


@pytest.mark.parametrize("how", [{}, {"reverse": 1}, {"exclusive": 1}, {"reverse": 1, "exclusive": 1}])
def test_sums_run_along_an_axis_of_any_length(how: dict[str, int]) -> None:
    data = _values(3, 4, 5)
    data[1, 2, 3] = np.inf
    for axis in (0, 1, -1):
        model, feeds = _model("CumSum", 14, data, Constant(axis), **how)
        _assert_lowers(model, [feeds, {"x0": _values(1, 1, 7)}], 10, 9)


@pytest.mark.parametrize("axis", [0, 1])
def test_elements_are_scattered_along_an_axis(axis: int) -> None:
    rows = np.array([[0, -1], [1, 0]])
    model, feeds = _model("ScatterElements", 13, _values(2, 3), rows, _values(2, 2), axis=axis)
    _assert_lowers(model, [feeds], 10, 9)


@pytest.mark.parametrize("depth", [1, 2])
def test_slices_are_scattered_by_rows_of_indices(depth: int) -> None:
    rows = np.array([[0, 1], [-1, -2], [1, 1]])[:, :depth]
    updates = _values(3, *(4, 5)[depth - 1 :])
    model, feeds = _model("ScatterND", 13, _values(4, 4, 5), rows, updates, kept=[[], [-1]])
    _assert_lowers(model, [feeds], 10, 9)


@pytest.mark.parametrize("reduction", ["add", "mul", "max", "min"])
@pytest.mark.parametrize("axis", [0, 1])
def test_scattered_elements_are_reduced(reduction: str, axis: int) -> None:
    data, updates = _values(3, 4), _values(2, 3)
    updates[0, 0] = np.inf
    model, feeds = _model(
        "ScatterElements", 18, data, R.randint(-3, 3, (2, 3)), updates, axis=axis, reduction=reduction
    )
    other = {"x0": _values(5, 5), "x1": np.zeros((3, 2), np.int64), "x2": _values(3, 2)}
    _assert_lowers(model, [feeds, other], 17, 15, 11)


@pytest.mark.parametrize("reduction", ["add", "max"])
def test_scattered_slices_are_reduced(reduction: str) -> None:
    rows = np.array([[[0], [-1]], [[2], [0]]])
    model, feeds = _model("ScatterND", 18, _values(3, 4), rows, _values(2, 2, 4), kept=[[], [-1]], reduction=reduction)
    _assert_lowers(model, [feeds], 17, 15, 11)


@pytest.mark.parametrize(("edges", "other"), [("E", 1), (5, 1), ("E", 4)])
def test_rows_of_indices_that_an_expand_repeats_are_compared_once(edges: Any, other: int) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["u"], ["s"]),
            helper.make_node("Expand", ["i", "s"], ["rows"]),
            helper.make_node("ScatterElements", ["d", "rows", "u"], ["y"], axis=0, reduction="add"),
        ],
        "g",
        [
            helper.make_tensor_value_info("d", 1, ["N", "F"]),
            helper.make_tensor_value_info("i", 7, [edges, other]),
            helper.make_tensor_value_info("u", 1, [edges, "F"]),
        ],
        [helper.make_tensor_value_info("y", 1, ["N", "F"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    data = {"d": _values(3, 4), "i": np.array([[1], [0], [-2], [1], [1]]).repeat(other, 1), "u": _values(5, 4)}
    cases = [data]
    if edges == "E":
        cases.append({"d": _values(3, 4), "i": data["i"][:1], "u": _values(5, 4)})
    _assert_lowers(model, cases, 17, 15, 11)


@pytest.mark.parametrize("batch_axis", [0, 1])
def test_sequences_are_reversed_up_to_their_lengths(batch_axis: int) -> None:
    data = _values(3, 4, 2)
    shortest = 1 if OLD_ONNX_RUNTIME else 0  # of a sequence of length 0, the old one leaves the output unwritten
    lengths = np.array([1, 4, shortest] if batch_axis == 0 else [3, 1, 2, shortest])
    how = {"batch_axis": batch_axis, "time_axis": 1 - batch_axis}
    _assert_lowers(*_fixed(node_model("ReverseSequence", 10, data, lengths, **how)), 9)
    model, feeds = _model("ReverseSequence", 10, data, lengths, **how)
    _assert_lowers(model, [feeds], *(target for target in FREE_RANGE if target < 10))


def _fixed(made: Any) -> Any:
    model, feeds = made
    return model, [feeds]


@pytest.mark.parametrize(("kernel", "refused"), [(3, False), (2, True)])
def test_a_pool_that_rounds_up_needs_its_size_only_where_a_window_could_start_in_the_padding(
    kernel: int, refused: bool
) -> None:
    how = {"kernel_shape": [kernel] * 2, "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}
    model = _pool(**how)
    if refused:
        with pytest.raises(OpsetError, match="AveragePool"):
            convert_version(model, 21)
    else:
        (node,) = convert_version(model, 21).graph.node
        assert node.op_type == "AveragePool"


def _pool(**how: Any) -> ModelProto:
    """An AveragePool of images of any size."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, "h", "w"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("AveragePool", ["x"], ["y"], **how)], "g", ports[:1], ports[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)


def test_indices_of_unknown_depth_are_refused_by_name() -> None:
    model, _ = _model("GatherND", 13, _values(3, 4), np.array([[0, 1]]))
    with pytest.raises(OpsetError, match="size -1 of 'x1' is not fixed, and it tells how many axes they name"):
        convert_version(model, 10)


_FAR = np.iinfo(np.int64).max


@pytest.mark.parametrize(
    ("starts", "ends", "steps"),
    [
        ([0, 1], [2, 3], None),
        ([-2, -9], [-1, _FAR], None),
        ([1, 9], [-9, 2], None),
        ([0, 1], [_FAR, _FAR], [2, 3]),
        ([_FAR, -1], [-_FAR, 1], [-1, -2]),
        ([3, 2], [0, -9], [-3, -2]),
    ],
)
@pytest.mark.parametrize("known", ["none", "starts", "ends", "all"])
def test_a_slice_takes_what_its_bounds_tell(starts: list[int], ends: list[int], steps: Any, known: str) -> None:
    first, last = (
        Constant(bound) if known in (name, "all") else np.array(bound)
        for name, bound in (("starts", starts), ("ends", ends))
    )
    how = [Constant([-1, 0])] + ([] if steps is None else [Constant(steps)])
    model, feeds = _model("Slice", 13, _values(4, 5), first, last, *how, kept=[[], [0], [0]])
    others = [{**feeds, "x0": _values(*shape)} for shape in ((1, 1), (7, 2), (2, 9))]
    _assert_lowers(model, [feeds, *others], *(FREE_RANGE if known != "all" or steps else (9, 7)))


@pytest.mark.parametrize("operator", ["Max", "Min", "Sum", "Mean"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_operands_are_repeated_to_one_shape(operator: str, kind: Any) -> None:
    wide, narrow = _values(2, 3, 4).astype(kind), _values(3, 1).astype(kind)
    wide[0, 0, 0], narrow[1], narrow[2] = np.nan, np.inf, -np.inf
    if kind == np.float64 and operator in ("Max", "Min"):  # the choice of doubles takes fixed sizes there
        _assert_lowers(*_fixed(node_model(operator, 12, wide, narrow, wide[:1])), 11, 8, 7)
        return
    model, feeds = _model(operator, 12, wide, narrow, wide[:1])
    _assert_lowers(model, [feeds], 11, 8, 7)
    model, feeds = _model(operator, 12, narrow, Constant(0.5, kind))
    _assert_lowers(model, [feeds, {"x0": np.array([[-0.0]], kind)}], 11, 8, 7)
    model, feeds = _model(operator, 12, wide, Constant([0.5], kind), Constant(0.1, kind))
    _assert_lowers(model, [feeds], 11, 8, 7)


def test_bools_are_chosen_by_their_conjunctions() -> None:
    chosen, yes, no = (R.randint(0, 2, shape).astype(bool) for shape in ((2, 3), (3,), (2, 1)))
    graph = helper.make_graph(
        [helper.make_node("Where", ["c", "a", "b"], ["y"])],
        "g",
        [helper.make_tensor_value_info(name, 9, ["N", "M"][-rank:]) for name, rank in (("c", 2), ("a", 1), ("b", 2))],
        [helper.make_tensor_value_info("y", 9, ["N", "M"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    for target in (15, 9, 8, 7):
        lowered = convert_version(model, target)
        checker.check_model(lowered, full_check=True)
        assert (runner_for(lowered).run({"c": chosen, "a": yes, "b": no})["y"] == np.where(chosen, yes, no)).all()


@pytest.mark.parametrize("given", ["sizes", "scales", "known scales"])
@pytest.mark.parametrize(
    ("mode", "how", "more"),
    [
        ("linear", "half_pixel", {}),
        ("linear", "align_corners", {}),
        ("linear", "asymmetric", {}),
        ("linear", "pytorch_half_pixel", {}),
        ("cubic", "half_pixel", {"cubic_coeff_a": -0.5}),
        ("cubic", "pytorch_half_pixel", {"exclude_outside": 1}),
        ("cubic", "align_corners", {}),
        ("nearest", "half_pixel", {"nearest_mode": "round_prefer_floor"}),
        ("nearest", "asymmetric", {"nearest_mode": "floor"}),
        ("nearest", "half_pixel", {"nearest_mode": "round_prefer_ceil"}),
        ("nearest", "asymmetric", {"nearest_mode": "ceil"}),
    ],
)
def test_an_image_of_any_size_is_resized(given: str, mode: str, how: str, more: dict[str, Any]) -> None:
    if given != "sizes" and how == "align_corners":
        return
    ports = [helper.make_tensor_value_info("x", 1, ["N", 2, "H", "W"])]
    nodes = [helper.make_node("Concat", ["outer", "wanted"], ["all"], axis=0)]
    initializers = []
    if given == "sizes":
        nodes = [
            helper.make_node("Shape", ["x"], ["shape"]),
            helper.make_node("Slice", ["shape", "zero", "two"], ["outer"]),
            *nodes,
        ]
        initializers += [numpy_helper.from_array(np.array([n]), name) for n, name in ((0, "zero"), (2, "two"))]
    else:
        initializers.append(numpy_helper.from_array(np.ones(2, np.float32), "outer"))
    if given == "known scales":
        initializers.append(numpy_helper.from_array(np.array([1.7, 0.6], np.float32), "wanted"))
    else:
        ports.append(helper.make_tensor_value_info("wanted", 7 if given == "sizes" else 1, [2]))
    inputs = ["x", "", "", "all"] if given == "sizes" else ["x", "", "all"]
    nodes.append(helper.make_node("Resize", inputs, ["y"], mode=mode, coordinate_transformation_mode=how, **more))
    graph = helper.make_graph(
        nodes, "g", ports, [helper.make_tensor_value_info("y", 1, ["N", 2, "P", "Q"])], initializers
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    image, data = _values(2, 2, 5, 7), []
    for sizes in ((10, 3), (5, 13), (1, 7), (2, 20)):
        wanted = np.array(sizes) if given == "sizes" else np.array(sizes, np.float32) / [5, 7] + np.float32(0.001)
        data.append(
            {"x": image}
            | (
                {}
                if given == "known scales"
                else {"wanted": wanted.astype(wanted.dtype if given == "sizes" else np.float32)}
            )
        )
    _assert_lowers(model, data, *FREE_RANGE)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
        ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("ij,kl->iljk", [(2, 3), (4, 5)]),
        ("abc,dc->abd", [(2, 3, 4), (5, 4)]),
        ("bhqk,bkhd->bqhd", [(2, 3, 4, 5), (2, 5, 3, 6)]),
        ("abcd,cdef->abef", [(2, 3, 4, 5), (4, 5, 2, 3)]),
        ("...ii->...i", [(2, 3, 3)]),
        ("ij->", [(2, 3)]),
        ("a,b,c->abc", [(2,), (3,), (4,)]),
    ],
)
def test_einsum_needs_no_sizes(equation: str, shapes: list[tuple[int, ...]]) -> None:
    model, feeds = _model("Einsum", 12, *[_values(*shape) for shape in shapes], equation=equation)
    _assert_lowers(model, [feeds], 11, *FREE_RANGE)


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("windowed", [True, False])
def test_frames_of_a_signal_of_any_length_are_transformed(onesided: int, windowed: bool) -> None:
    window = Constant(np.hanning(8), np.float32) if windowed else None
    inputs = [_values(2, 20, 1), Constant(3), window, Constant(8)]
    model, feeds = _model("STFT", 17, *inputs, kept=[[-1]], onesided=onesided)
    data = [feeds, *({"x0": _values(1, size, 1)} for size in (8, 10, 11, 31))]
    _assert_lowers(model, data, 16, 13, 11, *FREE_RANGE)


def test_a_transform_needs_the_size_of_its_axis_only() -> None:
    model, feeds = _model("DFT", 17, _values(2, 3, 8, 1), axis=2, kept=[[2, 3]])
    _assert_lowers(model, [feeds, {"x0": _values(1, 5, 8, 1)}], 16, 11, 9)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"pads": [1, 0, 1, 1]},
        {"strides": [2, 1], "dilations": [1, 2]},
        {"strides": [3, 3]},
    ],
)
def test_blocks_are_laid_into_an_image_of_fixed_size(how: dict[str, Any]) -> None:
    image, block = [6, 7], [2, 3]
    steps, pads, apart = (how.get(k, d) for k, d in (("strides", [1, 1]), ("pads", [0] * 4), ("dilations", [1, 1])))
    counts = [(image[k] + pads[k] + pads[2 + k] - apart[k] * (block[k] - 1) - 1) // steps[k] + 1 for k in (0, 1)]
    data = _values(2, 3 * 6, counts[0] * counts[1])
    data[0, 0, 0] = np.inf
    model, feeds = _model("Col2Im", 18, data, Constant(image), Constant(block), kept=[[2]], **how)
    _assert_lowers(model, [feeds, {"x0": data[:1, :6]}], 17, 13, 11, 9, 7)


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
def test_pools_that_round_up_take_images_of_any_size(operator: str) -> None:
    how = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 0, 0], "ceil_mode": 1}
    model, feeds = _model(operator, 12, _values(1, 2, 7, 8), **how)
    _assert_lowers(model, [feeds, *({"x0": _values(2, 3, *size)} for size in ((8, 7), (6, 5), (5, 3)))], 9, 7)


@pytest.mark.parametrize("k", [1, 3])
def test_a_number_of_largest_that_the_run_tells_is_cut_from_all(k: int) -> None:
    model, feeds = _model("TopK", 13, _values(3, 5), np.array([k]), kept=[[1], [0]], outputs=2, kinds=(1, 7), largest=1)
    _assert_lowers(model, [feeds], *(target for target in FREE_RANGE if target < 10))


def test_blocks_of_channels_become_pixels_of_an_image_of_any_size() -> None:
    model, feeds = _model("DepthToSpace", 13, _values(2, 8, 3, 5), kept=[[1]], blocksize=2, mode="CRD")
    _assert_lowers(model, [feeds], 10, 9, 7)


def test_a_flattened_tensor_of_any_size() -> None:
    model, feeds = _model("Flatten", 13, R.randint(0, 9, (2, 3, 4)), axis=-1)
    _assert_lowers(model, [feeds], 8, 7)


def test_sizes_with_one_symbol_need_no_broadcasting_below_7() -> None:
    model, feeds = _model("HardSwish", 17, _values(2, 3, 4))
    _assert_lowers(model, [feeds, {"x0": _values(3, 1, 2)}], 6, 3)


def test_sizes_with_other_symbols_may_broadcast_and_are_refused_below_7() -> None:
    model, _ = _model("Add", 17, _values(2, 3), _values(2, 3))
    with pytest.raises(OpsetError, match="do not determine how they broadcast; opset 7 is the lowest"):
        convert_version(model, 6)
