"""One row is fetched from a tree, and the build makes every other row of it again: the same files."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import zoosmith
from tests.zoosmith.hub.trees import Served, served
from tests.zoosmith.recipes.small_recipe import NET, SMALL
from zoosmith import BuildOptions, hub
from zoosmith.hub.manifest import MANIFEST_NAME
from zoosmith.recipes.published import PublishedFile, PublishedRow
from zoosmith.recipes.recipe import Recipe


def hashes(out: Path) -> dict[str, str]:
    entries = json.loads((out / MANIFEST_NAME).read_text())
    return {entry["model_path"]: entry["metadata"]["model_sha"] for entry in entries}


@pytest.mark.parametrize("row", ["9", "12"])
def test_all_rows_come_back_from_one_that_was_fetched(row: str, tmp_path: Path) -> None:
    zoosmith.build(tmp_path / "zoo", SMALL, BuildOptions(rows="8,9,12,14,6", sets=1))
    files = {str(path.relative_to(tmp_path / "zoo")): path.read_bytes() for path in (tmp_path / "zoo").rglob("*.*")}
    with served(Served(files)) as tree:
        fetched = hub.download_model(f"small:{row}", tree.url, cache=tmp_path / "cache")
    zoosmith.build(tmp_path / "again", SMALL, BuildOptions(rows="8,9,12,14,6", sets=1, weights=fetched))
    assert hashes(tmp_path / "again") == hashes(tmp_path / "zoo")


def test_each_hash_is_held_against_the_published_one_where_the_weights_are_the_published_ones(tmp_path: Path) -> None:
    out = tmp_path / "zoo"
    zoosmith.build(out, of_the_zoo({"9": "0" * 64, "12": "0" * 64}), BuildOptions(rows="9,12", sets=1))
    right = hashes(out)[f"{SMALL.folder}/model/small-9.onnx"]
    fetched = hub.download_model("small:9", str(out), cache=tmp_path / "cache")
    recipe = of_the_zoo({"9": right, "12": "0" * 64})
    report = zoosmith.build(tmp_path / "again", recipe, BuildOptions(rows="9,12", sets=1, weights=fetched))
    assert report.weights == "published"
    assert [row.published for row in report.rows] == ["match", "differs"]


def of_the_zoo(rows: dict[str, str]) -> Recipe:
    """The small recipe as if the zoo had published its weights, and rows with these hashes."""
    known = NET.open(seed=0).files()["init_net.pb"]
    net = replace(NET, published_init_net=PublishedFile(known["bytes"], known["sha256"]))
    made = {}
    for name, sha256 in rows.items():
        file = PublishedFile(0, sha256)
        published = PublishedRow(name, "Small", int(name), "1.4", file, file, mislabelled_as=None)
        made[name] = replace(SMALL.rows[name], published=published)
    return replace(SMALL, rows=made, open_source=net.open)
