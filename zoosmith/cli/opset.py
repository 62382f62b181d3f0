"""`zoosmith opset`: an ONNX model at another opset."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from onnx import ModelProto


@click.command()
@click.argument("source", metavar="IN.onnx", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@click.option("--to", "target", required=True, type=int, help="The opset to convert to, newer or older.")
@click.option(
    "--engine",
    type=click.Choice(["native", "onnx"]),
    default="native",
    show_default=True,
    help="native: ours. onnx: the version converter of the onnx package.",
)
@click.option(
    "--verify/--no-verify",
    default=True,
    show_default=True,
    help="Run both models on random inputs and compare before anything is written.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the random inputs.")
@click.option("--dim", "dims", multiple=True, metavar="NAME=SIZE", help="Size of a symbolic dimension. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a line.")
def opset(
    source: Path, output: Path, target: int, engine: str, verify: bool, seed: int, dims: tuple[str, ...], as_json: bool
) -> None:
    """Convert an ONNX model to another opset, up or down, and prove that it computes the same.

    What an older opset cannot express is refused with the name of every such node; nothing is written then. Tensors in
    files beside the model stay in them. Exit 1 where the converted model computes something else.

    \b
    Example:
      zoosmith opset densenet-9.onnx -o densenet-12.onnx --to 12
      zoosmith opset model.onnx -o older.onnx --to 11 --dim batch=2
    """
    import json

    from rich.console import Console

    from zoosmith.onnx_model.loading import external_files, load_model
    from zoosmith.onnx_model.saving import save_model
    from zoosmith.verification import verify as run_both

    sizes = _sizes(dims)
    model = load_model(source, external_data=False)
    files = external_files(model)
    progress = Console(stderr=True)
    with progress.status(f"converting to opset {target}"):
        converted = _convert(model, target, engine, source)
    result = None
    if verify:
        from zoosmith.onnx_model.errors import ZoosmithError

        with progress.status("running both models"):
            try:
                result = run_both(model, converted, folder=source.parent if files else None, seed=seed, dims=sizes)
            except ZoosmithError as error:
                raise ZoosmithError(
                    f"{source}: cannot be verified: {error}; --no-verify converts it unproved"
                ) from error
    passed = result is None or result.comparison.passed
    if passed:
        _copy_files(files, source.parent, output.parent)
        save_model(converted, output)
    if as_json:
        report = {
            "input": str(source),
            "output": str(output) if passed else None,
            "from": _opset(model),
            "to": target,
            "engine": engine,
            "verified": result is not None,
            "passed": passed,
            "max_abs_error": result and result.comparison.max_abs,
            "first_difference": result and result.first,
        }
        click.echo(json.dumps(report, indent=2))
    elif passed:
        proof = "not verified" if result is None else f"verified, {result.comparison}"
        click.echo(f"{output}: opset {_opset(model)} -> {target}, {proof}")
    elif result is not None:
        where = f"; the first node that differs is {result.first}" if result.first else ""
        click.echo(f"{source}: not converted: at opset {target} it {result.comparison}{where}", err=True)
    if not passed:
        sys.exit(1)


def _convert(model: "ModelProto", target: int, engine: str, source: Path) -> "ModelProto":
    from zoosmith.opset_upgrade import OpsetError, convert_version

    if engine == "native":
        try:
            return convert_version(model, target)
        except OpsetError as error:
            raise OpsetError(f"{source}: {error}") from None
    from onnx import version_converter

    from zoosmith.onnx_model.errors import ZoosmithError

    try:
        return version_converter.convert_version(model, target)
    except Exception as error:  # its C++ core raises RuntimeError, ValueError and types of its own
        reason = str(error).strip().split("\n", 1)[0].rpartition("failed: ")[2]
        raise ZoosmithError(f"{source}: onnx's converter failed: {reason}; try --engine native") from error


def _opset(model: "ModelProto") -> int | None:
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)


def _sizes(dims: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for text in dims:
        name, _, size = text.rpartition("=")
        if not name or not size.isdecimal():
            raise click.BadParameter(f"{text!r}: give NAME=SIZE, for example batch=2", param_hint="--dim")
        sizes[name] = int(size)
    return sizes


def _copy_files(names: list[str], source: Path, target: Path) -> None:
    import shutil

    from zoosmith.onnx_model.files import atomic_writer

    if source.resolve() == target.resolve():
        return
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with open(source / name, "rb") as data, atomic_writer(target / name) as copy:
            shutil.copyfileobj(data, copy)
