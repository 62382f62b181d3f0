"""Models that fuzzing made: converted or refused in our own exceptions."""

import pytest

from tests.attacks.models import model, node, value
from zoosmith.opset_upgrade import OpsetError, convert


def test_a_scan_whose_count_of_inputs_is_no_number_is_refused() -> None:
    body = model([node("Identity", ["a"], ["b"])], [value("a", [3])], [value("b", [3])]).graph
    scan = node("Scan", body=body, num_scan_inputs="one")
    with pytest.raises(OpsetError):
        convert(model([scan, node("Relu", ["nothing"], ["z"])]), 9)
