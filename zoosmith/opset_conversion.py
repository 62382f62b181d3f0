"""ONNX files moved to another opset, or to what a runtime takes, with their ports as asked; verified, then written."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, TypeProto

from zoosmith.execution import SILENT, Progress
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import atomic_writer
from zoosmith.onnx_model.loading import external_files, load_model, load_small_tensors
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.onnx_model.port_editing import FreedSize, fix_sizes, free_sizes, name_sizes, rename_ports
from zoosmith.onnx_model.ports import input_ports, symbolic_sizes, tensor_shape
from zoosmith.onnx_model.saving import save_model
from zoosmith.opset_upgrade import Caveat, OpsetError, convert, summarize
from zoosmith.opset_upgrade.ir_version import needed_ir, release_ir
from zoosmith.opset_upgrade.type_inference import infer_types
from zoosmith.validation import InputSource, Limits, Proof, ValidationError, verify_models
from zoosmith.validation.runtimes.targets import Target

ENGINES = ("native", "onnx")


@dataclass(frozen=True)
class Ports:
    """What inputs and outputs shall be.

    Attributes:
        fix: sizes by name of a symbolic dimension, as `port_editing.fix_sizes` takes them.
        free: sizes of inputs that become symbolic.
        rename: new names of inputs and outputs by old.
    """

    fix: Mapping[str, int] = field(default_factory=dict)
    free: tuple[FreedSize, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.fix or self.free or self.rename)


@dataclass(frozen=True)
class Wanted:
    """What a converted file shall be; by default what it is.

    Attributes:
        opset: of the default domain. Without, `target` chooses it, else it stays.
        target: the runtime that shall load the file.
        ir: the IR version. Without, it follows opset and target.
        exact: refuse what can be expressed only with a caveat.
        engine: `native` is ours, `onnx` the converter of the onnx package.
        ports: changes of inputs and outputs.
    """

    opset: int | None = None
    target: Target | None = None
    ir: int | None = None
    exact: bool = False
    engine: str = "native"
    ports: Ports = field(default_factory=Ports)

    @property
    def moves(self) -> bool:
        """Whether opset or IR version are asked for."""
        return not (self.opset is None and self.target is None and self.ir is None)


@dataclass(frozen=True)
class Moved:
    """What became of a file.

    Attributes:
        output: the file; None where the verification failed and nothing was written.
        model: the converted model.
        before: the opset that it had.
        target: the runtime that it is for, if one was named.
        caveats: where the conversion does not hold.
        proof: of the verification; None where there was none.
    """

    output: Path | None
    model: ModelProto
    before: int | None
    target: Target | None
    caveats: tuple[Caveat, ...]
    proof: Proof | None

    @property
    def opset(self) -> int | None:
        """The opset of the result."""
        return default_opset(self.model)

    @property
    def ir_reason(self) -> str | None:
        """What in the model asks for an IR version above that of the opset's time; None where nothing does."""
        needed, feature = needed_ir(self.model)
        high = self.opset is not None and needed > release_ir(self.opset)
        return feature if high and self.model.ir_version == needed else None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "output": None if self.output is None else str(self.output),
            "bytes": None if self.output is None else self.output.stat().st_size,
            "nodes": len(self.model.graph.node),
            "from": self.before,
            "to": self.opset,
            "for": None if self.target is None else str(self.target),
            "ir": self.model.ir_version,
            "ir_reason": self.ir_reason,
            "caveats": [caveat.as_dict() for caveat in self.caveats],
            "proof": None if self.proof is None else self.proof.as_dict(),
        }

    def __str__(self) -> str:
        opset = f"opset {self.opset}" if self.before == self.opset else f"opset {self.before} -> {self.opset}"
        ir = f"IR {self.model.ir_version}" + (f" (it has {self.ir_reason})" if self.ir_reason else "")
        target = "" if self.target is None else f" for {self.target}"
        verified = "not verified" if self.proof is None else str(self.proof)
        return "; ".join([f"{opset}, {ir}{target}, {verified}", *summarize(self.caveats)])


def change_opset(
    source: Path,
    output: Path,
    wanted: Wanted,
    *,
    verify: bool = True,
    inputs: InputSource | None = None,
    limits: Limits | None = None,
    providers: Sequence[str] | None = None,
    progress: Progress = SILENT,
) -> Moved:
    """Convert an ONNX file to another opset or for a runtime; tensors in files beside it stay in them.

    Args:
        source: the ONNX file.
        output: the file to write.
        wanted: what it shall be.
        verify: whether both models are run and compared; where they differ nothing is written.
        inputs: of the verification; they bear the names that the output's ports have.
        limits: of the verification.
        providers: execution providers of ONNX Runtime for the verification.
        progress: shows how far it is.

    Raises:
        ZoosmithError: the model cannot be read, converted, verified or written, or opset and target do not agree.
    """
    original = load_model(source, external_data=False)
    load_small_tensors(original, source.parent)
    files = external_files(original)
    try:
        opset = chosen_opset(original, wanted)
        reference, model, sizes = _with_other_ports(original, wanted.ports)
        with progress.task(f"converting to opset {opset}"):
            model, caveats = _converted(model, opset, wanted)
    except ZoosmithError as error:
        raise type(error)(f"{source}: {error}") from None
    proof = None
    if verify:
        given = inputs or InputSource()
        if given.feed is None:
            given = replace(given, dims={**given.dims, **sizes})
        try:
            proof = verify_models(
                reference,
                model,
                inputs=given,
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
        save_model(model, output)
    return Moved(output if passed else None, model, default_opset(original), wanted.target, caveats, proof)


def chosen_opset(model: ModelProto, wanted: Wanted) -> int | None:
    """The opset that a model is converted to; None where it imports none of the default domain.

    Without `wanted.opset` it is the highest that the target takes and that is not above the model's own.

    Raises:
        ZoosmithError: the target does not take `wanted.opset`.
    """
    own, target = default_opset(model), wanted.target
    if target is None:
        return own if wanted.opset is None else wanted.opset
    if wanted.opset is not None and wanted.opset > target.opset:
        raise ZoosmithError(
            f"--to {wanted.opset} and --for {target} do not agree: it takes opsets up to {target.opset}"
        )
    if wanted.opset is not None or own is None:
        return wanted.opset
    return min(own, target.opset)


def _converted(model: ModelProto, opset: int | None, wanted: Wanted) -> tuple[ModelProto, tuple[Caveat, ...]]:
    """The model at the opset, with an IR version that the target loads unless another was asked for."""
    if opset is None or not wanted.moves:
        return model, ()
    if wanted.engine == "onnx":
        return _by_onnx(model, opset), ()
    found = convert(model, opset, ir=wanted.ir, exact=wanted.exact)
    highest = None if wanted.target is None else wanted.target.ir
    if highest is None or wanted.ir is not None or found.model.ir_version <= highest:
        return found.model, found.caveats
    try:
        return convert(found.model, opset, ir=highest).model, found.caveats
    except OpsetError as error:
        raise OpsetError(f"{wanted.target} loads IR versions up to {highest}: {error}") from None


def _by_onnx(model: ModelProto, opset: int) -> ModelProto:
    try:
        return onnx.version_converter.convert_version(model, opset)
    except Exception as error:  # its C++ core raises RuntimeError, ValueError and types of its own
        reason = str(error).strip().split("\n", 1)[0].rpartition("failed: ")[2]
        raise ZoosmithError(f"onnx's converter failed: {reason}; try --engine native") from error


def _with_other_ports(original: ModelProto, ports: Ports) -> tuple[ModelProto, ModelProto, dict[str, int]]:
    """What a verification holds the result against, the model to convert, and the sizes of both.

    The first has the freed sizes and the new names. A size that is fixed in the second stays symbolic in it: it runs
    as the original does.
    """
    if not ports:
        return original, original, {}
    reference, model = ModelProto(), ModelProto()
    reference.CopyFrom(original)
    sizes = name_sizes(reference, ports.fix)
    free_sizes(reference, ports.free)
    if ports.free:
        _state_outputs(reference)
    rename_ports(reference, ports.rename)
    model.CopyFrom(reference)
    fix_sizes(model, sizes)
    if sizes:
        _state_outputs(model)
    return reference, model, sizes


def _state_outputs(model: ModelProto) -> None:
    """State the sizes of outputs as they follow from those of the inputs."""
    found, symbols = infer_types(model)[()], symbolic_sizes(input_ports(model.graph))
    for value in model.graph.output:
        known = tensor_shape(found.get(value.name, TypeProto()))
        for dimension, size in zip(value.type.tensor_type.shape.dim, known or (), strict=False):
            if isinstance(size, int):
                dimension.dim_value = size
            elif size in symbols:  # inference makes up other names
                dimension.dim_param = size


def _copy_files(names: list[str], source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        return
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with open(os.path.join(source, name), "rb") as data, atomic_writer(target / name) as copy:
            shutil.copyfileobj(data, copy)
