import hashlib
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

from tests.shared_data import SHARED, needs_shared
from tests.zoosmith.recipes.init_net_files import init_net_content
from zoosmith.convert import read_net, write_net
from zoosmith.convert.errors import ConvertError
from zoosmith.convert.models import read_parameters
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.quantize.samples.statistics import measure_samples
from zoosmith.recipes.caffe2_source import Caffe2Source
from zoosmith.recipes.densenet121 import DENSENET121_NET
from zoosmith.recipes.densenet121.net import parameter_shapes, predict_net
from zoosmith.recipes.densenet121.pictures import SAMPLES
from zoosmith.recipes.densenet121.synthetic import synthetic_parameters


@pytest.fixture(scope="module")
def weights() -> Caffe2Source:
    return DENSENET121_NET.open(seed=0)


@pytest.fixture(scope="module")
def parameters() -> dict[str, np.ndarray]:
    return synthetic_parameters(0)


def as_model(parameters: dict[str, np.ndarray]) -> ModelProto:
    tensors = [numpy_helper.from_array(values, f"{name}_0") for name, values in sorted(parameters.items())]
    graph = helper.make_graph([], "densenet121", [], [], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)])


def test_the_init_net_has_the_published_size(weights: Caffe2Source) -> None:
    assert len(weights.init_net) == 40_785_727


def test_a_seed_gives_the_same_bytes_on_every_machine(weights: Caffe2Source) -> None:
    assert weights.sha256 == hashlib.sha256(weights.init_net).hexdigest()
    assert weights.sha256 == "f22365da58ca63c6f95a78d6b10b9abd6c667fb4ceecd9a0e4a50ae3465a03ab"


def test_another_seed_gives_other_weights(weights: Caffe2Source) -> None:
    assert DENSENET121_NET.open(seed=1).sha256 != weights.sha256


def test_the_init_net_reads_back_as_what_was_written(weights: Caffe2Source, parameters: dict[str, np.ndarray]) -> None:
    found = read_parameters(weights.init_net)
    assert list(found) == list(parameter_shapes())
    for name, values in parameters.items():
        np.testing.assert_array_equal(found[name], values)


def test_the_init_net_is_written_as_protobuf_writes_it(weights: Caffe2Source) -> None:
    net = NetDef.FromString(weights.init_net)
    assert write_net(net) == weights.init_net
    assert all(operator.HasField("name") and operator.type == "GivenTensorFill" for operator in net.op)


def test_filters_are_he_scaled_and_some_variances_are_near_zero(parameters: dict[str, np.ndarray]) -> None:
    filters = parameters["conv4_20/x1_w"]
    assert filters.std() == pytest.approx((2 / filters.shape[1]) ** 0.5, rel=0.1)
    variances = np.concatenate([values for name, values in parameters.items() if name.endswith("bn_var")])
    assert (variances > 0).all()
    assert 0.01 < (variances < 1e-6).mean() < 0.1
    assert 0.1 < np.median(variances) < 10


def test_stated_statistics_are_those_of_other_pictures_of_the_same_kind(weights: Caffe2Source) -> None:
    model = ModelProto.FromString(weights.model(9).SerializeToString())
    found = measure_samples(model, [SAMPLES.make(0, number) for number in range(8)])
    assert found is not None and found.layers == 121
    assert found.mean < 0.2 and found.variance < 0.45


def test_parameters_read_out_of_a_row_give_the_same_init_net(
    weights: Caffe2Source, parameters: dict[str, np.ndarray], tmp_path: Path
) -> None:
    (tmp_path / "row.onnx").write_bytes(as_model(parameters).SerializeToString())
    read = DENSENET121_NET.open(tmp_path / "row.onnx")
    assert read.init_net == weights.init_net
    assert read.label == f"given, init net {weights.sha256[:12]}"


def test_an_init_net_in_another_order_gives_the_same_init_net(weights: Caffe2Source, tmp_path: Path) -> None:
    net = read_net(weights.init_net)
    shuffled = NetDef(name="other", op=reversed(net.op))
    (tmp_path / "init_net.pb").write_bytes(write_net(shuffled))
    assert DENSENET121_NET.open(tmp_path / "init_net.pb").init_net == weights.init_net


@needs_shared
def test_a_file_in_the_published_layout_comes_back_byte_for_byte() -> None:
    path = SHARED / "densenet121" / "init_net.pb"
    assert DENSENET121_NET.open(path).init_net == path.read_bytes()


def test_weights_that_do_not_fit_are_refused_with_all_that_is_wrong(
    parameters: dict[str, np.ndarray], tmp_path: Path
) -> None:
    wrong = dict(parameters)
    del wrong["conv1_w"]
    wrong["fc6_b"] = np.zeros(10, np.float32)
    wrong["conv1/bn_w"] = np.full(64, np.nan, np.float32)
    (tmp_path / "row.onnx").write_bytes(as_model(wrong).SerializeToString())
    with pytest.raises(ZoosmithError) as refusal:
        DENSENET121_NET.open(tmp_path / "row.onnx")
    assert str(refusal.value) == (
        f"{tmp_path}/row.onnx: expected the 848 parameters of DenseNet-121, as an init net or a row of opset 3 to 12; "
        "1 missing (conv1_w), 1 misshapen (fc6_b is [10], not [1000]), 1 not finite (conv1/bn_w)"
    )


def test_parameters_of_another_type_are_refused(parameters: dict[str, np.ndarray], tmp_path: Path) -> None:
    half = {name: values.astype(np.float16) for name, values in parameters.items()}
    (tmp_path / "row.onnx").write_bytes(as_model(half).SerializeToString())
    with pytest.raises(ZoosmithError, match=r"848 not float32 \(conv1_w, conv1/bn_scale, conv1/bn_bias, …\)"):
        DENSENET121_NET.open(tmp_path / "row.onnx")


def test_a_predict_net_given_as_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "predict_net.pb").write_bytes(write_net(predict_net()))
    with pytest.raises(ConvertError, match=r"predict_net\.pb: expected constant fill operators only"):
        DENSENET121_NET.open(tmp_path / "predict_net.pb")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError, match=r"none\.pb: cannot be read"):
        DENSENET121_NET.open(tmp_path / "none.pb")


def test_an_init_net_carries_lengths_of_every_varint_size() -> None:
    parameters = {f"p{size}": np.arange(size, dtype=np.float32) for size in (1, 20, 30, 4000, 500_000)}
    net = NetDef.FromString(init_net_content("net", parameters))
    assert net.SerializeToString() == init_net_content("net", parameters)
    assert [len(operator.arg[0].floats) for operator in net.op] == [1, 20, 30, 4000, 500_000]
