"""A model card, section by section as the zoo's, from what a build found and what the recipe states."""

import shlex
from collections.abc import Sequence
from importlib.metadata import requires
from textwrap import fill, indent
from typing import Any

from zoosmith.cards.proof import proof_texts
from zoosmith.cards.quantization import quantization_texts
from zoosmith.escaping import markdown, markdown_block, markdown_code, markdown_path, printable
from zoosmith.recipes.recipe import Recipe
from zoosmith.recipes.rows import INTEGER_ROW
from zoosmith.results.report import Report, RowReport
from zoosmith.validation.accuracy.evaluation import Share

# whose accuracy the zoo's column means
_ZOO_DATA_SET = "ILSVRC2012"
_GIVEN_NET = (
    "was given to the build. Opsets 3, 6, 7, 8 and 9 are translations of it where it can be expressed in them, in the "
    "form that each allows; 12 is converted."
)


def model_card(recipe: Recipe, report: Report) -> str:
    """Write the model card of a build.

    Args:
        recipe: states what is in none of the files.
        report: what the build found.

    Returns:
        The README.md of the model's folder; the same for the same files, on every machine.
    """
    sections = (_head, _description, _ports, _results, _quantization, _end)
    return "\n".join(section(recipe, report).strip() + "\n" for section in sections)


def _head(recipe: Recipe, report: Report) -> str:
    column = _accuracy_column(report)
    headings = ["Model", "Download", "Download (with sample test data)", "ONNX version", "Opset version", "Weights"]
    headings += [column] if column else []
    rows = "\n".join(_table_row(row, report) for row in report.written)
    texts = (_weights(recipe, report), *proof_texts(recipe, report), _published(recipe, report))
    remarks = "\n\n".join(_quoted(text) for text in texts if text)
    return f"""
{_license_line(recipe, report)}# {markdown(recipe.title)}

|{"|".join(headings)}|
|{"---|" * len(headings)}
{rows}

{remarks}
"""


def _accuracy_column(report: Report) -> str:
    """The heading of the accuracy column, the zoo's for its data set; empty where nothing was measured."""
    if report.accuracy is None:
        return ""
    return (
        "Top-1 accuracy (%)"
        if report.accuracy.data == _ZOO_DATA_SET
        else f"Top-1 on {markdown(report.accuracy.data)} (%)"
    )


def _stated(text: str) -> str:
    return text or "Not stated."


def _quoted(text: str) -> str:
    return indent(_wrapped(text, 118), "> ")


def _table_row(row: RowReport, report: Report) -> str:
    assert row.model is not None and row.archive is not None
    model = f"[{row.model.size / 1e6:.1f} MB]({markdown_path(row.model.path)})"
    # not of the packed file, whose size depends on the processor
    archive = f"[{row.archive.tar_size / 1e6:.1f} MB unpacked]({markdown_path(row.archive.path)})"
    cells = [markdown(row.title), model, archive, row.onnx_version, str(row.opset), markdown(report.weights)]
    if report.accuracy is not None:
        top1 = report.accuracy.top1.get(row.name)
        cells.append("" if top1 is None else f"{100 * top1.value:.2f}")
    return f"|{'|'.join(cells)}|"


def _weights(recipe: Recipe, report: Report) -> str:
    if report.kind == "ONNX model":
        files = (
            f"{markdown_code(name)}, {found['bytes']:,} bytes, SHA-256 `{found['sha256']}`"
            for name, found in report.nets.items()
        )
        return f"The source is {'; '.join(files)}."
    init_net = report.nets["init_net.pb"]
    identity = f"as an init net they are {init_net['bytes']:,} bytes, SHA-256 `{init_net['sha256']}`"
    if not report.synthetic:
        given = "are the published ones" if report.weights == "published" else "were given to the build"
        return f"The weights {given}: {identity}."
    return (
        "**The weights are synthetic**: random filters of He's scale, made from a seed, so that every file of the "
        "published layout can be made and tested without the published parameters. They classify nothing. "
        f"`zoosmith build --weights FILE` makes the same rows from an init net or from any surviving row ({identity})."
    )


def _published(recipe: Recipe, report: Report) -> str:
    compared = [f"{markdown(recipe.stem(row.name))} {row.published}" for row in report.written if row.published]
    if compared:
        return f"SHA-256 against the published files: {'; '.join(compared)}."
    published = [recipe.rows[row.name].published for row in report.written if row.name in recipe.rows]
    return " ".join(
        f"The published {markdown_code(recipe.stem(row.name) + '.onnx')} is the published "
        f"opset-{row.mislabelled_as} file under another name; here it is of opset {row.opset}."
        for row in published
        if row is not None and row.mislabelled_as is not None
    )


def _description(recipe: Recipe, report: Report) -> str:
    task = f"Task: {recipe.card.task}.\n\n" if recipe.card.task else ""
    return f"""
## Description

{task}{_stated(recipe.card.description)}

### Paper

{_stated(recipe.card.paper)}

### Dataset

{_stated(recipe.card.dataset)}

## Source

{_wrapped(_source(recipe, report))}
"""


def _source(recipe: Recipe, report: Report) -> str:
    stated = recipe.card.source
    if report.kind == "ONNX model":
        name, model = next(iter(report.nets.items()))
        text = f"The ONNX model ({markdown_code(name)}, {model['bytes']:,} bytes, SHA-256 `{model['sha256']}`)"
        own = f" {stated or 'was given to the build.'} Rows of other opsets than its own are converted from it."
        return text + own
    net, title = report.nets["predict_net.pb"], markdown(recipe.title)
    text = (
        f"Caffe2 {title} ==> ONNX {title}. The Caffe2 net (`predict_net.pb`, {net['bytes']:,} bytes, "
        f"SHA-256 `{net['sha256']}`) {stated or _GIVEN_NET}"
    )
    others = [row.name for row in report.written if row.name not in recipe.rows]
    if others:
        which = "Opsets that the zoo does not publish" if recipe.publishes else "The other opsets"
        text += f" {which} ({', '.join(others)}) are converted from the nearest of these."
    return text


def _ports(recipe: Recipe, report: Report) -> str:
    if not report.written:
        return ""
    last = report.written[-1]
    return f"""
## Model input and output

### Input

{markdown_block(_listed(last.inputs))}

### Output

{markdown_block(_listed(last.outputs))}

### Pre-processing steps

{_stated(recipe.card.preprocessing)}

### Post-processing steps

{_stated(recipe.card.postprocessing)}

### Sample test data

{_test_data(recipe, report)}
"""


def _wrapped(text: str, width: int = 120) -> str:
    return fill(text, width, break_long_words=False, break_on_hyphens=False)


def _listed(ports: Sequence[dict[str, Any]]) -> str:
    return "\n".join(_port(port) for port in ports)


def _port(port: dict[str, Any]) -> str:
    kind = port["type"].removeprefix("tensor(").removesuffix(")")
    shape = ", ".join("?" if size is None else str(size) for size in port["shape"] or ())
    return printable(f"{port['name']}: {kind}[{shape}]")


def _test_data(recipe: Recipe, report: Report) -> str:
    """Say what each archive holds, and how it is made and run again."""
    inputs = recipe.card.sample_data or markdown(report.samples.capitalize())
    count = f"{report.sets} sample{'s' if report.sets > 1 else ''}"
    names = [f"`test_data_set_{index}`" for index in range(report.sets)]
    numbers = [f"`test_data_{index}.npz`" for index in range(report.sets)]
    archives = "\n".join(
        f"|{markdown((row.archive.path if row.archive else '').rpartition('/')[2])}|{report.sets}|"
        f"{'those of the ' + report.kind if row.exact else 'its own'}|"
        for row in report.written
    )
    example = next((row.archive.path for row in reversed(report.written) if row.archive), "")
    commands = f"{_command(report)}\n{shlex.join(['zoosmith', 'validate', f'{recipe.folder}/{example}'])}"
    first = _wrapped(
        f"{count} in each archive. Inputs: {inputs}. Each sample is a folder ({', '.join(names)}) with a message of "
        f"ONNX for each input and output, and where numpy has the types an `.npz` file ({', '.join(numbers)}) with the "
        "arrays `inputs` and `outputs`, the values of a set stacked along a new first axis (values that do not stack: "
        "`inputs_0`, `inputs_1`, ...), without pickles."
    )
    return f"""{first}

|Archive|Samples|Outputs|
|---|---|---|
{archives}

All files are made again, and an archive is run, by

{markdown_block(commands, "shell")}"""


def _command(report: Report, row: str | None = None) -> str:
    """The command that makes the files again, or one row in a tree of its own; the other arguments stay.

    In the same tree, a build of one row would replace the card and the manifest of all.
    """
    words = list(report.command)
    if row is not None:
        if "--rows" in words:
            place = words.index("--rows")
            del words[place : place + 2]
        words += ["--rows", row]
    return shlex.join(["zoosmith", "build", "-o", "." if row is None else f"row-{row}", *words])


def _results(recipe: Recipe, report: Report) -> str:
    return f"""
## Results/accuracy on test set

{_accuracy(recipe, report)}

{recipe.card.accuracy}
"""


def _accuracy(recipe: Recipe, report: Report) -> str:
    measured = report.accuracy
    if measured is None:
        return _wrapped(
            "Not measured in this build: there is no accuracy column until the files themselves have been run on "
            "labelled images (`zoosmith build --data FOLDER`, or `zoosmith evaluate MODEL --data FOLDER`)."
        )
    rows = "\n".join(
        f"|{markdown(recipe.stem(name))}|{_share(top1)}|{_share(measured.top5[name])}|"
        for name, top1 in measured.top1.items()
    )
    steps = recipe.preprocessing.describe() if recipe.preprocessing is not None else ""
    told = _wrapped(
        f"Measured on the {measured.images:,} images of {markdown(measured.data)}: how many were right, and the share "
        f"with its 95 % interval. {steps}"
    )
    return f"{told}\n\n|Model|Top-1|Top-5|\n|---|---|---|\n{rows}"


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{share.hits:,} of {share.total:,}, {100 * share.value:.2f} % ({100 * low:.2f} to {100 * high:.2f})"


def _quantization(recipe: Recipe, report: Report) -> str:
    rows = ",".join(row.name for row in report.written if not row.exact) or INTEGER_ROW
    packages = "\n".join(f"- {text}" for text in _requirements(("onnx", "onnx-ir", "onnxruntime")))
    done = "\n\n".join(_wrapped(text) for text in quantization_texts(recipe, report))
    return f"""
## Quantization

{done}

### Environment

{packages}

Each command makes its row alone, in a folder of its own, byte for byte as it is here.

### Prepare model

{markdown_block(_command(report, "12"), "shell")}

### Model quantize

{markdown_block(_command(report, rows), "shell")}
"""


def _requirements(names: tuple[str, ...]) -> list[str]:
    """What the installed package asks for of these, such as `onnx>=1.20`."""
    texts = (text.split(";")[0].strip() for text in requires("zoosmith") or [])
    return sorted(text for text in texts if text.rstrip("0123456789.,<>=!~ ") in names)


def _end(recipe: Recipe, report: Report) -> str:
    return f"""
## References

{_stated(recipe.card.references)}

## Contributors

{recipe.card.contributors or "This card and the files beside it are made by zoosmith."}

## License

{_license(recipe, report)}
"""


def _license_line(recipe: Recipe, report: Report) -> str:
    """The line that tools read the licence from; empty where none is stated for these weights."""
    stated = recipe.card.license
    if not stated or (recipe.card.license_source and report.weights != "published"):
        return ""
    return f"<!--- SPDX-License-Identifier: {stated} -->\n\n"


def _license(recipe: Recipe, report: Report) -> str:
    """The licence of the weights themselves; a published model's is not that of other weights."""
    stated, source = recipe.card.license, recipe.card.license_source
    if not source:
        return _stated(stated)
    if report.weights == "published":
        return _wrapped(f"{stated}, {source}.")
    own = "These weights are made from a seed." if report.synthetic else "Not stated for the weights that were given."
    return _wrapped(f"{own} Of the published weights: {stated}, {source}.")
