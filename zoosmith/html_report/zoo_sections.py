"""The sections of a page that speak of a zoo's build: tables of all models and rows, then some models in full."""

from collections.abc import Sequence

from zoosmith.html_report.build_sections import build_sections
from zoosmith.html_report.cells import amount, code, fixed, verdict
from zoosmith.html_report.charts import Measured, against_limits
from zoosmith.html_report.figures import last_parts, number, opened
from zoosmith.html_report.page import Cell, Note, Part, Section, Table
from zoosmith.html_report.row_errors import errors_of
from zoosmith.html_report.values import Values

# models drawn in full: each takes some 100 kB and half a second
MOST_IN_FULL = 12


def zoo_sections(models: Sequence[Values], latency: dict[str, float]) -> list[Section]:
    """The sections of a zoo's build: all models, all rows, the checks that failed, and up to 12 models in full.

    Args:
        models: what `report.json` holds of each. Where there are more than 12, those that failed come first.
        latency: milliseconds by the name of a model file, as far as `bench` measured them.

    Raises:
        ReportError: a value is of a wrong type.
    """
    models = sorted(models, key=_passed)  # what failed first, since tables show their first rows
    sections = [Section("Models", _models(models)), Section("Rows", [_rows(models)])]
    failed = _failed(models)
    if failed:
        columns = ("Model", "Row", "Check", "Figure", "Limit")
        sections.append(Section("Failed checks", [Table("Every check that failed", columns, failed)]))
    full = [model for model in models if model.object("report") is not None]
    if len(full) > MOST_IN_FULL:
        full = [model for model in full if not _passed(model)][:MOST_IN_FULL]
        rest = len(models) - len(full)
        text = (
            f"{number(rest)} models stand in the tables only; those that failed come first, up to {MOST_IN_FULL}, with "
            "every check. zoosmith report OUT --model NAME draws the page of any one."
        )
        sections.append(Section("Models in full", [Note(text)]))
    for model in full:
        name, report = model.text("name", "-"), model.object("report")
        assert report is not None
        made = [section for section in build_sections(report, latency) if section.parts]
        sections += [Section(f"{name}: {each.title}", each.parts, "" if at else name) for at, each in enumerate(made)]
    return sections


def _models(models: Sequence[Values]) -> list[Part]:
    rows: list[list[Cell]] = []
    worst: list[Measured] = []
    worst_integer: list[Measured] = []
    called = last_parts([model.text("name", "-") for model in models])
    for model in models:
        name, report = model.text("name", "-"), model.object("report")
        if report is None:
            error = model.text("error", "-")
            rows.append([Cell(name), verdict(False), *[Cell("-")] * 4, Cell(error, state="bad")])
            continue

        built = report.objects("rows")
        checks = [bool(check.flag("passed")) for row in built for check in row.objects("checks")]
        exact, integer = (max(each, key=lambda found: found.figure, default=None) for each in errors_of(built))
        if exact is not None:
            worst.append(Measured(called[name], exact.figure, exact.limit))
        if integer is not None:
            worst_integer.append(Measured(called[name], integer.figure, integer.limit))
        sizes = [file.number("size") or 0 for row in built if (file := row.object("model")) is not None]
        rows.append(
            [
                Cell(name),
                verdict(report.flag("passed")),
                amount(len(built)),
                Cell(f"{sum(checks)} of {len(checks)}", sum(checks) - len(checks)),
                amount(None if exact is None else exact.figure),
                fixed(sum(sizes) / 1e6, 1),
                Cell("-"),
            ]
        )
    plots = [
        against_limits("Largest error of each model", "error (standard deviations)", worst, kind="model"),
        against_limits(
            "Rows of fewer bits: largest 1 - cosine",
            "1 - cosine with the source",
            worst_integer,
            kind="model",
        ),
    ]
    columns = ("Model", "Verdict", "Rows", "Checks passed", "Largest error", "Models (MB)", "Why it failed")
    return [*(plot for plot in plots if plot is not None), Table("Every model", columns, rows)]


def _rows(models: Sequence[Values]) -> Table:
    body = []
    for model in models:
        report = model.object("report")
        for row in [] if report is None else report.objects("rows"):
            checks = [bool(check.flag("passed")) for check in row.objects("checks")]
            exact, integer = errors_of([row])
            worst = max((each.figure for each in exact), default=None)
            cosine = max((each.figure for each in integer), default=None)
            file = row.object("model")
            body.append(
                (
                    Cell(model.text("name", "-")),
                    Cell(row.text("name", "-")),
                    amount(row.count("opset")),
                    verdict(row.flag("passed")),
                    Cell(f"{sum(checks)} of {len(checks)}", sum(checks) - len(checks)),
                    amount(worst),
                    amount(cosine),
                    amount(None if file is None else file.number("size")),
                    code("-" if file is None else file.text("sha256", "-")),
                )
            )
    columns = (
        "Model", "Row", "Opset", "Verdict", "Checks passed", "Largest error", "1 - cosine", "Bytes", "SHA-256"
    )  # fmt: skip
    return Table("Every row; errors are in standard deviations of the output", columns, body)


def _failed(models: Sequence[Values]) -> list[tuple[Cell, ...]]:
    return [
        (
            Cell(model.text("name", "-")),
            Cell(row.text("name", "-")),
            Cell(check.text("name", "-")),
            Cell(*_listed("figure", check), state="bad"),
            Cell(*_listed("limit", check)),
        )
        for model in models
        if (report := model.object("report")) is not None
        for row in report.objects("rows")
        for check in row.objects("checks")
        if not check.flag("passed")
    ]


def _listed(key: str, check: Values) -> tuple[str]:
    pairs = opened("", check.raw(key))
    return ("; ".join(f"{name.removeprefix(': ')} {value}".strip() for name, value in pairs),)


def _passed(model: Values) -> bool:
    report = model.object("report")
    return report is not None and bool(report.flag("passed"))
