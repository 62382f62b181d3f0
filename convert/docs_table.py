"""The table of Caffe2 operators that are translated, from the registry: `python -m zoosmith.convert.docs_table`."""

from sys import maxsize

from zoosmith.convert.registry import Translator, translators

_HEAD = """# Caffe2 operators

Generated from the registry: {count} operators. *Inputs* is how many an operator may have. *Opset* is the lowest
that has a form for it; some arguments need a higher one, and `convert` says so. Operators outside the table are
refused by name, before anything is written; `zoosmith inspect` lists them. How int8 and detection operators are
expressed stands [on a page of its own](int8-and-detection.md).

| operator | inputs | opset | family |
|---|---|---|---|
"""


def table() -> str:
    """The table as Markdown; a family is the module of its translators."""
    entries = sorted(translators().items(), key=lambda entry: entry[0].lower())
    rows = [f"| {name} | {_counts(entry)} | {entry.since} | {_family(entry)} |" for name, entry in entries]
    return _HEAD.format(count=len(rows)) + "\n".join(rows) + "\n"


def _counts(entry: Translator) -> str:
    counts = entry.inputs
    if isinstance(counts, range) and counts.stop == maxsize:
        return f"{counts.start} or more"
    return ", ".join(map(str, counts))


def _family(entry: Translator) -> str:
    return entry.translate.__module__.rpartition(".")[2].replace("_", " ")


if __name__ == "__main__":
    print(table(), end="")
