"""ONNX files moved to another opset, or to what a runtime takes, with their ports as asked; verified, then written."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnx import ModelProto, TypeProto

from zoosmith.execution import SILENT, Job, Progress
from zoosmith.files.writing import Written, write_verified
from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.external_data import external_files, load_small_tensors
from zoosmith.onnx_model.ir_versions import needed_ir, release_ir
from zoosmith.onnx_model.loading import load_in_place, load_model
from zoosmith.onnx_model.opsets import default_opset, imported_versions
from zoosmith.onnx_model.port_editing import FreedSize, fix_sizes, free_sizes, name_sizes, rename_ports
from zoosmith.onnx_model.ports import input_ports, symbolic_sizes, tensor_shape
from zoosmith.onnx_model.saving import save_model
from zoosmith.onnx_model.temporary import temporary_folder
from zoosmith.opset_upgrade import Caveat, Change, Conversion, OpsetError, convert, explain, summarize
from zoosmith.opset_upgrade.onnx_converter import convert_by_onnx
from zoosmith.opset_upgrade.schemas import ML_DOMAIN
from zoosmith.opset_upgrade.type_inference import infer_types
from zoosmith.validation.inputs.source import InputSource
from zoosmith.validation.verification.ahead import loading_ahead
from zoosmith.validation.verification.proof import Limits, Proof

if TYPE_CHECKING:
    from zoosmith.validation.running.runner import Runner
    from zoosmith.validation.runtimes.targets import Target


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
        domains: versions of other domains. Without, `target` lowers that of ai.onnx.ml where it takes no higher one.
        standard: express the operators of ONNX Runtime's own domains in standard ones.
        exact: refuse what can be expressed only with a caveat.
        engine: `native` is ours, `onnx` the converter of the onnx package.
        ports: changes of inputs and outputs.
    """

    opset: int | None = None
    target: "Target | None" = None
    ir: int | None = None
    domains: Mapping[str, int] = field(default_factory=dict)
    standard: bool = False
    exact: bool = False
    engine: str = "native"
    ports: Ports = field(default_factory=Ports)

    @property
    def moves(self) -> bool:
        """Whether anything but ports is to change."""
        named = self.opset is not None or self.target is not None or self.ir is not None
        return named or self.standard or bool(self.domains)


@dataclass(frozen=True)
class Moved:
    """What became of a file.

    Attributes:
        written: the file and how it was verified.
        model: the converted model.
        before: the versions of the domains that it imported.
        target: the runtime that it is for, if one was named.
        caveats: where the conversion does not hold.
        operators: what became of each, as `explain` gives it; empty where no conversion of ours was asked for.
    """

    written: Written
    model: ModelProto
    before: Mapping[str, int]
    target: "Target | None"
    caveats: tuple[Caveat, ...]
    operators: tuple[Change, ...]

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

    def as_dict(self, *, operators: bool = False) -> dict[str, Any]:
        """Plain values for JSON; what became of each operator is among them where `operators` asks for it."""
        explained = {"operators": [change.as_dict() for change in self.operators]} if operators else {}
        output = self.written.output
        return {
            "output": None if output is None else str(output),
            "bytes": self.written.bytes,
            "nodes": len(self.model.graph.node),
            "from": self.before.get(""),
            "to": self.opset,
            "domains": {domain: {"from": old, "to": new} for domain, old, new in self._other_domains()},
            "for": None if self.target is None else str(self.target),
            "ir": self.model.ir_version,
            "ir_reason": self.ir_reason,
            "caveats": [caveat.as_dict() for caveat in self.caveats],
            "proof": self.written.proof_as_dict(),
            **explained,
        }

    def _other_domains(self) -> list[tuple[str, int, int | None]]:
        """Domains whose version changed, with the version before and afterwards (None: it is imported no more)."""
        after = imported_versions(self.model)
        return [(name, old, after.get(name)) for name, old in self.before.items() if name and after.get(name) != old]

    def __str__(self) -> str:
        old, new = self.before.get(""), self.opset
        parts = [] if new is None else [f"opset {new}" if old in (new, None) else f"opset {old} -> {new}"]
        parts += [f"{name} {old} -> {'none' if new is None else new}" for name, old, new in self._other_domains()]
        ir = f"IR {self.model.ir_version}" + (f" (it has {self.ir_reason})" if self.ir_reason else "")
        parts.append(ir if self.target is None else f"{ir} for {self.target}")
        parts.append(self.written.verified)
        return "; ".join([", ".join(parts), *summarize(self.caveats)])


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
        inputs: of the verification; their names are those of the output's ports.
        limits: of the verification.
        providers: execution providers of ONNX Runtime for the verification.
        progress: shows how far it is.

    Returns:
        The converted model, what became of its operators, and the file with how it was verified. Where outputs differ,
        no file is written.

    Raises:
        ZoosmithError: the model cannot be read, converted, verified or written, or opset and target do not agree.
    """
    # onnx's own converter reads the data of tensors
    original = load_in_place(source) if wanted.engine == "native" else load_model(source, external_data=False)
    load_small_tensors(original, source.parent)
    ahead: AbstractContextManager[Job[Runner] | None] = nullcontext()
    if verify and not wanted.ports:
        timeout = None if limits is None else limits.timeout
        ahead = loading_ahead(source, original, timeout=timeout, providers=providers)
    with ahead as loading:
        try:
            opset = chosen_opset(original, wanted)
            reference, model, sizes = _with_other_ports(original, wanted.ports)
            with progress.task(f"converting to opset {opset}"):
                found = converted(model, opset, wanted)
        except ZoosmithError as error:
            raise type(error)(f"{source}: {error}") from None
        given = inputs or InputSource()
        if given.feed is None:
            given = replace(given, dims={**given.dims, **sizes})

        def prove(path: Path, check: Callable[[], None]) -> Proof:
            # a runtime is loaded only where something runs
            from zoosmith.validation import verify_models

            with _held_against(reference, source, path, wanted.ports) as before:
                return verify_models(
                    before,
                    path,
                    inputs=given,
                    limits=limits,
                    providers=providers,
                    structure=reference,
                    ahead=loading,
                    result_structure=found.model,
                    meanwhile=check,
                    progress=progress,
                )

        # in the source's own folder its data files are shared
        shared = source.parent.resolve() == output.parent.resolve()
        folder = None if shared else source.parent
        written = write_verified(
            output,
            lambda path: save_model(found.model, path, source=folder),
            source,
            prove if verify else None,
            beside=external_files(original) if shared else (),
        )
    explained, versions = wanted.moves and wanted.engine == "native", imported_versions(found.model)
    return Moved(
        written,
        found.model,
        imported_versions(original),
        wanted.target,
        found.caveats,
        tuple(explain(original, versions.get("", 0), found.changes, versions)) if explained else (),
    )


@contextmanager
def _held_against(reference: ModelProto, source: Path, result: Path, ports: Ports) -> Iterator[Path]:
    """The file that the result is held against: the source, or where that has other ports, one beside the result."""
    if not ports:
        yield source
        return
    with temporary_folder(result.parent) as folder:
        save_model(reference, folder / source.name, source=source.parent)
        yield folder / source.name


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
            f"{argument('opset', str(wanted.opset))} and {argument('target', str(target))} do not agree: "
            f"it takes opsets up to {target.opset}"
        )
    if wanted.opset is not None or own is None:
        return wanted.opset
    return min(own, target.opset)


def chosen_domains(model: ModelProto, wanted: Wanted) -> dict[str, int]:
    """The versions of other domains that a model is converted to; what is not named stays.

    Raises:
        ZoosmithError: the target does not take the version of ai.onnx.ml that is wanted.
    """
    domains, target = dict(wanted.domains), wanted.target
    if target is None or target.ml is None:
        return domains
    ml, own = domains.get(ML_DOMAIN), imported_versions(model).get(ML_DOMAIN)
    if ml is not None and ml > target.ml:
        raise ZoosmithError(
            f"{argument('domains', f'{ML_DOMAIN}={ml}')} and {argument('target', str(target))} do not agree: "
            f"it takes versions up to {target.ml}"
        )
    if ml is None and own is not None:
        domains[ML_DOMAIN] = min(own, target.ml)
    return domains


def converted(model: ModelProto, opset: int | None, wanted: Wanted) -> Conversion:
    """The model at the opset, with an IR version that the target loads unless another was asked for.

    Raises:
        OpsetError: the opset, or the IR version, cannot express the model.
    """
    if not wanted.moves:
        return Conversion(model, (), ())
    if wanted.engine == "onnx":
        try:
            return Conversion(convert_by_onnx(model, opset or 0), (), ())
        except OpsetError as error:
            raise OpsetError(f"{error}; try {argument('engine', 'native')}") from error
    domains = chosen_domains(model, wanted)
    found = convert(
        model,
        opset,
        ir=wanted.ir,
        exact=wanted.exact,
        domains=domains,
        standard=wanted.standard,
        runtime_opset=None if wanted.target is None else wanted.target.opset,
    )
    highest = None if wanted.target is None else wanted.target.ir
    if highest is None or wanted.ir is not None or found.model.ir_version <= highest:
        return found
    try:
        return replace(found, model=convert(found.model, opset, ir=highest, domains=domains).model)
    except OpsetError as error:
        raise OpsetError(f"{wanted.target} loads IR versions up to {highest}: {error}") from None


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
