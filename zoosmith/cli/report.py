"""`zoosmith report`: the page of a build, drawn again."""

from pathlib import Path

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PAGE_PATH, PATH
from zoosmith.cli.terminal import Terminal


@click.command(cls=Command)
@click.argument("out", metavar="OUT", type=PATH)
@click.option("-o", "--output", metavar="FILE", type=PAGE_PATH, help="The page to write.  [default: OUT/report.html]")
@click.option("--model", metavar="NAME", help="Of a zoo's build: the page of this model alone.")
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
def report(terminal: Terminal, out: Path, output: Path | None, model: str | None, show: bool) -> None:
    """Draw the page of a build from its report.json.

    The page is one file, which needs no network. Outputs of `bench`, `evaluate`, `opset --explain` and others that were
    written beside report.json with --json become part of it. Plots need matplotlib (pip install 'zoosmith[report]').

    \b
    Example:
      zoosmith bench zoo/vision/classification/densenet-121/model/*.onnx --json > zoo/bench.json
      zoosmith report zoo --open
    """
    from zoosmith.html_report import PAGE, draw_folder
    from zoosmith.html_report.svg import can_draw
    from zoosmith.onnx_model.files import write_atomic

    if model is not None and output is None:
        raise click.UsageError(f"--model {model} needs -o FILE.html: {out / PAGE} is the page of the whole zoo")
    drawn = draw_folder(out, model)
    page, content = output or out / PAGE, drawn.html.encode()
    write_atomic(page, content)
    plots = drawn.plots if can_draw() else 0
    found = {"out": str(out), "page": str(page), "bytes": len(content), "plots": plots, "sources": list(drawn.sources)}
    missing = "" if plots == drawn.plots else f", {drawn.plots} not drawn: pip install 'zoosmith[report]'"
    terminal.result(found, f"{page}: {len(content):,} bytes, {plots} plots{missing}, from {', '.join(drawn.sources)}")
    if show:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
