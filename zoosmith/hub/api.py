"""The functions of the former `onnx.hub`, over any tree with a hub manifest."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from onnx import ModelProto

from zoosmith.execution import SILENT, Progress
from zoosmith.hub.fetching import DEFAULT_SOURCE, Hub
from zoosmith.hub.manifest import ModelInfo
from zoosmith.hub.store import default_cache
from zoosmith.onnx_model.loading import load_model
from zoosmith.onnx_model.temporary import temporary_folder
from zoosmith.validation.reading.unpacking import unpacked

DEFAULT_REPO = DEFAULT_SOURCE
"""The mirror of the ONNX Model Zoo's files."""


def list_models(
    repo: str = DEFAULT_REPO, model: str | None = None, tags: Iterable[str] | None = None
) -> list[ModelInfo]:
    """The models of a tree.

    Args:
        repo: an https URL, a file URL or a folder, in which ONNX_HUB_MANIFEST.json lies.
        model: a title, folder, file prefix or file's name, without regard to case; None for all.
        tags: words that a model has among its tags, all of them.

    Returns:
        The entries of the manifest that match, one for each file.

    Raises:
        HubError: the manifest cannot be read.
    """
    return Hub(repo).search(model, tags or ())


def get_model_info(model: str, repo: str = DEFAULT_REPO, opset: int | None = None) -> ModelInfo:
    """The entry of a model.

    Args:
        model: as for `list_models`, with `:ROW` where a row is wanted: `densenet-121:12-int8`.
        repo: as for `list_models`.
        opset: of the file; None for the highest.

    Returns:
        The one entry that matches; its paths are relative to the tree.

    Raises:
        HubError: there is no such model, or more than one.
    """
    return Hub(repo).find(model, opset=opset)


def load(
    model: str,
    repo: str = DEFAULT_REPO,
    opset: int | None = None,
    force_reload: bool = False,
    *,
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> ModelProto:
    """Download a model where it is not kept yet, verify it, and load it.

    Args:
        model: as for `get_model_info`.
        repo: as for `list_models`.
        opset: of the file; None for the highest.
        force_reload: download it even where it is kept.
        cache: folder of the cache; None for the user's own.
        progress: told of every piece.

    Returns:
        The model, with its tensors.

    Raises:
        HubError: there is no such model, or its file is not what it should be.
        ModelError: the file is no ONNX model.
    """
    return load_model(download_model(model, repo, opset, force_reload, cache=cache, progress=progress))


def download_model(
    model: str,
    repo: str = DEFAULT_REPO,
    opset: int | None = None,
    force_reload: bool = False,
    *,
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Download a model where it is not kept yet, verify it, and return its path. Arguments and errors as for `load`."""
    hub = Hub(repo, cache=cache)
    return hub.fetch(hub.find(model, opset=opset), force=force_reload, progress=progress).path


def download_model_with_test_data(
    model: str,
    repo: str = DEFAULT_REPO,
    opset: int | None = None,
    force_reload: bool = False,
    *,
    cache: Path | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Download the archive of a model where it is not kept yet, verify it, and return the folder it is unpacked in.

    Arguments and errors as for `load`; an archive with unsafe members raises ZoosmithError.
    """
    hub = Hub(repo, cache=cache)
    archive = hub.fetch(hub.find(model, opset=opset), archive=True, force=force_reload, progress=progress).path
    target = archive.with_name("unpacked")
    if not target.is_dir():
        with unpacked(archive) as folder, temporary_folder(archive.parent) as staging:
            shutil.copytree(folder, staging / "unpacked")
            (staging / "unpacked").replace(target)
    return target


def get_dir() -> Path:
    """The folder of the user's own cache; the environment variable ZOOSMITH_CACHE names another."""
    return default_cache()
