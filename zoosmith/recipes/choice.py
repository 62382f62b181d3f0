"""The model that a command line or an entry of a zoo file chooses."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from zoosmith.files.conversion import declared_inputs
from zoosmith.onnx_model.argument_names import argument
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.recipes.card_file import Card, read_card, with_card
from zoosmith.recipes.densenet121 import DENSENET121
from zoosmith.recipes.given import model_recipe, net_recipe
from zoosmith.recipes.recipe import Recipe
from zoosmith.validation.inputs.source import InputSource

# as part of a file's name it means the same on every operating system, and needs no quotes in a shell
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?")


@dataclass(frozen=True)
class Choice:
    """What is built, and what is known of it beside its files.

    Attributes:
        net: a Caffe2 predict net; with neither this nor `model` it is DenseNet-121.
        model: an ONNX model.
        value_info: types and shapes of the net's inputs.
        inputs: shapes, and data or the seed of the test inputs.
        name: of the files.
        card: a card file.

    Raises:
        ZoosmithError: `name` is none that files can have.
    """

    net: Path | None = None
    model: Path | None = None
    value_info: Path | None = None
    inputs: InputSource = field(default_factory=InputSource)
    name: str | None = None
    card: Path | None = None

    def __post_init__(self) -> None:
        if self.name is not None and not _NAME.fullmatch(self.name):
            raise ZoosmithError(
                f"name {self.name!r}: expected letters, digits, dots, dashes and underscores, as in resnet50-v2"
            )

    def recipe(self, weights: Path | None) -> Recipe:
        """Return the recipe.

        Args:
            weights: that are given beside; only a net takes them.

        Raises:
            ZoosmithError: a file cannot be read or is of another kind, or the choices exclude each other.
        """
        if self.net is not None and self.model is not None:
            raise ZoosmithError(f"{argument('net')} and {argument('model')}: expected one of them")
        card = Card() if self.card is None else read_card(self.card)
        if self.model is not None:
            if weights is not None or self.value_info is not None:
                raise ZoosmithError(
                    f"{self.model}: an ONNX model has weights and inputs of its own; give them with {argument('net')}"
                )
            return self._stated(model_recipe(self.model, inputs=self.inputs, name=self.name, card=card))
        if self.net is not None:
            declared = declared_inputs(self.inputs.shapes, self.value_info)
            return self._stated(
                net_recipe(self.net, declared, weights=weights, inputs=self.inputs, name=self.name, card=card)
            )
        if self.value_info is not None or self.inputs.shapes or self.inputs.dims or self.inputs.feed is not None:
            given = " or ".join(map(argument, ("net", "model")))
            raise ZoosmithError(
                f"inputs are those of DenseNet-121: give {given} with "
                f"{argument('shapes')}, {argument('dims')} or {argument('feed')}"
            )
        recipe = replace(DENSENET121, prefix=self.name or DENSENET121.prefix)
        named = () if self.name is None else ("--name", self.name)
        return self._stated(with_card(replace(recipe, arguments=named), card))

    def _stated(self, recipe: Recipe) -> Recipe:
        if self.card is None:
            return recipe
        return replace(recipe, arguments=(*recipe.arguments, "--card", self.card.name))
