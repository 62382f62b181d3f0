"""The sections of a page that speak of a build: what `report.json` holds."""

from collections.abc import Sequence

from zoosmith.html_report.accuracy_parts import accuracy_parts, agreement_parts, picture_parts
from zoosmith.html_report.cells import amount, code, verdict
from zoosmith.html_report.charts import Traded, against_limits, trade
from zoosmith.html_report.figures import number, opened, plain, size
from zoosmith.html_report.layer_parts import layer_parts
from zoosmith.html_report.page import Cell, Facts, Note, Part, Section, Table
from zoosmith.html_report.row_errors import errors_of, file_name, row_name
from zoosmith.html_report.values import Values


def build_sections(report: Values, latency: dict[str, float]) -> list[Section]:
    """The sections of one model's build.

    Args:
        report: what `report.json` holds of it.
        latency: milliseconds by the name of a model file, as far as `bench` measured them.

    Raises:
        ReportError: a value is of a wrong type.
    """
    rows = report.objects("rows")
    accuracy = report.object("accuracy")
    sections = [
        Section("Rows", [*_error_plots(rows), *_trade(rows, accuracy, latency), _checks(rows)]),
        Section("Files", [_files(rows)]),
    ]
    if accuracy is not None:
        sections.append(Section("Accuracy", _accuracy(accuracy, rows)))
    for row in rows:
        parts = layer_parts(row.objects("layers"), row.text("title") or row.text("name"))
        if parts:
            sections.append(Section(f"Layers of {row_name(row)}", parts))
    return [*sections, Section("How it was made", _origin(report, rows))]


_SCALED = "error (standard deviations)"
_RELATIVE = " The limit is atol; rtol of each expected value comes on top."


def _error_plots(rows: Sequence[Values]) -> list[Part]:
    exact, integer = errors_of(rows)
    plots = [
        against_limits("Error against the limit", _SCALED, exact, _RELATIVE),
        against_limits("Rows of fewer bits: 1 - cosine against the limit", "1 - cosine with the source", integer),
    ]
    return [plot for plot in plots if plot is not None]


def _trade(rows: Sequence[Values], accuracy: Values | None, latency: dict[str, float]) -> list[Part]:
    top1 = {} if accuracy is None else accuracy.named("top1")
    models = []
    for row in rows:
        model = row.object("model")
        if model is None:
            continue
        rate = top1.get(row.text("name"))
        percent = None if rate is None else rate.number("percent")
        share = None if percent is None else percent / 100
        models.append(Traded(row_name(row), model.number("size"), latency.get(file_name(model)), share))
    plot = trade(models)
    return [] if plot is None else [plot]


def _checks(rows: Sequence[Values]) -> Table:
    names = list(dict.fromkeys(check.text("name", "-") for row in rows for check in row.objects("checks")))
    published = any("published" in row for row in rows)
    body = []
    for row in rows:
        checks = {check.text("name", "-"): check for check in row.objects("checks")}
        cells = [_check(checks[name]) if name in checks else Cell("-") for name in names]
        last = [Cell(row.text("published", "-"))] if published else []
        body.append([Cell(row_name(row)), amount(row.count("opset")), verdict(row.flag("passed")), *cells, *last])
    return Table(
        "Every check of every row; a cell opens to its figure and its limit",
        ("Row", "Opset", "Verdict", *names, *(["SHA-256 of the published file"] if published else [])),
        body,
    )


def _check(check: Values) -> Cell:
    passed, figure = bool(check.flag("passed")), check.raw("figure")
    order = figure
    if isinstance(figure, dict):
        limit = check.raw("limit")
        found = Values(figure, "figure")
        cosine = found.number("cosine")
        held_to_cosine = isinstance(limit, dict) and "cosine" in limit
        order = (None if cosine is None else max(0.0, 1 - cosine)) if held_to_cosine else found.number("max_scaled")
        if passed:
            # what a row that is held to a cosine exceeds is no limit of its
            figure = {key: value for key, value in figure.items() if key != "reason"}
    shown = f" {number(order)}" if isinstance(order, float) else ""
    details = (*opened("Figure", figure), *opened("Limit", check.raw("limit")))
    return Cell(
        f"{'ok' if passed else 'failed'}{shown}",
        order if isinstance(order, float) else float(passed),
        "good" if passed else "bad",
        details,
    )


def _files(rows: Sequence[Values]) -> Table:
    body = []
    for row in rows:
        for kind in ("model", "archive"):
            file = row.object(kind)
            if file is not None:
                found = file.number("size")
                cells = (
                    amount(found),
                    Cell(size(found), found),
                    code(file.text("sha256", "-")),
                )
                body.append((code(file.text("path", "-")), *cells))
    return Table("Files of the build", ("File", "Bytes", "Size", "SHA-256"), body)


def _accuracy(accuracy: Values, rows: Sequence[Values]) -> list[Part]:
    images = accuracy.count("images")
    of = f"{accuracy.text('data', 'labelled images')}, {number(images)} images"
    called = {row.text("name"): row_name(row) for row in rows}
    rates = {
        series: {called.get(name, name): found for name, found in accuracy.named(key).items()}
        for series, key in (("top-1", "top1"), ("top-5", "top5"))
    }
    pairs = accuracy.objects("agreements")
    compared = {name for pair in pairs for name in (pair.text("first"), pair.text("second"))}
    once = "Rows that hold one net under several opsets were run once: agreement and pictures name one row of each net."
    return [
        *accuracy_parts(rates, of),
        *([Note(once)] if pairs and len(compared) < len(rates["top-1"]) else []),
        *agreement_parts(pairs),
        *picture_parts(accuracy.objects("pictures")),
    ]


_REFERENCES = {"builtin": "zoosmith's interpreter of Caffe2 nets, in float64", "caffe2": "the real Caffe2"}


def _origin(report: Values, rows: Sequence[Values]) -> list[Part]:
    command = " ".join(["zoosmith build", *report.texts("command")])
    facts = [
        ("Model", report.text("title", "-")),
        ("Source", report.text("kind", "-")),
        ("Weights", report.text("weights", "-")),
        ("Computed the expected outputs", _REFERENCES.get(report.text("reference"), report.text("reference", "-"))),
        ("Data sets of each row", number(report.count("sets"))),
        ("Inputs of the data sets", report.text("samples", "-")),
        ("Seed", plain(report.raw("seed"))),
        ("Command that makes the same files", command),
    ]
    calibration = report.object("calibration")
    if calibration is not None:
        facts.append(("Calibrated on", calibration.text("samples", "-")))
        facts.append(("Distance of the samples from the training data", plain(calibration.raw("distance"))))
    facts += [(f"Version of {name}", plain(value)) for name, value in _versions(report).items()]
    runs = []
    for row in rows:
        ran_in = row.object("ran_in")
        runtime, release = ("nothing", "-") if ran_in is None else (ran_in.text("name"), ran_in.text("version"))
        runs.append((Cell(row_name(row)), Cell(runtime), Cell(release)))
    sources = [
        (
            code(name),
            amount(file.number("bytes")),
            code(file.text("sha256", "-")),
        )
        for name, file in report.named("nets").items()
    ]
    parts: list[Part] = [
        Facts("Build", facts),
        Table("What ran each row", ("Row", "Runtime", "Version"), runs),
    ]
    if sources:
        parts.append(Table("Files that it was made of", ("File", "Bytes", "SHA-256"), sources))
    if report.flag("noise") and not all(row.flag("exact") for row in rows):
        noise = "The rows of fewer bits were checked on random numbers: this proof rests on noise."
        parts.insert(0, Note(noise, "warning"))
    if report.flag("synthetic"):
        parts.insert(0, Note("The weights are synthetic, made from a seed: they classify nothing.", "warning"))
    return parts


def _versions(report: Values) -> dict[str, object]:
    versions = report.object("versions")
    return {} if versions is None else {name: versions.raw(name) for name in versions.keys}
