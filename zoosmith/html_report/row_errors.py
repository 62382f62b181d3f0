"""Rows of a build by name, and their errors against their limits."""

from collections.abc import Sequence

from zoosmith.html_report.charts import Measured
from zoosmith.html_report.values import Values


def row_name(row: Values) -> str:
    """The name of a row's file, or of the row where it has none."""
    model = row.object("model")
    return row.text("name", "-") if model is None else file_name(model)


def file_name(file: Values) -> str:
    """The name of a file without its folders."""
    return file.text("path", "-").rpartition("/")[2]


def errors_of(rows: Sequence[Values]) -> tuple[list[Measured], list[Measured]]:
    """The errors of the data sets: of rows held to an error, and of rows held to a cosine, as 1 - cosine."""
    exact, integer = [], []
    for row in rows:
        for check in row.objects("checks"):
            if not (check.text("name").startswith("data set ") and check.text("name").endswith(": error")):
                continue
            figure, limit = check.raw("figure"), check.raw("limit")
            if not isinstance(figure, dict) or not isinstance(limit, dict):
                continue
            found, limits = Values(figure, "figure"), Values(limit, "limit")
            if "cosine" in limits:
                cosine, least = found.number("cosine"), limits.number("cosine")
                if cosine is not None and least is not None:
                    integer.append(Measured(row_name(row), max(0.0, 1 - cosine), 1 - least))
            elif (error := found.number("max_scaled")) is not None:
                exact.append(Measured(row_name(row), error, _absolute_limit(limit)))
    return exact, integer


def _absolute_limit(limit: dict) -> float | None:
    """The absolute part of a limit; the least one where every output has its own."""
    each = [limit] if "atol" in limit else [value for value in limit.values() if isinstance(value, dict)]
    found = [Values(value, "limit").number("atol") for value in each]
    return min((value for value in found if value is not None), default=None)
