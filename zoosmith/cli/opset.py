"""`zoosmith opset`: an ONNX model at another opset, or for another runtime."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoosmith.cli.command import Command
from zoosmith.cli.options import (
    PATH,
    RuntimeTarget,
    input_options,
    limit_options,
    port_options,
    prove_in_option,
    providers_option,
    verify_option,
)
from zoosmith.cli.terminal import Terminal

if TYPE_CHECKING:
    from zoosmith.opset_conversion import Ports
    from zoosmith.validation.inputs import InputSource
    from zoosmith.validation.runtimes.targets import Target
    from zoosmith.validation.verification import Limits


@click.command(cls=Command)
@click.argument("files", metavar="IN.onnx", nargs=-1, type=PATH)
@click.option("-o", "--output", metavar="OUT.onnx", type=PATH, help="The ONNX file to write.")
@click.option("--to", "opset", type=int, metavar="OPSET", help="The opset to convert to, newer or older.")
@click.option(
    "--for",
    "target",
    type=RuntimeTarget(),
    help="Opset and IR version for this runtime, as in onnxruntime==1.6; `list` prints what there is.",
)
@click.option("--ir", type=click.IntRange(1), metavar="VERSION", help="The IR version.  [default: follows the opset]")
@click.option("--exact", is_flag=True, help="Refuse what holds only approximately, or not for empty tensors.")
@port_options
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
@prove_in_option
@providers_option
def opset(
    terminal: Terminal,
    files: tuple[Path, ...],
    output: Path | None,
    opset: int | None,
    target: "Target | str | None",
    ir: int | None,
    exact: bool,
    ports: "Ports",
    engine: str,
    verify: bool,
    inputs: "InputSource",
    limits: "Limits",
    providers: list[str] | None,
) -> int:
    """Convert an ONNX model to another opset, up or down, and verify that it computes the same.

    What an older opset cannot express is refused with the name of every such node; nothing is written then. Tensors in
    files beside the model stay in them. Exit 1 where the converted model computes something else.

    --for chooses the highest opset that the runtime takes and that is not above the model's own, and an IR version that
    it loads. --fix, --free and --rename change inputs and outputs, with a new opset or without.

    \b
    Example:
      zoosmith opset densenet-9.onnx -o densenet-12.onnx --to 12
      zoosmith opset model.onnx -o older.onnx --for onnxruntime==1.6 --prove-in onnxruntime==1.6
      zoosmith opset model.onnx -o fixed.onnx --fix batch=1 --rename input.1=x
    """
    if isinstance(target, str):
        return _list_targets(terminal)
    if len(files) != 1 or output is None:
        raise click.UsageError("expected one IN.onnx and -o OUT.onnx")
    from zoosmith.opset_conversion import Wanted, change_opset

    source, wanted = files[0], Wanted(opset, target, ir, exact, engine, ports)
    if not wanted.moves and not ports:
        raise click.UsageError("nothing to do: give --to, --for, --ir, --fix, --free or --rename")
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
    done = [f"{output}: {found}"] if found.output else []
    terminal.result({"input": str(source), "engine": engine, **found.as_dict()}, *done)
    if found.output is None:
        terminal.failure(f"{source}: not converted: at opset {found.opset} it {found.proof}")
        return 1
    if target is not None and not limits.prove_in:
        _suggest_proof(terminal, target)
    return 0


def _list_targets(terminal: Terminal) -> int:
    from rich.table import Table

    from zoosmith.validation.runtimes.targets import targets

    columns = ("runtime", "opset", "ai.onnx.ml", "IR", "source")
    table = Table(*columns, box=None, pad_edge=False)
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
