"""A tree as the zoo's own scripts take it: its table of files, its manifest, its archives, with nothing of ours.

The zoo's CI reads the tables of the model cards, hashes the files that they link to, describes their ports with ONNX
Runtime, checks the models, unpacks the archives and runs the models on the messages in them.
"""

import gzip
import hashlib
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import zoosmith
from tests.zoosmith.recipes.small_recipe import SMALL
from zoosmith import BuildOptions

COLUMNS = ["Model", "Download", "Download (with sample test data)", "ONNX version", "Opset version"]
LINK = re.compile(r"\[([\d.]+) MB( unpacked)?\]\((\S+)\)")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tree")
    assert zoosmith.build(out, SMALL, BuildOptions(rows="3,8,9,12,12-int8,17", sets=2)).passed
    return out


def rows_of(tree: Path) -> list[dict[str, Any]]:
    """The rows of all tables of the cards in a tree, with the folder of each card."""
    found = []
    for card in tree.rglob("README.md"):
        lines = [line for line in card.read_text().splitlines() if line.startswith("|")]
        heading = next(line for line in lines if line.startswith("|Model|"))
        names = heading.strip("|").split("|")
        assert names[: len(COLUMNS)] == COLUMNS
        table = lines[lines.index(heading) + 2 :]
        for line in table[: next((k for k, line in enumerate(table) if "](" not in line), len(table))]:
            found.append({"folder": card.parent, **dict(zip(names, line.strip("|").split("|"), strict=True))})
    return found


def test_the_tables_give_the_manifest(tree: Path) -> None:
    manifest = {entry["model_path"]: entry for entry in json.loads((tree / "ONNX_HUB_MANIFEST.json").read_text())}
    rows = rows_of(tree)
    assert len(rows) == len(manifest) == 6
    for row in rows:
        files = {}
        for column, name in (("Download", "model"), ("Download (with sample test data)", "model_with_data")):
            match = LINK.fullmatch(row[column])
            assert match is not None
            path = row["folder"] / match.group(3)
            content = path.read_bytes()
            stated = gzip.decompress(content) if match.group(2) else content
            assert f"{len(stated) / 1e6:.1f}" == match.group(1)
            files[name] = (path.relative_to(tree).as_posix(), hashlib.sha256(content).hexdigest(), len(content))
        entry = manifest[files["model"][0]]
        metadata = entry["metadata"]
        assert (entry["model"], entry["onnx_version"]) == (row["Model"], row["ONNX version"])
        assert entry["opset_version"] == int(row["Opset version"])
        assert (metadata["model_sha"], metadata["model_bytes"]) == files["model"][1:]
        assert files["model_with_data"] == tuple(
            metadata[f"model_with_data_{field}"] for field in ("path", "sha", "bytes")
        )


def test_the_manifest_has_the_ports_that_onnx_runtime_finds(tree: Path) -> None:
    for entry in json.loads((tree / "ONNX_HUB_MANIFEST.json").read_text()):
        if entry["opset_version"] < 7:
            continue
        session = onnxruntime.InferenceSession(tree / entry["model_path"], providers=["CPUExecutionProvider"])
        ports = {
            side: [{"name": value.name, "shape": value.shape, "type": value.type} for value in values]
            for side, values in (("inputs", session.get_inputs()), ("outputs", session.get_outputs()))
        }
        assert entry["metadata"]["io_ports"] == ports


def test_an_archive_holds_one_valid_model_that_gives_the_stored_outputs(tree: Path, tmp_path: Path) -> None:
    for entry in json.loads((tree / "ONNX_HUB_MANIFEST.json").read_text()):
        archive = tree / entry["metadata"]["model_with_data_path"]
        folder = tmp_path / archive.name.removesuffix(".tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path, filter="data")
        (path,) = folder.rglob("*.onnx")
        assert path.read_bytes() == (tree / entry["model_path"]).read_bytes()
        onnx.checker.check_model(path, full_check=True)
        sets = sorted(folder.glob("test_data_set_*"))
        assert len(sets) == 2
        if entry["opset_version"] < 7:
            continue
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for data in sets:
            read = {
                side: [numpy_helper.to_array(onnx.load_tensor(file)) for file in sorted(data.glob(f"{side}_*.pb"))]
                for side in ("input", "output")
            }
            names = [value.name for value in session.get_inputs()]
            given = session.run(None, dict(zip(names, read["input"], strict=True)))
            for expected, found in zip(read["output"], given, strict=True):
                np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
        stored = np.load(folder / "test_data_0.npz", allow_pickle=False)
        assert {"inputs_0", "inputs_1", "outputs"} <= set(stored.files)


def test_the_integer_row_of_a_small_net_is_integer_though_float_is_as_fast(tree: Path) -> None:
    (path,) = tree.rglob("*-12-int8.onnx")
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert "QLinearConv" in operators
    assert not operators & {"Conv", "Gemm", "MatMul"}
