"""The accuracy column of a model card: the rows of a build run on labelled images."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zoosmith.execution import Progress, Task
from zoosmith.files.preprocessing import warn_if_far
from zoosmith.onnx_model.in_place import array_of
from zoosmith.onnx_model.loading import load_in_place, load_model, model_name
from zoosmith.recipes.recipe import Recipe
from zoosmith.results.report import Accuracy, RowReport
from zoosmith.validation import ImageFolder, evaluate
from zoosmith.validation.accuracy.evaluation import PICTURES
from zoosmith.validation.running.choice import OLDEST_OF_ONNX_RUNTIME


def measure_accuracy(
    folder: Path,
    recipe: Recipe,
    rows: Sequence[RowReport],
    images: ImageFolder,
    dataset: str | None,
    threads: int | None,
    task: Task,
    progress: Progress,
) -> Accuracy | None:
    """Run rows on labelled images; rows of one net under several opsets are run once.

    Args:
        folder: of the model.
        recipe: of the model; it names the preprocessing.
        rows: of the build; those that ONNX Runtime does not run are left out.
        images: with labels.
        dataset: its name; None for the name of the folder.
        threads: how many; None for one a core.
        task: of the build.
        progress: shows how far it is, and is told where images are unlike the training data.

    Returns:
        The shares by row; None where no row can be measured.
    """
    measured = [row for row in rows if row.model is not None and row.opset >= OLDEST_OF_ONNX_RUNTIME]
    if not measured or recipe.preprocessing is None:
        return None
    paths = {row.name: folder / recipe.path(row.name) for row in measured}
    exact = next((row for row in measured if row.exact), None)
    if exact is not None:
        warn_if_far(load_model(paths[exact.name]), recipe.preprocessing, images.path, progress)
    nets = {row.name: _net_digest(paths[row.name]) for row in measured}
    first = {digest: name for name, digest in reversed(nets.items())}
    distinct = [paths[name] for name in first.values()]
    found = evaluate(distinct, images, recipe.preprocessing, threads=threads, pictures=PICTURES, progress=progress)
    task.advance("accuracy measured")
    shares = dict(zip(first, found.accuracies, strict=True))
    called = {model_name(paths[name]): paths[name].name for name in first.values()}
    return Accuracy(
        data=dataset or images.path.resolve().name,
        images=found.images,
        top1={name: shares[digest].top1 for name, digest in nets.items()},
        top5={name: shares[digest].top5 for name, digest in nets.items()},
        agreements=tuple(
            replace(pair, first=called[pair.first], second=called[pair.second]) for pair in found.agreements
        ),
        pictures=tuple(
            replace(each, answers={called[model]: answers for model, answers in each.answers.items()})
            for each in found.pictures
        ),
    )


def _net_digest(path: Path) -> str:
    """A hash of a model but for its opset and IR version: equal where files hold one net."""
    graph = load_in_place(path).graph
    digest = hashlib.sha256()
    for tensor in graph.initializer:
        values = array_of(tensor)
        digest.update(tensor.name.encode())
        digest.update(tensor.raw_data if values is None else values.reshape(-1).view("u1").data)
    del graph.initializer[:]
    digest.update(graph.SerializeToString(deterministic=True))
    return digest.hexdigest()
