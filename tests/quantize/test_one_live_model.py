"""One onnx-ir model lives from the first pass to the last, and nothing is written that no session reads."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import onnx
import onnx_ir as ir
import pytest

from tests.optimize.nets import dense_block
from zoosmith.quantize import calibration, quantize, quantize_within
from zoosmith.quantize.samples.reading import random_samples

WEIGHTS = 20_000
"""Bytes of a message with the weights of the net; without them, as shape inference reads it, it is smaller."""


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often something is called, by what it does."""
    found: Counter[str] = Counter()

    def count(owner: object, name: str, what: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def counted(*arguments: Any, **more: Any) -> Any:
            result = original(*arguments, **more)
            found[what(result)] += 1
            return result

        monkeypatch.setattr(owner, name, counted)

    count(ir, "from_proto", lambda _: "models made")
    count(ir, "to_proto", lambda _: "messages made")
    count(ir.Model, "clone", lambda _: "copies")
    count(calibration, "OnnxRuntimeRunner", lambda _: "sessions")
    for name in ("SerializeToString", "SerializePartialToString"):
        count(onnx.ModelProto, name, lambda result: "written" if len(result) > WEIGHTS else "written without weights")
    return found


def test_quantize_makes_one_model_and_writes_one_message_for_each_session(counts: Counter[str]) -> None:
    model = dense_block()
    samples = random_samples(model, 3)
    assert model.ByteSize() > WEIGHTS
    counts.clear()
    quantize(model, samples)
    # the shapes of the values, then their ranges
    assert counts["sessions"] == 2
    assert counts["models made"] == 1
    assert counts["copies"] == 0
    # one for calibration, one to return
    assert counts["messages made"] == 2
    assert counts["written"] == counts["sessions"]


def test_every_candidate_of_a_limit_is_a_copy_of_the_one_model(counts: Counter[str]) -> None:
    model = dense_block()
    samples = random_samples(model, 3)
    counts.clear()
    tried = []
    limited = quantize_within(model, samples, lambda found: tried.append(found) or 0.0, 0.1)
    assert (limited.met, len(tried)) == (True, 1)
    # one copy is rewritten beside the model as it was given, of which the time is predicted, and one is the candidate;
    # two sessions for calibration, and two to compare the layers' values
    assert (counts["models made"], counts["copies"], counts["sessions"], counts["written"]) == (1, 2, 4, 3)
