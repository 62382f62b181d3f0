"""Every net of the corpus: converted and right, or refused with a reason; never wrong, never impossible to load."""

import pytest

from tests.benchmark_module import benchmark_module
from tests.shared_data import needs_shared

corpus = benchmark_module("corpus")

LEAST_RIGHT = 0.97
CASES = corpus.cases(corpus.DEFAULT_CORPUS) if corpus.DEFAULT_CORPUS.is_dir() else []

pytestmark = needs_shared


@pytest.mark.parametrize("opset", [None, 13, 18])
def test_every_case_is_right_or_refused_with_a_reason(opset: int | None) -> None:
    verdicts = {case.name: corpus.judge_ours(case, opset) for case in CASES}
    bad = {name: verdict for name, verdict in verdicts.items() if verdict.outcome not in {corpus.RIGHT, corpus.REFUSED}}
    assert not bad
    assert all(verdict.reason for verdict in verdicts.values() if verdict.outcome == corpus.REFUSED)
    if opset is None:
        right = sum(verdict.outcome == corpus.RIGHT for verdict in verdicts.values())
        assert right >= LEAST_RIGHT * len(CASES)
