"""The build: a source model in, a zoo's rows out, each verified against the source and packed."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from onnx import ModelProto
from threadpoolctl import threadpool_limits

from zoosmith.archives import write_archive
from zoosmith.build_options import BuildOptions
from zoosmith.bundles import bundle_members
from zoosmith.card import model_card
from zoosmith.checks import OLDEST_OF_ONNX_RUNTIME, check_calibration, check_exact, check_file, check_integer
from zoosmith.execution import SILENT, Progress, Task, ThreadExecutor
from zoosmith.hub_ports import hub_features, hub_inputs, hub_outputs
from zoosmith.manifest import manifest
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import write_atomic
from zoosmith.onnx_model.loading import load_model
from zoosmith.preprocessing import warn_if_far
from zoosmith.quantize import QuantizeError
from zoosmith.quantize.calibration import Samples
from zoosmith.quantize.sample_statistics import check_samples
from zoosmith.quantize.samples import read_samples
from zoosmith.recipes.densenet121 import DENSENET121
from zoosmith.recipes.recipe import Recipe
from zoosmith.recipes.rows import Row, RowMaker
from zoosmith.recipes.source import Source
from zoosmith.report import Accuracy, BuiltFile, Calibration, Report, RowReport
from zoosmith.validation import Comparison, ImageFolder, compare, evaluate, runner_for
from zoosmith.validation.datasets import DataSet
from zoosmith.validation.preprocess import Preprocess

# what an integer row is calibrated on: so many images, or so many of the recipe's samples where none are given
_CALIBRATION_IMAGES = 200
_CALIBRATION_SAMPLES = 64
# far from the data sets, so that a row does not depend on their number
_FIRST_CALIBRATION_SAMPLE = 10_000


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
        What was found. A failed check is in it; files are written all the same, each whole or not at all. The same
        arguments give the same files.

    Raises:
        ZoosmithError: bad input, or a file that cannot be written; this is the base of ConvertError, QuantizeError and
            ValidationError too.
    """
    return _Build(Path(out), recipe, options or BuildOptions()).run(progress)


class _Build:
    """One run of `build`: checks its arguments when made, and writes nothing before `run`."""

    def __init__(self, out: Path, recipe: Recipe, options: BuildOptions):
        self._out = out
        self._folder = out / recipe.folder
        self._recipe = recipe
        self._options = options
        self._rows = recipe.select_rows(options.rows)
        self._calibration: Calibration | None = None
        self._images = None if options.data is None else ImageFolder(options.data, options.labels)
        images_read = self._images is not None or (options.calibrate is not None and options.calibrate.is_dir())
        if images_read and recipe.preprocessing is None:
            raise ZoosmithError(f"{recipe.title}: the recipe names no preprocessing, so that images cannot be read")

    def run(self, progress: Progress) -> Report:
        steps = 1 + self._options.sets + 2 * len(self._rows) + (self._images is not None)
        with progress.task(f"building {self._recipe.title}", steps) as task:
            return self._run(task, progress)

    def _run(self, task: Task, progress: Progress) -> Report:
        recipe, options = self._recipe, self._options
        source = recipe.open_source(options.weights, options.seed)
        if self._images is not None and source.synthetic:
            raise ZoosmithError("synthetic weights classify nothing: give weights to measure on labelled images")
        task.advance("weights")
        self._remove_leftovers()
        # one thread a task: tasks share the cores, and no output depends on how many cores there are
        with threadpool_limits(1):
            data = self._write_models(source, task)
            report = Report(
                weights=source.label,
                synthetic=source.synthetic,
                nets=source.files(),
                reference=options.reference,
                sets=options.sets,
                seed=options.seed,
                calibration=self._calibration,
                rows=self._verify_rows(data, task, published=source.published),
                accuracy=self._measure_accuracy(task, progress),
            )
        write_atomic(self._folder / "README.md", model_card(recipe, report).encode())
        write_atomic(self._out / "ONNX_HUB_MANIFEST.json", manifest(recipe, report).encode())
        content = json.dumps(report.as_dict(), indent=1, allow_nan=False)
        write_atomic(self._out / "report.json", f"{content}\n".encode())
        return report

    def _remove_leftovers(self) -> None:
        """Remove what a killed build was writing."""
        names = {
            self._out: ("ONNX_HUB_MANIFEST.json", "report.json"),
            self._folder: ("README.md",),
            self._folder / "model": (f"{self._recipe.prefix}-*",),
        }
        for place, written in names.items():
            for name in written:
                for path in place.glob(f".{name}.*.partial"):
                    path.unlink(missing_ok=True)

    def _write_models(self, source: Source, task: Task) -> list[DataSet]:
        """Write the models; compute the data sets, which are returned, in other threads meanwhile."""
        recipe, options = self._recipe, self._options
        with source.reference(options.reference) as run, ThreadExecutor(options.threads) as executor:

            def compute(index: int) -> DataSet:
                inputs = recipe.samples.make(options.seed, index)
                data = DataSet(inputs, run(inputs))
                task.advance(f"reference outputs {index}")
                return data

            computed = [executor.submit(compute, index) for index in range(options.sets)]
            maker = RowMaker(source, self._calibration_samples)
            # integer rows first: they may refuse their samples, and nothing is written then
            for row in sorted(self._rows, key=lambda row: row.exact):
                write_atomic(self._folder / recipe.path(row.name), row.make(maker))
                task.advance(f"{recipe.stem(row.name)} written")
            return [job.result() for job in computed]

    def _verify_rows(self, data: Sequence[DataSet], task: Task, *, published: bool) -> list[RowReport]:
        """Check, run and pack the rows, each in a thread."""

        def verify(row: Row) -> RowReport:
            found = self._verify_row(row, data, published=published)
            task.advance(f"{self._recipe.stem(row.name)} verified and packed")
            return found

        # the reference evaluator keeps every tensor of a run: its rows go one after the other, in a thread of their own
        old = any(row.opset < OLDEST_OF_ONNX_RUNTIME for row in self._rows)
        with ThreadExecutor(max(1, self._options.threads - old)) as executor, ThreadExecutor(1) as legacy:
            verified = [
                (legacy if row.opset < OLDEST_OF_ONNX_RUNTIME else executor).submit(verify, row) for row in self._rows
            ]
            return [job.result() for job in verified]

    def _verify_row(self, row: Row, data: Sequence[DataSet], *, published: bool) -> RowReport:
        """Check a written row, run it, pack it."""
        path = self._folder / self._recipe.path(row.name)
        content = path.read_bytes()
        model = load_model(content)
        sha256 = hashlib.sha256(content).hexdigest()
        checks = check_file(row, content, model)
        inputs, outputs = hub_inputs(model.graph), hub_outputs(model.graph)
        features = hub_features(model, self._recipe.features)
        # what follows needs the graph only
        del content, model.graph.initializer[:]
        comparisons, data = _run_row(row, path, data)
        if row.exact:
            checks += check_exact(comparisons, classifies=self._recipe.classifies)
        else:
            checks += check_integer(comparisons)
            checks += check_calibration(self._calibration.distance if self._calibration else None)
        archive = path.with_suffix(".tar.gz")
        archive_sha256 = write_archive(archive, bundle_members(path.stem, path, model, data))
        return RowReport(
            name=row.name,
            title=row.title,
            onnx_version=row.onnx_version,
            opset=row.opset,
            model=BuiltFile(self._recipe.path(row.name), path.stat().st_size, sha256),
            archive=BuiltFile(f"model/{archive.name}", archive.stat().st_size, archive_sha256),
            inputs=inputs,
            outputs=outputs,
            features=features,
            checks=tuple(checks),
            max_scaled=max((found.max_scaled for found in comparisons if found.max_scaled is not None), default=None),
            cosine=min((found.cosine for found in comparisons if found.cosine is not None), default=None),
            same_top1=all(found.same_top1 for found in comparisons),
            published=row.compare(sha256) if published else None,
        )

    def _calibration_samples(self, model: ModelProto) -> Samples:
        """What an integer row is calibrated on; the recipe's samples are others than those of the data sets.

        Raises QuantizeError for samples far from what the weights were trained on, unless told to go on.
        """
        given = self._options.calibrate
        if given is not None:
            preprocess = self._recipe.preprocessing or Preprocess("none")
            samples = read_samples(model, os.fspath(given), _CALIBRATION_IMAGES, preprocess)
            description = f"{len(samples)} samples of {given.resolve().name}"
        else:
            numbers = range(_FIRST_CALIBRATION_SAMPLE, _FIRST_CALIBRATION_SAMPLE + _CALIBRATION_SAMPLES)
            samples = [self._recipe.samples.make(self._options.seed, number) for number in numbers]
            description = f"{_CALIBRATION_SAMPLES} {self._recipe.samples.kind}"
        try:
            distance = check_samples(model, samples, force=self._options.force)
        except QuantizeError as error:
            raise QuantizeError(f"{given or description}: {error}") from error
        self._calibration = Calibration(description, given is None, distance)
        return samples

    def _measure_accuracy(self, task: Task, progress: Progress) -> Accuracy | None:
        """Run the rows that ONNX Runtime takes on labelled images; None where there are none."""
        if self._images is None or self._recipe.preprocessing is None:
            return None
        rows = [row for row in self._rows if row.opset >= OLDEST_OF_ONNX_RUNTIME]
        measured = [row.name for row in rows]
        paths = [self._folder / self._recipe.path(name) for name in measured]
        exact = next((path for path, row in zip(paths, rows, strict=True) if row.exact), None)
        if exact is not None:
            warn_if_far(load_model(exact), self._recipe.preprocessing, self._images.path, progress)
        found = evaluate(paths, self._images, self._recipe.preprocessing)
        task.advance("accuracy measured")
        return Accuracy(
            data=self._images.path.resolve().name,
            images=found.images,
            top1={name: each.top1 for name, each in zip(measured, found.accuracies, strict=True)},
            top5={name: each.top5 for name, each in zip(measured, found.accuracies, strict=True)},
        )


def _run_row(row: Row, path: Path, data: Sequence[DataSet]) -> tuple[list[Comparison], Sequence[DataSet]]:
    """Run a row on the data sets; return the comparisons, and the data sets that its archive holds."""
    # one thread, so that no figure depends on the number of threads
    runner = runner_for(path, threads=1)
    given = [runner.run(each.inputs) for each in data]
    comparisons = [compare(each.outputs, outputs) for each, outputs in zip(data, given, strict=True)]
    if row.exact:
        return comparisons, data
    return comparisons, [DataSet(each.inputs, outputs) for each, outputs in zip(data, given, strict=True)]
