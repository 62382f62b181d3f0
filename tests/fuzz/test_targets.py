"""What fuzzing starts from ends in our own exceptions, and mutated messages stay messages; atheris is not needed."""

import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from random import Random
from zipfile import BadZipFile

import numpy as np
import pytest
from onnx import ModelProto

from tests.attacks import archives, arrays
from tests.fuzz import seeds
from tests.fuzz.__main__ import State
from tests.fuzz.mutation import mutate
from tests.fuzz.repair import repair_png, repair_tar, repair_zip
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


def test_repaired_files_are_read_again() -> None:
    tar = archives.tar((archives.info("b/a"), b"first"), (archives.info("b/c"), b"second"))
    renamed = tar.replace(b"b/c", b"b/d")
    with tarfile.open(fileobj=BytesIO(renamed)) as opened:
        assert opened.getnames() == ["b/a"]
    with tarfile.open(fileobj=BytesIO(repair_tar(renamed))) as opened:
        assert opened.getnames() == ["b/a", "b/d"]
    assert repair_tar(tar) == tar

    npz = arrays.npz(("x.npy", arrays.npy(7.0)), ("y.npy", arrays.npy(8.0)))
    changed = npz.replace(np.float64(8).tobytes(), np.float64(9).tobytes())
    with pytest.raises(BadZipFile):
        np.load(BytesIO(changed))["y"]
    assert np.load(BytesIO(repair_zip(changed)))["y"] == 9.0
    assert repair_zip(npz) == npz

    png = seeds.sound_files()["images/0.png"]
    assert repair_png(png) == png
    damaged = png[:29] + b"\0\0\0\0" + png[33:]
    assert repair_png(damaged) == png


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"PK\x01\x02" * 20, b"\x89PNG\r\n\x1a\n\xff\xff\xff\xff" * 9])
def test_what_is_cut_short_is_repaired_as_far_as_it_goes(content: bytes) -> None:
    for repair in (repair_tar, repair_zip, repair_png):
        assert len(repair(content)) == len(content)


@pytest.mark.slow
def test_a_later_run_goes_on_from_what_was_run(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="atheris, which fuzzes, is not installed: pip install 'zoosmith[fuzz]'")
    done = []
    for count in (60, 200, 200):
        command = [sys.executable, "-m", "tests.fuzz", "labels", "--inputs", str(count), "--folder", str(tmp_path)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        done.append(State(tmp_path / "labels").progress())
        assert printed.startswith(f"labels: {count} inputs, ")
    assert [each.inputs for each in done] == [60, 200, 200]
    assert [each.processes for each in done] == [1, 2, 2]
    assert not State(tmp_path / "labels").found()


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
