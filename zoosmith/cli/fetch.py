"""`zoosmith fetch`: models and archives of a zoo by name."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH
from zoosmith.cli.options import timeout_option
from zoosmith.cli.terminal import Terminal
from zoosmith.onnx_model.counting import counted

if TYPE_CHECKING:
    from zoosmith.cli.tables import Table
    from zoosmith.hub.fetching import Fetched, Hub
    from zoosmith.hub.manifest import ModelInfo


@click.command(cls=Command)
@click.argument("name", metavar="[NAME[:ROW]]", required=False)
@click.option("--source", metavar="URL|FOLDER", help="A tree with a hub manifest.  [default: the zoo's mirror]")
@click.option("--cache", metavar="FOLDER", type=PATH, help="Where files are kept.  [default: the user's cache]")
@click.option("-o", "--output", metavar="FILE", type=PATH, help="Copy the file here.")
@click.option("--archive", is_flag=True, help="The archive with test data instead of the model.")
@click.option("--list", "listing", is_flag=True, help="Name what there is, of NAME or of all, and download nothing.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="List only what has this tag. Repeatable.")
@click.option("--force", is_flag=True, help="Download it even where it is kept.")
@timeout_option(60, "What a server may take to send something.")
def fetch(
    terminal: Terminal,
    name: str | None,
    source: str | None,
    cache: Path | None,
    output: Path | None,
    archive: bool,
    listing: bool,
    tags: tuple[str, ...],
    force: bool,
    timeout: float,
) -> None:
    """Download a model of a zoo, and verify its SHA-256.

    Prints where the file is. NAME is a model's title, folder, file prefix or file; ROW its opset, with -int8 or the
    like behind it. Without ROW it is the newest one in floats. The source is the mirror of the ONNX Model Zoo's files,
    or any tree with an ONNX_HUB_MANIFEST.json, behind https or in a folder. A download that was cut goes on where it
    ended.

    A SHA-256 is either pinned, the published one that zoosmith itself carries, or what the source's own manifest says,
    which proves only that the two agree.

    \b
    Example:
      zoosmith fetch densenet-121:12 -o densenet-12.onnx
      zoosmith fetch --list --tag classification
    """
    from zoosmith.hub.fetching import DEFAULT_SOURCE, Hub

    hub = Hub(source or DEFAULT_SOURCE, cache=cache, timeout=timeout)
    if listing or tags:
        _list(terminal, hub, name, tags)
        return
    if name is None:
        raise click.UsageError("expected the NAME of a model; --list names all")
    fetched = hub.fetch(hub.find(name), archive=archive, force=force, progress=terminal.progress())
    if output is not None:
        _copy(fetched.path, output)
    for note in fetched.notes:
        terminal.note(f"note: {note}")
    terminal.result(_as_dict(fetched, output), *_lines(fetched, output))


def _list(terminal: Terminal, hub: "Hub", name: str | None, tags: tuple[str, ...]) -> None:
    found = hub.search(None if name is None else name.partition(":")[0], tags)
    for problem in hub.manifest.problems:
        terminal.note(f"note: left out: {problem}")
    count = counted(len(found), "file")
    terminal.result({"models": [_entry(info) for info in found]}, _table(found), count)


def _table(found: "list[ModelInfo]") -> "Table":
    from rich import box

    from zoosmith.cli.tables import Table

    table = Table("name", "model", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("opset", "bytes", "archive"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("tags")
    for info in found:
        sizes = [_size(info.model_file.size), _size(info.archive.size if info.archive else None)]
        table.add_row(f"{info.prefix}:{info.row}", info.model, str(info.opset), *sizes, ", ".join(sorted(info.tags)))
    return table


def _size(size: int | None) -> str:
    return "-" if size is None else f"{size:,}"


def _copy(path: Path, output: Path) -> None:
    from zoosmith.onnx_model.files import atomic_writer

    with atomic_writer(output) as target, path.open("rb") as kept:
        shutil.copyfileobj(kept, target)


def _lines(fetched: "Fetched", output: Path | None) -> list[str]:
    if fetched.pinned:
        kind = "the published file, by the hash that zoosmith carries"
    elif fetched.published:
        kind = "not the published file; this hash is of the source's own manifest"
    else:
        kind = "by the source's own manifest"
    return [
        f"{output or fetched.path}",
        f"  {fetched.file.size:,} bytes, {'kept already' if fetched.cached else f'from {fetched.source}'}",
        f"  SHA-256 {fetched.file.sha256}, {kind}",
        f"  licence: {fetched.license or 'not stated'}",
    ]


def _as_dict(fetched: "Fetched", output: Path | None) -> dict[str, Any]:
    return {
        **_entry(fetched.info),
        "path": str(output or fetched.path),
        "kept": str(fetched.path),
        "source": fetched.source,
        "bytes": fetched.file.size,
        "sha256": fetched.file.sha256,
        "pinned": fetched.pinned,
        "published_sha256": fetched.published,
        "license": fetched.license,
        "cached": fetched.cached,
        "notes": list(fetched.notes),
    }


def _entry(info: "ModelInfo") -> dict[str, Any]:
    return {
        "name": f"{info.prefix}:{info.row}",
        "model": info.model,
        "opset": info.opset,
        "model_path": info.model_path,
        "archive_path": info.archive.path if info.archive else None,
        "tags": sorted(info.tags),
    }
