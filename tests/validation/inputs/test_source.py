"""Inputs of a model: random with sizes that the caller names, or from a file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from tests.zoosmith.small_models import identity_model, scaling_model
from zoosmith.archives.bundles import bundle
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.validation import InputSource, ValidationError, random_inputs, read_feed
from zoosmith.validation.inputs.random_values import InputShape
from zoosmith.validation.reading.unpacking import unpacked

FLOAT = TensorProto.FLOAT
X = np.arange(6, dtype=np.float32).reshape(2, 3)
MODEL = scaling_model(np.ones((2, 3), np.float32))


def shapes_of(model: onnx.ModelProto, **given: InputShape) -> list[tuple[int, ...]]:
    return [np.shape(value) for value in random_inputs(model, seed=0, shapes=given).values()]


def unranked() -> onnx.ModelProto:
    model = identity_model((FLOAT, [1]))
    model.graph.input[0].type.tensor_type.ClearField("shape")
    return model


def test_a_shape_completes_an_input_without_a_rank() -> None:
    with pytest.raises(ValidationError, match="no stated rank"):
        random_inputs(unranked(), seed=0)
    assert shapes_of(unranked(), x0=InputShape((2, 5))) == [(2, 5)]


def test_a_shape_sizes_a_dimension_without_a_name() -> None:
    model = identity_model((FLOAT, [1, 4]))
    model.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    assert shapes_of(model, x0=InputShape((7, 4))) == [(7, 4)]


def test_a_number_for_a_name_is_its_size_everywhere() -> None:
    assert shapes_of(identity_model((FLOAT, ["n", 2]), (FLOAT, ["n"])), x0=InputShape((5, 2))) == [(5, 2), (5,)]


def test_a_shape_may_name_a_size_that_dims_gives() -> None:
    shapes = {"x0": InputShape(("rows", 2))}
    assert random_inputs(unranked(), seed=0, dims={"rows": 3}, shapes=shapes)["x0"].shape == (3, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x0": InputShape((4, 3))}, r"takes shape \[n, 2\], not \[4, 3\]"),
        ({"x0": InputShape((4,))}, "takes shape"),
        ({"x0": InputShape((4, 2), TensorProto.INT64)}, "is of float, not int64"),
        ({"y": InputShape((4, 2))}, "has no input 'y'"),
    ],
)
def test_a_shape_that_contradicts_the_model_is_refused(given: dict[str, InputShape], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        random_inputs(identity_model((FLOAT, ["n", 2])), seed=0, shapes=given)


def test_a_size_given_twice_must_be_the_same() -> None:
    model = identity_model((FLOAT, ["n", 2]))
    with pytest.raises(ValidationError, match="takes shape"):
        random_inputs(model, seed=0, dims={"n": 3}, shapes={"x0": InputShape((4, 2))})


def test_arrays_are_read_by_name_and_by_position(tmp_path: Path) -> None:
    np.savez(tmp_path / "named.npz", x=X, other=X)
    np.savez(tmp_path / "stacked.npz", inputs=X[None])
    np.savez(tmp_path / "numbered.npz", inputs_0=X)
    np.save(tmp_path / "one.npy", X)
    for name in ("named.npz", "stacked.npz", "numbered.npz", "one.npy"):
        (case,) = read_feed(tmp_path / name, MODEL)
        assert list(case) == ["x"] and case["x"].tolist() == X.tolist()


def test_a_bundle_its_folder_and_one_data_set_are_read(tmp_path: Path) -> None:
    onnx.save(MODEL, tmp_path / "m.onnx")
    bundle(tmp_path / "m.onnx", tmp_path / "m.tar.gz", sets=2, inputs=InputSource(seed=4))
    expected = InputSource(seed=4).cases(MODEL, 2)
    with unpacked(tmp_path / "m.tar.gz") as folder:
        for path, cases in (
            (tmp_path / "m.tar.gz", expected),
            (folder / "m", expected),
            (folder / "m" / "test_data_set_1", expected[1:]),
        ):
            found = InputSource(feed=path).cases(MODEL)
            assert [case["x"].tolist() for case in found] == [case["x"].tolist() for case in cases]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.npz", "no such file"),
        ("other.npz", "no array 'x', an input of model .*; it has z"),
        ("text.npz", "damaged or unsupported: expected numpy's arrays"),
        ("text.txt", "expected .npz, .npy"),
        ("text.tar.gz", "damaged or unsupported: expected a tar"),
        ("empty", "no test data"),
    ],
)
def test_a_feed_that_cannot_be_read_is_named(tmp_path: Path, name: str, message: str) -> None:
    np.savez(tmp_path / "other.npz", z=X)
    for file in ("text.npz", "text.txt", "text.tar.gz"):
        (tmp_path / file).write_text("text")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ZoosmithError, match=f"{name}: .*{message}"):
        read_feed(tmp_path / name, MODEL)


def test_arrays_may_have_the_names_of_the_blobs_of_a_caffe2_net(tmp_path: Path) -> None:
    model = identity_model((FLOAT, [2, 3]), (FLOAT, [2, 3]))
    old = [value.name for value in model.graph.input]
    for value, node in zip(model.graph.input, model.graph.node, strict=True):
        value.name = node.input[0] = {old[0]: "data_0", old[1]: "im_info_0"}[value.name]
    np.savez(tmp_path / "blobs.npz", data=X, im_info_0=X + 1, im_info=X)
    (found,) = read_feed(tmp_path / "blobs.npz", model)
    np.testing.assert_array_equal(found["data_0"], X)
    np.testing.assert_array_equal(found["im_info_0"], X + 1)


def test_one_array_is_not_enough_for_two_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", X)
    with pytest.raises(ValidationError, match=r"one array, but .* has 2 inputs"):
        read_feed(tmp_path / "one.npy", identity_model((FLOAT, [2, 3]), (FLOAT, [2, 3])))


def test_data_and_sizes_are_not_given_together(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", X)
    with pytest.raises(ValidationError, match="data or sizes, not both"):
        InputSource(feed=tmp_path / "one.npy", dims={"n": 1}).cases(MODEL)


def test_values_are_those_without_shapes() -> None:
    model = identity_model((FLOAT, ["n", 2]))
    plain = random_inputs(model, seed=5, dims={"n": 3})
    shaped = random_inputs(model, seed=5, shapes={"x0": InputShape((3, 2))})
    assert plain["x0"].tolist() == shaped["x0"].tolist()


def test_each_case_has_values_of_its_own() -> None:
    first, second = InputSource(seed=7).cases(MODEL, 2)
    assert first["x"].tolist() == random_inputs(MODEL, seed=7)["x"].tolist()
    assert second["x"].tolist() == random_inputs(MODEL, seed=8)["x"].tolist()
