"""Checks of a hub manifest by itself: no file is needed to see that an entry is another one under a wrong name."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from zoosmith.audit.checks.models import newest_of_release
from zoosmith.audit.files import AuditedFile, UnreadableError
from zoosmith.audit.names import opset_in, published_name
from zoosmith.audit.registry import check
from zoosmith.hub.manifest import ModelInfo


@check("entries", "manifest")
def entries(file: AuditedFile) -> Iterable[str]:
    """Every entry has a title, an opset and paths that stay in the tree; what it states of sizes and hashes is such."""
    try:
        return file.manifest.problems
    except UnreadableError as error:
        return [str(error)]


@check("listed once", "manifest")
def listed_once(file: AuditedFile) -> Iterable[str]:
    """No file has two entries."""
    counts = Counter(info.model_path for info in file.manifest.infos)
    return [f"{path} has {count} entries" for path, count in counts.items() if count > 1]


@check("opset of the file's name", "manifest")
def opset_of_the_files_name(file: AuditedFile) -> Iterable[str]:
    """The opset of an entry is the one that the name of its file states."""
    return [
        f"{info.model_path}: the entry says opset {info.opset}"
        for info in file.manifest.infos
        if opset_in(info.model_file.name) not in (None, info.opset)
    ]


@check("onnx release", "manifest")
def onnx_release(file: AuditedFile) -> Iterable[str]:
    """The ONNX release of an entry is one, and had the entry's opset."""
    for info in file.manifest.infos:
        newest = newest_of_release(info.onnx_version)
        if info.onnx_version and newest is None:
            yield f"{info.model_path}: {info.onnx_version} is no release of ONNX"
        elif newest is not None and info.opset > newest[1]:
            yield f"{info.model_path}: opset {info.opset}, and ONNX {info.onnx_version} has none above {newest[1]}"


@check("same hashes", "manifest")
def same_hashes(file: AuditedFile) -> Iterable[str]:
    """No two names have one content; of such entries the one of the highest opset is right."""
    groups: dict[str, list[ModelInfo]] = defaultdict(list)
    for info in file.manifest.infos:
        if info.model_sha is not None:
            groups[info.model_sha].append(info)
    for info in file.manifest.infos:
        if info.model_sha is None:
            continue
        right = max(groups[info.model_sha], key=lambda each: (each.opset, each.model_path))
        published = published_name(info.model_file.name, info.model_sha)
        if published is not None:
            yield f"{info.model_path} is the published {published} under another name: SHA-256 {info.model_sha}"
        elif right.model_file.name != info.model_file.name:
            yield f"{info.model_path} is {right.model_file.name} under another name: SHA-256 {info.model_sha}"
