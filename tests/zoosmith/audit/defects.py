"""Every kind of defect: how a sound zoo gets it, and the checks of which files find it. No other check may."""

import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.zoosmith.audit.zoo import FOLDER, Zoo, small_model

Finds = dict[str, set[str]]
"""Checks by the name of the file in which they find something."""

DEFECTS: dict[str, tuple[Callable[[Zoo], None], Finds]] = {}

M, A, CARD, MANIFEST = "small-9.onnx", "small-9.tar.gz", "README.md", "ONNX_HUB_MANIFEST.json"


def defect(name: str, **finds: set[str]) -> Callable[[Callable[[Zoo], None]], Callable[[Zoo], None]]:
    """Register a kind of defect; `model`, `archive`, `card`, `manifest` name the files of row 9."""
    files = {"model": M, "archive": A, "card": CARD, "manifest": MANIFEST}

    def register(inject: Callable[[Zoo], None]) -> Callable[[Zoo], None]:
        DEFECTS[name] = (inject, {files[key]: checks for key, checks in finds.items()})
        return inject

    return register


def pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()


def pointer_to(path: Path) -> bytes:
    from zoosmith.hub.store import sha256_of

    return pointer(sha256_of(path), path.stat().st_size)


# bytes


@defect("model missing", model={"present"}, card={"links"})
def _(zoo: Zoo) -> None:
    zoo.model("9").unlink()


@defect("archive missing", archive={"present"}, card={"links"})
def _(zoo: Zoo) -> None:
    zoo.archive("9").unlink()


@defect("folder in place of a model", model={"present"})
def _(zoo: Zoo) -> None:
    zoo.model("9").unlink()
    zoo.model("9").mkdir()


@defect("pipe in place of a model", model={"present"})
def _(zoo: Zoo) -> None:
    zoo.model("9").unlink()
    os.mkfifo(zoo.model("9"))


@defect("pointer in place of a model", model={"git lfs"})
def _(zoo: Zoo) -> None:
    zoo.model("9").write_bytes(pointer_to(zoo.model("9")))


@defect("pointer in place of an archive", archive={"git lfs"})
def _(zoo: Zoo) -> None:
    zoo.archive("9").write_bytes(pointer_to(zoo.archive("9")))


@defect("pointer to another file than the manifest lists", model={"git lfs"})
def _(zoo: Zoo) -> None:
    zoo.model("9").write_bytes(pointer("a" * 64, zoo.model("9").stat().st_size))


@defect("pointer in place of a card", card={"git lfs"})
def _(zoo: Zoo) -> None:
    zoo.card.write_bytes(pointer("a" * 64, 1))


@defect("pointer in place of the manifest", manifest={"git lfs"})
def _(zoo: Zoo) -> None:
    zoo.manifest.write_bytes(pointer("a" * 64, 1))


@defect("model truncated", model={"size", "sha-256", "readable"}, archive={"model inside"})
def _(zoo: Zoo) -> None:
    content = zoo.model("9").read_bytes()
    zoo.model("9").write_bytes(content[:-20])


@defect("model with other weights", model={"sha-256"}, archive={"model inside"})
def _(zoo: Zoo) -> None:
    content = bytearray(zoo.model("9").read_bytes())
    place = content.find(((np.arange(6, dtype=np.float32) + 1) * np.float32(9)).tobytes())
    content[place + 2] ^= 1
    zoo.model("9").write_bytes(content)


@defect("size of the manifest wrong", model={"size"})
def _(zoo: Zoo) -> None:
    zoo.edit_manifest(lambda entries: entries[0]["metadata"].update(model_bytes=7))


@defect("hash of the manifest wrong", archive={"sha-256"})
def _(zoo: Zoo) -> None:
    zoo.edit_manifest(lambda entries: entries[0]["metadata"].update(model_with_data_sha="b" * 64))


# opset, IR version, operators


@defect(
    "another row's model under the name",
    model={"opset of the name", "opset of the manifest", "same bytes"},
    archive={"model inside"},
    card={"numbers"},
    manifest={"same hashes"},
)
def _(zoo: Zoo) -> None:
    zoo.model("9").write_bytes(zoo.model("12").read_bytes())
    zoo.describe()


@defect(
    "model of another opset than its name",
    model={"opset of the name"},
    card={"numbers"},
    manifest={"opset of the file's name"},
)
def _(zoo: Zoo) -> None:
    zoo.edit_model("9", lambda model: model.CopyFrom(small_model(10, scale=9)), archive=True)
    zoo.edit_manifest(lambda entries: entries[0].update(opset_version=10, onnx_version="1.5"))
    zoo.card.write_text(zoo.card.read_text().replace("|1.4|9|", "|1.5|9|"))


@defect("IR version that ONNX has not", model={"ir version", "onnx checker"})
def _(zoo: Zoo) -> None:
    zoo.edit_model("9", lambda model: setattr(model, "ir_version", 99))


@defect("IR version below what the model has", model={"ir version"})
def _(zoo: Zoo) -> None:
    zoo.edit_model("9", lambda model: model.training_info.add().algorithm.SetInParent())


@defect("IR version above what the release reads", model={"ir version"})
def _(zoo: Zoo) -> None:
    zoo.edit_model("9", lambda model: setattr(model, "ir_version", 10))


@defect("initializer that is no input, below IR 4", model={"onnx checker"})
def _(zoo: Zoo) -> None:
    zoo.edit_model("9", lambda model: setattr(model, "ir_version", 3))


def _with_node(zoo: Zoo, node: onnx.NodeProto) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(node)

    zoo.edit_model("9", change)


@defect("operator of a later opset", model={"operators", "onnx checker"})
def _(zoo: Zoo) -> None:
    _with_node(zoo, helper.make_node("LayerNormalization", ["x", "w"], ["n"]))


@defect("operator that ONNX has not", model={"operators", "onnx checker"})
def _(zoo: Zoo) -> None:
    _with_node(zoo, helper.make_node("Convolution", ["x", "w"], ["n"]))


@defect("operator that the opset no longer has", model={"operators", "onnx checker"})
def _(zoo: Zoo) -> None:
    _with_node(zoo, helper.make_node("GroupNormalization", ["x", "w"], ["n"], num_groups=1))


@defect("operator of a domain that is not imported", model={"operators", "onnx checker"})
def _(zoo: Zoo) -> None:
    _with_node(zoo, helper.make_node("LabelEncoder", ["x"], ["n"], domain="ai.onnx.ml"))


@defect("node that reads what nothing computes", model={"onnx checker"})
def _(zoo: Zoo) -> None:
    _with_node(zoo, helper.make_node("Relu", ["nowhere"], ["n"]))


@defect("attribute that the operator has not", model={"onnx checker"})
def _(zoo: Zoo) -> None:
    _with_node(zoo, helper.make_node("Add", ["x", "s"], ["n"], axis=1, broadcast=1))


@defect("shape that contradicts the graph", model={"onnx checker"})
def _(zoo: Zoo) -> None:
    def change(model: onnx.ModelProto) -> None:
        model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 5

    zoo.edit_model("9", change)


# ports


def _with_ports(zoo: Zoo, change: Callable[[Any], None]) -> None:
    zoo.edit_manifest(lambda entries: change(entries[0]["metadata"]["io_ports"]))


@defect("shape of a port in the manifest wrong", model={"ports"})
def _(zoo: Zoo) -> None:
    _with_ports(zoo, lambda ports: ports["inputs"][0].update(shape=[2, 4]))


@defect("rank of a port in the manifest wrong", model={"ports"})
def _(zoo: Zoo) -> None:
    _with_ports(zoo, lambda ports: ports["outputs"][0].update(shape=[2, 3, 1]))


@defect("fixed size of a port open in the manifest", model={"ports"})
def _(zoo: Zoo) -> None:
    _with_ports(zoo, lambda ports: ports["inputs"][0].update(shape=["N", 3]))


@defect("type of a port in the manifest wrong", model={"ports"})
def _(zoo: Zoo) -> None:
    _with_ports(zoo, lambda ports: ports["outputs"][1].update(type="tensor(double)"))


@defect("name of a port in the manifest wrong", model={"ports"})
def _(zoo: Zoo) -> None:
    _with_ports(zoo, lambda ports: ports["outputs"][1].update(name="elsewhere"))


@defect("port missing in the manifest", model={"ports"})
def _(zoo: Zoo) -> None:
    _with_ports(zoo, lambda ports: ports["inputs"].pop())


@defect("ports in the manifest that are none", model={"ports"})
def _(zoo: Zoo) -> None:
    _with_ports(zoo, lambda ports: ports.update(inputs=[{"name": []}, 7], outputs={}))


@defect("feature in the manifest that the model has not", model={"ports"})
def _(zoo: Zoo) -> None:
    features = {"features": [{"name": "pool5", "shape": [1]}]}
    zoo.edit_manifest(lambda entries: entries[0]["metadata"].update(extra_ports=features))


# archives


@defect("archive with a member outside of its folder", archive={"members"})
def _(zoo: Zoo) -> None:
    zoo.add_member("9", tarfile.TarInfo("../evil"), b"evil")


@defect("archive with a link", archive={"members"})
def _(zoo: Zoo) -> None:
    info = tarfile.TarInfo("small-9/link")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    zoo.add_member("9", info)


@defect("archive that is none", archive={"members"})
def _(zoo: Zoo) -> None:
    zoo.archive("9").write_bytes(b"<html>not found</html>")
    zoo.describe()


@defect("archive truncated", archive={"members"})
def _(zoo: Zoo) -> None:
    zoo.archive("9").write_bytes(zoo.archive("9").read_bytes()[:-100])
    zoo.describe()


@defect("archive without a model", archive={"model inside"})
def _(zoo: Zoo) -> None:
    zoo.edit_archive("9", lambda folder: (folder / "model.onnx").unlink())


@defect("archive with two models", archive={"model inside"})
def _(zoo: Zoo) -> None:
    zoo.edit_archive("9", lambda folder: (folder / "second.onnx").write_bytes(zoo.model("12").read_bytes()) and None)


@defect("archive with another row's model", archive={"model inside", "outputs"})
def _(zoo: Zoo) -> None:
    zoo.edit_archive("9", lambda folder: (folder / "model.onnx").write_bytes(zoo.model("12").read_bytes()) and None)


@defect("archive with a pointer in place of the model", archive={"model inside"})
def _(zoo: Zoo) -> None:
    zoo.edit_archive("9", lambda folder: (folder / "model.onnx").write_bytes(pointer("a" * 64, 9)) and None)


@defect("archive with a damaged model", archive={"model inside", "model readable"})
def _(zoo: Zoo) -> None:
    zoo.edit_archive("9", lambda folder: (folder / "model.onnx").write_bytes(b"damaged") and None)


@defect("archive without test data", archive={"test data"})
def _(zoo: Zoo) -> None:
    def change(folder: Path) -> None:
        for path in folder.rglob("test_data*"):
            for file in path.glob("*"):
                file.unlink()
            path.rmdir() if path.is_dir() else path.unlink()

    zoo.edit_archive("9", change)


@defect("test data without an output", archive={"test data"})
def _(zoo: Zoo) -> None:
    zoo.edit_archive("9", lambda folder: (folder / "test_data_set_1/output_1.pb").unlink())


@defect("test data for an input that the model has not", archive={"test data"})
def _(zoo: Zoo) -> None:
    def change(folder: Path) -> None:
        (folder / "test_data_set_0/input_2.pb").write_bytes((folder / "test_data_set_0/input_0.pb").read_bytes())

    zoo.edit_archive("9", change)


@defect("test data that is no tensor", archive={"test data"})
def _(zoo: Zoo) -> None:
    zoo.edit_archive("9", lambda folder: (folder / "test_data_set_0/input_0.pb").write_bytes(b"text") and None)


def _rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    tensor = TensorProto.FromString(path.read_bytes())
    changed = numpy_helper.from_array(np.ascontiguousarray(change(numpy_helper.to_array(tensor))), tensor.name)
    path.write_bytes(changed.SerializeToString())


@defect("test data of another type", archive={"test data"})
def _(zoo: Zoo) -> None:
    def change(folder: Path) -> None:
        _rewrite(folder / "test_data_set_0/input_0.pb", lambda values: values.astype(np.float64))

    zoo.edit_archive("9", change)


@defect("test data of another shape", archive={"test data"})
def _(zoo: Zoo) -> None:
    zoo.edit_archive("9", lambda folder: _rewrite(folder / "test_data_set_0/output_0.pb", lambda values: values.T))


@defect("stored output that the model does not give", archive={"outputs"})
def _(zoo: Zoo) -> None:
    zoo.edit_archive("9", lambda folder: _rewrite(folder / "test_data_set_1/output_1.pb", lambda values: values + 1))


@defect("stored output of an .npz file that the model does not give", archive={"outputs"})
def _(zoo: Zoo) -> None:
    def change(folder: Path) -> None:
        with np.load(folder / "test_data_0.npz") as arrays:
            values = {name: arrays[name] for name in arrays.files}
        np.savez(folder / "test_data_0.npz", **{**values, "outputs": values["outputs"] * 2})

    zoo.edit_archive("9", change)


@defect("pickle among the test data", archive={"test data"})
def _(zoo: Zoo) -> None:
    values = np.array([{"no": "tensor"}], dtype=object)
    zoo.edit_archive("9", lambda folder: np.savez(folder / "test_data_0.npz", inputs=values, outputs=values))


# cards


def _in_card(zoo: Zoo, old: str, new: str) -> None:
    text = zoo.card.read_text()
    assert old in text
    zoo.card.write_text(text.replace(old, new, 1))


@defect("link of the card to a file that is not there", card={"links"})
def _(zoo: Zoo) -> None:
    _in_card(zoo, "[Paper]", "![Picture](images/none.png) [Paper]")


@defect("size in the card wrong", card={"numbers"})
def _(zoo: Zoo) -> None:
    _in_card(zoo, zoo.link(zoo.model("9")), "[7.7 MB](model/small-9.onnx)")


@defect("opset in the card wrong", card={"numbers"})
def _(zoo: Zoo) -> None:
    _in_card(zoo, "|1.4|9|", "|1.4|8|")


@defect("ONNX release in the card wrong", card={"numbers"})
def _(zoo: Zoo) -> None:
    _in_card(zoo, "|1.4|9|", "|1.9|9|")


def _without_link_to(zoo: Zoo, path: Path) -> None:
    _in_card(zoo, zoo.link(path), "")


@defect("model that the card does not have", model={"in the card"})
def _(zoo: Zoo) -> None:
    _without_link_to(zoo, zoo.model("9"))


@defect("archive that the card does not have", archive={"in the card"})
def _(zoo: Zoo) -> None:
    _without_link_to(zoo, zoo.archive("9"))


@defect("model that the card only names in code", model={"in the card"})
def _(zoo: Zoo) -> None:
    _without_link_to(zoo, zoo.model("9"))
    zoo.card.write_text(zoo.card.read_text() + "\n```\nzoosmith opset [x](model/small-9.onnx)\n```\n")


@defect("model and archive that neither card nor manifest have", model={"in the card"}, archive={"in the card"})
def _(zoo: Zoo) -> None:
    del zoo.rows["9"]
    zoo.describe()


@defect("size of an unpacked archive in the card wrong", card={"numbers"})
def _(zoo: Zoo) -> None:
    _in_card(zoo, zoo.link(zoo.archive("9")), "[7.7 MB unpacked](model/small-9.tar.gz)")


# manifests


@defect("manifest that is no JSON", manifest={"entries"})
def _(zoo: Zoo) -> None:
    zoo.manifest.write_text("<html>")


@defect("manifest with a path outside of the tree", manifest={"entries"})
def _(zoo: Zoo) -> None:
    zoo.edit_manifest(lambda entries: entries[0].update(model_path=f"../{FOLDER}/model/small-9.onnx"))


@defect("manifest with one file twice", manifest={"listed once"})
def _(zoo: Zoo) -> None:
    zoo.edit_manifest(lambda entries: entries.append(entries[0]))


@defect("opset in the manifest wrong", manifest={"opset of the file's name"}, model={"opset of the manifest"})
def _(zoo: Zoo) -> None:
    zoo.edit_manifest(lambda entries: entries[0].update(opset_version=8))


@defect(
    "ONNX release in the manifest older than the opset",
    manifest={"onnx release"},
    model={"ir version"},
    card={"numbers"},
)
def _(zoo: Zoo) -> None:
    zoo.edit_manifest(lambda entries: entries[0].update(onnx_version="1.3"))


@defect("ONNX release in the manifest that there is not", manifest={"onnx release"}, card={"numbers"})
def _(zoo: Zoo) -> None:
    zoo.edit_manifest(lambda entries: entries[0].update(onnx_version="1.99"))


@defect("one hash under two names in the manifest", manifest={"same hashes"}, model={"sha-256"})
def _(zoo: Zoo) -> None:
    def change(entries: list[Any]) -> None:
        entries[0]["metadata"]["model_sha"] = entries[1]["metadata"]["model_sha"]

    zoo.edit_manifest(change)
