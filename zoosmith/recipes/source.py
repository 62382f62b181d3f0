"""A source model with its weights: what rows are made of, and what they are compared with."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np

Arrays = Mapping[str, np.ndarray]
Run = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Runs a model: values of the inputs by name in, values of the outputs by name out."""


class FileFacts(TypedDict):
    """Size and SHA-256 (hexadecimal) of a file, as the report lists them."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class SourceFacts:
    """What a source says of itself, without what it keeps in memory; its attributes are those of `Source`."""

    kind: str
    label: str
    synthetic: bool
    published: bool
    published_shapes: bool
    files: Mapping[str, FileFacts]


class Source(Protocol):
    """A model of any format, weights included.

    Inputs and outputs have the names of the rows, whatever the source itself calls them.
    """

    @property
    def kind(self) -> str:
        """What it is, for texts: `Caffe2 net` or `ONNX model`."""

    @property
    def label(self) -> str:
        """What tables say of the weights."""

    @property
    def synthetic(self) -> bool:
        """Whether the weights were made from a seed."""

    @property
    def published(self) -> bool:
        """Whether the weights are the published ones, by SHA-256."""

    @property
    def published_shapes(self) -> bool:
        """Whether the parameters have the published shapes, so that rows must have the published sizes."""

    def files(self) -> dict[str, FileFacts]:
        """Return the files of the source by name."""

    def write(self, opset: int, path: Path) -> None:
        """Write the model in ONNX at `opset`, made of the source itself.

        Raises:
            ZoosmithError: the source cannot be expressed at this opset, or the file not be written.
        """

    @property
    def opset(self) -> int:
        """The opset of the source: its own, or the one that it is best expressed in."""

    def nearest_opset(self, opset: int) -> int:
        """Return the opset of `write` from which another opset is best converted."""

    def reference(self, name: str) -> AbstractContextManager[Run]:
        """Open what computes the outputs that rows must give: one of `BuildOptions.reference`.

        Raises:
            ZoosmithError: it cannot be run so.
        """


def facts_of(source: Source) -> SourceFacts:
    """Return what is left to say of a source when its rows are made."""
    return SourceFacts(
        source.kind, source.label, source.synthetic, source.published, source.published_shapes, source.files()
    )
