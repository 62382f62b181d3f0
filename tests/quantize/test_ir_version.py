"""Files of fewer bits have the IR version of their opset: a runtime that knows its operators loads them."""

from collections.abc import Callable
from functools import partial

import onnx
import pytest
from onnx import ModelProto, helper

from tests.optimize.nets import dense_block
from zoosmith.onnx_model.ir_versions import release_ir
from zoosmith.opset_upgrade import convert_version
from zoosmith.quantize import quantize
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.half_precision import to_half
from zoosmith.quantize.mixed_precision import quantize_within
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target

EVERY_LAYER = Target(every_layer=True)


def half(model: ModelProto, samples: Samples, kind: str) -> ModelProto:
    return to_half(model, samples, kind).model


FORMS: dict[str, Callable[[ModelProto, Samples], ModelProto]] = {
    "integer": partial(quantize, target=EVERY_LAYER),
    "integer, within a limit": lambda model, samples: quantize_within(model, samples, target=EVERY_LAYER).model,
    "qdq": partial(quantize, target=Target("qdq", every_layer=True)),
    "float16": partial(half, kind="float16"),
    "bfloat16": partial(half, kind="bfloat16"),
}


def with_versions(opset: int, ir: int) -> ModelProto:
    model = onnx.version_converter.convert_version(dense_block(), opset)
    model.ir_version = ir
    return model


@pytest.mark.parametrize("form", FORMS)
def test_a_newer_ir_version_than_the_opset_s_is_lowered(form: str) -> None:
    model = with_versions(13, 10)
    made = FORMS[form](model, random_samples(model, 2))
    onnx.checker.check_model(made, full_check=True)
    assert made.ir_version == release_ir(13) == 7
    assert model.ir_version == 10


@pytest.mark.parametrize("form", FORMS)
def test_an_older_ir_version_than_the_opset_s_is_kept(form: str) -> None:
    model = with_versions(13, 4)
    assert FORMS[form](model, random_samples(model, 2)).ir_version == 4


def test_what_the_model_holds_may_ask_for_a_newer_one() -> None:
    model = with_versions(11, 10)
    model.training_info.add()
    assert release_ir(11) == 6
    assert half(model, random_samples(model, 2), "float16").ir_version == 7


@pytest.mark.parametrize("opset", [7, 8])
def test_a_model_of_the_time_when_initializers_were_inputs_is_halved(opset: int) -> None:
    model = convert_version(dense_block(), opset)
    model.ir_version = 3
    del model.graph.input[1:]
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    onnx.checker.check_model(model, full_check=True)
    made = half(model, random_samples(dense_block(), 2), "float16")
    onnx.checker.check_model(made, full_check=True)
    assert [value.name for value in made.graph.input] == ["data"]
