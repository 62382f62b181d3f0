"""A small zoo, and the ways to damage it: every file of it can be made anew, and the manifest and card with it."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zoosmith.archives.bundles import bundle
from zoosmith.hub.manifest import MANIFEST_NAME
from zoosmith.hub.ports import hub_inputs, hub_outputs
from zoosmith.hub.store import sha256_of
from zoosmith.validation.reading.unpacking import unpacked

FOLDER = "vision/small"
RELEASES = {6: "1.1.2", 9: "1.4", 10: "1.5", 12: "1.7", 17: "1.12"}
SHAPE = [2, 3]


def small_model(opset: int, *, scale: float = 1.0, ir: int = 4) -> onnx.ModelProto:
    """Two inputs and two outputs of one shape; opsets below 7 take no broadcasting, and IR 3 its weights as inputs."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("x", "s")]
    weights = numpy_helper.from_array((np.arange(6, dtype=np.float32) + 1).reshape(SHAPE) * np.float32(scale), "w")
    if ir < 4:
        ports.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, SHAPE))
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"]), helper.make_node("Add", ["x", "s"], ["z"])],
        "small",
        ports,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, SHAPE) for name in ("y", "z")],
        [weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


class Zoo:
    """A tree with models, archives, a card and a manifest that agree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: dict[str, int] = {}

    @property
    def folder(self) -> Path:
        return self.root / FOLDER / "model"

    @property
    def card(self) -> Path:
        return self.root / FOLDER / "README.md"

    @property
    def manifest(self) -> Path:
        return self.root / MANIFEST_NAME

    def model(self, row: str) -> Path:
        return self.folder / f"small-{row}.onnx"

    def archive(self, row: str) -> Path:
        return self.folder / f"small-{row}.tar.gz"

    def add(self, row: str, model: onnx.ModelProto, *, archive: bool = True) -> None:
        """Add or replace a row, without its archive where the model cannot be run; card and manifest follow."""
        self.folder.mkdir(parents=True, exist_ok=True)
        onnx.save(model, self.model(row))
        self.archive(row).unlink(missing_ok=True)
        if archive:
            bundle(self.model(row), self.archive(row), sets=2)
        self.rows[row] = int(row.split("-", maxsplit=1)[0])
        self.describe()

    def describe(self) -> None:
        """Write the manifest and the card anew, of the files as they are."""
        entries = [self.entry(row) for row in self.rows]
        self.manifest.write_text(json.dumps(entries))
        lines = ["# Small", "", "|Model|Download|With data|ONNX version|Opset version|", "|---|---|---|---|---|"]
        for row, opset in self.rows.items():
            links = [self.link(path) for path in (self.model(row), self.archive(row)) if path.exists()]
            lines.append(f"|Small-{row}|{'|'.join(links)}|{'|' * (2 - len(links))}{RELEASES[opset]}|{opset}|")
        self.card.write_text(
            "\n".join([*lines, "", "[Paper](https://example.com/none.pdf)", "", "## License", "", "MIT"])
        )

    def link(self, path: Path) -> str:
        return f"[{path.stat().st_size / 1000:.1f} kB](model/{path.name})"

    def entry(self, row: str) -> dict[str, Any]:
        model, archive = self.model(row), self.archive(row)
        metadata = {"model_sha": sha256_of(model), "model_bytes": model.stat().st_size, "tags": ["vision"]}
        try:
            graph = onnx.load(model).graph
            metadata["io_ports"] = {"inputs": hub_inputs(graph), "outputs": hub_outputs(graph)}
        except Exception:  # a damaged one has no ports
            pass
        if archive.exists():
            metadata |= {
                "model_with_data_path": f"{FOLDER}/model/{archive.name}",
                "model_with_data_sha": sha256_of(archive),
                "model_with_data_bytes": archive.stat().st_size,
            }
        return {
            "model": "Small",
            "model_path": f"{FOLDER}/model/{model.name}",
            "onnx_version": RELEASES[self.rows[row]],
            "opset_version": self.rows[row],
            "metadata": metadata,
        }

    def edit_manifest(self, change: Callable[[list[Any]], None]) -> None:
        entries = json.loads(self.manifest.read_text())
        change(entries)
        self.manifest.write_text(json.dumps(entries))

    def edit_model(self, row: str, change: Callable[[onnx.ModelProto], None], *, archive: bool = False) -> None:
        """Change a model; by default the row has no archive then, since the model may not run."""
        model = onnx.load(self.model(row))
        change(model)
        self.add(row, model, archive=archive)

    def edit_archive(self, row: str, change: Callable[[Path], None]) -> None:
        """Unpack an archive, change what is in its folder, and pack it again."""
        path = self.archive(row)
        work = self.root.parent / "work"
        with unpacked(path) as folder:
            shutil.copytree(folder, work)
        change(work / f"small-{row}")
        with tarfile.open(path, "w:gz") as tar:
            for file in sorted(work.rglob("*")):
                if file.is_file():
                    tar.add(file, str(file.relative_to(work)))
        shutil.rmtree(work)
        self.describe()

    def add_member(self, row: str, info: tarfile.TarInfo, content: bytes = b"") -> None:
        """Append a member to an archive, as it is."""
        path = self.archive(row)
        with tarfile.open(path) as tar:
            members = [(each, tar.extractfile(each)) for each in tar.getmembers()]
            kept = [(each, b"" if file is None else file.read()) for each, file in members]
        info.size = len(content)
        with tarfile.open(path, "w:gz") as tar:
            for each, data in [*kept, (info, content)]:
                tar.addfile(each, io.BytesIO(data))
        self.describe()


def make_zoo(root: Path) -> Zoo:
    """A zoo of two rows."""
    zoo = Zoo(root)
    for row in ("9", "12"):
        zoo.add(row, small_model(int(row), scale=int(row)))
    return zoo


def copy_of(zoo: Zoo, root: Path) -> Zoo:
    shutil.copytree(zoo.root, root)
    copied = Zoo(root)
    copied.rows = dict(zoo.rows)
    return copied
