"""`zoosmith opset`: an ONNX model at another opset, or for another runtime."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import OUTPUT_PATH, PATH, OpsetVersion, RuntimeTarget
from zoosmith.cli.options import (
    follow_links_option,
    html_option,
    input_options,
    limit_options,
    port_options,
    prove_in_option,
    providers_option,
    verify_option,
)
from zoosmith.cli.terminal import Terminal

if TYPE_CHECKING:
    from zoosmith.cli.tables import Table
    from zoosmith.files.opset_conversion import Ports
    from zoosmith.opset_upgrade import Change, Reach
    from zoosmith.validation.inputs.source import InputSource
    from zoosmith.validation.runtimes.targets import Target
    from zoosmith.validation.verification.proof import Limits

# reasons of one model in the table of a dry run
_LISTED = 2


@click.command(cls=Command)
@click.argument("files", metavar="IN.onnx...", nargs=-1, type=PATH)
@click.option("-o", "--output", metavar="OUT.onnx", type=OUTPUT_PATH, help="The ONNX file to write.")
@click.option(
    "--to",
    "versions",
    type=OpsetVersion(),
    multiple=True,
    help="The opset to convert to, newer or older; ai.onnx.ml=3 for one of that domain. Repeatable.",
)
@click.option(
    "--for",
    "target",
    type=RuntimeTarget(lists=True),
    help="Opset and IR version for this runtime, as in onnxruntime==1.6; `list` prints what there is.",
)
@click.option("--ir", type=click.IntRange(1), metavar="VERSION", help="The IR version.  [default: follows the opset]")
@click.option("--standard", is_flag=True, help="Express ONNX Runtime's own operators (com.microsoft) in standard ones.")
@click.option("--exact", is_flag=True, help="Refuse what holds only approximately, or not for empty tensors.")
@port_options
@click.option("--explain", is_flag=True, help="Print what became of each operator.")
@click.option("--dry-run", is_flag=True, help="Write nothing: print the lowest opset that files or folders reach.")
@click.option(
    "--engine",
    type=click.Choice(["native", "onnx"]),
    default="native",
    show_default=True,
    help="native: ours. onnx: the version converter of the onnx package.",
)
@verify_option
@input_options
@limit_options()
@prove_in_option()
@providers_option
@follow_links_option("files")
@html_option
def opset(
    terminal: Terminal,
    files: tuple[Path, ...],
    output: Path | None,
    versions: tuple[tuple[str, int], ...],
    target: "Target | str | None",
    ir: int | None,
    standard: bool,
    exact: bool,
    ports: "Ports",
    explain: bool,
    dry_run: bool,
    engine: str,
    verify: bool,
    inputs: "InputSource",
    limits: "Limits",
    providers: list[str] | None,
) -> int:
    """Convert an ONNX model to another opset, up or down.

    What an older opset cannot express is refused with the name of every such node; nothing is written then. Tensors in
    files beside the model stay in them. Both models run on the same inputs: where they differ, nothing is written and
    the exit code is 1.

    --for chooses the highest opset that the runtime takes and that is not above the model's own, and an IR version that
    it loads. --fix, --free and --rename change inputs and outputs, with a new opset or without.

    \b
    Example:
      zoosmith opset densenet-9.onnx -o densenet-12.onnx --to 12
      zoosmith opset model.onnx -o older.onnx --for onnxruntime==1.6 --prove-in onnxruntime==1.6
      zoosmith opset model.onnx -o fixed.onnx --fix batch=1 --rename input.1=x
      zoosmith opset --dry-run models/
    """
    if isinstance(target, str):
        return _list_targets(terminal)
    if dry_run:
        if not files:
            raise click.UsageError("expected files or folders of models")
        if output is not None or versions or target is not None or ir is not None or standard or ports:
            raise click.UsageError("--dry-run takes files and folders, --exact, --json; it writes nothing")
        return _dry_run(terminal, files, exact)
    if len(files) != 1 or output is None:
        raise click.UsageError("expected one IN.onnx and -o OUT.onnx")
    from zoosmith.files.opset_conversion import Wanted, change_opset

    source, domains = files[0], dict(versions)
    if len(domains) < len(versions):
        raise click.UsageError("--to is given twice for one domain")
    wanted = Wanted(domains.pop("", None), target, ir, domains, standard, exact, engine, ports)
    if not wanted.moves and not ports:
        raise click.UsageError("nothing to do: give --to, --for, --ir, --standard, --fix, --free or --rename")
    if engine == "onnx" and (domains or standard or exact or explain):
        raise click.UsageError(
            "--engine onnx converts the default domain alone, without --standard, --exact, --explain"
        )
    found = change_opset(
        source,
        output,
        wanted,
        verify=verify,
        inputs=inputs,
        limits=limits,
        providers=providers,
        progress=terminal.progress(),
    )
    done: list[str | Table] = [f"{output}: {found}"] if found.written.output else []
    if explain:
        done.append(_operators(found.operators))
    values = found.as_dict(operators=explain or terminal.writes_page)
    terminal.result({"input": str(source), "engine": engine, **values}, *done)
    if found.written.output is None:
        terminal.failure(f"{source}: not converted: at opset {found.opset} it {found.written.verified}")
        return 1
    if target is not None and not limits.prove_in:
        _suggest_proof(terminal, target)
    return 0


def _operators(changes: "Iterable[Change]") -> "Table":
    """One row for all nodes of an operator that went the same way."""
    table = _table("operator", "from", "to", "how", "nodes")
    for change in changes:
        nodes = f"{change.before} -> {change.after}"
        table.add_row(change.operator, str(change.source), str(change.target or "-"), change.how, nodes)
    return table


def _dry_run(terminal: Terminal, places: tuple[Path, ...], exact: bool) -> int:
    from zoosmith.inspection.opset_reach import reach_files

    found = reach_files(places, exact=exact, progress=terminal.progress())
    table = _table("file", "opset", "reaches", "the next one is blocked by")
    for row in found:
        if row.reach is None:
            table.add_row(str(row.file), "-", "-", f"cannot be judged: {row.error}")
            continue
        reaches = f"{row.reach.lowest}" + (", with caveats" if row.reach.caveats else "")
        table.add_row(str(row.file), str(row.reach.opset), reaches, _blocked_by(row.reach))
    terminal.result({"files": [row.as_dict() for row in found]}, table)
    broken = [row for row in found if row.reach is None]
    for row in broken:
        terminal.failure(f"{row.file}: cannot be judged: {row.error}")
    return 1 if broken else 0


def _blocked_by(reach: "Reach") -> str:
    """The operators and reasons in the way of the next opset, with the number of nodes; JSON has all of them."""
    counts = Counter(f"{each.operator or each.where}: {each.reason}" for each in reach.blockers)
    reasons = [f"{count} x {reason}" for reason, count in counts.items()]
    more = [f"and {len(reasons) - _LISTED} more"] if len(reasons) > _LISTED else []
    return "; ".join([*reasons[:_LISTED], *more]) or "-"


def _table(*columns: str) -> "Table":
    from zoosmith.cli.tables import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _list_targets(terminal: Terminal) -> int:
    from zoosmith.validation.runtimes.targets import targets

    table = _table("runtime", "opset", "ai.onnx.ml", "IR", "source")
    rows = []
    for row in targets():
        shown = [str(row), *("-" if number is None else str(number) for number in (row.opset, row.ml, row.ir))]
        table.add_row(*shown, row.source)
        rows.append({"runtime": str(row), "opset": row.opset, "ml": row.ml, "ir": row.ir, "source": row.source})
    terminal.result({"targets": rows}, table)
    return 0


def _suggest_proof(terminal: Terminal, target: "Target") -> None:
    """Name the option that runs the result in the runtime that it is for, where that is installed."""
    from zoosmith.validation.runtimes import find_environment, supported

    if any(str(runtime) == str(target) and find_environment(runtime) is not None for runtime in supported()):
        terminal.note(f"hint: {target} is installed: --prove-in {target} runs the result in it before it is written")
