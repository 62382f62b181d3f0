"""The build: a source net in, the zoo's rows out, each proved against the net and packed."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from onnx import ModelProto
from threadpoolctl import threadpool_limits

from zoosmith.archives import write_archive
from zoosmith.bundles import bundle_members
from zoosmith.card import model_card
from zoosmith.checks import OLDEST_OF_ONNX_RUNTIME, check_exact, check_file, check_integer
from zoosmith.convert import write_net
from zoosmith.datasets import DataSet
from zoosmith.manifest import manifest
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import write_atomic
from zoosmith.ports import inner_ports, input_ports, output_ports
from zoosmith.quantize.samples import read_samples
from zoosmith.recipes import densenet121 as recipe
from zoosmith.report import Accuracy, BuiltFile, Report, RowReport
from zoosmith.validation import Caffe2Runner, ImageFolder, NetInterpreter, compare, evaluate, runner_for

REFERENCES = ("builtin", "caffe2")

# each thread has a model in memory, and a row takes less than a second
_MOST_THREADS = 4

# what an integer row is calibrated on: so many images, or so many random pictures where none are given
_CALIBRATION_IMAGES = 200
_CALIBRATION_PICTURES = 8
# far from the data sets, so that a row does not depend on their number
_FIRST_CALIBRATION_PICTURE = 10_000

# steps done, steps in all, what was done last
Progress = Callable[[int, int, str], None]


def build(
    out: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    rows: str = recipe.DEFAULT_ROWS,
    sets: int = 3,
    seed: int = 0,
    reference: str = "builtin",
    calibrate: str | os.PathLike[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Make, prove and pack rows of DenseNet-121 in the zoo's own tree below `out`; return what was found.

    `weights` is an init net or a row in ONNX, by default synthetic ones from `seed`; `rows` names published rows and
    opsets, such as `3,9,12-int8` or `1-28`; `sets` is the number of data sets, whose inputs are chosen by `seed`;
    `reference` is what computes their outputs, `builtin` (the interpreter) or `caffe2` (the real one); `calibrate` is a
    folder of images or an NPZ file for the integer row, by default random pictures; `data` a folder of labelled images
    to measure top-1 on (`labels` as for `validation.ImageFolder`), by default none; `jobs` is the number of threads, by
    default one a core but no more than 4. The same arguments give the same files, for any `jobs`; each is whole or not
    there.

    A failed check is in the report; files are written all the same. Raises ZoosmithError, ConvertError, QuantizeError
    or ValidationError for bad input, and ZoosmithError for what cannot be written.
    """
    selected = recipe.select_rows(rows)
    if reference not in REFERENCES:
        raise ZoosmithError(f"no reference {reference!r}; expected {' or '.join(REFERENCES)}")
    if sets < 1 or not 0 <= seed < 2**32 or (jobs is not None and jobs < 1):
        raise ZoosmithError(f"expected sets and jobs from 1 and a seed below 2**32, found {sets}, {jobs} and {seed}")
    if data is not None and weights is None:
        raise ZoosmithError("synthetic weights classify nothing: give weights to measure on labelled images")
    if calibrate is not None and not Path(calibrate).exists():
        raise ZoosmithError(f"{calibrate}: does not exist; expected a folder of images or an NPZ file to calibrate on")
    images = None if data is None else ImageFolder(data, labels)
    threads = jobs or min(_MOST_THREADS, os.cpu_count() or 1)
    steps = _Steps(progress or (lambda done, total, what: None), 1 + sets + 2 * len(selected) + (images is not None))
    given = recipe.synthetic_weights(seed) if weights is None else recipe.read_weights(Path(weights))
    steps.done("weights")
    folder = Path(out) / recipe.FOLDER
    _remove_leftovers(Path(out), folder)
    # one thread a task: tasks share the cores, and no output depends on how many cores there are
    with threadpool_limits(1):
        data_sets = _write_rows(folder, selected, given, calibrate, reference, sets, seed, threads, steps)
        predict = write_net(recipe.predict_net())
        report = Report(
            weights=given.label,
            synthetic=weights is None,
            nets={
                "predict_net.pb": {"bytes": len(predict), "sha256": hashlib.sha256(predict).hexdigest()},
                "init_net.pb": {"bytes": len(given.init_net), "sha256": given.sha256},
            },
            reference=reference,
            sets=sets,
            seed=seed,
            calibration=_describe_calibration(calibrate),
            rows=_prove_rows(folder, selected, data_sets, given.published, threads, steps),
            accuracy=None if images is None else _measure_accuracy(folder, selected, images, steps),
        )
    write_atomic(folder / "README.md", model_card(report).encode())
    write_atomic(Path(out) / "ONNX_HUB_MANIFEST.json", manifest(report).encode())
    write_atomic(Path(out) / "report.json", json.dumps(report.as_dict(), indent=1, allow_nan=False).encode() + b"\n")
    return report


class _Steps:
    """Counts what is done, from any thread."""

    def __init__(self, progress: Progress, total: int):
        self._progress = progress
        self._total = total
        self._count = 0
        self._lock = threading.Lock()

    def done(self, what: str) -> None:
        with self._lock:
            self._count += 1
            self._progress(self._count, self._total, what)


def _write_rows(
    folder: Path,
    rows: Sequence[recipe.Row],
    weights: recipe.Weights,
    calibrate: str | os.PathLike[str] | None,
    reference: str,
    sets: int,
    seed: int,
    threads: int,
    steps: _Steps,
) -> list[DataSet]:
    """Write the models; compute the data sets, which are returned, in other threads meanwhile."""
    with _reference(reference, weights) as run, _pool(threads) as pool:

        def compute(index: int) -> DataSet:
            values = recipe.sample_input(seed, index)
            data = DataSet({recipe.MODEL_INPUT: values}, {recipe.MODEL_OUTPUT: run(values)})
            steps.done(f"reference outputs {index}")
            return data

        computed = [pool.submit(compute, index) for index in range(sets)]
        maker = recipe.RowMaker(weights.init_net, lambda model: _calibration(model, calibrate, seed))
        for row in rows:
            write_atomic(folder / row.path, row.make(maker))
            steps.done(f"densenet-{row.name} written")
        return [future.result() for future in computed]


def _prove_rows(
    folder: Path,
    rows: Sequence[recipe.Row],
    data: Sequence[DataSet],
    published: bool,
    threads: int,
    steps: _Steps,
) -> list[RowReport]:
    """Check, run and pack the rows, each in a thread."""

    def prove(row: recipe.Row) -> RowReport:
        found = _prove_row(folder, row, data, published)
        steps.done(f"densenet-{row.name} proved and packed")
        return found

    # the reference evaluator keeps every tensor of a run: its rows go one after the other, in a thread of their own
    old = any(row.opset < OLDEST_OF_ONNX_RUNTIME for row in rows)
    with _pool(max(1, threads - old)) as pool, _pool(1) as legacy:
        proved = [(legacy if row.opset < OLDEST_OF_ONNX_RUNTIME else pool).submit(prove, row) for row in rows]
        return [future.result() for future in proved]


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool that, when the block ends with an error, does not begin what is still queued."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _reference(name: str, weights: recipe.Weights) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """Give what runs the source net: the interpreter, or the real Caffe2."""
    runner: NetInterpreter | Caffe2Runner
    if name == "builtin":
        runner = NetInterpreter(recipe.predict_net(), weights.init_net)
    else:
        runner = Caffe2Runner(recipe.predict_net(), weights.init_net)
    try:
        yield lambda values: runner.run({recipe.INPUT: values})[recipe.OUTPUT]
    finally:
        if isinstance(runner, Caffe2Runner):
            runner.close()


def _prove_row(folder: Path, row: recipe.Row, data: Sequence[DataSet], published: bool) -> RowReport:
    """Check a written row, run it, pack it."""
    path = folder / row.path
    content = path.read_bytes()
    model = ModelProto.FromString(content)
    sha256 = hashlib.sha256(content).hexdigest()
    checks = check_file(row, content, model)
    inputs, outputs = input_ports(model.graph), output_ports(model.graph)
    features = inner_ports(model, [recipe.MODEL_FEATURES])
    # what follows needs the graph only
    del content, model.graph.initializer[:]
    # one thread, so that no figure depends on the number of threads
    runner = runner_for(path, threads=1)
    given = [runner.run(each.inputs) for each in data]
    comparisons = [compare(each.outputs, outputs) for each, outputs in zip(data, given, strict=True)]
    if not row.exact:
        data = [DataSet(each.inputs, outputs) for each, outputs in zip(data, given, strict=True)]
    archive = path.with_suffix(".tar.gz")
    archive_sha256 = write_archive(archive, bundle_members(path.stem, path, model, data))
    return RowReport(
        name=row.name,
        title=row.title,
        onnx_version=row.onnx_version,
        opset=row.opset,
        model=BuiltFile(row.path, path.stat().st_size, sha256),
        archive=BuiltFile(f"model/{archive.name}", archive.stat().st_size, archive_sha256),
        inputs=inputs,
        outputs=outputs,
        features=features,
        checks=(*checks, *(check_exact if row.exact else check_integer)(comparisons)),
        max_scaled=max((found.max_scaled for found in comparisons if found.max_scaled is not None), default=None),
        cosine=min((found.cosine for found in comparisons if found.cosine is not None), default=None),
        same_top1=all(found.same_top1 for found in comparisons),
        published=row.compare(sha256) if published else None,
    )


def _calibration(
    model: ModelProto, source: str | os.PathLike[str] | None, seed: int
) -> Sequence[Mapping[str, np.ndarray]]:
    """What an integer row is calibrated on; random pictures are others than those of the data sets."""
    if source is not None:
        return read_samples(model, os.fspath(source), _CALIBRATION_IMAGES, recipe.PREPROCESSING)
    first = _FIRST_CALIBRATION_PICTURE
    return [{recipe.MODEL_INPUT: recipe.sample_input(seed, first + index)} for index in range(_CALIBRATION_PICTURES)]


def _describe_calibration(source: str | os.PathLike[str] | None) -> str:
    if source is None:
        return f"{_CALIBRATION_PICTURES} random pictures"
    return f"up to {_CALIBRATION_IMAGES} samples of {Path(source).resolve().name}"


def _measure_accuracy(folder: Path, rows: Sequence[recipe.Row], images: ImageFolder, steps: _Steps) -> Accuracy:
    """Run the rows that ONNX Runtime takes on labelled images."""
    measured = [row for row in rows if row.opset >= OLDEST_OF_ONNX_RUNTIME]
    found = evaluate([folder / row.path for row in measured], images, recipe.PREPROCESSING)
    steps.done("accuracy measured")
    return Accuracy(
        data=images.path.resolve().name,
        images=found.images,
        top1={row.name: each.top1 for row, each in zip(measured, found.accuracies, strict=True)},
        top5={row.name: each.top5 for row, each in zip(measured, found.accuracies, strict=True)},
    )


def _remove_leftovers(out: Path, folder: Path) -> None:
    """Remove what a killed build was writing."""
    names = {out: ("ONNX_HUB_MANIFEST.json", "report.json"), folder: ("README.md",), folder / "model": ("densenet-*",)}
    for place, written in names.items():
        for name in written:
            for path in place.glob(f".{name}.*.partial"):
                path.unlink(missing_ok=True)
