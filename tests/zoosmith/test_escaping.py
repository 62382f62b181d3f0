"""One escaper for each medium."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from zoosmith import escaping


def test_html_escapes_markup_and_what_is_not_seen() -> None:
    assert escaping.html('<a href="x">\'&\x1b\u202e') == "&lt;a href=&#34;x&#34;&gt;&#39;&amp;\\x1b\\u202e"


def test_markdown_escapes_cells_links_code_and_html() -> None:
    assert escaping.markdown("a|b [x](y) `c` <d> *e*\n") == r"a\|b \[x\](y) \`c\` \<d\> \*e\*\\n"

    assert escaping.markdown("net_v1 _a_") == r"net_v1 \_a\_"


@given(st.text())
def test_no_text_leaves_a_tag_or_a_line_of_its_own(text: str) -> None:
    assert not set(escaping.html(text)) & set("<>\"'\n\r\x00")
    assert "\n" not in escaping.markdown(text)


def shown(text: str) -> list[tuple[str, str]]:
    """What a reader of CommonMark finds in a line: kinds of parts and their text."""
    inline = MarkdownIt("commonmark").parseInline(text)[0]
    return [(part.type, part.content) for part in inline.children or ()]


@given(st.text(min_size=1))
def test_code_is_one_part_whatever_is_in_it(text: str) -> None:
    (kind, content), *rest = shown(escaping.markdown_code(text) + " x")
    assert kind == "code_inline"
    assert [part for part, _ in rest] == ["text"]
    assert content.strip() == escaping.printable(text).strip()


@given(st.lists(st.sampled_from(["```", "````", "~~~", "# x", "<script>", "a", "' '"]), min_size=1).map("\n".join))
def test_a_block_ends_where_it_ends(lines: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{escaping.markdown_block(lines, 'shell')}\n# Next")
    assert [token.type for token in tokens] == ["fence", "heading_open", "inline", "heading_close"]
    assert tokens[0].content == f"{lines}\n"


@pytest.mark.parametrize(
    "text", ["# x", "- x", "+ x", "1. x", "2) x", "=== x", "--- x", "> x", "~~~ x", "a # b - c 1. d"]
)
def test_no_word_begins_a_list_or_a_heading_wherever_its_line_is_wrapped(text: str) -> None:
    for line in (escaping.markdown(text), *(" ".join(escaping.markdown(text).split()[at:]) for at in range(3))):
        if line:
            found = [token.type for token in MarkdownIt("commonmark").parse(f"before\n{line}")]
            assert found == ["paragraph_open", "inline", "paragraph_close"]


@given(st.text(min_size=1).filter(str.isprintable))
def test_the_target_of_a_link_is_that_path(text: str) -> None:
    parts = shown(f"[1 MB]({escaping.markdown_path(f'model/{text}.onnx')})")
    assert [kind for kind, _ in parts] == ["link_open", "text", "link_close"]
