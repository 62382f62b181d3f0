"""Pages of what was found: of a build's folder, or of one command."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoosmith.html_report.build_sections import build_sections, counted, zoo_sections
from zoosmith.html_report.command_sections import command_sections, verdict
from zoosmith.html_report.page import Page, Section
from zoosmith.html_report.rendering import render
from zoosmith.html_report.values import ReportError, Values, read_values
from zoosmith.onnx_model.errors import ZoosmithError

REPORT = "report.json"
PAGE = "report.html"
"""The name of a build's page, beside its `report.json`."""


@dataclass(frozen=True)
class Drawn:
    """A page that was drawn.

    Attributes:
        html: the page.
        plots: how many plots it has, or would have with matplotlib.
        sources: names of the files that it was drawn from.
    """

    html: str
    plots: int
    sources: tuple[str, ...]


@dataclass(frozen=True)
class _Beside:
    """The JSON output of a command, in a file beside the report."""

    name: str
    digest: str
    command: str
    result: Values


def draw_folder(folder: Path) -> Drawn:
    """Draw the page of a build: of its `report.json` and of the JSON outputs of commands that lie beside it.

    Args:
        folder: of the build; reports of older versions are drawn as far as they go.

    Returns:
        The page; the same for the same files.

    Raises:
        ReportError: `report.json` cannot be read or is no report of a build; it, or a file beside it that is the output
            of a command, holds a value of a wrong type.
    """
    report, content = read_values(folder / REPORT)
    beside = _beside(folder)
    latency = _latency(beside)
    models = report.objects("models")
    if not models and "rows" not in report:
        raise ReportError(f"{folder / REPORT}: expected the report of a build, found neither rows nor models")
    if models:
        title, summary = "Zoo", [f"{sum(_passed(model) for model in models)} of {len(models)} models passed."]
        sections = zoo_sections(models, latency)
    else:
        title, summary = report.text("title", "Build"), [f"{counted(report)}.", f"Weights: {report.text('weights')}."]
        sections = build_sections(report, latency)
    for each in beside:
        sections += [Section(f"{found.title}: {each.name}", found.parts)
                     for found in command_sections(each.command, each.result)]  # fmt: skip
    origin = [f"{REPORT}, SHA-256 {hashlib.sha256(content).hexdigest()}"]
    origin += [f"{each.name}, SHA-256 {each.digest}" for each in beside]
    page = Page(title, report.flag("passed"), summary, sections, origin)
    return Drawn(render(page), _plots(sections), (REPORT, *(each.name for each in beside)))


def draw_command(command: str, version: str, result: Mapping[str, Any]) -> str:
    """Draw the page of one command.

    Args:
        command: its name.
        version: of zoosmith.
        result: what its `--json` prints as `result`.
    """
    values = Values(json.loads(json.dumps(result)), command)  # lists for tuples, as a file has them
    sections = command_sections(command, values)
    return render(Page(f"zoosmith {command}", verdict(command, values), [], sections, [f"zoosmith {version}"]))


def _beside(folder: Path) -> list[_Beside]:
    """The outputs of commands in a folder, in the order of their names; other files are left alone."""
    found = []
    for path in sorted(folder.glob("*.json")):
        if path.name == REPORT:
            continue
        try:
            values, content = read_values(path)
        except ZoosmithError:
            continue
        command, result = values.raw("command"), values.raw("result")
        if isinstance(command, str) and isinstance(result, dict):
            digest = hashlib.sha256(content).hexdigest()
            found.append(_Beside(path.name, digest, command, Values(result, f"{path}: result")))
    return [each for each in found if command_sections(each.command, each.result)]


def _latency(beside: Sequence[_Beside]) -> dict[str, float]:
    """The median latency of each model file that `bench` measured, at the least number of threads."""
    found: dict[str, tuple[float, float]] = {}
    for each in beside:
        for model in each.result.objects("models") if each.command == "bench" else []:
            name = Path(model.text("model")).name
            threads, median = model.number("threads") or 1, model.number("median_ms")
            if median is not None and threads < found.get(name, (float("inf"), 0.0))[0]:
                found[name] = (threads, median)
    return {name: median for name, (_, median) in found.items()}


def _passed(model: Values) -> bool:
    report = model.object("report")
    return report is not None and bool(report.flag("passed"))


def _plots(sections: Sequence[Section]) -> int:
    return sum(len(section.plots) for section in sections)
