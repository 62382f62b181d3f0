import gzip
import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pytest

from zoosmith.archives.packing import Member, write_archive
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.validation.reading.unpacking import unpacked


def test_what_is_packed_is_unpacked(tmp_path: Path) -> None:
    content = np.random.RandomState(0).bytes(3_000_000)
    (tmp_path / "weights").write_bytes(b"from a file")
    members = [
        Member("m/model.onnx", content),
        Member(f"m/{'long' * 50}", tmp_path / "weights"),
        Member("m/empty", b""),
    ]
    write_archive(tmp_path / "m.tar.gz", members)
    with unpacked(tmp_path / "m.tar.gz") as folder:
        assert (folder / "m" / "model.onnx").read_bytes() == content
        assert (folder / "m" / ("long" * 50)).read_bytes() == b"from a file"
        assert (folder / "m" / "empty").read_bytes() == b""
    assert not folder.exists()


def test_an_archive_is_read_by_other_tools_and_names_no_owner_or_time(tmp_path: Path) -> None:
    write_archive(tmp_path / "m.tar.gz", [Member("m/model.onnx", b"content")])
    with tarfile.open(tmp_path / "m.tar.gz") as tar:
        info = tar.getmember("m/model.onnx")
        assert (info.uid, info.gid, info.uname, info.gname, info.mtime, info.mode) == (0, 0, "", "", 0, 0o644)
    assert (tmp_path / "m.tar.gz").read_bytes()[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def test_the_hash_of_the_tar_inside_is_what_gzip_and_sha256sum_give(tmp_path: Path) -> None:
    members = [Member("m/model.onnx", np.random.RandomState(0).bytes(2_500_000)), Member("m/x", b"x")]
    packed = write_archive(tmp_path / "m.tar.gz", members)
    content = (tmp_path / "m.tar.gz").read_bytes()
    assert packed.sha256 == hashlib.sha256(content).hexdigest()
    assert packed.tar_sha256 == hashlib.sha256(gzip.decompress(content)).hexdigest()
    assert write_archive(tmp_path / "n.tar.gz", [Member("m/y", b"x")]).tar_sha256 != packed.tar_sha256


def test_the_same_members_give_the_same_bytes_in_every_place(tmp_path: Path) -> None:
    members = [Member("m/model.onnx", np.random.RandomState(0).bytes(2_500_000))]
    digests = set()
    for name in ("a.tar.gz", "b.tar.gz"):
        write_archive(tmp_path / name, members)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_a_failing_member_leaves_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError):
        write_archive(tmp_path / "out" / "m.tar.gz", [Member("a", b"1"), Member("b", tmp_path / "missing")])
    assert not list((tmp_path / "out").iterdir())
