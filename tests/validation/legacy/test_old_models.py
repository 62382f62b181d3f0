"""The models of 2017 and 2018 that come with onnx, all of opset 6, on the data that came with them."""

from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.ports import input_ports
from zoosmith.validation import ReferenceRunner, ValidationError, compare, runner_for

DATA = Path(onnx.__file__).parent / "backend/test/data"
MODELS = [path.parent for path in sorted(DATA.glob("pytorch-*/*/model.onnx")) if default_opset(onnx.load(path)) < 7]
# these give Add a second operand with a dimension of 1 to expand, which the text of Add-6 says does not work
AGAINST_THE_TEXT = {"test_operator_add_size1_broadcast", "test_operator_add_size1_singleton_broadcast"}


def tensors(files: list[Path]) -> list:
    return [numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes())) for file in files]


def test_the_models_are_there():
    assert len(MODELS) > 50


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_published_model_gives_its_published_outputs(folder: Path):
    runner = runner_for(folder / "model.onnx")
    assert isinstance(runner, ReferenceRunner)
    graph = onnx.load(folder / "model.onnx").graph
    names = [port.name for port in input_ports(graph) if port.required]
    for data in sorted(folder.glob("test_data_set_*")):
        inputs = tensors([data / f"input_{index}.pb" for index in range(len(names))])
        outputs = tensors([data / f"output_{index}.pb" for index in range(len(graph.output))])
        if folder.name in AGAINST_THE_TEXT:
            with pytest.raises(ValidationError, match="no contiguous part"):
                runner.run(dict(zip(names, inputs, strict=True)))
            continue
        expected = {value.name: array for value, array in zip(graph.output, outputs, strict=True)}
        result = compare(expected, runner.run(dict(zip(names, inputs, strict=True))))
        assert result.passed, str(result)
