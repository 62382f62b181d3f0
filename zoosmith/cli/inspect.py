"""`zoosmith inspect`: what a file is and what it holds."""

from pathlib import Path
from typing import Any

import click

from zoosmith.cli.command import Command
from zoosmith.cli.option_types import PATH
from zoosmith.cli.options import follow_links_option
from zoosmith.cli.terminal import Terminal
from zoosmith.cli.terminal import error as print_error
from zoosmith.onnx_model.counting import counted

_LISTED = 12


@click.command(cls=Command)
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@follow_links_option("files")
def inspect(terminal: Terminal, files: tuple[Path, ...]) -> None:
    """Say what each file is, and what it holds.

    A file is a Caffe2 or Caffe net, parameters, an ONNX model or an archive. For a net it names the operators or layers
    that cannot be translated, before a conversion is tried. A file that cannot be read does not keep the others from
    being described.

    \b
    Example:
      zoosmith inspect predict_net.pb init_net.pb densenet-9.onnx
    """
    from zoosmith.inspection.files import inspect_file
    from zoosmith.onnx_model.errors import ZoosmithError

    descriptions: list[dict[str, Any]] = []
    refused: list[ZoosmithError] = []
    for file in files:
        try:
            descriptions.append(inspect_file(file))
        except ZoosmithError as error:
            refused.append(error)
    if descriptions:
        lines = [line for description in descriptions for line in _lines(description)]
        terminal.result({"files": descriptions}, *lines)
    for earlier in refused[:-1]:
        print_error(str(earlier))
    if refused:
        raise refused[-1]


def _lines(description: dict[str, Any]) -> list[str]:
    lines = [f"{description['file']}: {description['kind']}, {description['bytes']:,} bytes"]
    if "opsets" in description:
        opsets = ", ".join(f"{domain or 'opset'} {version}" for domain, version in description["opsets"].items())
        lines.append(
            f"  {opsets}, IR version {description['ir_version']}, made by {description['producer'] or 'unknown'}"
        )
    if description.get("name"):
        lines.append(f"  name: {description['name']}")
    for part in ("operators", "layers"):
        if part in description:
            listed = _joined(f"{count} {kind}" for kind, count in description[part].items())
            lines.append(f"  {counted(sum(description[part].values()), part.removesuffix('s'))}: {listed}")
    for place in ("inputs", "outputs"):
        if place in description:
            values = [_value(value) for value in description[place]]
            noun = f"{'external ' if 'untranslatable' in description else ''}{place.removesuffix('s')}"
            lines.append(f"  {counted(len(values), noun)}: {_joined(values)}")
    if "unread_results" in description:
        lines[-1] = (
            f"  no external outputs; results that nothing reads: {_joined(description['unread_results']) or 'none'}"
        )
    if "parameters" in description:
        parameters, values = description["parameters"], description["parameter_values"]
        lines.append(f"  {counted(parameters, 'parameter')} with {counted(values, 'value')}")
    if "untranslatable" in description:
        missing = [f"{count} {kind}" for kind, count in description["untranslatable"].items()]
        lines.append(f"  cannot be translated: {_joined(missing)}" if missing else "  everything can be translated")
    if "members" in description:
        lines += [f"  {member['bytes']:>14,}  {member['name']}" for member in description["members"]]
    return lines


def _value(value: str | dict[str, Any]) -> str:
    if isinstance(value, str):
        return value
    shape = "?" if value["shape"] is None else ",".join(str(size) for size in value["shape"])
    return f"{value['name']} {value['type']}[{shape}]"


def _joined(parts: Any) -> str:
    listed = list(parts)
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return ", ".join(listed[:_LISTED]) + more
