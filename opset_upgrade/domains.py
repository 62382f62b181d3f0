"""Which versions of which domains a conversion goes from and to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onnx import FunctionProto, ModelProto, NodeProto, helper

from zoosmith.onnx_model.opsets import CONTRIB_DOMAIN, DEFAULT_DOMAINS, default_opset, imported_version
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.opset_upgrade.errors import OpsetError
from zoosmith.opset_upgrade.registry import STANDARD_FORMS
from zoosmith.opset_upgrade.schemas import ML_DOMAIN, NEWEST_OPSET, NEWEST_VERSIONS, schema_at

_OLDEST_IN_USE = 7  # the opset from which on ONNX Runtime runs models
_RUNTIME_DOMAINS = (CONTRIB_DOMAIN, "com.ms.")
"""How the names of ONNX Runtime's own domains begin."""


@dataclass(frozen=True)
class Versions:
    """The versions that a model comes with and those that it goes to.

    Attributes:
        source: the opset of the default domain.
        target: the opset of the default domain afterwards.
        sources: versions of the other domains that are converted, as the model imports them.
        targets: those domains' versions afterwards.
        standard: whether the operators of ONNX Runtime's own domains become standard ones.
    """

    source: int
    target: int
    sources: Mapping[str, int]
    targets: Mapping[str, int]
    standard: bool

    @property
    def changed(self) -> bool:
        """Whether anything is to be converted."""
        return self.standard or self.target != self.source or self.targets != self.sources

    def converts(self, node: NodeProto) -> bool:
        """Whether the node is of a domain whose versions are followed."""
        return node.domain in DEFAULT_DOMAINS or node.domain in self.targets

    def makes_standard(self, node: NodeProto, opset: int) -> bool:
        """Whether the node, in a graph of that opset, is of ONNX Runtime's own and is to become standard ones.

        In the default domain, too, it writes operators that the opset does not have.
        """
        if not self.standard:
            return False
        if node.domain in DEFAULT_DOMAINS:
            return node.op_type in STANDARD_FORMS and schema_at(node.op_type, opset) is None
        return node.domain.startswith(_RUNTIME_DOMAINS)

    def before(self, node: NodeProto, opset: int) -> int:
        """The version of its domain at which a node of the model as it came is valid, in a graph of that opset."""
        return self.sources.get(node.domain, opset) if self.sources else opset

    def after(self, node: NodeProto) -> int:
        """The version of its domain at which a node must be valid in the end."""
        return self.targets.get(node.domain, self.target) if self.targets else self.target

    def write(self, body: ModelProto | FunctionProto) -> None:
        """Set the imports of a converted model or function; nodes of the default domain need one of it."""
        for entry in body.opset_import:
            if entry.domain in DEFAULT_DOMAINS:
                entry.version = self.target
            elif entry.domain in self.targets:
                entry.version = self.targets[entry.domain]
        if default_opset(body) is None and any(node.domain in DEFAULT_DOMAINS for node in all_nodes(body)):
            body.opset_import.add(version=self.target)

    def __str__(self) -> str:
        """What the model is to be expressed in."""
        changed = [f"{domain} {self.targets[domain]}" for domain in self.targets if self.targets != self.sources]
        return " and ".join([f"opset {self.target}", *changed])


def choose_versions(
    model: ModelProto, target: int | None, domains: Mapping[str, int] | None, standard: bool
) -> Versions:
    """What a conversion goes from and to.

    Args:
        model: the model.
        target: the opset of the default domain; None: it stays.
        domains: versions of other domains.
        standard: whether ONNX Runtime's own operators become standard ones.

    Raises:
        OpsetError: a version does not exist, or the model does not import what is to be converted.
    """
    asked = dict(domains or {})
    _check_exists("", target)
    for domain, version in asked.items():
        if domain not in NEWEST_VERSIONS or not domain:
            raise OpsetError(f"domain {domain!r} is not converted: give a version of {ML_DOMAIN}")
        _check_exists(domain, version)
    sources = dict(_imports(model, asked))
    targets = {domain: asked.get(domain, version) for domain, version in sources.items()}
    source = default_opset(model)
    if source is None:
        if not asked and not standard:
            also = f"; it imports {ML_DOMAIN}, whose version can be given" if imported_version(model, ML_DOMAIN) else ""
            raise OpsetError(f"the model imports no opset of the default domain: there is nothing to convert{also}")
        source = _contemporary_opset(sources)
        target = target or _contemporary_opset(targets)
    elif source > NEWEST_OPSET:
        raise OpsetError(f"the model is of opset {source}, the installed onnx knows up to {NEWEST_OPSET}: update onnx")
    return Versions(source, source if target is None else target, sources, targets, standard)


def _contemporary_opset(versions: Mapping[str, int]) -> int:
    """The opset of the default domain of the first onnx release that had a version of ai.onnx.ml."""
    wanted = versions.get(ML_DOMAIN, NEWEST_VERSIONS[ML_DOMAIN])
    return max(_OLDEST_IN_USE, min(row[2] for row in helper.VERSION_TABLE if row[3] >= wanted))


def _imports(model: ModelProto, asked: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for domain in asked:
        version = imported_version(model, domain)
        if version is None:
            raise OpsetError(f"the model does not import {domain}: there is nothing to convert")
        if version > NEWEST_VERSIONS[domain]:
            raise OpsetError(
                f"the model is of {domain} {version}, the installed onnx knows up to {NEWEST_VERSIONS[domain]}: "
                "update onnx"
            )
        yield domain, version


def _check_exists(domain: str, version: int | None) -> None:
    newest = NEWEST_VERSIONS[domain]
    if version is not None and not 1 <= version <= newest:
        what = f"{domain} {version}" if domain else f"opset {version}"
        raise OpsetError(f"{what} does not exist: give one from 1 to {newest}, the newest of this onnx")
