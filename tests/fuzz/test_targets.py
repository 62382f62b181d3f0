"""What fuzzing starts from ends in our own exceptions, and mutated messages stay messages; atheris is not needed."""

from random import Random

import pytest
from onnx import ModelProto

from tests.fuzz import seeds
from tests.fuzz.mutation import mutate
from tests.fuzz.targets import TARGETS, run_in_new_folder
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.errors import ZoosmithError

# what only a limit on memory stops: `python -m tests.fuzz` sets one, and its first inputs are the seeds
_WITHOUT_LIMIT = sorted(set(TARGETS) - {"interpreter", "quantize", "optimize"})


@pytest.mark.parametrize("name", _WITHOUT_LIMIT)
def test_every_seed_is_read_or_refused(name: str) -> None:
    target = TARGETS[name]
    ends = [run_in_new_folder(target, content) for content in target.seeds()]
    assert len(ends) > 2
    assert all(end is None or isinstance(end, ZoosmithError) for end in ends)
    # one at least is sound: mutations of what is refused at once would never reach what comes after
    assert None in ends


@pytest.mark.parametrize("kind", [NetDef, ModelProto])
def test_mutations_change_a_message_and_give_the_same_for_the_same_seed(kind: type) -> None:
    content = seeds.sound_files()["predict.pb" if kind is NetDef else "conv.onnx"]
    made = []
    for seed in [*range(50), *range(50)]:
        message = kind.FromString(content)  # type: ignore[attr-defined]
        mutate(message, Random(seed))
        made.append(message.SerializePartialToString(deterministic=True))
    assert made[:50] == made[50:]
    assert len(set(made)) > 30
