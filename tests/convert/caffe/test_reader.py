"""Caffe's files in their several ages, and what is refused in them."""

from pathlib import Path

import numpy as np
import pytest

from tests.convert.caffe.caffe_files import Blobs, caffemodel, computed, computed_by_opencv, normal, write
from zoosmith.convert import ConvertError, read_model
from zoosmith.convert.caffe.reader import read_net_text, read_parameters_of_layers
from zoosmith.convert.proto.caffe_net_pb2 import BlobProto, NetParameter
from zoosmith.validation.runtimes import find_environment, runtime_for

X = normal(2, 4, 7, 9)
BLOBS: Blobs = {"conv": [normal(6, 2, 3, 3), normal(6)], "ip": [normal(5, 6 * 3 * 4), normal(5)]}
NEW = """
name: "n"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 7 dim: 9 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 6 group: 2 kernel_size: 3 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
OLD = """
name: "n"
input: "data" input_dim: 2 input_dim: 4 input_dim: 7 input_dim: 9
layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 weight_decay: 0
  convolution_param { num_output: 6 group: 2 kernel_size: 3 } }
layers { name: "relu" type: RELU bottom: "conv" top: "conv" }
layers { name: "pool" type: POOLING bottom: "conv" top: "pool" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layers { name: "ip" type: INNER_PRODUCT bottom: "pool" top: "ip" inner_product_param { num_output: 5 } }
layers { name: "prob" type: SOFTMAX bottom: "ip" top: "prob" }
"""
# a net for training: what only training has goes, and the softmax of the loss stays
TRAINING = (
    NEW.split("layer {", 2)[0]
    + """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN } data_param { source: "a" } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 7 mean_value: 104 } }
"""
    + "".join(f"layer {{{part}" for part in NEW.split("layer {")[2:-1])
    + """
layer { name: "drop" type: "Dropout" bottom: "ip" top: "ip" include { phase: TRAIN } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" exclude { phase: TRAIN } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
)


@pytest.mark.parametrize(("text", "old"), [(NEW, False), (OLD, True), (NEW, True), (OLD, False), (TRAINING, False)])
def test_a_net_computes_the_same_from_files_of_every_age(text: str, old: bool) -> None:
    np.testing.assert_array_equal(computed(text, BLOBS, X, old=old), computed(NEW, BLOBS, X))


def test_a_net_states_the_shape_of_its_data_where_it_can() -> None:
    assert read_model(NEW.encode(), caffemodel(BLOBS)).inputs == {"data": (1, (2, 4, 7, 9))}
    assert read_model(OLD.encode(), caffemodel(BLOBS)).inputs == {"data": (1, (2, 4, 7, 9))}
    assert read_model(TRAINING.encode(), caffemodel(BLOBS)).inputs == {}


def test_the_softmax_of_a_loss_has_the_name_that_the_translator_of_caffe2_gives_it() -> None:
    net = read_model(TRAINING.encode(), caffemodel(BLOBS)).net
    assert list(net.external_output) == ["ip_translator_autogen_softmax"]
    assert "Dropout" not in [op.type for op in net.op]


@pytest.mark.slow
@pytest.mark.parametrize(("text", "old"), [(NEW, False), (OLD, True)])
def test_opencv_computes_the_same_from_the_files(text: str, old: bool, tmp_path: Path) -> None:
    python = find_environment(runtime_for("opencv-python-headless==4.10.0.84"))
    if python is None:
        pytest.skip("OpenCV is not installed (zoosmith runtime install opencv-python-headless==4.10.0.84)")
    write(tmp_path, text, BLOBS, old=old)
    np.testing.assert_allclose(
        computed(text, BLOBS, X, old=old), computed_by_opencv(python, tmp_path, X), rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        ("", True),
        ("include { phase: TEST }", True),
        ("include { phase: TRAIN }", False),
        ("include { phase: TRAIN } include { phase: TEST }", True),
        ("exclude { phase: TEST }", False),
        ("exclude { stage: 'deploy' }", True),
        ("include { stage: 'deploy' }", False),
        ("include { not_stage: 'deploy' }", True),
        ("include { min_level: 1 }", False),
        ("include { max_level: 0 }", True),
    ],
)
def test_layers_are_there_by_the_rules_of_caffe(rules: str, kept: bool) -> None:
    net = read_net_text(memoryview(f'layer {{ name: "a" type: "ReLU" {rules} }}'.encode()))
    assert [layer.name for layer in net.layer] == ["a"] * kept


def test_the_state_of_a_net_chooses_layers() -> None:
    text = 'state { stage: "deploy" level: 2 } layer { name: "a" include { stage: "deploy" min_level: 2 } }'
    assert len(read_net_text(memoryview(text.encode())).layer) == 1


def test_parameters_of_an_old_file_keep_their_four_sizes() -> None:
    found = read_parameters_of_layers(memoryview(caffemodel(BLOBS, old=True)))
    assert [tensor.shape for tensor in found["ip"]] == [(1, 1, 5, 72), (1, 1, 1, 5)]
    assert [tensor.shape for tensor in read_parameters_of_layers(memoryview(caffemodel(BLOBS)))["ip"]] == [
        (5, 72),
        (5,),
    ]


def test_parameters_in_double_precision_become_floats() -> None:
    blob = BlobProto(double_data=[0.1, 2], shape={"dim": [2]})
    content = NetParameter(layer=[{"name": "a", "blobs": [blob]}]).SerializeToString()
    (tensor,) = read_parameters_of_layers(memoryview(content))["a"]
    np.testing.assert_array_equal(tensor.array(), np.float32([0.1, 2]))


def model_of(**fields: object) -> bytes:
    return NetParameter(layer=[{"name": "conv", "blobs": [BlobProto(**fields)]}]).SerializeToString()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (caffemodel(BLOBS)[:-7], "bytes more than there are"),
        (
            model_of(data=[1, 2], shape={"dim": [2**40, 2**40]}),
            r"of shape \[1099511627776, 1099511627776\] has 2 values",
        ),
        (model_of(data=[1, 2], shape={"dim": [-1, -2]}), r"of shape \[-1, -2\] has 2 values"),
        (model_of(data=[1, 2], num=1, channels=1, height=1, width=3), r"of shape \[1, 1, 1, 3\] has 2 values"),
        (caffemodel(BLOBS) + caffemodel(BLOBS), "it has parameters of two layers 'conv'"),
    ],
)
def test_a_damaged_model_is_refused_in_a_line(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "n.caffemodel").write_bytes(content)
    with pytest.raises(ConvertError, match=rf"n\.caffemodel: expected a \.caffemodel: .*{reason}") as error:
        read_model(NEW.encode(), tmp_path / "n.caffemodel")
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("layer { name: 'a' type: }", "line 1, column"),
        ("layer { name: 'a' type: 'ReLU'", "line 1"),
        ("layers { layer { name: 'a' type: 'relu' } bottom: 'data' }", "Caffe's first format is not read"),
        ("layer { name: 'c' convolution_param { num_outputs: 4 } }", "ConvolutionParameter has a field 'num_outputs'"),
        ("layer { name: 'c' pooling_param { pool: SOFTPOOL } }", "no enum value SOFTPOOL|SOFTPOOL"),
        ("input: 'data' input_dim: 2 layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'r' }", "states 1 input_dim"),
        (
            "input: 'data' input_shape { dim: 0 } layer { name: 'r' type: 'ReLU' bottom: 'data' top: 'r' }",
            "sizes from 1",
        ),
        ("layer { name: 'd' type: 'Input' top: 'data' }", "none of its layers computes anything"),
        ("layer { name: 'r' type: 'ReLU' }", "it has no bottom"),
    ],
)
def test_a_net_that_is_none_is_refused_in_a_line(text: str, reason: str) -> None:
    with pytest.raises(ConvertError, match=reason) as error:
        read_model(text.encode(), caffemodel(BLOBS))
    assert "\n" not in str(error.value) and len(str(error.value)) < 300
