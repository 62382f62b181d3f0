"""Published nets: recognised, and their rows of the published sizes."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest

import zoosmith
from tests.shared_data import needs_shared
from tests.zoosmith.recipes.init_net_files import init_net_content
from tests.zoosmith.recipes.shared_nets import net_file, parameters, shapes
from zoosmith import BuildOptions
from zoosmith.convert import read_net, read_parameters, write_net
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.recipes.densenet121 import DENSENET121
from zoosmith.recipes.densenet121.net import predict_net
from zoosmith.recipes.families import family_recipe, recognised
from zoosmith.recipes.given import net_recipe
from zoosmith.recipes.init_nets import InitLayout, init_net_parts, init_net_size
from zoosmith.recipes.published import families
from zoosmith.recipes.recipe import Recipe
from zoosmith.results.report import Report

NETS = {
    "bvlc_alexnet": "bvlcalexnet",
    "bvlc_googlenet": "googlenet",
    "bvlc_reference_caffenet": "caffenet",
    "densenet121": "densenet",
    "squeezenet": "squeezenet1.0",
    "vgg19": "vgg19-caffe2",
}


@needs_shared
@pytest.mark.parametrize(("net", "prefix"), NETS.items())
def test_a_published_net_is_recognised_by_its_hash(net: str, prefix: str) -> None:
    family = recognised(read_net(net_file(net)))
    assert family is not None and family.prefix == prefix


def test_the_net_of_densenet121_is_the_recipe_with_synthetic_weights() -> None:
    family = recognised(predict_net())
    assert family is not None and family_recipe(family, predict_net()) is DENSENET121


def test_another_net_is_not_recognised() -> None:
    net = predict_net()
    net.op[0].arg[0].i += 1
    assert recognised(net) is None


@needs_shared
@pytest.mark.parametrize(("net", "prefix"), [pair for pair in NETS.items() if pair[0] != "densenet121"])
def test_an_init_net_in_the_published_layout_has_the_published_size(net: str, prefix: str) -> None:
    family = families()[prefix]
    assert family.init_net is not None
    layouts = [InitLayout(f"{net}_init"), InitLayout(None, "data")]
    assert family.init_net.size in [init_net_size(layout, shapes(net)) for layout in layouts]


def test_the_size_of_an_init_net_is_known_without_writing_it() -> None:
    arrays = {"a": np.zeros((3, 500), np.float32), "b": np.zeros((), np.float32)}
    for layout in (InitLayout("net"), InitLayout(None, "data"), InitLayout("", "data", (1, 1))):
        content = b"".join(init_net_parts(layout, arrays))
        assert init_net_size(layout, {name: array.shape for name, array in arrays.items()}) == len(content)
        assert NetDef.FromString(content).SerializeToString() == content


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recipe, Report]:
    """All published rows of one family, of seeded parameters."""
    folder = tmp_path_factory.mktemp("squeezenet")
    (folder / "init_net.pb").write_bytes(init_net_content("any", parameters("squeezenet")))
    recipe = net_recipe(net_file("squeezenet"), {})
    return folder, recipe, zoosmith.build(folder, recipe, BuildOptions(weights=folder / "init_net.pb", sets=1))


@needs_shared
def test_every_published_fp32_row_has_the_published_size(squeezenet: tuple[Path, Recipe, Report]) -> None:
    rows = {row.name: row for row in squeezenet[2].rows}
    assert list(rows) == ["3", "6", "7", "8", "9", "12", "12-int8"]
    published = families()["squeezenet1.0"].rows
    for name, row in rows.items():
        if row.exact:
            assert row.passed, [check for check in row.checks if not check.passed]
            assert row.model is not None and row.model.size == published[name].model.size
            assert "size in bytes" in [check.name for check in row.checks]


@needs_shared
def test_the_files_carry_the_exporters_names(squeezenet: tuple[Path, Recipe, Report]) -> None:
    folder, recipe, _ = squeezenet
    for name in ("3", "9", "12"):
        graph = onnx.load(folder / recipe.folder / recipe.path(name)).graph
        assert graph.name == "squeezenet_old"
        (dropout,) = (node for node in graph.node if node.op_type == "Dropout")
        assert list(dropout.output) == ["fire9/concat_2", "_fire9/concat_mask_1"]
    assert dropout.input[1].isdecimal()


@needs_shared
@pytest.mark.parametrize("row", ["3", "12"])
def test_any_surviving_row_gives_the_init_net_and_the_other_rows_back(
    row: str, squeezenet: tuple[Path, Recipe, Report], tmp_path: Path
) -> None:
    folder, recipe, report = squeezenet
    model = folder / recipe.folder / recipe.path(row)
    again = zoosmith.build(tmp_path, recipe, BuildOptions(weights=model, rows="3,9,12", sets=1))
    assert again.nets == report.nets
    assert again.nets["init_net.pb"]["bytes"] == 6_181_001
    for name in ("3", "9", "12"):
        path = Path(recipe.folder, recipe.path(name))
        assert (tmp_path / path).read_bytes() == (folder / path).read_bytes()


@needs_shared
def test_weights_of_other_shapes_are_not_held_to_the_published_sizes(tmp_path: Path) -> None:
    made = parameters("squeezenet")
    made["conv10_w"], made["conv10_b"] = made["conv10_w"][:10], made["conv10_b"][:10]
    (tmp_path / "init_net.pb").write_bytes(init_net_content("any", made))
    recipe = net_recipe(net_file("squeezenet"), {})
    report = zoosmith.build(tmp_path, recipe, BuildOptions(weights=tmp_path / "init_net.pb", rows="9", sets=1))
    assert report.passed
    assert "size in bytes" not in [check.name for check in report.rows[0].checks]


@needs_shared
def test_parameters_that_are_missing_are_named(tmp_path: Path) -> None:
    made = parameters("squeezenet")
    del made["conv10_b"]
    (tmp_path / "init_net.pb").write_bytes(init_net_content("any", made))
    recipe = net_recipe(net_file("squeezenet"), {})
    with pytest.raises(ZoosmithError, match=r"expected the 52 parameters of SqueezeNet 1.0.*1 missing \(conv10_b\)"):
        zoosmith.build(tmp_path / "out", recipe, BuildOptions(weights=tmp_path / "init_net.pb"))
    with pytest.raises(ZoosmithError, match=r"SqueezeNet 1\.0: expected its weights"):
        zoosmith.build(tmp_path / "out", recipe)
    assert not (tmp_path / "out").exists()


@needs_shared
def test_a_net_under_another_name_is_written_as_the_published_one() -> None:
    net = read_net(net_file("bvlc_alexnet"))
    assert net.name == "AlexNet"
    family = families()["bvlcalexnet"]
    source = family_recipe(family, net)
    assert source.title == "AlexNet" and family.predict_net is not None
    net.name = "bvlc_alexnet"
    assert hashlib.sha256(write_net(net)).hexdigest() == family.predict_net.sha256


@needs_shared
def test_the_licence_of_given_weights_is_not_that_of_the_published_ones(
    squeezenet: tuple[Path, Recipe, Report],
) -> None:
    folder, recipe, _ = squeezenet
    card = (folder / recipe.folder / "README.md").read_text()
    told = " ".join(card.partition("## License")[2].split())
    assert told.startswith("Not stated for the weights that were given. Of the published weights: Apache-2.0")


@needs_shared
def test_every_card_of_a_family_can_be_read() -> None:
    for family in families().values():
        if family.prefix != DENSENET121.prefix:
            recipe = family_recipe(family, NetDef(name="any"))
            assert recipe.card.task == "image classification" and recipe.card.license == family.license
            assert set(recipe.select_rows(None)) <= set(recipe.rows.values())


@needs_shared
def test_the_parameters_of_a_row_are_those_that_it_was_made_of(squeezenet: tuple[Path, Recipe, Report]) -> None:
    folder, recipe, _ = squeezenet
    source = recipe.open_source(folder / recipe.folder / recipe.path("9"), 0, folder)
    (folder / "again.pb").write_bytes(source.init_net)  # type: ignore[attr-defined]
    found = read_parameters(folder / "again.pb")
    for blob, values in parameters("squeezenet").items():
        np.testing.assert_array_equal(found[blob], values)
