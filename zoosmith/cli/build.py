"""`zoosmith build`: the zoo's rows of DenseNet-121, of any Caffe2 net or any ONNX model, verified and packed."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH, RuntimeTarget
from zoosmith.cli.options import (
    ONE_RUN,
    cache_option,
    cluster_option,
    follow_links_option,
    input_options,
    jobs_option,
    timeout_option,
)
from zoosmith.cli.terminal import Terminal
from zoosmith.onnx_model.counting import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from zoosmith.cli.tables import Table
    from zoosmith.execution import Executor
    from zoosmith.recipes.recipe import Recipe
    from zoosmith.results.report import Report
    from zoosmith.validation.inputs.source import InputSource
    from zoosmith.validation.runtimes.targets import Target as Runtime

# parameters that a whole zoo takes as well as one model
_OF_A_ZOO = ("zoo", "out", "jobs", "timeout", "cluster", "no_tls", "cache", "no_cache")


@click.command(cls=Command)
@click.argument("zoo", metavar="[ZOO.toml]", required=False, type=PATH)
@click.option(
    "-o",
    "--output",
    "--out",
    "out",
    default="artifacts",
    show_default=True,
    metavar="FOLDER",
    type=PATH,
    help="The folder to write.",
)
@click.option("--net", metavar="FILE", type=PATH, help="A Caffe2 predict net.  [default: DenseNet-121]")
@click.option("--model", metavar="FILE", type=PATH, help="An ONNX model, instead of a net.")
@click.option("--weights", metavar="FILE", type=PATH, help="Of the net: init_net.pb, or a row in ONNX.")
@click.option("--value-info", metavar="JSON", type=PATH, help="Types and shapes of a net's inputs, as for convert.")
@click.option(
    "--rows", metavar="LIST", help="Rows, or opsets such as 1-28.  [default: the published ones; 9,12; its own]"
)
@click.option("--name", metavar="NAME", help="Of the files, before the opset.  [default: the source's]")
@click.option("--card", metavar="FILE", type=PATH, help="card.toml: what no file of the model says, see docs/card.md.")
@click.option("--sets", type=click.IntRange(1), default=3, show_default=True, help="Data sets in each archive.")
@click.option(
    "--reference",
    type=click.Choice(["builtin", "caffe2"]),
    default="builtin",
    show_default=True,
    help="What runs the source net: the interpreter, or the real Caffe2.",
)
@click.option("--calibrate", metavar="FOLDER|NPZ", type=PATH, help="For rows of fewer bits.  [default: made-up inputs]")
@click.option(
    "--for",
    "runtime",
    type=RuntimeTarget(),
    help="The oldest ONNX Runtime that shall load the int8 row, as for quantize.  [default: every one from 1.6 on]",
)
@click.option("--force", is_flag=True, help="Calibrate even on samples far from what the weights were trained on.")
@click.option("--data", metavar="FOLDER", type=PATH, help="Labelled images, for the accuracy column.")
@click.option("--labels", metavar="FILE", type=PATH, help="Their labels, as for evaluate.")
@click.option(
    "--dataset", metavar="NAME", help="What the labelled images are, as in ILSVRC2012.  [default: FOLDER's name]"
)
@cache_option
@input_options
@jobs_option("Threads, or models of a zoo at a time.  [default: one a core, up to 4]")
@timeout_option(300, ONE_RUN)
@cluster_option
@follow_links_option("model", "weights")
def build(
    terminal: Terminal,
    zoo: Path | None,
    out: Path,
    net: Path | None,
    model: Path | None,
    weights: Path | None,
    value_info: Path | None,
    rows: str | None,
    name: str | None,
    card: Path | None,
    sets: int,
    reference: str,
    calibrate: Path | None,
    runtime: "Runtime | None",
    force: bool,
    data: Path | None,
    labels: Path | None,
    dataset: str | None,
    cache: Path | None,
    inputs: "InputSource",
    jobs: int | None,
    timeout: float,
    workers: "Callable[[], AbstractContextManager[Executor | None]]",
) -> int:
    """Make, verify and pack the rows of a model, one per opset.

    Without --net or --model the source is DenseNet-121, whose weights are synthetic, from --seed, unless --weights
    gives them. A published Caffe2 net is recognised, and its rows are made as the published ones. Writes the models,
    their archives with test data, the model card, the hub manifest, contents.json (the manifest without what depends on
    the processor), report.json and its page report.html below FOLDER, in the zoo's own tree. The same arguments give
    the same bytes; of an archive, those of the tar inside. Exits 1 where a check failed.

    \b
    Example:
      zoosmith build -o zoo --weights densenet-9.onnx --calibrate train/ --data val/
      zoosmith build --net predict_net.pb --weights init_net.pb --input data=1,3,227,227 --rows 9,12
      zoosmith build --model model.onnx --rows 9,13,17 --dim batch=1
      zoosmith build zoo.toml -o zoo --cluster local:4
    """
    from zoosmith.building.builder import build as run
    from zoosmith.recipes.build_options import BuildOptions
    from zoosmith.recipes.choice import Choice

    if zoo is not None:
        if zoo.suffix == ".onnx":
            raise click.UsageError(f"{zoo} is no ZOO.toml; expected --model {zoo}")
        _refuse_options_of_one_model(zoo)
        with workers() as executor:
            return _build_zoo(terminal, zoo, out, jobs, timeout, cache, executor)
    if click.get_current_context().params["cluster"] is not None:
        raise click.UsageError("--cluster builds the models of a ZOO.toml, each on one worker; give such a file")
    if data is None and (labels is not None or dataset is not None):
        raise click.UsageError("--labels and --dataset need --data, the images that they are of")
    options = BuildOptions(
        weights=weights,
        rows=rows,
        sets=sets,
        seed=inputs.seed,
        reference=reference,
        calibrate=calibrate,
        runtime=runtime,
        force=force,
        data=data,
        labels=labels,
        dataset=dataset,
        cache=cache,
        timeout=timeout,
        jobs=jobs,
    )
    choice = Choice(net=net, model=model, value_info=value_info, inputs=inputs, name=name, card=card)
    recipe = choice.recipe(weights)
    report = run(out, recipe, options, progress=terminal.progress())
    return _show(terminal, out, recipe, report)


def _refuse_options_of_one_model(zoo: Path) -> None:
    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        given = context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
        if given and option.expose_value and name not in _OF_A_ZOO:
            raise click.UsageError(f"{option.opts[0]} is of one model: state it in {zoo}, in the model's [[model]]")


def _build_zoo(
    terminal: Terminal,
    zoo: Path,
    out: Path,
    jobs: int | None,
    timeout: float,
    cache: Path | None,
    executor: "Executor | None",
) -> int:
    from zoosmith.building.zoo_build import build_zoo

    if executor is not None:
        # workers have working folders of their own
        zoo, out = zoo.absolute(), out.absolute()
        cache = None if cache is None else cache.absolute()
    found = build_zoo(
        zoo, out, jobs=jobs, timeout=timeout, cache=cache, executor=executor, progress=terminal.progress()
    )
    terminal.result(
        {"out": str(out), **found.as_dict()},
        *(f"{entry.name}: {entry.outcome}" for entry in found.entries),
        f"{len([each for each in found.entries if each.passed])} of {len(found.entries)} models passed, "
        f"see {out / 'report.html'}",
    )
    for entry in found.entries:
        if entry.error is not None:
            terminal.failure(f"failed: {entry.name}: {entry.error}")
    if any(entry.error is not None for entry in found.entries):
        return 2
    return 0 if found.passed else 1


def _show(terminal: Terminal, out: Path, recipe: "Recipe", report: "Report") -> int:
    from zoosmith.html_report.figures import plain

    checks = [(row.name, check) for row in report.rows for check in row.checks]
    failed = [(name, check) for name, check in checks if not check.passed]
    count = counted(len(report.written), "row")
    terminal.result(
        {"out": str(out), **report.as_dict()},
        f"{report.title}, weights: {report.weights}. Errors are in standard deviations of the output.",
        _table(recipe, report),
        f"{len(checks) - len(failed)} of {len(checks)} checks passed; {count} in {out}, see {out / 'report.html'}",
    )
    for name, check in failed:
        # a row without a file has failed in a step, which its check is named after
        expected = "" if check.limit == check.name else f"; expected {plain(check.limit)}"
        terminal.failure(f"failed: {recipe.stem(name)}: {check.name}: {plain(check.figure)}{expected}")
    return 0 if report.passed else 1


def _table(recipe: "Recipe", report: "Report") -> "Table":
    from rich import box

    from zoosmith.cli.tables import Table

    compared = any(row.published for row in report.rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("row", no_wrap=True)
    for heading in ("opset", "bytes", "archive", "error", "1 - cosine"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("top-1", no_wrap=True)
    table.add_column("checks", no_wrap=True)
    if compared:
        table.add_column("published SHA-256")
    for row in report.rows:
        passed = sum(check.passed for check in row.checks)
        cells = [
            recipe.stem(row.name),
            str(row.opset),
            "-" if row.model is None else f"{row.model.size:,}",
            "-" if row.archive is None else f"{row.archive.size:,}",
            "-" if row.max_scaled is None else f"{row.max_scaled:.1e}",
            "-" if row.cosine is None else f"{max(0.0, 1 - row.cosine):.1e}",
            "-" if row.same_top1 is None else "same" if row.same_top1 else "differs",
            f"{passed} of {len(row.checks)}",
        ]
        if compared:
            cells.append(row.published or "none published")
        table.add_row(*cells, style=None if row.passed else "red")
    return table
