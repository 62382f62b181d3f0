"""`convert` and `convert_version`: a model moved to another opset."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import index as as_integer
from os import PathLike
from pathlib import Path as FilePath

from onnx import ModelProto

from zoosmith.onnx_model.external_data import external_tensors, load_small_tensors
from zoosmith.opset_upgrade.caveats import Caveat
from zoosmith.opset_upgrade.conversion_run import ConversionRun
from zoosmith.opset_upgrade.domains import choose_versions
from zoosmith.opset_upgrade.explanation import Change
from zoosmith.opset_upgrade.integer_convolutions import with_integer_convolutions


@dataclass(frozen=True)
class Conversion:
    """What a conversion gave.

    Attributes:
        model: the converted model, a new one.
        caveats: the nodes that are expressed in a way which does not hold everywhere, in the order of the nodes.
        changes: what became of the nodes that some version step touches; `explain` sums them up.
    """

    model: ModelProto
    caveats: tuple[Caveat, ...]
    changes: tuple[Change, ...]


def convert_version(
    model: ModelProto,
    target_version: int | None,
    *,
    ir: int | None = None,
    domains: Mapping[str, int] | None = None,
    standard: bool = False,
    folder: str | PathLike[str] | None = None,
) -> ModelProto:
    """Convert a model to another opset of the default domain, newer or older, with its meaning kept.

    Takes the arguments of `onnx.version_converter.convert_version`, and more. It is `convert(...).model`: caveats are
    taken, and not told.

    Args:
        model: the model; it is left as it is.
        target_version: the opset, 1 to the newest of the installed onnx; None: it stays.
        ir: the IR version of the result; this and what follows as `convert` takes it.
        domains: versions of other domains.
        standard: express the operators of com.microsoft in standard ones.
        folder: where the model's external files are.

    Returns:
        A new model.

    Raises:
        OpsetError: the target does not exist, or some node cannot be expressed there; see `convert`.
        ModelError: an external file in `folder` cannot be read.
        TypeError: `model` is no ModelProto, or `target_version` is not an integer.
    """
    return convert(model, target_version, ir=ir, domains=domains, standard=standard, folder=folder).model


def convert(
    model: ModelProto,
    target: int | None,
    *,
    ir: int | None = None,
    exact: bool = False,
    domains: Mapping[str, int] | None = None,
    standard: bool = False,
    runtime_opset: int | None = None,
    folder: str | PathLike[str] | None = None,
) -> Conversion:
    """Convert a model to another opset of the default domain, newer or older, and tell where that does not hold.

    Args:
        model: the model; it is left as it is. Of tensors that lie in external files only small ones are loaded, and
            only with `folder`.
        target: the opset of the default domain, 1 to the newest of the installed onnx; None: it stays.
        ir: the IR version of the result. By default it follows the target: that of the onnx release that brought the
            opset, higher where the model needs it (see `needed_ir`); unchanged where the opset stays.
        exact: refuse nodes that can be expressed only with a caveat: approximately, or not for empty tensors.
        domains: versions of other domains, for instance `{"ai.onnx.ml": 3}`; a domain that is not named stays.
        standard: express the operators of ONNX Runtime's own domains (com.microsoft) in standard ones.
        runtime_opset: the newest opset of the oldest runtime that the model is for; what ONNX Runtimes of that time
            cannot run is written in forms that they can (see `runtime_gaps`). By default the target where that is older
            than the model, else nothing is.
        folder: where the model's external files are; shapes and axes that lie in them are loaded then.

    Returns:
        A new model, the caveats and the changes. What the conversion does not touch is the same, byte for byte; imports
        of domains that no node is of go, and so does value_info of values that no longer exist. Initializers are graph
        inputs below IR version 4, and no longer where a model from below 4 is raised.

    Raises:
        OpsetError: the target does not exist, `ir` does not hold what the model has, the model imports no opset of the
            default domain, or some node is malformed or cannot be expressed at the target; the message names every
            such node, its operator and the lowest opset that would do.
        ModelError: an external file in `folder` cannot be read.
        TypeError: `model` is no ModelProto, or `target` is not an integer.
    """
    if not isinstance(model, ModelProto):
        raise TypeError(f"expected a ModelProto, not {type(model).__name__}")
    target = None if target is None else as_integer(target)
    if folder is not None and external_tensors(model):
        whole = ModelProto()
        whole.CopyFrom(model)
        load_small_tensors(whole, FilePath(folder))
        model = whole
    model = with_integer_convolutions(model, target)
    run = ConversionRun(model, choose_versions(model, target, domains, standard), ir, exact, runtime_opset)
    return Conversion(run.convert(), tuple(run.caveats), tuple(run.changes))
