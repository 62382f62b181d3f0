"""Texts of a card: Markdown is taken, and what would leave its section or run in a reader's browser is refused."""

import pytest

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.recipes.card_file import card_of


@pytest.mark.parametrize(
    "text",
    [
        "Three *convolutions*, see [the paper](https://arxiv.org/abs/1512.03385) and <https://example.org>.",
        "- one\n- two `a < b`, `Vec<float>`\n\n#### By hand\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "```cpp\n# a comment\nstd::vector<float> x;\n```",
        "a < b, and 3 > 2",
    ],
)
def test_markdown_is_taken_as_it_is(text: str) -> None:
    assert card_of({"description": text}, "card.toml").facts.description == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a <script>alert(1)</script>", "found <script>"),
        ("<img src=x onerror=alert(1)>", "found <img"),
        ("- x\n\n  <!-- hidden", "found <!-- hidden"),
        ("an odd ` tick\n- <b>x</b> `", "found <b>"),
        ("```\nopen", "found one that is open"),
        ("~~~\n```\n~~~\n<i>x</i>\n```", "found <i>"),
        ("# License\n\nMIT", "headings of level 4"),
        ("License\n---\nMIT", "headings of level 4"),
        ("[x](javascript:alert(1))", "found javascript:"),
        ("[x]\n\n[x]: <JavaScript:alert(1)>", "found JavaScript:"),
        ("![x](data:text/html;base64,AAAA)", "found data:"),
        ("\u202etxt.exe", r"found \\u202e"),
        ("a\x1b[2Jb", r"found \\x1b"),
    ],
)
@pytest.mark.parametrize("key", ["description", "preprocessing", "accuracy", "references", "contributors"])
def test_what_leaves_its_section_is_refused(text: str, expected: str, key: str) -> None:
    with pytest.raises(ZoosmithError, match=expected) as raised:
        card_of({key: text}, "card.toml")
    assert str(raised.value).startswith(f"card.toml: {key}: ")
    assert "\n" not in str(raised.value)
