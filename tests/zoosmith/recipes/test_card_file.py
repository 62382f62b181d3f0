"""`card.toml`: what is read, and what is refused."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from tests.zoosmith.recipes.small_recipe import SMALL
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.recipes.card_file import read_card, with_card
from zoosmith.recipes.densenet121 import DENSENET121
from zoosmith.recipes.recipe import CardFacts

DOCS = Path(__file__).resolve().parents[3] / "docs" / "card.md"


def card(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "card.toml"
    path.write_text(text)
    return path


def test_a_card_changes_what_it_states_and_nothing_else(tmp_path: Path) -> None:
    path = card(
        tmp_path,
        'title = "Large"\nfolder = "vision/other"\ntags = ["a", "b"]\nlicense = "MIT OR Apache-2.0"\n'
        'task = "image classification"\npreprocess = "unit"\npaper = """\nA paper."""\n',
    )
    recipe = with_card(SMALL, read_card(path))
    assert (recipe.title, recipe.folder, recipe.tags) == ("Large", "vision/other", ("a", "b"))
    assert recipe.classifies and recipe.preprocessing is not None and recipe.preprocessing.name == "unit"
    assert recipe.card == CardFacts(license="MIT OR Apache-2.0", task="image classification", paper="A paper.")
    assert [row.title for row in recipe.rows.values()] == ["Large", "Large", "Large-12", "Large-12-int8"]
    assert with_card(SMALL, read_card(card(tmp_path, ""))) == SMALL


def test_who_named_the_licence_of_published_weights_did_not_name_that_of_a_card(tmp_path: Path) -> None:
    assert DENSENET121.card.license_source
    stated = with_card(DENSENET121, read_card(card(tmp_path, 'license = "CC-BY-4.0"'))).card
    assert (stated.license, stated.license_source) == ("CC-BY-4.0", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('licence = "MIT"', "unknown key 'licence'; the keys are title, folder, preprocess, license"),
        ("title = 3", "title = 3: expected a text"),
        ('tags = "a"', "tags = 'a': expected a list of texts"),
        ('license = "the MIT one"', "license = 'the MIT one': expected an SPDX expression"),
        ('folder = "../x"', "folder = '../x': expected a path below the tree"),
        ('folder = "/x"', "folder = '/x': expected a path below the tree"),
        ('preprocess = "x"', "preprocess: no preprocessing is called 'x': choose one of"),
        ("title", "expected a card in TOML"),
    ],
)
def test_what_is_wrong_in_a_card_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError, match=re.escape(message)):
        read_card(card(tmp_path, text))


def test_a_card_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError, match=r"none\.toml: cannot be read"):
        read_card(tmp_path / "none.toml")


def test_the_page_describes_every_key_and_its_example_is_a_card(tmp_path: Path) -> None:
    page = DOCS.read_text()
    for key in ["title", "folder", "tags", "preprocess", *(each.name for each in fields(CardFacts))]:
        assert f"| `{key}` |" in page
    example, zoo = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert read_card(card(tmp_path, example)).facts.license
    assert "[[model]]" in zoo
