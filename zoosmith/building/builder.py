"""The build: a source model in, a zoo's rows out, each verified against the source and packed."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from onnx import ModelProto
from threadpoolctl import threadpool_limits

from zoosmith.building.accuracy_column import measure_accuracy
from zoosmith.building.manifest import CONTENTS, manifest_entries, write_manifest
from zoosmith.building.row_verification import failed_row, verify_row
from zoosmith.cards.card import model_card
from zoosmith.execution import SILENT, Executor, Progress, Task, ThreadExecutor
from zoosmith.html_report import PAGE, REPORT, draw_folder
from zoosmith.html_report.svg import can_draw
from zoosmith.hub.manifest import MANIFEST_NAME
from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import Staging, remove_leftovers, scratch_folder, staged, write_atomic
from zoosmith.onnx_model.mapped import load_mapped
from zoosmith.onnx_model.saving import save_model
from zoosmith.quantize import QuantizeError
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.layer import Layer
from zoosmith.quantize.samples.reading import array_files, read_samples
from zoosmith.quantize.samples.seen_samples import refuse_seen, sample_digests, state_digests, stated_digests
from zoosmith.quantize.samples.statistics import check_samples
from zoosmith.recipes.build_options import BuildOptions
from zoosmith.recipes.densenet121 import DENSENET121
from zoosmith.recipes.recipe import Recipe
from zoosmith.recipes.rows import Row, RowMaker
from zoosmith.recipes.samples import Drawn, Inputs, Wanted
from zoosmith.recipes.source import Source, SourceFacts, facts_of
from zoosmith.results.report import Calibration, Report, RowReport
from zoosmith.validation import ImageFolder
from zoosmith.validation.reading.datasets import DataSet
from zoosmith.validation.reading.preprocess import Preprocess
from zoosmith.validation.running.choice import OLDEST_OF_ONNX_RUNTIME
from zoosmith.validation.running.run_limit import runs_limited

# what an integer row is calibrated on: so many images, or so many of the recipe's samples where none are given
_CALIBRATION_IMAGES = 200
_CALIBRATION_SAMPLES = 64
# files that cannot be read, of which the card states the names
_NAMED = 5
# above this many bytes a source's rows go one after the other: each is in memory while it runs
_LARGE_SOURCE = 256 << 20
# whose versions the report states
PACKAGES = ("zoosmith", "onnx", "onnx-ir", "onnxruntime", "onnxsim", "numpy")


def build(
    out: str | os.PathLike[str],
    recipe: Recipe = DENSENET121,
    options: BuildOptions | None = None,
    *,
    progress: Progress = SILENT,
) -> Report:
    """Make, verify and pack the rows of a model in the zoo's own tree.

    Args:
        out: folder of the tree; made where it does not exist.
        recipe: the model.
        options: what to build it from, which rows, and what to measure; None for the defaults.
        progress: notified of every step that is done.

    Returns:
        What was found. A failed check is in it; files are written all the same, each whole or not at all. A row that
        cannot be made or run has no file, and does not stop the others. The same arguments give the same files.

    Raises:
        ZoosmithError: bad input, or a file that cannot be written; this is the base of ConvertError, QuantizeError and
            ValidationError too.
    """
    checked = _Build(Path(out), recipe, options or BuildOptions())
    with ThreadExecutor(1) as beside:
        # loading what draws the page takes longer than drawing it
        beside.submit(can_draw)
        report = checked.run(progress)
    write_manifest(Path(out), manifest_entries(recipe, report))
    write_report(Path(out), report.as_dict())
    write_page(Path(out))
    return report


def build_model(
    out: Path, recipe: Recipe, options: BuildOptions | None = None, *, progress: Progress = SILENT
) -> Report:
    """Make, verify and pack the rows of a model and write its card, but not what speaks of the whole tree.

    Args, result and exceptions are those of `build`.
    """
    return _Build(out, recipe, options or BuildOptions()).run(progress)


def write_report(out: Path, content: Mapping[str, Any]) -> None:
    """Write `report.json` of a tree."""
    write_atomic(out / REPORT, f"{json.dumps(content, indent=1, allow_nan=False)}\n".encode())


def write_page(out: Path) -> None:
    """Write `report.html` of a tree, of its `report.json` and what lies beside it."""
    write_atomic(out / PAGE, draw_folder(out).html.encode())


class _RefusedSamples(QuantizeError):
    """What a user gave to calibrate on is no use: bad input, not a row that failed."""


@dataclass(frozen=True)
class _Made:
    """What became of a row before it ran: its file, what it holds and its integer layers, or why there is none."""

    row: Row
    stage: Staging | None = None
    model: ModelProto | None = None
    failure: str = ""
    layers: tuple[Layer, ...] = ()


class _Build:
    """One run of `build`: checks its arguments when made, and writes nothing before `run`."""

    def __init__(self, out: Path, recipe: Recipe, options: BuildOptions):
        self._out = out
        self._folder = out / recipe.folder
        self._recipe = recipe
        self._options = options
        self._rows = recipe.select_rows(options.rows)
        self._calibration: Calibration | None = None
        self._samples: Samples | None = None
        self._seen: frozenset[str] = frozenset()
        self._inputs: Inputs = recipe.samples
        self._drawn: Drawn = []
        self._images = None if options.data is None else ImageFolder(options.data, options.labels)
        given = options.calibrate
        images_read = self._images is not None or (given is not None and given.is_dir() and not array_files(given))
        if images_read and recipe.preprocessing is None:
            raise ZoosmithError(
                f"{recipe.title}: images cannot be read without a preprocessing: name it as `preprocess` in a "
                f"card.toml ({argument('card', 'FILE')}); zoosmith preprocess compares them"
            )

    def run(self, progress: Progress) -> Report:
        steps = 1 + self._options.sets + 2 * len(self._rows) + (self._images is not None)
        with (
            progress.task(f"building {self._recipe.title}", steps) as task,
            scratch_folder(self._out) as work,
            runs_limited(self._options.timeout),
        ):
            return self._run(task, progress, work)

    def _run(self, task: Task, progress: Progress, work: Path) -> Report:
        recipe, options = self._recipe, self._options
        source = recipe.open_source(options.weights, options.seed, work)
        facts = facts_of(source)
        if self._images is not None and facts.synthetic:
            raise ZoosmithError("synthetic weights classify nothing: give weights to measure on labelled images")
        large = max(file["bytes"] for file in facts.files.values()) > _LARGE_SOURCE
        task.advance("weights")
        self._remove_leftovers()
        # the reference evaluator keeps every tensor of a run: its rows go one after the other, in a thread of their own
        old = not large and any(row.opset < OLDEST_OF_ONNX_RUNTIME for row in self._rows)
        threads = 1 if large else max(1, options.threads - old)
        # one thread a task: tasks share the cores, and no output depends on how many cores there are
        with (
            threadpool_limits(1),
            ExitStack() as stages,
            ThreadExecutor(threads) as executor,
            ThreadExecutor(1) as legacy,
        ):
            made = self._made_rows(source, work, executor, stages, task, progress)
            if large:
                # what the source keeps in memory is needed no more when all are made
                del source
                made = iter(list(made))
            verified = {
                each.row.name: (legacy if old and each.row.opset < OLDEST_OF_ONNX_RUNTIME else executor).submit(
                    self._verified, each, facts, task
                )
                for each in made
            }
            rows = [verified[row.name].result() for row in self._rows]
        report = Report(
            title=recipe.title,
            kind=facts.kind,
            weights=facts.label,
            synthetic=facts.synthetic,
            nets=facts.files,
            reference=options.reference,
            sets=len(self._data()),
            seed=options.seed,
            samples=self._inputs.kind,
            noise=self._inputs.noise,
            command=(*recipe.arguments, *options.arguments()),
            calibration=self._calibration,
            rows=rows,
            versions={name: version(name) for name in PACKAGES},
            runtime=None if options.runtime is None else str(options.runtime),
            accuracy=None
            if self._images is None
            else measure_accuracy(
                self._folder, recipe, rows, self._images, options.dataset, options.jobs, task, progress
            ),
        )
        write_atomic(self._folder / "README.md", model_card(recipe, report).encode())
        return report

    def _remove_leftovers(self) -> None:
        """Remove what a killed build of this model was writing."""
        for folder, names in {
            self._out: (MANIFEST_NAME, CONTENTS, REPORT, PAGE),
            self._folder: ("README.md",),
            self._folder / "model": (f"{self._recipe.prefix}-",),
        }.items():
            for name in names:
                remove_leftovers(folder, name, age=0)

    def _made_rows(
        self, source: Source, work: Path, executor: Executor, stages: ExitStack, task: Task, progress: Progress
    ) -> Iterator[_Made]:
        """Write each row beside where it belongs; the data sets are computed in other threads meanwhile."""
        recipe, options = self._recipe, self._options
        maker = RowMaker(source, self._calibration_samples, work, options.cache, options.runtime, progress)
        structure = maker.model(source.opset)
        self._refuse_seen(structure, stated_digests(structure))
        with source.reference(options.reference) as run:
            self._inputs = recipe.samples.fitted(
                load_mapped(maker.path(source.opset)), run, self._wanted_inputs, progress
            )
            self._drawn = self._inputs.draw(structure, run, options.sets, options.seed, executor)
            # integer rows first: they may refuse their samples, and nothing is written then
            for row in sorted(self._rows, key=lambda row: row.exact):
                target = self._folder / recipe.path(row.name)
                stage = stages.enter_context(staged(target))
                try:
                    model = row.make(maker)
                except _RefusedSamples:
                    raise
                except ZoosmithError as error:
                    made = _Made(row, failure=str(error))
                else:
                    if not row.exact:
                        state_digests(model, self._seen)
                    _save(model, row, source, stage, target, work)
                    made = _Made(row, stage, model, layers=maker.layers.get(row.name, ()))
                task.advance(f"{recipe.stem(row.name)} {'written' if made.stage else 'failed'}")
                yield made
            self._data()
            task.advance("reference outputs", steps=options.sets)

    @property
    def _wanted_inputs(self) -> Wanted:
        preprocessing, options = self._recipe.preprocessing, self._options
        name = None if preprocessing is None else preprocessing.name
        return Wanted(options.seed, _CALIBRATION_SAMPLES, name, options.force)

    def _data(self) -> list[DataSet]:
        """Wait for the data sets."""
        data = [each for job in self._drawn for each in job.result()]
        if not data:
            raise ZoosmithError(f"{self._recipe.title}: expected inputs for at least one data set, found none")
        return data

    def _verified(self, made: _Made, source: SourceFacts, task: Task) -> RowReport:
        """Check, run and pack a row."""
        row, recipe = made.row, self._recipe
        if made.stage is None or made.model is None:
            found = failed_row(row, "made", made.failure)
        else:
            distance = self._calibration.distance if self._calibration else None
            found = verify_row(recipe, row, source, made.stage, made.model, self._folder, self._data(), distance)
        done = "verified and packed" if found.model is not None else "failed"
        task.advance(f"{recipe.stem(row.name)} {done}")
        return replace(found, layers=made.layers)

    def _calibration_samples(self, model: ModelProto) -> Samples:
        """What rows are calibrated on, the same for all; the recipe's samples are others than those of the data sets.

        Raises _RefusedSamples for samples that cannot be read, and for those far from what the weights were trained on,
        unless told to go on.
        """
        if self._samples is None:
            self._samples = self._read_samples(model)
        return self._samples

    def _read_samples(self, model: ModelProto) -> Samples:
        given, inputs = self._options.calibrate, self._inputs
        if given is not None:
            preprocess = self._recipe.preprocessing or Preprocess("none")
            broken: list[Path] = []
            try:
                samples = read_samples(
                    model,
                    os.fspath(given),
                    _CALIBRATION_IMAGES,
                    preprocess,
                    on_broken=lambda path, why: broken.append(path),
                )
            except ZoosmithError as error:
                raise _RefusedSamples(str(error)) from error
            description = f"{len(samples)} samples of {given.resolve().name}"
            if broken:
                description += f" ({len(broken)} that cannot be read left out: {_names(broken)})"
        else:
            data = self._data() if inputs.needs_data else []
            samples = inputs.for_calibration(data, _CALIBRATION_SAMPLES, self._options.seed, model)
            description = f"{len(samples)} {inputs.calibrated_kind}"
        try:
            distance = check_samples(model, samples, force=self._options.force)
        except QuantizeError as error:
            raise _RefusedSamples(f"{given or description}: {error}") from error
        made_up = given is None and inputs.made_up
        if not made_up:
            self._seen = sample_digests(samples)
            self._refuse_seen(model, self._seen)
        self._calibration = Calibration(description, made_up, distance)
        return samples

    def _refuse_seen(self, model: ModelProto, seen: frozenset[str]) -> None:
        """Raise _RefusedSamples where accuracy is to be measured on what was calibrated on."""
        if self._images is None or self._recipe.preprocessing is None:
            return
        try:
            refuse_seen(model, seen, self._images, self._recipe.preprocessing)
        except QuantizeError as error:
            raise _RefusedSamples(str(error)) from error


def _names(paths: Sequence[Path]) -> str:
    """The names of the first few files."""
    more = ", ..." if len(paths) > _NAMED else ""
    return ", ".join(path.name for path in paths[:_NAMED]) + more


def _save(model: ModelProto, row: Row, source: Source, stage: Staging, target: Path, work: Path) -> None:
    """Write a row where it waits for its verification, with what made it unless it must be as the zoo's exporter's."""
    if row.published is None or not row.exact:
        model.producer_name = "zoosmith"
        model.producer_version = version("zoosmith")
        calibrated_on = stated_digests(model)
        del model.metadata_props[:]
        for name, facts in sorted(source.files().items()):
            model.metadata_props.add(key=f"{name}.sha256", value=facts["sha256"])
        state_digests(model, calibrated_on)
    try:
        save_model(model, stage.path, source=work)
    except ZoosmithError as error:
        raise ZoosmithError(str(error).replace(str(stage.path), str(target))) from error
