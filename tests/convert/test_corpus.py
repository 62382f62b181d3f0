"""Every net of the corpus: converted and right, or refused with a reason; never wrong, never impossible to load."""

import pytest

from benchmarks.corpus import DEFAULT_CORPUS, REFUSED, RIGHT, cases, judge_ours
from tests.shared_data import needs_shared

LEAST_RIGHT = 0.97
CASES = cases(DEFAULT_CORPUS) if DEFAULT_CORPUS.is_dir() else []

pytestmark = needs_shared


@pytest.mark.parametrize("opset", [None, 13, 18])
def test_every_case_is_right_or_refused_with_a_reason(opset: int | None) -> None:
    verdicts = {case.name: judge_ours(case, opset) for case in CASES}
    bad = {name: verdict for name, verdict in verdicts.items() if verdict.outcome not in {RIGHT, REFUSED}}
    assert not bad
    assert all(verdict.reason for verdict in verdicts.values() if verdict.outcome == REFUSED)
    if opset is None:
        right = sum(verdict.outcome == RIGHT for verdict in verdicts.values())
        assert right >= LEAST_RIGHT * len(CASES)
