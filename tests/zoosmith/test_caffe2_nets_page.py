"""`docs/caffe2-nets.md` names every layer that is translated."""

import re

from tests.zoosmith.pages import read_page
from zoosmith.convert.caffe.layer import LAYERS

PAGE = read_page("caffe2-nets.md")


def test_the_page_names_the_layers() -> None:
    listed = PAGE.partition("Layers: ")[2].partition("\n\n")[0]
    named = set(re.findall(r"\b[A-Z]\w+\b", listed)) - {"TEST", "Layers"}
    assert named <= LAYERS.entries().keys()
    reads_nothing = {kind for kind in LAYERS.entries() if kind.endswith(("Data", "Loss", "Output"))}
    assert LAYERS.entries().keys() - named <= reads_nothing | {"Silence"}
