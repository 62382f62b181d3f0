"""Commands that run a net of open height and width: they take sizes, and say which they took where it does not run."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.quantize.trained import picture_folder, trained_net
from tests.zoosmith.cli.calls import Run
from zoosmith.onnx_model.saving import save_model

COMMANDS = {
    "quantize": "quantize {model} -o {out} --samples 8 --force",
    "quantize on images": "quantize {model} -o {out} --calibrate {images} --force",
    "quantize to float16": "quantize {model} -o {out} --to float16 --force",
    "quantize within a drop": "quantize {model} -o {out} --calibrate random --force --max-drop 1 --data {images}",
    "preprocess": "preprocess {model} --data {images}",
    "evaluate": "evaluate {model} --data {images} --preprocess torchvision",
    "evaluate by the best": "evaluate {model} --data {images} --preprocess auto",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A net that runs on pictures of height 32 only, though it states no size, and pictures."""
    folder = tmp_path_factory.mktemp("made")
    model = trained_net()
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    sizes[2].ClearField("dim_value")
    sizes[3].dim_param = "width"
    del model.graph.value_info[:]
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 1, 32, 1), np.float32), "rows"))
    first = next(node for node in model.graph.node if node.op_type == "Relu")
    model.graph.node.insert(
        list(model.graph.node).index(first), onnx.helper.make_node("Add", [first.input[0], "rows"], ["added"])
    )
    first.input[0] = "added"
    save_model(model, folder / "net.onnx")
    return {"model": folder / "net.onnx", "images": picture_folder(folder / "images")}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_size_that_does_not_run_is_named_with_the_options_that_give_another(
    command: str, made: dict[str, Path], tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "q.onnx"
    code, _, err = run(*COMMANDS[command].format(out=out, **made).split())
    message = err.splitlines()[-1]
    assert code == 2 and not out.exists()
    assert message.startswith(f"error: {made['model']}: ONNX Runtime failed: ")
    assert message.endswith(
        "; the model leaves data[2] and width open, and images are 224 x 224: "
        "give sizes that fit with --dim width=N or --input data=1,3,N,N"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_size_that_is_given_is_taken(command: str, made: dict[str, Path], tmp_path: Path, run: Run) -> None:
    line = COMMANDS[command].format(out=tmp_path / "q.onnx", **made)
    assert run(*line.split(), "--dim", "data[2]=32", "--dim", "width=40")[0] == 0
    assert run(*line.split(), "--input", "data=1,3,32,40")[0] == 0
    code, _, err = run(*line.split(), "--input", "data=1,4,32,40")
    assert (code, err.splitlines()[-1]) == (
        2,
        f"error: {made['model']}: input 'data' takes shape [1, 3, ?, width], not [1, 4, 32, 40]",
    )


def test_images_that_were_calibrated_on_are_known_at_any_size(made: dict[str, Path], tmp_path: Path, run: Run) -> None:
    line = "quantize {model} -o {out} --calibrate {images} --force --max-drop 1 --data {images}"
    code, _, err = run(*line.format(out=tmp_path / "q.onnx", **made).split(), "--input", "data=1,3,32,40")
    assert code == 2 and "16 of its 16 images were calibrated on" in err
