"""One escaper for each medium."""

from hypothesis import given
from hypothesis import strategies as st

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
