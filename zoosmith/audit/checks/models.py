"""Checks of a model by itself and against its name and its entry in the manifest. Its large tensors are not read."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from onnx import ModelProto, NodeProto, defs, helper

from zoosmith.audit.files import AuditedFile, UnreadableError
from zoosmith.audit.names import opset_in
from zoosmith.audit.registry import check
from zoosmith.hub.ports import HubPort, hub_inputs, hub_outputs
from zoosmith.onnx_model.checking import check_file
from zoosmith.onnx_model.errors import InvalidModelError
from zoosmith.onnx_model.ir_versions import needed_ir
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS, default_opset, imported_version
from zoosmith.onnx_model.traversal import all_nodes

_DOMAINS = {"", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training"}


@check("readable", "model", of_lone_archives=True)
def readable(file: AuditedFile) -> Iterable[str]:
    """It is an ONNX model, with all the files that hold its tensors."""
    try:
        file.structure  # noqa: B018 - read, for the error that it may raise
    except UnreadableError as error:
        yield str(error)


@check("opset of the name", "model", "archive", of_lone_archives=True)
def opset_of_the_name(file: AuditedFile) -> Iterable[str] | None:
    """It declares the opset that its name states."""
    stated, declared = opset_in(file.path.name), default_opset(file.structure)
    if stated is None:
        return None
    return [] if stated == declared else [f"it declares opset {declared}, its name says {stated}"]


@check("opset of the manifest", "model", "archive", of_lone_archives=True)
def opset_of_the_manifest(file: AuditedFile) -> Iterable[str] | None:
    """It declares the opset that the manifest states."""
    info = file.subject.info
    if info is None:
        return None
    declared = default_opset(file.structure)
    return [] if info.opset == declared else [f"it declares opset {declared}, the manifest says {info.opset}"]


@check("ir version", "model", "archive", of_lone_archives=True)
def ir_version(file: AuditedFile) -> Iterable[str]:
    """Its IR version is one of ONNX's, holds what the model has, and is read by the release that the manifest names."""
    model = file.structure
    newest = max(row[1] for row in helper.VERSION_TABLE)
    if not 1 <= model.ir_version <= newest:
        yield f"IR version {model.ir_version}; ONNX has 1 to {newest}"
        return
    needed, feature = needed_ir(model)
    if model.ir_version < needed:
        yield f"IR version {model.ir_version}, and it has {feature}, which came with {needed}"
    release = file.subject.info.onnx_version if file.subject.info else ""
    reads = newest_of_release(release)
    if reads is not None and model.ir_version > reads[0]:
        yield f"IR version {model.ir_version}; ONNX {release}, which the manifest names, reads none above {reads[0]}"


@check("operators", "model", "archive", of_lone_archives=True)
def operators(file: AuditedFile) -> Iterable[str]:
    """Every operator exists in the opset that is declared."""
    return _unknown_operators(file.structure)


@check("onnx checker", "model", "archive", of_lone_archives=True)
def onnx_checker(file: AuditedFile) -> Iterable[str]:
    """onnx's checker takes it, with shape inference, and so do the rules that it leaves out."""
    file.structure  # noqa: B018 - read, for the error that it may raise
    try:
        check_file(file.model_path)
    except InvalidModelError as error:
        yield str(error)


@check("ports", "model", "archive", of_lone_archives=True)
def ports(file: AuditedFile) -> Iterable[str] | None:
    """Inputs and outputs have the names, types and shapes that the manifest states."""
    info = file.subject.info
    stated = info.metadata.get("io_ports") if info is not None else None
    if not isinstance(stated, dict):
        return None
    graph = file.structure.graph
    return [
        *_port_differences("input", hub_inputs(graph), stated.get("inputs")),
        *_port_differences("output", hub_outputs(graph), stated.get("outputs")),
        *_feature_differences(file.structure, info.metadata.get("extra_ports") if info is not None else None),
    ]


def newest_of_release(release: str) -> tuple[int, int] | None:
    """The newest IR version and the newest opset that a release of ONNX has; None where there is no such release.

    Args:
        release: as a manifest names it, `1.9` or `1.1.2`.
    """
    minor = release.split(".")[:2]
    rows = [row for row in helper.VERSION_TABLE if row[0].split(".")[:2] == minor]
    return (max(row[1] for row in rows), max(row[2] for row in rows)) if rows else None


def _unknown_operators(model: ModelProto) -> Iterator[str]:
    functions = {(function.domain, function.name) for function in model.functions}
    seen = set()
    for node in all_nodes(model):
        domain = "" if node.domain in DEFAULT_DOMAINS else node.domain
        key = (domain, node.op_type)
        if key in seen or (node.domain, node.op_type) in functions:
            continue
        seen.add(key)
        version = imported_version(model, domain)
        if version is None:
            yield f"{_name(node)} is of a domain that the model does not import"
        elif domain in _DOMAINS:
            yield from _missing(node, domain, version)


def _missing(node: NodeProto, domain: str, version: int) -> Iterator[str]:
    known = _schemas().get((domain, node.op_type))
    if known is None:
        yield f"{_name(node)} is no operator of ONNX"
        return
    current = [since for since in known if since <= version]
    if not current:
        yield f"{_name(node)} came with opset {min(known)}, and the model declares {version}"
    elif known[max(current)]:
        yield f"{_name(node)} is no longer in opset {version}, which the model declares"


@cache
def _schemas() -> dict[tuple[str, str], dict[int, bool]]:
    """The versions of every operator, and of each whether it is the end of the operator."""
    found: dict[tuple[str, str], dict[int, bool]] = {}
    for schema in defs.get_all_schemas_with_history():
        found.setdefault((schema.domain, schema.name), {})[schema.since_version] = schema.deprecated
    return found


def _name(node: NodeProto) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def _port_differences(side: str, found: Sequence[HubPort], stated: Any) -> Iterator[str]:
    if not isinstance(stated, list) or not all(isinstance(p, dict) and isinstance(p.get("name"), str) for p in stated):
        yield f"the manifest's {side}s are no list of ports with names"
        return
    listed = {port["name"]: port for port in stated}
    for port in found:
        if port["name"] not in listed:
            yield f"{side} {port['name']!r} is not in the manifest"
            continue
        other = listed.pop(port["name"])
        if other.get("type") not in (None, port["type"]):
            yield f"{side} {port['name']!r} is of {port['type']}, the manifest says {other['type']}"
        if not _same_shape(port["shape"], other.get("shape")):
            yield f"{side} {port['name']!r} has shape {port['shape']}, the manifest says {other.get('shape')}"
    for name in listed:
        yield f"the manifest lists {side} {name!r}, which the model has not"


def _same_shape(found: Sequence[int | str | None] | None, stated: Any) -> bool:
    """Whether sizes agree; a size that the model leaves open may have any name, or none, in a manifest."""
    if found is None or stated is None:
        return True
    if not isinstance(stated, list) or len(found) != len(stated):
        return False
    return all(
        size == other if isinstance(size, int) else not isinstance(other, int)
        for size, other in zip(found, stated, strict=True)
    )


def _feature_differences(model: ModelProto, stated: Any) -> Iterator[str]:
    features = stated.get("features") if isinstance(stated, dict) else None
    if not isinstance(features, list):
        return
    made = {name for node in model.graph.node for name in node.output}
    for feature in features:
        name = feature.get("name") if isinstance(feature, dict) else feature
        if not isinstance(name, str) or name not in made:
            yield f"the manifest lists feature {name!r}, which the model does not compute"
