"""The published files whose SHA-256 the project itself carries; what any other manifest says, its source says."""

from collections.abc import Iterator
from functools import cache

from zoosmith.hub.manifest import HubFile, ModelInfo
from zoosmith.recipes.published import Family, PublishedRow, families


def pinned_info(info: ModelInfo) -> ModelInfo | None:
    """The published entry of the same name, with the sizes and SHA-256 that the project carries; None for others.

    Args:
        info: of any manifest.
    """
    return next((_pins()[path] for path in info.model_file.places if path in _pins()), None)


def pinned_infos() -> list[ModelInfo]:
    """The entries of all published files that the project carries."""
    return list(_pins().values())


def license_of(info: ModelInfo) -> str | None:
    """The licence that the zoo's card names for a published model, an SPDX identifier; None for other models."""
    folders = {family.folder: family.license for family in families().values()}
    model = next((path for path in info.model_file.places if path in _pins()), None)
    return None if model is None else folders.get(model.rpartition("/model/")[0])


def named_by_hash(sha256: str) -> str | None:
    """The name of the published row that has this content; None where there is none.

    Args:
        sha256: of a file, in hexadecimal.
    """
    return _names_by_hash().get(sha256)


@cache
def _names_by_hash() -> dict[str, str]:
    """Names of published files by hash; a file published under two names has the one that is right."""
    return {
        row.model.sha256: f"{family.prefix}-{row.mislabelled_as or row.name}.onnx"
        for family in families().values()
        for row in family.rows.values()
    }


@cache
def _pins() -> dict[str, ModelInfo]:
    return {info.model_path: info for family in families().values() for info in _infos(family)}


def _infos(family: Family) -> Iterator[ModelInfo]:
    for row in family.rows.values():
        yield _info(family, row)


def _info(family: Family, row: PublishedRow) -> ModelInfo:
    path = f"{family.folder}/model/{family.prefix}-{row.name}"
    model = HubFile(f"{path}.onnx", row.model.size, row.model.sha256)
    archive = HubFile(f"{path}.tar.gz", row.archive.size, row.archive.sha256)
    metadata = {
        "tags": family.folder.replace("_", " ").split("/"),
        "model_bytes": model.size,
        "model_sha": model.sha256,
        "model_with_data_path": archive.path,
        "model_with_data_bytes": archive.size,
        "model_with_data_sha": archive.sha256,
    }
    return ModelInfo(row.title, model.path, row.onnx_version, row.opset, metadata, model, archive)
