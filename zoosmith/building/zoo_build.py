"""A whole zoo: models built into one tree with one manifest, in parallel, going on where an earlier build ended."""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from zoosmith.building.builder import PACKAGES, build_model, write_page, write_report
from zoosmith.building.manifest import manifest_entries, write_manifest
from zoosmith.building.zoo_file import Entry, read_zoo
from zoosmith.execution import (
    SILENT,
    Executor,
    Job,
    ProcessDiedError,
    Progress,
    WorkersDiedError,
    call_in_process,
    default_workers,
    local_executor,
)
from zoosmith.html_report import REPORT
from zoosmith.onnx_model.counting import counted
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.recipes.onnx_source import OnnxSource
from zoosmith.recipes.parameters import file_facts

# a model in memory a process
_MOST_PROCESSES = 4
_SECONDS_TO_WAIT = 0.05


@dataclass(frozen=True)
class BuiltEntry:
    """What became of one model of a zoo.

    Attributes:
        name: folder and prefix of its files.
        key: hash of what it was made of, and of the arguments.
        report: of its build, in plain values; None where there is none.
        hub: its entries of the manifest.
        error: why it could not be built; None where it was.
        kept: whether an earlier build made it.
    """

    name: str
    key: str
    report: Mapping[str, Any] | None
    hub: tuple[Mapping[str, Any], ...]
    error: str | None = None
    kept: bool = False

    @property
    def passed(self) -> bool:
        """Whether every check of every row passed."""
        return self.report is not None and bool(self.report["passed"])

    @property
    def outcome(self) -> str:
        """What became of it, in words."""
        if self.report is None:
            return "failed"
        rows = self.report["rows"]
        checks = [check["passed"] for row in rows for check in row["checks"]]
        kept = ", built before" if self.kept else ""
        return f"{sum(checks)} of {len(checks)} checks passed, {counted(len(rows), 'row')}{kept}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"name": self.name, "key": self.key, "error": self.error, "report": self.report}


@dataclass(frozen=True)
class _Build:
    """What is to be built: an entry, the folder of the tree, and its name and key."""

    entry: Entry
    out: Path
    name: str
    key: str


@dataclass(frozen=True)
class BuiltZoo:
    """What became of a zoo: its entries in the order of the file."""

    entries: tuple[BuiltEntry, ...]

    @property
    def passed(self) -> bool:
        """Whether every check of every model passed."""
        return all(entry.passed for entry in self.entries)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"passed": self.passed, "models": [entry.as_dict() for entry in self.entries]}


def build_zoo(
    path: Path,
    out: Path,
    *,
    jobs: int | None = None,
    timeout: float | None = 300.0,
    cache: Path | None = None,
    executor: Executor | None = None,
    progress: Progress = SILENT,
) -> BuiltZoo:
    """Build the models of a zoo file into one tree, in processes of their own.

    A model whose files are all there, and which was made of the same inputs, arguments and versions, is kept. The
    manifest and `report.json` are written after each model, so that a build that was stopped goes on where it ended.

    Args:
        path: the zoo file.
        out: folder of the tree.
        jobs: how many models at a time; None for one a core, but no more than 4.
        timeout: seconds that one run of a model may take; None for no limit.
        cache: folder in which measured ranges are kept for the next time; None for none.
        executor: where models are built, with the same folders; None for processes of this machine.
        progress: notified of every model.

    Returns:
        What became of each model. One that fails does not stop the others.

    Raises:
        ZoosmithError: the zoo file is wrong, two models have the same folder, or a file cannot be written. A model that
            cannot be built, or that ends two processes, does not stop the others: it is in the result.
    """
    entries = read_zoo(path)
    recipes = [entry.choice.recipe(entry.options.weights) for entry in entries]
    names = [f"{recipe.folder}/{recipe.prefix}" for recipe in recipes]
    folders = [recipe.folder for recipe in recipes]
    for folder in folders:
        if folders.count(folder) > 1:
            raise ZoosmithError(
                f"{path}: two models have the folder {folder}, whose README.md describes one; give one of them another "
                "name, or in its card another folder"
            )
    for entry, recipe in zip(entries, recipes, strict=True):
        recipe.select_rows(entry.options.rows)
    keys = [_key(entry) for entry in entries]
    before = _earlier(out)
    found: dict[str, BuiltEntry] = {}
    workers = max(1, min(jobs or default_workers(_MOST_PROCESSES), len(entries)))
    threads = max(1, default_workers() // workers) if executor is None else 1
    with ExitStack() as exits:
        executor = executor or exits.enter_context(local_executor(workers, processes=True))
        task = exits.enter_context(progress.task("building the zoo", len(entries)))
        builds: list[_Build] = []
        for name, key, entry in zip(names, keys, entries, strict=True):
            earlier = before.get(name)
            if earlier is not None and earlier.key == key and _is_whole(earlier, out / name.rpartition("/")[0]):
                found[name] = replace(earlier, kept=True)
                task.advance(f"{name}: {found[name].outcome}")
                continue
            options = replace(entry.options, jobs=threads, timeout=timeout, cache=cache)
            builds.append(_Build(Entry(entry.choice, options), out, name, key))
        # what was kept counts even if nothing else comes to an end
        _write(out, [found[name] for name in names if name in found])
        for built in _built(executor, builds):
            found[built.name] = built
            task.advance(f"{built.name}: {built.outcome}")
            _write(out, [found[each] for each in names if each in found])
    write_page(out)
    return BuiltZoo(tuple(found[name] for name in names))


def _built(executor: Executor, builds: Sequence[_Build]) -> Iterator[BuiltEntry]:
    """Build models, each yielded when it is done; one whose process died is built once more, in one of its own."""
    running: dict[Job[BuiltEntry], _Build] = {}
    again: list[_Build] = []
    for build in builds:
        try:
            running[executor.submit(_build_entry, build)] = build
        except BrokenExecutor:
            again.append(build)
    for job in _as_they_end(running):
        try:
            yield job.result()
        except WorkersDiedError as error:  # the cluster tried it on several of them
            yield BuiltEntry(running[job].name, running[job].key, None, (), str(error))
        except BrokenExecutor:  # the process of this model or of another one died
            again.append(running[job])
    yield from map(_build_apart, again)


def _as_they_end(jobs: Iterable[Job[BuiltEntry]]) -> Iterator[Job[BuiltEntry]]:
    """The jobs, each when it has ended."""
    waiting = list(jobs)
    while waiting:
        ended = [job for job in waiting if job.done()]
        waiting = [job for job in waiting if job not in ended]
        yield from ended
        if not ended:
            time.sleep(_SECONDS_TO_WAIT)


def _build_entry(build: _Build) -> BuiltEntry:
    """Build one model; what is wrong with it is part of the result."""
    entry = build.entry
    try:
        recipe = entry.choice.recipe(entry.options.weights)
        report = build_model(build.out, recipe, entry.options)
    except ZoosmithError as error:
        return BuiltEntry(build.name, build.key, None, (), str(error))
    hub = tuple(manifest_entries(recipe, report))
    return BuiltEntry(build.name, build.key, json.loads(json.dumps(report.as_dict())), hub)


def _build_apart(build: _Build) -> BuiltEntry:
    """Build one model in a process of its own, which it may end."""
    try:
        return call_in_process(_build_entry, None, build)
    except ProcessDiedError as error:
        reason = f"the process that built it died, and so did the next: {error}; has the machine enough memory?"
        return BuiltEntry(build.name, build.key, None, (), reason)


def _write(out: Path, entries: list[BuiltEntry]) -> None:
    content = {**BuiltZoo(tuple(entries)).as_dict(), "hub": {entry.name: list(entry.hub) for entry in entries}}
    write_manifest(out, [each for entry in entries for each in entry.hub])
    write_report(out, content)


def _earlier(out: Path) -> dict[str, BuiltEntry]:
    """What an earlier build of a zoo left in its report; nothing where there is none that can be read."""
    try:
        content = json.loads((out / REPORT).read_text(encoding="utf-8"))
        return {
            model["name"]: BuiltEntry(
                model["name"], model["key"], model["report"], tuple(content["hub"][model["name"]]), model["error"]
            )
            for model in content["models"]
        }
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _is_whole(entry: BuiltEntry, folder: Path) -> bool:
    """Whether all files of a model are there as they were written."""
    if entry.report is None or not (folder / "README.md").is_file():
        return False
    for row in entry.report["rows"]:
        for kind in ("model", "archive"):
            file = row[kind]
            if file is None:
                return False
            path = folder / file["path"]
            if not path.is_file() or file_facts(path) != {"bytes": file["size"], "sha256": file["sha256"]}:
                return False
    return True


def _key(entry: Entry) -> str:
    """A hash of what a model is made of: contents of files, arguments, versions; of folders names, sizes and times."""
    choice = entry.choice
    parts: dict[str, Any] = {
        "versions": {name: version(name) for name in PACKAGES},
        "options": list(entry.options.arguments()),
        "name": choice.name,
        "dims": dict(choice.inputs.dims),
        "shapes": {name: [list(shape.sizes), shape.elem_type] for name, shape in choice.inputs.shapes.items()},
        "files": {option: _content(option, path) for option, path in entry.files.items()},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _content(option: str, path: Path) -> Any:
    """What tells that a file or folder is another one: of a model with the files that hold tensors of it."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return [[str(file.relative_to(path)), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
    if path.suffix == ".onnx" or option == "model":
        # a file that is no model is told of when its entry is built
        with suppress(ZoosmithError):
            return OnnxSource(path).files()
    return file_facts(path)
