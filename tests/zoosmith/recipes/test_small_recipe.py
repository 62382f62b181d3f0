"""The whole build of a model that is not DenseNet-121: the recipe alone says what it is."""

import hashlib
import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from PIL import Image

import zoosmith
from tests.zoosmith.recipes.small_recipe import NET, SMALL, inputs
from zoosmith import BuildOptions
from zoosmith.archives import packing
from zoosmith.archives.bundles import validate
from zoosmith.execution import Progress
from zoosmith.hub.manifest import MANIFEST_NAME
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.quantize.samples.seen_samples import stated_digests
from zoosmith.results.report import Calibration, Report

ROWS = ["8", "9", "12", "12-int8", "14", "6"]
FOLDER = "vision/classification/small"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("small")
    return out, zoosmith.build(out, SMALL, BuildOptions(rows=",".join(ROWS), sets=2))


def test_every_row_is_written_proved_and_packed_below_the_recipes_folder(built: tuple[Path, Report]) -> None:
    out, report = built
    assert report.passed, [check for row in report.rows for check in row.checks if not check.passed]
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    models = {f"{FOLDER}/model/small-{row}.{kind}" for row in ROWS for kind in ("onnx", "tar.gz")}
    texts = {MANIFEST_NAME, "contents.json", "report.json", "report.html", f"{FOLDER}/README.md"}
    assert files == models | texts
    for row in report.rows:
        onnx.checker.check_model(out / FOLDER / row.model.path, full_check=True)
        assert all(found.passed for found in validate(out / FOLDER / row.archive.path).values())


def test_no_check_is_made_of_the_best_class_or_the_size_where_the_recipe_names_none(
    built: tuple[Path, Report],
) -> None:
    names = [check.name for check in built[1].rows[1].checks]
    assert names == ["declared opset", "onnx.checker with full_check", "data set 0: error", "data set 1: error"]


def test_the_limits_of_several_outputs_are_listed_by_output(built: tuple[Path, Report]) -> None:
    limit = built[1].rows[1].checks[2].limit
    assert list(limit) == ["prob_1", "score_1"]
    assert limit["prob_1"]["rtol"] == 1e-3


def test_the_nets_in_the_report_are_the_recipes(built: tuple[Path, Report]) -> None:
    source = NET.open(seed=0)
    assert built[1].nets == source.files()
    assert built[1].nets["init_net.pb"]["sha256"] == hashlib.sha256(source.init_net).hexdigest()
    assert built[1].calibration == Calibration("64 random arrays", made_up=True, distance=None)


def test_the_manifest_lists_the_recipes_ports_and_tags(built: tuple[Path, Report]) -> None:
    entries = json.loads((built[0] / "ONNX_HUB_MANIFEST.json").read_text())
    assert [entry["model"] for entry in entries] == [
        "Small-12-int8",
        "Small-12",
        "Small-14",
        "Small-6",
        "Small",
        "Small",
    ]
    for entry in entries:
        assert entry["model_path"].startswith(f"{FOLDER}/model/small-")
        metadata = entry["metadata"]
        assert metadata["tags"] == ["vision", "small"] and "extra_ports" not in metadata
        assert metadata["io_ports"] == {
            "inputs": [
                {"name": "image_0", "shape": [1, 3, 16, 16], "type": "tensor(float)"},
                {"name": "shift_0", "shape": [1, 10], "type": "tensor(float)"},
            ],
            "outputs": [
                {"name": "prob_1", "shape": [1, 10], "type": "tensor(float)"},
                {"name": "score_1", "shape": [1, 10], "type": "tensor(float)"},
            ],
        }


def test_the_card_is_the_models_own(built: tuple[Path, Report]) -> None:
    card = (built[0] / FOLDER / "README.md").read_text()
    assert "# Small\n" in card and "DenseNet" not in card and "densenet" not in card and "top-1." not in card
    assert "image_0: float[1, 3, 16, 16]\nshift_0: float[1, 10]\n" in card
    assert "## License\n\nApache-2.0\n" in card
    assert card.startswith("<!--- SPDX-License-Identifier: Apache-2.0 -->\n\n# Small\n")
    assert "Not stated." in card
    assert "The other opsets (14, 6) are converted" in " ".join(card.split())
    assert "random arrays" in card


def test_a_row_gives_the_weights_and_with_them_all_rows_back(built: tuple[Path, Report], tmp_path: Path) -> None:
    weights = built[0] / FOLDER / "model" / "small-12.onnx"
    report = zoosmith.build(tmp_path, SMALL, BuildOptions(weights=weights, rows="9,6", sets=1))
    assert report.passed and not report.synthetic
    for name in ("9", "6"):
        path = SMALL.folder + "/" + SMALL.path(name)
        assert (tmp_path / path).read_bytes() == (built[0] / path).read_bytes()


def test_without_named_rows_all_of_the_recipe_are_made() -> None:
    assert [row.name for row in SMALL.select_rows(None)] == ["8", "9", "12", "12-int8"]


def test_images_are_refused_where_the_recipe_names_no_preprocessing(built: tuple[Path, Report], tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(pictures / "0.png")
    with pytest.raises(ZoosmithError, match="Small: images cannot be read without a preprocessing"):
        zoosmith.build(tmp_path / "out", SMALL, BuildOptions(calibrate=pictures))
    assert not (tmp_path / "out").exists()


def test_contents_and_card_do_not_depend_on_how_archives_are_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {}
    for level in (1, 3):
        monkeypatch.setattr(packing, "_LEVEL", level)
        out = tmp_path / str(level)
        zoosmith.build(out, SMALL, BuildOptions(rows="9,12", sets=1))
        texts[level] = {
            name: (out / name).read_bytes() for name in ("contents.json", f"{FOLDER}/README.md", MANIFEST_NAME)
        }
    assert texts[1].pop(MANIFEST_NAME) != texts[3].pop(MANIFEST_NAME)
    assert texts[1] == texts[3]


def test_contents_are_the_manifest_but_for_the_packed_archives(built: tuple[Path, Report]) -> None:
    listed, contents = (json.loads((built[0] / name).read_text()) for name in (MANIFEST_NAME, "contents.json"))
    for entry in listed:
        packed = (built[0] / entry["metadata"]["model_with_data_path"]).read_bytes()
        assert entry["metadata"].pop("model_with_data_sha") == hashlib.sha256(packed).hexdigest()
        assert entry["metadata"].pop("model_with_data_bytes") == len(packed)
    assert contents == listed


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 3, 8, 16), np.float32), r"a\.npz: 'image_0' is \[4, 3, 8, 16\]; expected \[N, 3, 16, 16\]"),
        (np.zeros((4, 3, 16, 16), np.float64), r"a\.npz: 'image_0' is float64; expected float32"),
        (np.zeros((4, 3, 16, 16), np.float32), r"a\.npz: calibration samples of no spread"),
    ],
)
def test_arrays_that_cannot_be_calibrated_on_end_the_build_before_anything_is_written(
    image: np.ndarray, message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "a.npz", image_0=image, shift_0=np.zeros((4, 10), np.float32))
    with pytest.raises(ZoosmithError, match=message):
        zoosmith.build(tmp_path / "out", SMALL, BuildOptions(rows="9,12-int8", sets=1, calibrate=tmp_path / "a.npz"))
    assert not list((tmp_path / "out").rglob("*.onnx"))


def test_an_integer_row_states_what_a_user_gave_to_calibrate_on(tmp_path: Path) -> None:
    given = {"image_0": inputs(1, 0)["image_0"], "shift_0": inputs(1, 0)["shift_0"]}
    several = {name: np.concatenate([value + index / 10 for index in range(4)]) for name, value in given.items()}
    np.savez(tmp_path / "a.npz", **several)  # type: ignore[arg-type]
    zoosmith.build(tmp_path / "out", SMALL, BuildOptions(rows="9,12-int8", sets=1, calibrate=tmp_path / "a.npz"))
    folder = tmp_path / "out" / SMALL.folder
    stated = {name: stated_digests(onnx.load(folder / SMALL.path(name))) for name in ("9", "12-int8")}
    assert (len(stated["9"]), len(stated["12-int8"])) == (0, 8)


def test_a_build_keeps_ranges_and_takes_them_from_the_cache(tmp_path: Path) -> None:
    class Notes(Progress):
        said: ClassVar[list[str]] = []

        def on_note(self, text: str) -> None:
            self.said.append(text)

    options = BuildOptions(rows="12-int8", sets=1, cache=tmp_path / "cache")
    rows = []
    for name in ("first", "again"):
        zoosmith.build(tmp_path / name, SMALL, options, progress=Notes())
        rows.append((tmp_path / name / SMALL.folder / SMALL.path("12-int8")).read_bytes())
    assert rows[0] == rows[1]
    assert Notes.said == [f"ranges from the cache, {tmp_path / 'cache'}"]
    # where it is does not change a file, so that the card does not state it
    assert options.arguments() == ("--rows", "12-int8", "--sets", "1")
