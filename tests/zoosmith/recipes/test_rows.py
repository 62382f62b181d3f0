"""What rows say of themselves."""

import pytest

from zoosmith.recipes.rows import onnx_release, release_that_reads


@pytest.mark.parametrize(
    ("opset", "ir_version", "release"), [(18, 8, "1.13"), (18, 10, "1.16"), (9, 4, "1.4"), (7, 3, "1.2")]
)
def test_the_release_of_a_row_has_its_opset_and_its_ir_version(opset: int, ir_version: int, release: str) -> None:
    assert release_that_reads(onnx_release(opset), ir_version) == release


def test_a_published_release_stays_where_it_reads_the_file() -> None:
    assert release_that_reads("1.1.2", 3) == "1.1.2"
