"""`zoosmith audit`: the files of a zoo against all that is said of them."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH
from zoosmith.cli.options import cluster_option, follow_links_option, html_option, jobs_option, limit_options
from zoosmith.cli.terminal import Terminal
from zoosmith.onnx_model.counting import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from zoosmith.audit.report import AuditReport
    from zoosmith.cli.tables import Table
    from zoosmith.execution import Executor
    from zoosmith.validation.verification.proof import Limits


@click.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="FOLDER|MANIFEST|FILE...")
@limit_options()
@jobs_option("Files at a time.  [default: one a core, up to 4]")
@cluster_option
@follow_links_option("paths")
@html_option
def audit(
    terminal: Terminal,
    paths: tuple[Path, ...],
    limits: "Limits",
    jobs: int | None,
    workers: "Callable[[], AbstractContextManager[Executor | None]]",
) -> int:
    """Check the files of a zoo against each other.

    Models, archives, model cards and manifests are checked; exit 1 where one has a defect. Nothing needs to be known of
    who made them. Of a FOLDER, everything below it is audited, and everything that its ONNX_HUB_MANIFEST.json (or one
    in a folder above) lists; of a MANIFEST, what it says by itself; of a FILE, that file. Outputs of test data are
    computed again, within --rtol and --atol. A damaged file does not end the audit.

    \b
    Example:
      zoosmith audit zoo/
      zoosmith audit densenet-6.onnx densenet-6.tar.gz
    """
    from zoosmith.audit import audit as run

    with workers() as executor:
        if executor is not None:
            # workers have working folders of their own
            paths = tuple(path.absolute() for path in paths)
        report = run(paths, limits=limits, jobs=jobs, executor=executor, progress=terminal.progress())
    files, defects, unchecked = len(report.files), len(report.defects), len(report.unchecked)
    terminal.result(
        report.as_dict(),
        _table(report),
        f"{counted(files, 'file')}, {counted(report.checks, 'check')}, "
        f"{defects or 'no'} defect{'' if defects == 1 else 's'}"
        + (f"; {unchecked} checks could not be made" if unchecked else ""),
    )
    return 0 if report.passed else 1


def _table(report: "AuditReport") -> "Table":
    """A line for each defect, and one for each file that has none."""
    from rich import box

    from zoosmith.cli.tables import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("file", "check", "verdict"):
        table.add_column(heading, overflow="fold")
    for file in report.files:
        if file.passed:
            table.add_row(file.file, f"all {len(file.findings)}", "ok")
    for name, check, reason in report.unchecked:
        table.add_row(name, check, f"not checked: {reason}", style="yellow")
    for name, check, defect in report.defects:
        table.add_row(name, check, f"defect: {defect}", style="red")
    return table
