"""Messages name arguments as their reader gives them: in Python by name, on the command line as options."""

import os

from zoosmith.execution import call_in_process
from zoosmith.onnx_model.argument_names import argument, arguments_named


def test_an_argument_has_the_name_that_python_knows() -> None:
    assert argument("timeout") == "`timeout`"
    assert argument("dims", "N=2") == "`dims` N=2"


def test_another_name_stands_for_it_in_the_block_alone() -> None:
    before = dict(os.environ)
    with arguments_named({"dims": "--dim"}):
        assert argument("dims", "N=2") == "--dim N=2"
        assert argument("timeout") == "`timeout`"
        with arguments_named({"timeout": "--timeout"}):
            assert argument("timeout") == "--timeout"
        assert argument("dims") == "--dim"
    assert dict(os.environ) == before


def test_processes_that_are_started_name_it_likewise() -> None:
    with arguments_named({"feed": "--feed"}):
        assert call_in_process(argument, 60, "feed", "FILE") == "--feed FILE"
