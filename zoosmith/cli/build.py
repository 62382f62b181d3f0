"""`zoosmith build`: the zoo's rows of DenseNet-121, verified and packed."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.options import PATH, jobs_option, seed_option
from zoosmith.cli.terminal import Terminal

if TYPE_CHECKING:
    from zoosmith.cli.tables import Table
    from zoosmith.report import Report


@click.command(cls=Command)
@click.option("--out", default="artifacts", show_default=True, metavar="FOLDER", type=PATH)
@click.option("--weights", metavar="PATH", type=PATH, help="init_net.pb, or a row in ONNX.")
@click.option("--rows", metavar="LIST", help="Rows, or opsets such as 1-28.  [default: the published ones]")
@click.option("--sets", type=click.IntRange(1), default=3, show_default=True, help="Data sets in each archive.")
@seed_option("Weights and inputs.")
@click.option(
    "--reference",
    type=click.Choice(["builtin", "caffe2"]),
    default="builtin",
    show_default=True,
    help="What runs the source net: the interpreter, or the real Caffe2.",
)
@click.option("--calibrate", metavar="FOLDER|NPZ", type=PATH, help="For the int8 row.  [default: made-up pictures]")
@click.option("--force", is_flag=True, help="Calibrate even on samples far from what the weights were trained on.")
@click.option("--data", metavar="FOLDER", type=PATH, help="Labelled images, for the accuracy column.")
@click.option("--labels", metavar="FILE", type=PATH, help="Their labels, as for evaluate.")
@jobs_option("Threads.  [default: one a core, up to 4]")
def build(
    terminal: Terminal,
    out: Path,
    weights: Path | None,
    rows: str | None,
    sets: int,
    seed: int,
    reference: str,
    calibrate: Path | None,
    force: bool,
    data: Path | None,
    labels: Path | None,
    jobs: int | None,
) -> int:
    """Build the published rows of DenseNet-121 from its Caffe2 net, check each against the net, and pack them.

    Writes the models, their archives with test data, the model card, the hub manifest and report.json below FOLDER, in
    the zoo's own tree. Without --weights the parameters are synthetic, from --seed. The same arguments give the same
    bytes. Exits 1 where a check failed.

    \b
    Example:
      zoosmith build --out zoo --weights init_net.pb --rows 9,12
      zoosmith build --out zoo --weights densenet-9.onnx --calibrate train/ --data val/
    """
    from zoosmith.build_options import BuildOptions
    from zoosmith.builder import build as run

    options = BuildOptions(
        weights=weights,
        rows=rows,
        sets=sets,
        seed=seed,
        reference=reference,
        calibrate=calibrate,
        force=force,
        data=data,
        labels=labels,
        jobs=jobs,
    )
    report = run(out, options=options, progress=terminal.progress())
    checks = [(row.name, check) for row in report.rows for check in row.checks]
    failed = [(name, check) for name, check in checks if not check.passed]
    count = f"{len(report.rows)} row{'s' if len(report.rows) > 1 else ''}"
    terminal.result(
        {"out": str(out), **report.as_dict()},
        f"DenseNet-121, weights: {report.weights}. Errors are in standard deviations of the output.",
        _table(report),
        f"{len(checks) - len(failed)} of {len(checks)} checks passed; {count} in {out}, see {out / 'report.json'}",
    )
    for name, check in failed:
        terminal.failure(f"failed: densenet-{name}: {check.name}: {check.figure}, expected {check.limit}")
    return 0 if report.passed else 1


def _table(report: "Report") -> "Table":
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
            f"densenet-{row.name}",
            str(row.opset),
            f"{row.model.size:,}",
            f"{row.archive.size:,}",
            "-" if row.max_scaled is None else f"{row.max_scaled:.1e}",
            "-" if row.cosine is None else f"{max(0.0, 1 - row.cosine):.1e}",
            "same" if row.same_top1 else "differs",
            f"{passed} of {len(row.checks)}",
        ]
        if compared:
            cells.append(row.published or "none published")
        table.add_row(*cells, style=None if row.passed else "red")
    return table
