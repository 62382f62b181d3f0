"""A recipe: all that a build needs to know of one model. A further model is one further value of this type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from onnx.defs import onnx_opset_version

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.recipes.rows import Row, converted_row
from zoosmith.recipes.samples import Inputs
from zoosmith.recipes.source import Source
from zoosmith.validation.reading.preprocess import Preprocess


@dataclass(frozen=True)
class CardFacts:
    """What the model card says and no file holds. All texts are Markdown; an empty one reads "Not stated.".

    Attributes:
        license: of the weights, an SPDX expression.
        license_source: who says so.
        task: what the model is for: `image classification`, `object detection`.
        description: what the model does and how it is built.
        paper: where it was published.
        dataset: what the weights were trained on.
        source: what follows "The Caffe2 net (...)": where the net comes from and how the rows are made of it.
        preprocessing: from a picture or text to the inputs, with code.
        postprocessing: from the outputs to an answer, with code.
        sample_data: what the inputs of the test data are.
        accuracy: what others measured, with its source.
        references: a list.
        contributors: who made the published files.
    """

    license: str = ""
    license_source: str = ""
    task: str = ""
    description: str = ""
    paper: str = ""
    dataset: str = ""
    source: str = ""
    preprocessing: str = ""
    postprocessing: str = ""
    sample_data: str = ""
    accuracy: str = ""
    references: str = ""
    contributors: str = ""


@dataclass(frozen=True)
class Recipe:
    """One model of a zoo.

    Attributes:
        title: of the model: `DenseNet-121`.
        prefix: of the files' names: `densenet` of `densenet-9.onnx`.
        folder: in the zoo's tree, with `/`.
        tags: that the hub finds the model by.
        open_source: gives the source with its weights, for a file of weights (None: its own, or synthetic ones), a
            seed, and a folder that is there as long as the source is used; raises ZoosmithError for a file that does
            not fit.
        rows: by name, in the order of the table; every other opset is converted from the source's nearest one.
        samples: inputs of the test data.
        default_rows: what a build makes where no rows are named, as `select_rows` reads them; by default all of `rows`.
        features: names of inner tensors that the hub lists as features.
        classifies: whether the outputs are scores of classes, so that rows must agree on the best one.
        preprocessing: what is done to images before they are inputs; None where inputs are no images.
        card: what the model card says beside what the build found.
        arguments: the options of `zoosmith build` that choose this model, files by name.
    """

    title: str
    prefix: str
    folder: str
    tags: tuple[str, ...]
    open_source: Callable[[Path | None, int, Path], Source]
    rows: Mapping[str, Row]
    samples: Inputs
    default_rows: str = ""
    features: tuple[str, ...] = ()
    classifies: bool = False
    preprocessing: Preprocess | None = None
    card: CardFacts = field(default_factory=CardFacts)
    arguments: tuple[str, ...] = ()

    @property
    def publishes(self) -> bool:
        """Whether the zoo publishes rows of this model."""
        return any(row.published is not None for row in self.rows.values())

    def stem(self, row: str) -> str:
        """Return the name of a row's files without suffix.

        Args:
            row: name of the row, `12-int8` for instance.
        """
        return f"{self.prefix}-{row}"

    def path(self, row: str) -> str:
        """Return the path of a row's model below the model's folder.

        Args:
            row: name of the row.
        """
        return f"model/{self.stem(row)}.onnx"

    def select_rows(self, text: str | None) -> list[Row]:
        """Read a list of rows.

        Args:
            text: names of rows, opsets and ranges of opsets: `3,9,12-int8` or `1-28`; None for the default rows.

        Returns:
            The rows in this order, each once.

        Raises:
            ZoosmithError: a name is unknown; it names those that there are.
        """
        if text is None:
            text = self.default_rows or ",".join(self.rows)
        names = [name for item in text.split(",") for name in _range(item.strip())]
        unknown = [name for name in names if name not in self.rows and not _is_opset(name)]
        if unknown:
            raise ZoosmithError(
                f"no row {', '.join(map(repr, unknown))}; the rows are {', '.join(self.rows)}, "
                f"and there is one for every opset from 1 to {onnx_opset_version()}"
            )
        return [self.rows.get(name) or converted_row(self.title, int(name)) for name in dict.fromkeys(names)]


def _range(item: str) -> list[str]:
    first, dash, last = item.partition("-")
    if not (dash and _is_opset(first) and _is_opset(last)):
        return [item]
    return [str(opset) for opset in range(int(first), int(last) + 1)] or [item]


def _is_opset(name: str) -> bool:
    return name.isascii() and name.isdecimal() and 1 <= int(name) <= onnx_opset_version()
