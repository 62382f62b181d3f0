"""Sizes that no memory holds: a conversion keeps them or refuses, and makes no constant of that many elements."""

import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, defs

from tests.attacks.model_building import constant, model, node, value
from tests.opset_upgrade import hand_cases
from tests.opset_upgrade.node_cases import cases_by_operator
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.opset_upgrade import OpsetError, convert

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="limits memory as Linux does")
_HUGE = 2**40
_TARGETS = (6, 9, 13, 18)


@pytest.fixture(autouse=True)
def limited_memory() -> Iterator[None]:
    """Let a test take 1 GiB: a list of so many objects would otherwise grow until the machine has no more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def with_huge_sizes(given: ModelProto) -> Iterator[ModelProto]:
    """Models in which one of the stated sizes is huge, wherever it stands."""
    ports = [*given.graph.input, *given.graph.output]
    for size in sorted({dim.dim_value for port in ports for dim in port.type.tensor_type.shape.dim}):
        made = ModelProto()
        made.CopyFrom(given)
        for port in (*made.graph.input, *made.graph.output, *made.graph.value_info):
            for dim in port.type.tensor_type.shape.dim:
                if dim.HasField("dim_value") and dim.dim_value == size:
                    dim.dim_value = _HUGE
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted({schema.name for schema in defs.get_all_schemas() if not schema.domain}))
def test_an_operator_of_huge_tensors_is_converted_or_refused(operator: str) -> None:
    models = [case.model for case in cases_by_operator().get(operator, [])[:3]]
    models += [make()[0] for key, make in hand_cases.CASES.items() if key[0] == operator]
    for given in models:
        for huge in with_huge_sizes(given):
            for target in _TARGETS:
                with suppress(ZoosmithError):
                    convert(huge, target)


@pytest.mark.parametrize(
    ("mode", "size", "scale"), [("nearest", _HUGE, 0.5), ("linear", _HUGE, 0.5), ("linear", 4, 2.0**38)]
)
def test_a_resize_to_more_elements_than_a_table_may_have_is_refused(mode: str, size: int, scale: float) -> None:
    inputs = [constant("roi", [], "f4"), constant("scales", np.array([1, 1, 1, scale]), "f4")]
    resize = node("Resize", ["x", "roi", "scales"], mode=mode, coordinate_transformation_mode="half_pixel")
    with pytest.raises(OpsetError, match=r"a constant of \d+ elements"):
        convert(model([resize], [value("x", [1, 1, 1, size])], [value("y", [1, 1, 1, int(size * scale)])], inputs), 9)
