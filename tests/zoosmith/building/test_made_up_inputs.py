"""A build of any net makes up pictures or sound, as `quantize` does, and checks on others than it calibrates on."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

import zoosmith
from tests.optimize.nets import Net
from tests.quantize.samples.sound_nets import detector, fourier
from tests.quantize.trained import trained_net
from tests.zoosmith.recipes.init_net_files import init_net_content
from zoosmith import BuildOptions
from zoosmith.building.zoo_build import build_zoo
from zoosmith.convert import write_net
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef
from zoosmith.onnx_model.constants import Array
from zoosmith.quantize.samples.made_pictures import made_pictures
from zoosmith.recipes.card_file import Card
from zoosmith.recipes.given import model_recipe, net_recipe
from zoosmith.results.report import Report
from zoosmith.validation import InputSource, preprocessing
from zoosmith.validation.inputs.random_values import InputShape
from zoosmith.validation.reading.unpacking import unpacked

NATURAL = "made-up pictures of natural statistics"
OTHERS = "others than those that"


def without_statistics(size: int | str = 32) -> ModelProto:
    """A classifier of images that has no BatchNormalization."""
    net = Net([1, 3, size, size])
    return net.model(net.add("GlobalAveragePool", net.add("Relu", net.conv("data", 3, 8))))


@pytest.fixture(scope="module")
def trained() -> ModelProto:
    """A classifier whose BatchNormalizations state what it was trained on: images of 0 to 1."""
    return trained_net("unit")


def build(folder: Path, model: ModelProto, rows: str, sets: int = 2, **more: object) -> Report:
    onnx.save(model, folder / "net.onnx")
    recipe = model_recipe(folder / "net.onnx", **more)  # type: ignore[arg-type]
    return zoosmith.build(folder / "out", recipe, BuildOptions(rows=rows, sets=sets))


def card_of(folder: Path) -> str:
    return " ".join(next(folder.rglob("README.md")).read_text().replace("> ", "").split())


def stored_inputs(folder: Path, row: str, name: str = "input_0.pb") -> list[Array]:
    """An input of each data set of a row, the first one by default."""
    archive = next(folder.rglob(f"*-{row}.tar.gz"))
    with unpacked(archive) as inside:
        files = sorted(inside.rglob(name))
        return [numpy_helper.to_array(TensorProto.FromString(file.read_bytes())) for file in files]


def picture(number: int, convention: str, size: int = 32, kind: str = "natural") -> Array:
    shape = (size, size)
    return preprocessing(convention)(made_pictures(shape, 0, kind)[number], shape)[None]


def test_rows_of_fewer_bits_are_calibrated_on_made_up_pictures_and_checked_on_others(tmp_path: Path) -> None:
    report = build(tmp_path, without_statistics(), "12,12-int8,12-qdq,12-fp16")
    assert report.samples == f"{NATURAL} (preprocessing caffe-densenet)" and not report.noise
    assert report.calibration is not None and report.calibration.distance is None
    assert report.calibration.samples == f"64 {report.samples}" and report.calibration.made_up
    assert all(row.model is not None for row in report.rows)
    for row in ("12", "12-int8", "12-qdq", "12-fp16"):
        stored = stored_inputs(tmp_path, row)
        np.testing.assert_array_equal(stored, [picture(10_000 + index, "caffe-densenet") for index in range(2)])
    card = card_of(tmp_path)
    assert f"Ranges were calibrated on 64 {report.samples}." in card
    assert f"Checked on {report.samples} only, {OTHERS} were calibrated on: 12-int8, 12-qdq and 12-fp16." in card
    assert "rests on noise" not in card
    assert json.loads((tmp_path / "out" / "report.json").read_text())["noise"] is False


def test_the_preprocessing_is_the_one_that_the_model_was_trained_with(trained: ModelProto, tmp_path: Path) -> None:
    report = build(tmp_path, trained, "12-int8", sets=1)
    assert report.samples == f"{NATURAL} (preprocessing unit)"
    assert report.calibration is not None and report.calibration.distance is not None
    assert not report.calibration.distance.far and report.passed
    np.testing.assert_array_equal(stored_inputs(tmp_path, "12-int8"), [picture(10_000, "unit")])
    # rows in float have the same inputs, whether or not an integer one is beside them
    again = build(tmp_path, trained, "12", sets=1)
    assert again.samples == report.samples and again.calibration is None
    np.testing.assert_array_equal(stored_inputs(tmp_path, "12"), [picture(10_000, "unit")])


def test_the_preprocessing_of_a_card_is_taken_as_it_is(tmp_path: Path) -> None:
    report = build(tmp_path, without_statistics(), "12", sets=1, card=Card(preprocess="tensorflow"))
    assert report.samples == f"{NATURAL} (preprocessing tensorflow)"


@pytest.mark.parametrize("statistics", [True, False])
def test_a_net_of_caffe2_gets_the_same_pictures(statistics: bool, trained: ModelProto, tmp_path: Path) -> None:
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in trained.graph.initializer}
    net = NetDef(name="pictures", external_output=["y"])
    parameters: dict[str, Array] = {}

    def add(op_type: str, inputs: list[str], output: str, names: list[str], **arguments: int) -> None:
        parameters.update((name, weights[name]) for name in names)
        given = [Argument(name=name, i=value) for name, value in arguments.items()]
        net.op.append(OperatorDef(type=op_type, input=[*inputs, *names], output=[output], arg=given))

    source = "data"
    for index, node in enumerate(trained.graph.node):
        output, names = f"value{index}", [name for name in node.input if name in weights]
        if node.op_type == "Conv":
            kernel = weights[names[0]].shape[2]
            add("Conv", [source], output, names, kernel=kernel, pad=kernel // 2)
        elif node.op_type == "BatchNormalization" and statistics:
            add("SpatialBN", [source], output, names, is_test=1)
        elif node.op_type == "Relu":
            add("Relu", [source], output, [])
        else:
            continue
        source = output
    add("AveragePool", [source], "y", [], global_pooling=1)
    net.external_input.extend(["data", *parameters])
    predict, init = tmp_path / "predict_net.pb", tmp_path / "init_net.pb"
    predict.write_bytes(write_net(net))
    init.write_bytes(init_net_content("init", parameters))
    recipe = net_recipe(predict, {"data": (TensorProto.FLOAT, (1, 3, 32, 32))})
    report = zoosmith.build(tmp_path / "out", recipe, BuildOptions(weights=init, rows="6,9,12-int8", sets=1))
    convention = "unit" if statistics else "caffe-densenet"
    assert report.samples == f"{NATURAL} (preprocessing {convention})" and not report.noise
    assert report.calibration is not None and (report.calibration.distance is not None) == statistics
    assert report.passed, [check for row in report.rows for check in row.checks if not check.passed]
    np.testing.assert_array_equal(stored_inputs(tmp_path, "12-int8"), [picture(10_000, convention)])


def test_a_model_of_wide_lines_is_checked_on_natural_pictures_too(tmp_path: Path) -> None:
    net = Net([1, 3, 16, 64])
    report = build(tmp_path, net.model(net.add("Relu", net.conv("data", 3, 8))), "12-int8")
    told = "lines of text; preprocessing caffe-densenet)"
    assert report.samples == f"made-up pictures (natural pictures, then {told}"
    assert report.calibration is not None and report.calibration.samples == f"64 made-up pictures ({told}"
    natural, lines = stored_inputs(tmp_path, "12-int8")
    made = preprocessing("caffe-densenet")(made_pictures((16, 64), 0, "natural")[10_000], (16, 64))
    np.testing.assert_array_equal(natural, made[None])
    assert not np.array_equal(lines, natural)


@pytest.mark.parametrize("given", [{"shapes": {"data": InputShape((1, 3, 24, 24))}}, {"dims": {"S": 24}}])
def test_sizes_that_are_given_are_those_of_the_pictures(given: dict, tmp_path: Path) -> None:
    build(tmp_path, without_statistics("S"), "12", sets=1, inputs=InputSource(**given))
    assert [each.shape for each in stored_inputs(tmp_path, "12")] == [(1, 3, 24, 24)]


def test_open_sizes_are_the_usual_ones_or_where_the_model_does_not_run_on_these_others(tmp_path: Path) -> None:
    build(tmp_path, without_statistics("S"), "12", sets=1)
    assert [each.shape for each in stored_inputs(tmp_path, "12")] == [(1, 3, 224, 224)]
    net = Net([1, 3, "S", "S"])
    rows = net.add("Reshape", net.conv("data", 3, 8), net.constant(np.array([1, 8 * 16 * 16])))
    report = build(tmp_path, net.model(rows), "12", sets=1)
    assert report.samples.startswith(NATURAL)
    assert [each.shape for each in stored_inputs(tmp_path, "12")] == [(1, 3, 16, 16)]


def test_of_a_batch_each_image_is_another_picture(tmp_path: Path) -> None:
    net = Net([4, 3, 32, 32])
    report = build(tmp_path, net.model(net.add("Relu", net.conv("data", 3, 8))), "12-int8")
    assert report.calibration is not None and report.calibration.samples.startswith("16 ")
    stored = np.concatenate(stored_inputs(tmp_path, "12-int8"))
    made = [picture(10_000 + index, "caffe-densenet") for index in range(8)]
    np.testing.assert_array_equal(stored, np.concatenate(made))


def test_a_net_of_sound_is_checked_on_other_sound_in_every_branch_that_a_number_chooses(tmp_path: Path) -> None:
    report = build(tmp_path, detector({"then": fourier(256), "else": fourier(128)}), "12-fp16")
    assert report.samples == "frames of made-up sound" and not report.noise
    assert report.calibration is not None and report.calibration.samples == "128 frames of made-up sound"
    first, second = stored_inputs(tmp_path, "12-fp16")
    assert first.dtype == np.float32 and first.std() > 0 and not np.array_equal(first, second)
    rates = {int(rate) for rate in stored_inputs(tmp_path, "12-fp16", "input_2.pb")}
    assert len(rates) == 2 and 16000 in rates


def test_what_takes_neither_gets_random_numbers_and_the_card_says_that_the_proof_rests_on_noise(tmp_path: Path) -> None:
    net = Net([1, 16])
    weights = np.random.RandomState(0).normal(size=(16, 8)).astype(np.float32)
    report = build(tmp_path, net.model(net.add("MatMul", "data", net.constant(weights))), "12,12-int8")
    assert report.samples == "random numbers" and report.noise
    assert report.calibration is not None and report.calibration.samples == "64 random numbers"
    assert "This proof rests on noise: random numbers are like no data" in card_of(tmp_path)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "this proof rests on noise" in page
    assert json.loads((tmp_path / "out" / "report.json").read_text())["noise"] is True


def test_a_zoo_file_makes_the_same_of_a_model(tmp_path: Path) -> None:
    onnx.save(without_statistics(), tmp_path / "net.onnx")
    (tmp_path / "zoo.toml").write_text('[[model]]\nmodel = "net.onnx"\nrows = "12"\nsets = 1\n')
    built = build_zoo(tmp_path / "zoo.toml", tmp_path / "zoo", jobs=1)
    assert built.passed
    report = built.entries[0].report
    assert report is not None and report["samples"] == f"{NATURAL} (preprocessing caffe-densenet)"
