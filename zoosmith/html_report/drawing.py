"""Pages of what was found: of a build's folder, or of one command."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from zoosmith.html_report import key_figures
from zoosmith.html_report.build_sections import build_sections
from zoosmith.html_report.command_sections import command_sections, verdict
from zoosmith.html_report.figures import number
from zoosmith.html_report.page import Page, Section
from zoosmith.html_report.rendering import render
from zoosmith.html_report.values import ReportError, Values, read_values
from zoosmith.html_report.zoo_sections import zoo_sections
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


def draw_folder(folder: Path, model: str | None = None) -> Drawn:
    """Draw the page of a build: of its `report.json` and of the JSON outputs of commands that lie beside it.

    Args:
        folder: of the build; reports of older versions are drawn as far as they go.
        model: the name of one model of a zoo, whose page is drawn; None for the page of all.

    Returns:
        The page; the same for the same files.

    Raises:
        ReportError: `report.json` cannot be read or is no report of a build; it, or a file beside it that is the output
            of a command, holds a value of a wrong type; the zoo has no such model.
    """
    report, content = read_values(folder / REPORT)
    beside = _beside(folder)
    latency = _latency(beside)
    models = report.objects("models")
    if not models and "rows" not in report:
        raise ReportError(f"{folder / REPORT}: expected the report of a build, found neither rows nor models")
    if model is not None:
        report, models = _one(models, model, folder / REPORT), []
    if models:
        title, summary, figures = (
            "Zoo",
            ["A zoo's build: its models, held against their sources."],
            key_figures.of_zoo(models),
        )
        sections = zoo_sections(models, latency)
    else:
        title, figures = report.text("title", "Build"), key_figures.of_build(report)
        summary = [f"Made from a {report.text('kind', 'model')}. Weights: {report.text('weights', 'not stated')}."]
        sections = build_sections(report, latency)
    for each in beside:
        sections += [Section(f"{found.title}: {each.name}", found.parts)
                     for found in command_sections(each.command, each.result)]  # fmt: skip
    origin = [f"{REPORT}, SHA-256 {hashlib.sha256(content).hexdigest()}"]
    origin += [f"{each.name}, SHA-256 {each.digest}" for each in beside]
    page = Page(title, report.flag("passed"), summary, figures, sections, origin)
    return Drawn(render(page), _plots(sections), (REPORT, *(each.name for each in beside)))


def _one(models: Sequence[Values], name: str, path: Path) -> Values:
    named = {model.text("name"): model for model in models}
    found = named[name].object("report") if name in named else None
    if found is None:
        known = [key for key, model in named.items() if model.object("report") is not None]
        near = get_close_matches(name, known, n=1, cutoff=0.3)
        hint = f"did you mean {near[0]!r}?" if near else f"it has those of {number(len(known))} models"
        raise ReportError(f"{path}: no report of model {name!r}; {hint}")
    return found


def draw_command(command: str, version: str, result: Mapping[str, Any]) -> str:
    """Draw the page of one command.

    Args:
        command: its name.
        version: of zoosmith.
        result: what its `--json` prints as `result`.

    Returns:
        The page, as HTML.
    """
    values = Values(json.loads(json.dumps(result)), command)  # lists for tuples, as a file has them
    sections = [Section("Results", found.parts) for found in command_sections(command, values)]
    subject = next((found for key in _SUBJECTS if isinstance(found := values.raw(key), str)), None)
    summary = [] if subject is None else [subject]
    figures = key_figures.of_command(command, values)
    page = Page(f"zoosmith {command}", verdict(command, values), summary, figures, sections, [f"zoosmith {version}"])
    return render(page)


# of a command's result, what says what it was about
_SUBJECTS = ("input", "model", "bundle", "data")


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


def _plots(sections: Sequence[Section]) -> int:
    return sum(len(section.plots) for section in sections)
