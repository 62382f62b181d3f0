"""Models that exporters of 2017 and 2018 wrote, with the data they computed, as the onnx package carries them."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, checker, numpy_helper

from zoosmith.opset_upgrade import convert_version
from zoosmith.opset_upgrade.schemas import NEWEST_OPSET
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.verification.comparison import compare

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
LEGACY = sorted(
    path.parent
    for family in ("pytorch-converted", "pytorch-operator", "simple")
    for path in DATA.glob(f"{family}/*/model.onnx")
)
LIGHT = sorted((DATA / "light").glob("*.onnx"))


def arrays(folder: Path, kind: str) -> list[np.ndarray]:
    found = sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.rpartition("_")[2]))
    return [numpy_helper.to_array(TensorProto.FromString(path.read_bytes())) for path in found]


def is_of_tensors(folder: Path) -> bool:
    graph = onnx.load(folder / "model.onnx").graph
    plain = all(value.type.HasField("tensor_type") for value in (*graph.input, *graph.output))
    # the gradient operators of another domain were never run by anything
    return plain and not any(node.op_type == "Gradient" for node in graph.node)


def feeds(model: ModelProto, values: list[np.ndarray]) -> dict[str, np.ndarray]:
    given = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in given]
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize("folder", [f for f in LEGACY if is_of_tensors(f)], ids=lambda folder: folder.name)
def test_it_comes_to_the_newest_opset_valid_and_passes_its_data(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    if any(node.op_type == "StringNormalizer" for node in model.graph.node):
        try:
            runner_for(model).run(feeds(model, arrays(folder / "test_data_set_0", "input")))
        except ValidationError as error:
            pytest.skip(f"the installed runtime does not run it as it is: {error}")
    newest = convert_version(model, NEWEST_OPSET)
    checker.check_model(newest, full_check=True)
    # ONNX Runtime lags onnx by some opsets: what it runs is what proves
    runnable = convert_version(model, max(21, model.opset_import[0].version))
    for proved in (newest, runnable):
        runner = runner_for(proved)
        for data in sorted(folder.glob("test_data_set_*")):
            results = runner.run(feeds(proved, arrays(data, "input")))
            for expected, actual in zip(arrays(data, "output"), results.values(), strict=True):
                assert compare({"y": expected}, {"y": actual}).passed


@pytest.mark.parametrize("path", LIGHT, ids=lambda path: path.stem)
def test_the_structure_of_a_published_net_comes_to_the_newest_opset_and_back(path: Path) -> None:
    model = onnx.load(path)
    source = model.opset_import[0].version
    newest = convert_version(model, NEWEST_OPSET)
    checker.check_model(newest, full_check=True)
    back = convert_version(newest, source)
    checker.check_model(back, full_check=True)
    operators = {node.op_type for node in model.graph.node} - {"Dropout"}
    assert operators <= {node.op_type for node in back.graph.node}
