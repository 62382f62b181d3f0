"""What the ONNX Model Zoo published of its Caffe2 families: the one table that build, audit and fetch read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from onnx import TensorProto

from zoosmith.onnx_model.ports import Port

LICENSE_SOURCE = "as the zoo's model card says; caffe2/models, where they come from, is under Apache-2.0"
"""Who names the licence of a family's published weights."""

_TABLE = "published_models.json"


@dataclass(frozen=True)
class PublishedFile:
    """Size and SHA-256 (hexadecimal) of a published file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class PublishedRow:
    """One row of a family's published table.

    Attributes:
        name: what follows the family's prefix in the file's name: `9`, `12-int8`.
        title: as the hub manifest lists it.
        opset: of the file's name, whatever the file declares.
        onnx_version: the ONNX release that the zoo names, such as `1.1.2`.
        model: the `.onnx` file.
        archive: the `.tar.gz` file with the model and its test data.
        mislabelled_as: the name of the row whose file was published here under a wrong name; None for a right one.
    """

    name: str
    title: str
    opset: int
    onnx_version: str
    model: PublishedFile
    archive: PublishedFile
    mislabelled_as: str | None


@dataclass(frozen=True)
class Family:
    """A model of the zoo with its rows.

    Attributes:
        net: name of the Caffe2 net in caffe2/models.
        title: as the zoo's card has it.
        prefix: of the files' names: `densenet` of `densenet-9.onnx`.
        folder: in the zoo's tree.
        license: that the zoo's card names, as an SPDX identifier.
        graph: name of the graph inside the files; None where it is not known.
        inputs: of the rows, without the parameters.
        outputs: of the rows.
        predict_net: the Caffe2 net; None where its file is not known.
        init_net: its parameters; None where the file is not known.
        rows: by name, in the order of opsets.
    """

    net: str
    title: str
    prefix: str
    folder: str
    license: str
    graph: str | None
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    predict_net: PublishedFile | None
    init_net: PublishedFile | None
    rows: Mapping[str, PublishedRow]


@cache
def families() -> Mapping[str, Family]:
    """Return the published families by the prefix of their files."""
    table = json.loads(files(__package__).joinpath(_TABLE).read_text(encoding="utf-8"))
    return {entry["prefix"]: _family(entry) for entry in table["families"]}


def _family(entry: dict[str, Any]) -> Family:
    names = ("net", "title", "prefix", "folder", "license", "graph")
    return Family(
        **{name: entry[name] for name in names},
        inputs=(_port(entry["input"]),),
        outputs=(_port(entry["output"]),),
        predict_net=_file(entry["predict_net"]),
        init_net=_file(entry["init_net"]),
        rows={row["name"]: _row(row, entry["rows"]) for row in entry["rows"]},
    )


def _row(row: dict[str, Any], rows: list[dict[str, Any]]) -> PublishedRow:
    """Read a row; a file that is published under two opsets belongs to the higher one."""
    same = [other for other in rows if other["model"] == row["model"] and other["opset"] > row["opset"]]
    return PublishedRow(
        **{name: row[name] for name in ("name", "title", "opset", "onnx_version")},
        model=PublishedFile(row["model"]["bytes"], row["model"]["sha256"]),
        archive=PublishedFile(row["archive"]["bytes"], row["archive"]["sha256"]),
        mislabelled_as=same[-1]["name"] if same else None,
    )


def _file(entry: dict[str, Any] | None) -> PublishedFile | None:
    return None if entry is None else PublishedFile(entry["bytes"], entry["sha256"])


def _port(entry: dict[str, Any]) -> Port:
    return Port(entry["name"], "tensor", TensorProto.FLOAT, tuple(entry["shape"]))
