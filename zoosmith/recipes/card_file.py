"""What a user says of a model and no file of it holds: `card.toml`. docs/card.md describes it."""

import re
import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from zoosmith.onnx_model.errors import PathError, ZoosmithError
from zoosmith.onnx_model.paths import parts_below
from zoosmith.onnx_model.reading import read_regular, reading
from zoosmith.recipes.card_prose import check_prose
from zoosmith.recipes.recipe import CardFacts, Recipe
from zoosmith.validation.errors import ValidationError
from zoosmith.validation.reading.preprocess import Preprocess, preprocessing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# SPDX license expressions: identifiers joined by AND, OR and WITH
_LICENSE = re.compile(r"\(*[A-Za-z0-9][A-Za-z0-9.+-]*\)*( (AND|OR|WITH) \(*[A-Za-z0-9][A-Za-z0-9.+-]*\)*)*")
# in bytes
_LARGEST_TOML = 1 << 20
_CLASSIFICATION = "image classification"
_TEXTS = [each.name for each in fields(CardFacts)]


@dataclass(frozen=True)
class Card:
    """The content of a card file; an empty value is one that is not stated.

    Attributes:
        title: of the model.
        folder: of the model in the tree, with `/`.
        tags: that the hub finds the model by.
        preprocess: name of a preprocessing of zoosmith.
        facts: the texts.
    """

    title: str = ""
    folder: str = ""
    tags: tuple[str, ...] = ()
    preprocess: str = ""
    facts: CardFacts = field(default_factory=CardFacts)

    @property
    def preprocessing(self) -> Preprocess | None:
        """The preprocessing that is named; None where none is."""
        return preprocessing(self.preprocess) if self.preprocess else None

    @property
    def classifies(self) -> bool:
        """Whether the task is the classification of images."""
        return self.facts.task == _CLASSIFICATION


def read_card(path: Path) -> Card:
    """Read a card file.

    Args:
        path: of the file.

    Raises:
        ZoosmithError: it cannot be read, is no TOML, or has a key or a value that a card does not; the message names
            what is expected.
    """
    return card_of(read_toml(path, "a card"), str(path))


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Read a file in TOML.

    Args:
        path: of the file.
        what: it should hold, for messages.

    Raises:
        ZoosmithError: it cannot be read, is too large, or no TOML.
    """
    text = read_regular(path, most=_LARGEST_TOML, error=ZoosmithError)
    with reading(path, f"{what} in TOML", ZoosmithError):
        return tomllib.loads(text.decode())


def card_of(content: dict[str, Any], origin: str) -> Card:
    """Check the keys and values of a card.

    Args:
        content: by key.
        origin: what the message calls the file.

    Raises:
        ZoosmithError: as `read_card` does.
    """
    texts = ["title", "folder", "preprocess", *_TEXTS]
    for key, value in content.items():
        if key not in (*texts, "tags"):
            raise ZoosmithError(f"{origin}: unknown key {key!r}; the keys are {', '.join([*texts, 'tags'])}")
        if key in texts and not isinstance(value, str):
            raise ZoosmithError(f"{origin}: {key} = {value!r}: expected a text")
        if key in _TEXTS and key != "license":
            check_prose(value, key, origin)
    tags = content.get("tags", [])
    if not (isinstance(tags, list) and all(isinstance(tag, str) and tag for tag in tags)):
        raise ZoosmithError(f'{origin}: tags = {tags!r}: expected a list of texts, as in ["vision", "detection"]')
    stated = {key: value.strip() for key, value in content.items() if key != "tags"}
    weights_license = stated.get("license", "")
    if weights_license and not _LICENSE.fullmatch(weights_license):
        raise ZoosmithError(f"{origin}: license = {weights_license!r}: expected an SPDX expression, as in Apache-2.0")
    folder = stated.get("folder", "")
    try:
        folder = "/".join(parts_below(folder)) if folder else ""
    except PathError as error:
        raise ZoosmithError(
            f"{origin}: folder = {folder!r}: expected a path below the tree, as in vision/detection"
        ) from error
    try:
        if stated.get("preprocess"):
            preprocessing(stated["preprocess"])
    except ValidationError as error:
        raise ZoosmithError(f"{origin}: preprocess: {error}") from error
    return Card(
        title=stated.get("title", ""),
        folder=folder,
        tags=tuple(tags),
        preprocess=stated.get("preprocess", ""),
        facts=CardFacts(**{key: value for key, value in stated.items() if key in _TEXTS}),
    )


def with_card(recipe: Recipe, card: Card) -> Recipe:
    """Return a recipe with what a card states; the rest stays."""
    texts = {name: text for name in _TEXTS if (text := getattr(card.facts, name))}
    if "license" in texts:  # whoever named the recipe's licence did not name this one
        texts.setdefault("license_source", "")
    rows = {
        name: replace(row, title=row.title.replace(recipe.title, card.title, 1)) if card.title else row
        for name, row in recipe.rows.items()
    }
    return replace(
        recipe,
        title=card.title or recipe.title,
        folder=card.folder or recipe.folder,
        tags=card.tags or recipe.tags,
        rows=rows,
        classifies=recipe.classifies or card.classifies,
        preprocessing=card.preprocessing or recipe.preprocessing,
        card=replace(recipe.card, **texts),
    )
