"""What is refused of an archive before it can do harm: members outside, links, bombs, damaged files."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from zoosmith.archives.packing import Member, write_archive
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.validation.reading import unpacking
from zoosmith.validation.reading.unpacking import ArchiveMember, archive_members, unpacked, unpacked_size

DAMAGED = r"m\.tar\.gz: damaged or unsupported: expected a tar\.gz archive"


def tar_of(*members: tarfile.TarInfo, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, linkname: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, linkname
    return info


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "m/../../evil", "..\\evil"])
def test_members_that_climb_out_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "evil.tar").write_bytes(tar_of(member(name)))
    with (
        pytest.raises(ZoosmithError, match=r"evil\.tar: refused: member .* climbs out"),
        unpacked(tmp_path / "evil.tar"),
    ):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.tar"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(kind: bytes, tmp_path: Path) -> None:
    (tmp_path / "link.tar").write_bytes(tar_of(member("m/model.onnx", kind, "/etc/passwd")))
    with pytest.raises(ZoosmithError, match="is a link or no regular file"), unpacked(tmp_path / "link.tar"):
        pass


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_ALWAYS_ALLOWED", 1 << 20)
    bomb = gzip.compress(tar_of(member("m/model.onnx"), content=bytes(50_000_000)))
    (tmp_path / "bomb.tar.gz").write_bytes(bomb)
    with pytest.raises(ZoosmithError, match="refused: it unpacks to more than"), unpacked(tmp_path / "bomb.tar.gz"):
        pass


def test_a_header_that_announces_a_giant_name_is_refused_before_it_is_read(tmp_path: Path) -> None:
    info = member("name", tarfile.GNUTYPE_LONGNAME)
    info.size = 40_000_000
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + b"a" * 40_000_512))
    for read in (archive_members, lambda path: unpacked(path).__enter__()):
        with pytest.raises(ZoosmithError, match="header of a member has 40,000,000 bytes; at most 65,536 are read"):
            read(tmp_path / "bomb.tar.gz")


def test_members_in_thousands_of_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.tar").write_bytes(tar_of(member("d/" * 2000 + "f")))
    with pytest.raises(ZoosmithError, match="2,001 folders deep; at most 32"), unpacked(tmp_path / "deep.tar"):
        pass


def test_members_are_listed_whatever_their_names(tmp_path: Path) -> None:
    (tmp_path / "evil.tar").write_bytes(tar_of(member("../evil"), member("m/model.onnx"), content=b"abc"))
    assert archive_members(tmp_path / "evil.tar") == [ArchiveMember("../evil", 3), ArchiveMember("m/model.onnx", 3)]


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_MOST_MEMBERS", 3)
    (tmp_path / "many.tar").write_bytes(tar_of(*(member(f"m/{index}") for index in range(4))))
    with pytest.raises(ZoosmithError, match="more than 3 members"), unpacked(tmp_path / "many.tar"):
        pass


HOSTILE = {
    "the last one climbs out": [member("m/model.onnx"), member("../evil")],
    "the last one is a link": [member("m/model.onnx"), member("m/link", tarfile.SYMTYPE, "/etc/passwd")],
    "two of one name": [member("m/model.onnx"), member("./m/model.onnx")],
    "a file that is a folder": [member("m"), member("m/model.onnx")],
    "a folder that is a file": [member("m/model.onnx/x"), member("m/model.onnx")],
    "too many": [member(f"m/{index}") for index in range(4)],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_archive_is_refused_before_anything_of_it_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_MOST_MEMBERS", 3)
    monkeypatch.setattr(unpacking, "temporary_folder", lambda: pytest.fail("a folder was made"))
    (tmp_path / "m.tar").write_bytes(tar_of(*HOSTILE[name]))
    with pytest.raises(ZoosmithError, match=r"m\.tar: refused: "), unpacked(tmp_path / "m.tar"):
        pass


def test_the_unpacked_size_is_that_of_the_tar_inside(tmp_path: Path) -> None:
    content = tar_of(member("m/model.onnx"), content=b"abc")
    (tmp_path / "m.tar").write_bytes(content)
    (tmp_path / "m.tar.gz").write_bytes(gzip.compress(content))
    assert unpacked_size(tmp_path / "m.tar") == unpacked_size(tmp_path / "m.tar.gz") == len(content)


@pytest.mark.parametrize("cut", [1, 10, 200, 1000])
def test_a_truncated_archive_is_refused(cut: int, tmp_path: Path) -> None:
    write_archive(tmp_path / "m.tar.gz", [Member("m/model.onnx", np.random.RandomState(0).bytes(5000))])
    (tmp_path / "m.tar.gz").write_bytes((tmp_path / "m.tar.gz").read_bytes()[:-cut])
    with (
        pytest.raises(ZoosmithError, match=DAMAGED),
        unpacked(tmp_path / "m.tar.gz"),
    ):
        pass


def test_any_flipped_byte_is_refused_or_gives_the_same_content(tmp_path: Path) -> None:
    content = np.random.RandomState(0).bytes(300)
    write_archive(tmp_path / "m.tar.gz", [Member("m/model.onnx", content)])
    whole = (tmp_path / "m.tar.gz").read_bytes()
    for position in range(len(whole)):
        (tmp_path / "flipped.tar.gz").write_bytes(
            whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :]
        )
        try:
            with unpacked(tmp_path / "flipped.tar.gz") as folder:
                assert [path.read_bytes() for path in folder.rglob("*.onnx")] == [content]
        except ZoosmithError as refusal:
            assert "\n" not in str(refusal)


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b\x08\x00text"], ids=["empty", "text", "gzip header"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.tar.gz").write_bytes(content)
    with (
        pytest.raises(ZoosmithError, match=DAMAGED),
        unpacked(tmp_path / "m.tar.gz"),
    ):
        pass


def test_a_missing_archive_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError, match=r"none\.tar: cannot be read: No such"), unpacked(tmp_path / "none.tar"):
        pass
