"""Files converted: a Caffe2 net to ONNX, an ONNX model to another opset. Verified before anything is written."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, TensorProto

from zoosmith.convert import caffe2_to_onnx
from zoosmith.convert.translation import InputInfo
from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import atomic_writer
from zoosmith.onnx_model.loading import external_files, load_model
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.saving import save_model
from zoosmith.opset_upgrade import OpsetError, convert_version
from zoosmith.validation import InputSource, Limits, Proof, ValidationError, verify_models, verify_net
from zoosmith.validation.testdata import InputShape

ENGINES = ("native", "onnx")


@dataclass(frozen=True)
class Converted:
    """What became of a file.

    Attributes:
        output: the file; None where the verification failed and nothing was written.
        model: the converted model.
        opset_before: that of the source; None for a net.
        proof: of the verification; None where there was none.
        unverified: why there was none.
    """

    output: Path | None
    model: ModelProto
    opset_before: int | None
    proof: Proof | None
    unverified: str | None = None

    @property
    def verified(self) -> str:
        """The verification in words."""
        if self.proof is not None:
            return str(self.proof)
        return "not verified" + (f" ({self.unverified})" if self.unverified else "")

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "output": None if self.output is None else str(self.output),
            "bytes": None if self.output is None else self.output.stat().st_size,
            "nodes": len(self.model.graph.node),
            "from": self.opset_before,
            "to": default_opset(self.model),
            "proof": None if self.proof is None else self.proof.as_dict(),
            "unverified": self.unverified,
        }


def convert_net(
    predict_net: Path,
    init_net: Path | None,
    output: Path,
    *,
    declared: InputInfo,
    opset: int | None = None,
    names: str = "zoo",
    verify: bool = True,
    inputs: InputSource | None = None,
    limits: Limits | None = None,
    progress: Progress = SILENT,
) -> Converted:
    """Translate a Caffe2 net with its parameters to an ONNX file.

    Args:
        predict_net: the net's file.
        init_net: its parameters' file.
        output: the ONNX file to write.
        declared: type and shape of the net's inputs by blob.
        opset: of the file; 9, or the lowest above that can express the net, by default.
        names: style of names, as `caffe2_to_onnx` takes it.
        verify: whether model and net are compared; where they differ nothing is written, where they cannot be run
            (`unverified` says why) the file is.
        inputs: of the verification.
        limits: of the verification.
        progress: told of it.

    Raises:
        ZoosmithError: the net cannot be read or translated, the file cannot be written.
    """
    model = caffe2_to_onnx(predict_net, init_net, inputs=declared, opset=opset, names=names)
    proof, unverified = None, None
    if verify:
        # the model states the shapes that the user declared
        given = replace(inputs or InputSource(), shapes={})
        try:
            proof = verify_net(
                predict_net, init_net, model, names=names, inputs=given, limits=limits, progress=progress
            )
        except ValidationError as error:
            if given.feed is not None or given.dims:
                raise
            unverified = str(error)
    passed = proof is None or proof.passed
    if passed:
        save_model(model, output)
    return Converted(output if passed else None, model, None, proof, unverified)


def change_opset(
    source: Path,
    output: Path,
    target: int,
    *,
    engine: str = "native",
    verify: bool = True,
    inputs: InputSource | None = None,
    limits: Limits | None = None,
    providers: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> Converted:
    """Convert an ONNX file to another opset; tensors in files beside it stay in them.

    Args:
        source: the ONNX file.
        output: the file to write.
        target: the opset, newer or older.
        engine: `native` is ours, `onnx` the converter of the onnx package.
        verify: whether both models are run and compared; where they differ nothing is written.
        inputs: of the verification.
        limits: of the verification.
        providers: execution providers of ONNX Runtime for the verification.
        progress: told of it.

    Raises:
        ZoosmithError: the model cannot be read, converted, verified or written.
    """
    model = load_model(source, external_data=False)
    files = external_files(model)
    with progress.task(f"converting to opset {target}"):
        converted = _to_opset(model, target, engine, source)
    proof = None
    if verify:
        try:
            proof = verify_models(
                model,
                converted,
                inputs=inputs,
                limits=limits,
                providers=providers,
                folder=source.parent if files else None,
                progress=progress,
            )
        except ValidationError as error:
            raise ZoosmithError(f"{source}: cannot be verified: {error}; --no-verify converts it unverified") from error
    passed = proof is None or proof.passed
    if passed:
        _copy_files(files, source.parent, output.parent)
        save_model(converted, output)
    return Converted(output if passed else None, converted, default_opset(model), proof)


def declared_inputs(shapes: Mapping[str, InputShape], value_info: Path | None) -> InputInfo:
    """Type and shape of a net's inputs: those of a `value_info.json`, and over them `shapes` (float32 by default).

    Raises ZoosmithError where the file is no such JSON.
    """
    inputs: dict[str, tuple[int, list[int | str]]] = {}
    if value_info is not None:
        try:
            for blob, (elem_type, shape) in json.loads(value_info.read_text(encoding="utf-8")).items():
                TensorProto.DataType.Name(elem_type)
                inputs[blob] = (elem_type, [size if isinstance(size, str) else int(size) for size in shape])
        except OSError as error:
            raise ZoosmithError(f"{value_info}: cannot be read: {error.strerror or error}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise ZoosmithError(
                f'{value_info}: expected JSON like {{"data": [1, [1, 3, 224, 224]]}}: {error}'
            ) from error
    for blob, given in shapes.items():
        inputs[blob] = (TensorProto.FLOAT if given.elem_type is None else given.elem_type, list(given.sizes))
    return inputs


def _to_opset(model: ModelProto, target: int, engine: str, source: Path) -> ModelProto:
    if engine == "native":
        try:
            return convert_version(model, target)
        except OpsetError as error:
            raise OpsetError(f"{source}: {error}") from None
    try:
        return onnx.version_converter.convert_version(model, target)
    except Exception as error:  # its C++ core raises RuntimeError, ValueError and types of its own
        reason = str(error).strip().split("\n", 1)[0].rpartition("failed: ")[2]
        raise ZoosmithError(f"{source}: onnx's converter failed: {reason}; try --engine native") from error


def _copy_files(names: list[str], source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        return
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with open(os.path.join(source, name), "rb") as data, atomic_writer(target / name) as copy:
            shutil.copyfileobj(data, copy)
