"""Sizes that are tried for open dimensions."""

from hypothesis import given
from hypothesis import strategies as st

from zoosmith.onnx_model.ports import Dimension, Port
from zoosmith.validation.inputs.sizes import concrete_shapes, open_sizes, other_sizes, size_candidates


def port(name: str, *shape: Dimension) -> Port:
    return Port(name, "tensor", 1, shape)


def first(*ports: Port, **given_sizes: int) -> dict[str, int]:
    return next(size_candidates(open_sizes(ports), given_sizes))


def test_a_dimension_without_a_name_is_called_by_its_place() -> None:
    ports = [port("x", "batch", 3, None), port("y", "batch", None)]
    assert [size.name for size in open_sizes(ports)] == ["batch", "x[2]", "y[1]"]
    shapes = concrete_shapes(ports, {"batch": 2, "x[2]": 5, "y[1]": 7})
    assert shapes == {"x": (2, 3, 5), "y": (2, 7)}


def test_no_two_axes_of_an_image_have_one_size() -> None:
    sizes = first(port("image", "n", 3, "h", "w"))
    assert len(set(sizes.values())) == 3 and 1 not in sizes.values()
    assert sizes["h"] % 32 == sizes["w"] % 32 == 0


def test_batches_of_several_inputs_agree() -> None:
    sizes = first(port("ids", "a", "length"), port("mask", "b", "length"))
    assert sizes["a"] == sizes["b"] != sizes["length"]


def test_a_name_that_is_a_formula_follows_its_parts() -> None:
    ports = [port("past", "batch", "past"), port("ids", "batch", "n"), port("mask", "batch", "past + n")]
    for sizes in size_candidates(open_sizes(ports), {}):
        assert sizes["past + n"] == sizes["past"] + sizes["n"]


def test_given_sizes_stay() -> None:
    dimensions = open_sizes([port("x", "a", "b")])
    assert {sizes["b"] for sizes in size_candidates(dimensions, {"b": 77})} == {77}
    assert {sizes["b"] for sizes in other_sizes(dimensions, {"b": 77}, {"a": 2, "b": 77})} == {77}


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", None, 3]), max_size=4), min_size=1, max_size=3))
def test_candidates_are_whole_different_and_ones_come_last(shapes: list[list[Dimension]]) -> None:
    ports = [port(f"x{index}", *shape) for index, shape in enumerate(shapes)]
    dimensions = open_sizes(ports)
    tried = list(size_candidates(dimensions, {}))
    assert all(list(sizes) == [size.name for size in dimensions] for sizes in tried)
    assert len({tuple(sizes.values()) for sizes in tried}) == len(tried)
    if dimensions:
        assert set(tried[-1].values()) == {1}
        assert all(set(sizes.values()) != {1} for sizes in tried[:-1])
        others = other_sizes(dimensions, {}, tried[0])
        assert all(others[0][name] != size for name, size in tried[0].items())
        assert all(set(sizes.values()) != {1} for sizes in others)
