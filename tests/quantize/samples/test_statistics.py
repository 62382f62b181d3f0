"""Samples unlike what a net was trained on are told by the statistics that its BatchNormalizations state."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.optimize.nets import Net
from zoosmith.optimize import optimize
from zoosmith.quantize import QuantizeError
from zoosmith.quantize.half_precision import to_half
from zoosmith.quantize.samples.statistics import check_samples, measure_samples


def trained(mean: float, deviation: float) -> onnx.ModelProto:
    """A net whose BatchNormalizations state normal inputs of this mean and standard deviation."""
    net = Net([1, 4, 32, 32])
    x = net.batch_normalization("data", 4)
    x = net.batch_normalization(net.add("Relu", net.conv(x, 4, 6, bias=True)), 6)
    model = net.model(x)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    first = model.graph.node[0]
    for name, value in ((first.input[3], mean), (first.input[4], deviation**2)):
        tensors[name].CopyFrom(numpy_helper.from_array(np.full(4, value, np.float32), name))
    # the second one states what its input is on such data
    from zoosmith.quantize import calibrate

    second = model.graph.node[3]
    seen = calibrate(model, normal(mean, deviation, seed=1), tensors=[second.input[0]])[second.input[0]]
    for name, value in ((second.input[3], seen.mean), (second.input[4], seen.deviation**2)):
        tensors[name].CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))
    return model


def normal(mean: float, deviation: float, seed: int = 0) -> list[dict[str, np.ndarray]]:
    stream = np.random.RandomState(seed)
    return [{"data": (stream.randn(1, 4, 32, 32) * deviation + mean).astype(np.float32)} for _ in range(4)]


def test_samples_like_the_training_data_pass() -> None:
    found = check_samples(trained(2, 3), normal(2, 3))
    assert found is not None
    assert found.layers == 2
    assert found.mean < 0.05
    assert found.variance < 0.05


def test_the_distance_is_in_stated_deviations_and_in_logarithms_of_variance() -> None:
    net = Net([1, 4, 32, 32])
    model = net.model(net.batch_normalization("data", 4))
    stated = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    mean, variance = (stated[name].reshape(1, 4, 1, 1) for name in model.graph.node[0].input[3:5])
    sample = normal(0, 1)[0]["data"]
    sample = (sample - sample.mean(axis=(2, 3), keepdims=True)) / sample.std(axis=(2, 3), keepdims=True)
    found = measure_samples(model, [{"data": (mean + np.sqrt(variance) * (2 + 3 * sample)).astype(np.float32)}])
    assert found is not None
    assert found.mean == pytest.approx(2, abs=1e-3)
    assert found.variance == pytest.approx(np.log(9), abs=1e-3)


@pytest.mark.parametrize(("mean", "deviation"), [(8, 3), (2, 9), (2, 0.5)])
def test_samples_unlike_the_training_data_are_refused_with_figures(mean: float, deviation: float) -> None:
    with pytest.raises(QuantizeError, match=r"unlike the training data: means \d+\.\d\d .* log variances \d+\.\d\d"):
        check_samples(trained(2, 3), normal(mean, deviation))


def test_samples_without_any_spread_are_refused() -> None:
    constant = [{"data": np.full((1, 4, 32, 32), 2, np.float32)}] * 2
    with pytest.raises(QuantizeError, match="no spread: every value is 2 in 'data'; expected samples that differ"):
        check_samples(trained(2, 3), constant, force=True)
    by_channel = np.broadcast_to(np.arange(4, dtype=np.float32).reshape(1, 4, 1, 1), (1, 4, 32, 32))
    with pytest.raises(QuantizeError, match="unchanged"):
        measure_samples(trained(2, 3), [{"data": by_channel}])


def test_samples_with_nan_are_refused_by_number() -> None:
    samples = normal(2, 3)
    samples[2]["data"][0, 0, 0, 0] = np.nan
    with pytest.raises(QuantizeError, match="calibration sample 3: input 'data' holds NaN"):
        check_samples(trained(2, 3), samples, force=True)


def test_samples_without_any_value_are_refused() -> None:
    with pytest.raises(QuantizeError, match=r"sample 1 holds no values: 'data' is \[0, 4, 32, 32\]; expected sizes"):
        check_samples(trained(2, 3), [{"data": np.zeros((0, 4, 32, 32), np.float32)}], force=True)


def test_a_net_in_half_precision_is_judged_as_in_float32() -> None:
    model = trained(2, 3)
    half = to_half(model, normal(2, 3), "float16").model
    norms = {node.input[1] for node in half.graph.node if node.op_type == "BatchNormalization"}
    assert {t.data_type for t in half.graph.initializer if t.name in norms} == {onnx.TensorProto.FLOAT16}
    wanted, found = (measure_samples(each, normal(0, 1)) for each in (model, half))
    assert wanted is not None
    assert found is not None
    assert found.layers == 2
    assert found.mean == pytest.approx(wanted.mean, rel=1e-2)
    assert found.variance == pytest.approx(wanted.variance, rel=1e-2)


def test_a_net_without_statistics_cannot_be_judged() -> None:
    net = Net([1, 3, 8, 8])
    assert measure_samples(net.model(net.conv("data", 3, 4)), normal(0, 1)) is None
    # nor one whose BatchNormalizations were folded
    assert measure_samples(optimize(trained(2, 3)), normal(2, 3)) is None


@pytest.mark.parametrize("op_type", ["Constant", "Identity"])
def test_statistics_may_stand_in_nodes(op_type: str) -> None:
    model = trained(2, 3)
    wanted = measure_samples(model, normal(0, 1))
    for tensor in list(model.graph.initializer):
        if op_type == "Constant":
            node = helper.make_node("Constant", [], [tensor.name], value=tensor)
            model.graph.initializer.remove(tensor)
        else:
            node = helper.make_node("Identity", [f"{tensor.name} held"], [tensor.name])
            tensor.name += " held"
        model.graph.node.insert(0, node)
    assert measure_samples(model, normal(0, 1)) == wanted
