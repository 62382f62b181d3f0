import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from zoosmith.validation import ValidationError, random_inputs

SUPPORTED = [kind for name, kind in TensorProto.DataType.items() if kind != TensorProto.UNDEFINED]


def model(*inputs: onnx.ValueInfoProto, initializers: list[onnx.TensorProto] | None = None) -> onnx.ModelProto:
    return helper.make_model(helper.make_graph([], "g", list(inputs), [], initializers or []))


def tensor(name: str, kind: int, shape: list[int | str | None] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


@pytest.mark.parametrize("kind", SUPPORTED, ids=TensorProto.DataType.Name)
def test_every_tensor_type_gets_values_of_its_own_that_vary(kind):
    value = random_inputs(model(tensor("x", kind, [64])), seed=1)["x"]
    assert value.dtype == (object if kind == TensorProto.STRING else helper.tensor_dtype_to_np_dtype(kind))
    assert value.shape == (64,)
    assert len({str(item) for item in value.tolist()}) > 1
    if value.dtype != object:
        assert np.isfinite(value.astype(np.complex128)).all()


def test_the_same_seed_gives_the_same_bits_for_ever():
    value = random_inputs(model(tensor("x", TensorProto.FLOAT, [2, 2])), seed=3)["x"]
    # numpy freezes RandomState's streams: these four are the promise
    assert value.tobytes().hex() == np.float32([0.5131875, -0.37891018, 0.22014728, 0.8795571]).tobytes().hex()


def test_seeds_and_positions_have_streams_of_their_own_but_names_do_not():
    two = [tensor("a", TensorProto.FLOAT, [8]), tensor("b", TensorProto.FLOAT, [8])]
    first, second = random_inputs(model(*two), seed=0), random_inputs(model(*two), seed=1)
    assert not np.array_equal(first["a"], second["a"]) and not np.array_equal(first["a"], first["b"])
    renamed = random_inputs(model(tensor("data_0", TensorProto.FLOAT, [8])), seed=0)
    assert np.array_equal(first["a"], renamed["data_0"])


def test_dimensions_are_taken_by_name_and_are_one_where_nothing_is_known():
    value = random_inputs(model(tensor("x", TensorProto.FLOAT, ["batch", 3, None, "other"])), seed=0, dims={"batch": 2})
    assert value["x"].shape == (2, 3, 1, 1)


def test_initializers_that_are_also_inputs_get_no_value():
    weight = onnx.numpy_helper.from_array(np.zeros(3, np.float32), "w")
    described = model(tensor("w", TensorProto.FLOAT, [3]), tensor("x", TensorProto.FLOAT, []), initializers=[weight])
    assert list(random_inputs(described, seed=0)) == ["x"]


def test_sequences_get_two_tensors_and_optionals_their_tensor():
    kind = helper.make_tensor_type_proto(TensorProto.INT64, [3])
    sequence = helper.make_value_info("s", helper.make_sequence_type_proto(kind))
    optional = helper.make_value_info("o", helper.make_optional_type_proto(kind))
    values = random_inputs(model(sequence, optional), seed=0)
    assert [item.shape for item in values["s"]] == [(3,), (3,)]
    assert values["o"].dtype == np.int64


def test_values_stay_in_the_ranges_that_are_promised():
    kinds = [TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8, TensorProto.INT8]
    values = random_inputs(model(*(tensor(f"x{kind}", kind, [5000]) for kind in kinds)), seed=9)
    floats, wide, unsigned, signed = (values[f"x{kind}"] for kind in kinds)
    assert -1 <= floats.min() < -0.99 and 0.99 < floats.max() < 1
    assert set(wide.tolist()) == set(range(10))
    assert (unsigned.min(), unsigned.max(), signed.min(), signed.max()) == (0, 255, -128, 127)


@pytest.mark.parametrize(
    ("value", "arguments", "words"),
    [
        (tensor("x", TensorProto.FLOAT, None), {"seed": 0}, "no stated rank"),
        (tensor("x", TensorProto.FLOAT, ["n"]), {"seed": 0, "dims": {"m": 2}}, "named dimensions: n"),
        (tensor("x", TensorProto.FLOAT, ["n"]), {"seed": 0, "dims": {"n": -2}}, "cannot be -2"),
        (tensor("x", TensorProto.FLOAT, ["n"]), {"seed": -1}, "seed -1"),
        (helper.make_sparse_tensor_value_info("x", TensorProto.FLOAT, [2]), {"seed": 0}, "sparse"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(value, arguments, words):
    with pytest.raises(ValidationError, match=words) as caught:
        random_inputs(model(value), **arguments)
    assert "\n" not in str(caught.value)
