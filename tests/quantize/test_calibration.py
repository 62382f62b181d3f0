"""Calibration finds the ranges of tensors."""

import numpy as np
import pytest
from onnx import TensorProto

from tests.attacks.model_building import model, node, value
from tests.optimize.nets import Net
from zoosmith.quantize import QuantizeError, calibrate
from zoosmith.validation import ValidationError


def relu_net() -> Net:
    return Net([1, 2, 100, 100])


def samples(*values: np.ndarray) -> list[dict[str, np.ndarray]]:
    return [{"data": value.astype(np.float32)} for value in values]


def test_minmax_holds_each_channel_over_all_samples() -> None:
    net = relu_net()
    model = net.model(net.add("Relu", "data", name="y"))
    data = np.random.RandomState(0).randn(3, 1, 2, 100, 100) * np.array([1, 5])[:, None, None]
    ranges = calibrate(model, samples(*data))
    np.testing.assert_allclose(ranges["data"].low, data.min(axis=(0, 1, 3, 4)), rtol=1e-6)
    np.testing.assert_allclose(ranges["y"].high, data.max(axis=(0, 1, 3, 4)), rtol=1e-6)
    np.testing.assert_allclose(ranges["data"].mean, data.mean(axis=(0, 1, 3, 4)), atol=1e-6)
    np.testing.assert_allclose(ranges["data"].deviation, data.std(axis=(0, 1, 3, 4)), rtol=1e-5)
    assert not ranges["y"].low.any()


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_outliers_are_cut(method: str) -> None:
    data = np.random.RandomState(0).rand(3, 1, 2, 100, 100)
    data[0, 0, :, 0, 0] = 3
    net = relu_net()
    model = net.model(net.add("Relu", "data", name="y"))
    ranges = calibrate(model, samples(*data), method=method, percentile=99.9)
    assert np.all(ranges["y"].high < 1.5)
    assert np.all(calibrate(model, samples(*data))["y"].high == 3)


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_even_values_keep_their_range(method: str) -> None:
    data = np.random.RandomState(0).rand(1, 2, 100, 100)
    net = relu_net()
    ranges = calibrate(net.model(net.add("Relu", "data", name="y")), samples(data), method=method)
    assert np.all(ranges["y"].high > 0.95)


def test_only_the_named_tensors_are_looked_at() -> None:
    net = relu_net()
    model = net.model(net.add("Sigmoid", net.add("Relu", "data", name="y")))
    assert list(calibrate(model, samples(np.zeros((1, 2, 100, 100))), tensors=["y"])) == ["y"]


def test_nan_in_an_activation_names_the_tensor_and_the_sample() -> None:
    net = relu_net()
    model = net.model(net.add("Log", "data", name="y"))
    good, bad = np.ones((1, 2, 100, 100)), -np.ones((1, 2, 100, 100))
    with pytest.raises(QuantizeError, match=r"tensor y: NaN or infinite for sample 2"):
        calibrate(model, samples(good, bad))


@pytest.mark.parametrize("method", ["minmax", "percentile"])
def test_a_sample_in_which_a_tensor_is_empty_tells_nothing_of_it(method: str) -> None:
    made = model([node("Compress", ["x", "some"], axis=0)], [value("x"), value("some", [2], TensorProto.BOOL)])
    rows = np.float32([[1, 2, 3], [4, 5, 6]])
    nothing, second = ({"x": rows, "some": np.array([False, some])} for some in (False, True))
    found = calibrate(made, [nothing, second, nothing], tensors=["y"], method=method)["y"]
    assert (found.low.min(), found.high.max()) == pytest.approx((4, 6), abs=0.01)
    with pytest.raises(QuantizeError, match="tensor y: has no element in any sample"):
        calibrate(made, [nothing, nothing], tensors=["y"], method=method)


def test_no_samples_unknown_methods_and_wrong_shapes_are_refused() -> None:
    net = relu_net()
    model = net.model(net.add("Relu", "data"))
    with pytest.raises(QuantizeError, match="no calibration samples"):
        calibrate(model, [])
    with pytest.raises(QuantizeError, match="expected one of minmax, percentile, entropy"):
        calibrate(model, samples(np.zeros((1, 2, 100, 100))), method="median")
    with pytest.raises(ValidationError, match="data"):
        calibrate(model, samples(np.zeros((1, 3, 5, 5))))
