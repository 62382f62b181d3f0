"""A row that was made: checked, run on the data sets, moved to its place, and packed."""

import gc
from collections.abc import Sequence
from pathlib import Path

from onnx import ModelProto

from zoosmith.archives.bundles import bundle_members
from zoosmith.archives.packing import write_archive
from zoosmith.hub.ports import hub_features, hub_inputs, hub_outputs
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.files import Staging
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.quantize.report import FLOAT_CONVERSIONS
from zoosmith.quantize.samples.statistics import SampleDistance
from zoosmith.recipes.parameters import file_facts
from zoosmith.recipes.recipe import Recipe
from zoosmith.recipes.rows import Row, release_that_reads
from zoosmith.recipes.source import SourceFacts
from zoosmith.results.checks import check_calibration, check_exact, check_integer, check_row_file
from zoosmith.results.report import BuiltArchive, BuiltFile, Check, RanIn, RowReport
from zoosmith.validation import ValidationError, compare, runner_for
from zoosmith.validation.reading.datasets import DataSet

# bytes of a file that is worth looking for
_LARGE = 100 << 20


def verify_row(
    recipe: Recipe,
    row: Row,
    source: SourceFacts,
    stage: Staging,
    model: ModelProto,
    folder: Path,
    data: Sequence[DataSet],
    distance: SampleDistance | None,
) -> RowReport:
    """Check a row's file, run it, move it to its place, pack it.

    Args:
        recipe: of the model.
        row: what the file must be.
        source: what it was made of.
        stage: where it waits; it stays there where it cannot be run or packed.
        model: what was written there.
        folder: of the model.
        data: inputs and the outputs of the source.
        distance: of the calibration samples from the training data; None where that is not known.

    Returns:
        What was found.
    """
    if any(path.name.startswith(f"{stage.path.name}.") for path in stage.path.parent.iterdir()):
        # its tensors went to a file beside it
        model = load_in_place(stage.path)
    checks = check_row_file(row, stage.path, model, size=row.size if source.published_shapes else None)
    try:
        # one thread, so that no figure depends on the number of threads
        runner = runner_for(stage.path, threads=1, few_runs=True, structure=model)
        given = [runner.run(each.inputs) for each in data]
    except ValidationError as error:
        return failed_row(row, "run", str(error).replace(str(stage.path), stage.path.name), checks)
    ran_in = RanIn(runner.runtime.name, runner.runtime.version)
    del runner
    if stage.path.stat().st_size > _LARGE:
        # the reference evaluator refers to itself, and with it the mapped file stays in memory
        gc.collect()
    comparisons = [compare(each.outputs, outputs) for each, outputs in zip(data, given, strict=True)]
    if row.exact:
        checks += check_exact(comparisons, classifies=recipe.classifies)
    else:
        data = [DataSet(each.inputs, outputs) for each, outputs in zip(data, given, strict=True)]
        checks += check_integer(comparisons)
        checks += check_calibration(distance)
    same = [bool(found.same_top1) for found in comparisons]
    path = folder / recipe.path(row.name)
    archive = path.with_suffix(".tar.gz")
    try:
        members = list(bundle_members(path.stem, path, model, data))
        inputs, outputs, features = (
            hub_inputs(model.graph),
            hub_outputs(model.graph),
            hub_features(model, recipe.features),
        )
    except ZoosmithError as error:
        return failed_row(row, "packed", str(error), checks)
    stage.publish()
    packed = write_archive(archive, members)
    facts = file_facts(path)
    return RowReport(
        name=row.name,
        title=row.title,
        onnx_version=release_that_reads(row.onnx_version, model.ir_version),
        opset=row.opset,
        exact=row.exact,
        model=BuiltFile(recipe.path(row.name), facts["bytes"], facts["sha256"]),
        archive=BuiltArchive(
            f"model/{archive.name}", archive.stat().st_size, packed.sha256, packed.tar_size, packed.tar_sha256
        ),
        inputs=inputs,
        outputs=outputs,
        features=features,
        checks=tuple(checks),
        ran_in=ran_in,
        max_scaled=max((found.max_scaled for found in comparisons if found.max_scaled is not None), default=None),
        cosine=min((found.cosine for found in comparisons if found.cosine is not None), default=None),
        same_top1=None if any(found.same_top1 is None for found in comparisons) else all(same),
        published=row.compare(facts["sha256"]) if source.published else None,
        float_conversions=sum(node.op_type in FLOAT_CONVERSIONS for node in model.graph.node),
    )


def failed_row(row: Row, step: str, reason: str, checks: Sequence[Check] = ()) -> RowReport:
    """Report a row that has no file.

    Args:
        row: what it was to be.
        step: what failed: `made`, `run` or `packed`.
        reason: why.
        checks: made before.
    """
    return RowReport(
        name=row.name,
        title=row.title,
        onnx_version=row.onnx_version,
        opset=row.opset,
        exact=row.exact,
        model=None,
        archive=None,
        inputs=(),
        outputs=(),
        features=(),
        checks=(*checks, Check(step, reason, step, False)),
        ran_in=None,
        max_scaled=None,
        cosine=None,
        same_top1=None,
        published=None,
    )
