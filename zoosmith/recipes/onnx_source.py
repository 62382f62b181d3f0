"""ONNX models as sources of rows: the file is the row of its own opset, the others are converted from it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from onnx import ModelProto

from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.external_data import external_files, load_small_tensors
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.saving import save_model
from zoosmith.recipes.parameters import file_facts
from zoosmith.recipes.source import FileFacts, Run
from zoosmith.validation import ValidationError, runner_for
from zoosmith.validation.verification.randomness import refuse_random


@dataclass(frozen=True)
class OnnxSource:
    """An ONNX file, with the files beside it that hold tensors of it, as `Source` describes it.

    Attributes:
        path: of the file.
    """

    path: Path
    kind = "ONNX model"
    synthetic = False
    published = False
    published_shapes = False

    @cached_property
    def _facts(self) -> dict[str, FileFacts]:
        # not of the structure, which no longer says where small tensors lie
        beside = external_files(load_in_place(self.path))
        return {name: file_facts(self.path.parent / name) for name in [self.path.name, *beside]}

    @property
    def label(self) -> str:
        """What tables say of the weights."""
        return f"given, {self.path.name} {self._facts[self.path.name]['sha256'][:12]}"

    @cached_property
    def structure(self) -> ModelProto:
        """The model; large tensors stay in its file."""
        model = load_in_place(self.path)
        load_small_tensors(model, self.path.parent)
        return model

    @property
    def opset(self) -> int:
        """The opset that the file declares.

        Raises:
            ZoosmithError: it declares none of ONNX's own.
        """
        opset = default_opset(self.structure)
        if opset is None:
            raise ZoosmithError(f"{self.path}: expected an opset of ONNX's own operators, found none")
        return opset

    def files(self) -> dict[str, FileFacts]:
        """Return the file and those beside it."""
        return self._facts

    def write(self, opset: int, path: Path) -> None:
        """Write the model as it is; there is no other form of it."""
        if opset != self.opset:
            raise ZoosmithError(f"{self.path}: is of opset {self.opset}, not {opset}")
        save_model(load_in_place(self.path), path, source=self.path.parent)

    def nearest_opset(self, opset: int) -> int:
        """Return the model's own opset."""
        return self.opset

    @contextmanager
    def reference(self, name: str) -> Iterator[Run]:
        """Open the model itself in ONNX Runtime, or where that lacks something, in the reference evaluator."""
        if name != "builtin":
            raise ZoosmithError(
                f"{self.path}: an ONNX model is its own reference; {argument('reference', name)} runs Caffe2 nets"
            )
        try:
            refuse_random(self.structure)
        except ValidationError as error:
            raise ValidationError(f"{self.path}: {error}") from error
        runner = runner_for(self.path, threads=1)

        def run(inputs: Mapping[str, Any]) -> dict[str, Any]:
            return runner.run(inputs)

        yield run
