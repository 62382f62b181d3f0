"""Any Caffe2 net and any ONNX model becomes rows, with what a user states of it."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import zoosmith
from tests.zoosmith.recipes import small_recipe
from tests.zoosmith.recipes.init_net_files import init_net_content
from tests.zoosmith.small_models import identity_model, scaling_model
from zoosmith import BuildOptions
from zoosmith.archives.bundles import validate
from zoosmith.cli import main
from zoosmith.convert import write_net
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.saving import save_model
from zoosmith.recipes.choice import Choice
from zoosmith.recipes.given import model_recipe, net_recipe
from zoosmith.recipes.recipe import Recipe
from zoosmith.results.report import Report
from zoosmith.validation.inputs.random_values import InputShape
from zoosmith.validation.inputs.source import InputSource

DECLARED = small_recipe.NET.inputs


def write_small_net(folder: Path) -> tuple[Path, Path]:
    predict, init = folder / "predict_net.pb", folder / "init_net.pb"
    predict.write_bytes(write_net(small_recipe.predict_net()))
    init.write_bytes(init_net_content("init", small_recipe.parameters(0)))
    return predict, init


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recipe, Report]:
    folder = tmp_path_factory.mktemp("net")
    predict, init = write_small_net(folder)
    recipe = net_recipe(predict, DECLARED)
    return folder, recipe, zoosmith.build(folder, recipe, BuildOptions(weights=init, rows="3,6,8,9,12,12-int8,14"))


def test_a_net_becomes_rows_of_its_own_name(built: tuple[Path, Recipe, Report]) -> None:
    folder, recipe, report = built
    assert (recipe.title, recipe.prefix, recipe.folder) == ("small", "small", "small")
    exact = [row for row in report.rows if row.exact]
    assert all(row.passed for row in exact), [check for row in exact for check in row.checks if not check.passed]
    for row in report.written:
        assert row.model is not None and row.archive is not None
        onnx.checker.check_model(folder / "small" / row.model.path, full_check=True)
        assert all(found.passed for found in validate(folder / "small" / row.archive.path).values())


def test_the_rows_below_opset_7_ran_in_the_reference_evaluator(built: tuple[Path, Recipe, Report]) -> None:
    ran = {row.name: row.ran_in.name for row in built[2].rows if row.ran_in is not None}
    assert ran["3"] == ran["6"] == "onnx's reference evaluator" and ran["9"] == ran["14"] == "ONNX Runtime"
    card = " ".join((built[0] / "small" / "README.md").read_text().replace("> ", "").split())
    assert "In this build 3 and 6 ran in onnx's reference evaluator with the operators of their opsets" in card


def test_files_say_what_made_them(built: tuple[Path, Recipe, Report]) -> None:
    folder, recipe, report = built
    for name in ("3", "9", "12-int8"):
        model = onnx.load(folder / "small" / recipe.path(name))
        assert (model.producer_name, model.producer_version) == ("zoosmith", zoosmith.__version__)
        assert {entry.key: entry.value for entry in model.metadata_props} == {
            f"{file}.sha256": facts["sha256"] for file, facts in report.nets.items()
        }


def test_a_row_of_any_net_gives_its_weights_back(built: tuple[Path, Recipe, Report], tmp_path: Path) -> None:
    folder, recipe, _ = built
    report = zoosmith.build(
        tmp_path, recipe, BuildOptions(weights=folder / "small" / recipe.path("12"), rows="9", sets=1)
    )
    assert report.passed
    before, after = (onnx.load(place / "small" / recipe.path("9")).graph for place in (folder, tmp_path))
    assert before == after


def test_every_command_of_a_card_runs_and_makes_the_same_files(
    built: tuple[Path, Recipe, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built[0]
    card = (folder / "small" / "README.md").read_text()
    commands = "".join(re.findall(r"```shell\n(.*?)```", card, re.DOTALL)).splitlines()
    assert [command.split()[1] for command in commands] == ["build", "validate", "build", "build"]
    write_small_net(tmp_path)
    monkeypatch.chdir(tmp_path)
    for command in commands:
        with pytest.raises(SystemExit) as ended:
            main([*shlex.split(command)[1:], "-q"])
        # the integer row of random weights is as far off as it was
        assert not ended.value.code or ("12-int8" in command and not built[2].passed)
    for path in sorted(file for file in folder.rglob("*") if file.suffix != ".pb" and file.is_file()):
        assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes(), path
    for row in ("12", "12-int8"):
        made = {path.name: path.read_bytes() for path in (tmp_path / f"row-{row}" / "small" / "model").iterdir()}
        assert made == {name: (folder / "small" / "model" / name).read_bytes() for name in made}
        assert set(made) == {f"small-{row}.onnx", f"small-{row}.tar.gz"}


def test_the_files_of_a_given_name_have_exactly_that_name(tmp_path: Path) -> None:
    net, _ = write_small_net(tmp_path)
    recipe = Choice(net=net, name="Net_v1.5").recipe(None)
    assert (recipe.prefix, recipe.folder, recipe.arguments[-2:]) == ("Net_v1.5", "Net_v1.5", ("--name", "Net_v1.5"))
    for name in ("", "../net", "my net", "-net", ".net", "net.", "n\u00e9t"):
        with pytest.raises(ZoosmithError, match="expected letters, digits, dots, dashes and underscores"):
            Choice(net=net, name=name)


def test_the_command_of_a_card_names_the_folder_it_was_run_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert BuildOptions(calibrate=Path(".")).arguments() == ("--calibrate", tmp_path.name)
    save_model(identity_model(), tmp_path / "model.onnx")
    recipe = model_recipe(Path("model.onnx"), inputs=InputSource(feed=Path(".")))
    assert recipe.arguments == ("--model", "model.onnx", "--feed", tmp_path.name)


def test_the_command_of_a_card_gives_types_and_symbolic_sizes_of_inputs(tmp_path: Path) -> None:
    net, _ = write_small_net(tmp_path)
    sizes = InputSource(dims={"N": 2}, shapes={"ids": InputShape(("N", 3), TensorProto.INT64)})
    words = ("--dim", "N=2", "--input", "ids=int64:N,3")
    assert net_recipe(net, {"ids": (TensorProto.INT64, ["N", 3])}, inputs=sizes).arguments[2:] == words
    save_model(identity_model(), tmp_path / "model.onnx")
    assert model_recipe(tmp_path / "model.onnx", inputs=sizes).arguments[2:] == words


def test_a_row_that_cannot_be_made_does_not_stop_the_others(tmp_path: Path) -> None:
    node = helper.make_node("NonZero", ["x"], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "m"])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [2, None])
    model = helper.make_model(
        helper.make_graph([node], "places", [x], [y]), opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    )
    save_model(model, tmp_path / "places.onnx")
    report = zoosmith.build(tmp_path, model_recipe(tmp_path / "places.onnx"), BuildOptions(rows="3,13", sets=1))
    failed, passed = report.rows
    assert passed.passed and passed.model is not None
    assert not failed.passed and failed.model is None and "NonZero" in (failed.failure or "")
    assert not (tmp_path / "places" / "model" / "places-3.onnx").exists()
    assert [entry["opset_version"] for entry in json.loads((tmp_path / "ONNX_HUB_MANIFEST.json").read_text())] == [13]
    card = (tmp_path / "places" / "README.md").read_text()
    assert "There is no file of 3: it could not be made, or not be run." in card


def test_data_without_a_shape_is_named(tmp_path: Path) -> None:
    predict, init = write_small_net(tmp_path)
    recipe = net_recipe(predict, {"shift": DECLARED["shift"]})
    with pytest.raises(ZoosmithError, match="'image'"):
        zoosmith.build(tmp_path / "out", recipe, BuildOptions(weights=init))
    assert not (tmp_path / "out").exists()


def two_inputs() -> ModelProto:
    """A lookup by int64 numbers, plus a float input of another open size; opset 13."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "numbers"], ["rows"]),
            helper.make_node("Add", ["rows", "shift"], ["sum"]),
            helper.make_node("ReduceMean", ["sum"], ["y"], axes=[1], keepdims=0),
        ],
        "lookup",
        [
            helper.make_tensor_value_info("numbers", TensorProto.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("shift", TensorProto.FLOAT, ["batch", 1, 8]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(np.arange(80, dtype=np.float32).reshape(10, 8), "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("rows", ["7,13,18", "13"])
def test_a_model_of_open_sizes_and_integers_becomes_rows(rows: str, tmp_path: Path) -> None:
    save_model(two_inputs(), tmp_path / "Look up.onnx")
    recipe = model_recipe(tmp_path / "Look up.onnx", inputs=InputSource(dims={"batch": 2}))
    assert recipe.default_rows == "13" and recipe.prefix == "look-up"
    report = zoosmith.build(tmp_path / "out", recipe, BuildOptions(rows=rows, sets=2))
    assert report.passed and report.sets == 2
    (source,) = report.nets
    assert source == "Look up.onnx" and report.kind == "ONNX model"
    for row in report.written:
        assert row.archive is not None and row.inputs[0]["shape"] == ["batch", "length"]
        assert all(found.passed for found in validate(tmp_path / "out" / "look-up" / row.archive.path).values())
    card = (tmp_path / "out" / "look-up" / "README.md").read_text()
    assert "numbers: int64[batch, length]" in card and "Caffe2" not in card


def test_a_users_own_inputs_are_what_the_archives_hold(tmp_path: Path) -> None:
    save_model(two_inputs(), tmp_path / "lookup.onnx")
    numbers = np.array([[9, 8, 7]])
    np.savez(tmp_path / "own.npz", numbers=numbers, shift=np.ones((1, 1, 8), np.float32))
    recipe = model_recipe(tmp_path / "lookup.onnx", inputs=InputSource(feed=tmp_path / "own.npz"))
    report = zoosmith.build(tmp_path, recipe, BuildOptions(rows="9,13"))
    assert report.passed and report.sets == 1 and report.samples == "the inputs of own.npz"
    with zoosmith.validation.reading.unpacking.unpacked(tmp_path / "lookup" / "model" / "lookup-9.tar.gz") as folder:
        stored = TensorProto.FromString((folder / "lookup-9" / "test_data_set_0" / "input_0.pb").read_bytes())
    np.testing.assert_array_equal(numpy_helper.to_array(stored), numbers)


def test_weights_in_files_beside_a_model_are_found_and_packed(tmp_path: Path) -> None:
    model = scaling_model(np.arange(20_000, dtype=np.float32))
    onnx.save(model, tmp_path / "big.onnx", save_as_external_data=True, location="big.data", size_threshold=0)
    report = zoosmith.build(tmp_path / "out", model_recipe(tmp_path / "big.onnx"), BuildOptions(rows="9,13", sets=1))
    assert report.passed and set(report.nets) == {"big.onnx", "big.data"}
    for row in report.written:
        assert row.archive is not None
        assert all(found.passed for found in validate(tmp_path / "out" / "big" / row.archive.path).values())


def test_the_real_caffe2_is_no_reference_of_a_model(tmp_path: Path) -> None:
    save_model(identity_model((TensorProto.FLOAT, [2])), tmp_path / "x.onnx")
    with pytest.raises(ZoosmithError, match="an ONNX model is its own reference"):
        zoosmith.build(tmp_path / "out", model_recipe(tmp_path / "x.onnx"), BuildOptions(reference="caffe2"))
    assert not (tmp_path / "out").exists()


def test_choices_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    predict, init = write_small_net(tmp_path)
    save_model(identity_model((TensorProto.FLOAT, [2])), tmp_path / "x.onnx")
    with pytest.raises(ZoosmithError, match="expected one of them"):
        Choice(net=predict, model=tmp_path / "x.onnx").recipe(None)
    with pytest.raises(ZoosmithError, match="give them with `net`"):
        Choice(model=tmp_path / "x.onnx").recipe(init)
    with pytest.raises(ZoosmithError, match="give `net` or `model`"):
        Choice(inputs=InputSource(shapes={"x": InputShape((1,))})).recipe(None)
    with pytest.raises(ZoosmithError, match=r"none\.pb: cannot be read"):
        Choice(net=tmp_path / "none.pb").recipe(None)
