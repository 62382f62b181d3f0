"""What comes over HTTP is the file that was asked for, whole, or nothing: whatever the server does."""

import hashlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.zoosmith.hub.trees import POINTER, Behaviour, Request, Served, served, small_tree
from zoosmith.hub import HubError, store
from zoosmith.hub.fetching import Fetched, Hub
from zoosmith.hub.http import next_url

MODEL = "vision/classification/small/model/small-12.onnx"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_FIRST_PAUSE", 0)


@pytest.fixture
def tree() -> Iterator[Served]:
    with served(Served(small_tree())) as tree:
        yield tree


def fetch(tree: Served, cache: Path, *, timeout: float = 20) -> Fetched:
    hub = Hub(tree.url, cache=cache, timeout=timeout)
    return hub.fetch(hub.find("small:12"))


def files_in(cache: Path) -> dict[str, int]:
    """The files of a cache with their sizes."""
    return {str(path.relative_to(cache)): path.stat().st_size for path in cache.rglob("*") if path.is_file()}


def asked(tree: Served) -> list[str | None]:
    return [span for path, span in tree.requests if path == MODEL]


def test_a_file_is_kept_by_its_hash_and_not_fetched_again(tree: Served, tmp_path: Path) -> None:
    fetched = fetch(tree, tmp_path)
    sha256 = hashlib.sha256(tree.files[MODEL]).hexdigest()
    assert files_in(tmp_path) == {f"files/{sha256}/small-12.onnx": len(tree.files[MODEL])}
    assert fetched.path.read_bytes() == tree.files[MODEL]
    assert (fetched.cached, fetched.pinned, fetched.license) == (False, False, "Apache-2.0")
    assert fetch(tree, tmp_path).cached
    assert asked(tree) == [None]


def test_a_kept_file_that_was_changed_is_fetched_again(tree: Served, tmp_path: Path) -> None:
    path = fetch(tree, tmp_path).path
    path.write_bytes(b"changed")
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]


def cut(after: int) -> Behaviour:
    """Hang up after so many bytes."""

    def behave(request: Request) -> None:
        content = request.content or b""
        request.head(206 if request.start else 200, len(content) - request.start)
        request.wfile.write(content[request.start : request.start + after])
        request.wfile.flush()
        request.connection.shutdown(socket.SHUT_RDWR)

    return behave


def test_a_transfer_that_is_cut_goes_on_where_it_ended(tree: Served, tmp_path: Path) -> None:
    tree.behaviours[MODEL] = cut(1_200_000)
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]
    assert asked(tree) == [None, "bytes=1200000-", "bytes=2400000-"]


def test_what_came_is_kept_for_the_next_run_where_the_server_gives_no_more(tree: Served, tmp_path: Path) -> None:
    def once(request: Request) -> None:
        if request.start:
            request.head(503, 0)
        else:
            cut(1_000_000)(request)

    tree.behaviours[MODEL] = once
    with pytest.raises(HubError, match="HTTP 503; what came is kept, try again"):
        fetch(tree, tmp_path)
    assert list(files_in(tmp_path).values()) == [1_000_000]
    del tree.behaviours[MODEL]
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]
    assert asked(tree)[-1] == "bytes=1000000-"


def test_a_server_that_knows_no_ranges_gives_the_file_from_its_beginning(tree: Served, tmp_path: Path) -> None:
    def ignore_range(request: Request) -> None:
        content = request.content or b""
        request.head(200, len(content))
        request.wfile.write(content if request.start else content[:1_000_000])
        request.wfile.flush()
        request.connection.shutdown(socket.SHUT_RDWR)

    tree.behaviours[MODEL] = ignore_range
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]


def test_a_part_of_another_file_is_thrown_away(tree: Served, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(tree.files[MODEL]).hexdigest()
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / sha256).write_bytes(b"of another file")
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]
    assert asked(tree) == ["bytes=15-", None]


def test_a_part_that_is_too_long_is_thrown_away(tree: Served, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(tree.files[MODEL]).hexdigest()
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / sha256).write_bytes(tree.files[MODEL] + b"more")
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]


def test_a_server_that_stalls_is_given_up(tree: Served, tmp_path: Path) -> None:
    def stall(request: Request) -> None:
        content = request.content or b""
        request.head(206 if request.start else 200, len(content) - request.start)
        request.wfile.write(content[request.start : request.start + 200_000])
        request.wfile.flush()
        tree.stopped.wait(30)

    def stall_at_once(request: Request) -> None:
        tree.stopped.wait(30)

    tree.behaviours[MODEL] = stall_at_once
    with pytest.raises(HubError, match=r"no answer: .*[Rr]ead timed out"):
        fetch(tree, tmp_path, timeout=0.2)
    tree.behaviours[MODEL] = lambda request: stall_at_once(request) if request.start else stall(request)
    with pytest.raises(HubError, match="timed out"):
        fetch(tree, tmp_path, timeout=0.2)
    (kept,) = files_in(tmp_path).values()
    assert 0 < kept <= 200_000
    del tree.behaviours[MODEL]
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]
    assert asked(tree)[-1] == f"bytes={kept}-"


def test_a_server_that_gives_a_byte_now_and_then_is_given_up(tree: Served, tmp_path: Path) -> None:
    def drip(request: Request) -> None:
        content = request.content or b""
        request.head(206 if request.start else 200, len(content) - request.start)
        for place in range(request.start, len(content)):
            request.wfile.write(content[place : place + 1])
            request.wfile.flush()
            if tree.stopped.wait(0.02):
                return

    tree.behaviours[MODEL] = drip
    with pytest.raises(HubError, match=r"less than 1,000 bytes a second came for 0\.3 s; what came is kept"):
        fetch(tree, tmp_path, timeout=0.3)
    (kept,) = files_in(tmp_path).values()
    assert 0 < kept < 1000
    del tree.behaviours[MODEL]
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]


def test_a_server_that_is_busy_for_a_moment_is_asked_again(tree: Served, tmp_path: Path) -> None:
    def busy(request: Request) -> None:
        if len(asked(tree)) < 4:
            request.head(503, 0)
        else:
            request.give()

    tree.behaviours[MODEL] = busy
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]
    assert len(asked(tree)) == 4


def wrong_bytes(request: Request) -> None:
    content = bytearray(request.content or b"")
    content[1000] ^= 1
    request.head(200, len(content))
    request.wfile.write(content)


def pointer(request: Request) -> None:
    request.head(200, len(POINTER))
    request.wfile.write(POINTER)


def pointer_of_unknown_length(request: Request) -> None:
    request.head(200, None)
    request.wfile.write(POINTER)


def too_long_by_header(request: Request) -> None:
    request.head(200, len(request.content or b"") + 1)


def too_long_without_header(request: Request) -> None:
    request.head(200, None)
    request.wfile.write((request.content or b"") + b"more")


def too_short(request: Request) -> None:
    request.head(200, 2000)
    request.wfile.write(b"0" * 2000)


def short_without_header(request: Request) -> None:
    request.head(200, None)
    request.wfile.write((request.content or b"")[: 10 if not request.start else 0])


def other_part(request: Request) -> None:
    request.send_response(206)
    request.send_header("Content-Range", "bytes 7-")
    request.end_headers()


def nameless_part(request: Request) -> None:
    request.send_response(206)
    request.send_header("Content-Range", "rows 1-2")
    request.end_headers()


def endless_length(request: Request) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "9" * 30)
    request.end_headers()
    request.wfile.write(b"0" * 5_000_000)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (wrong_bytes, "SHA-256 is .*, expected .*; nothing is kept"),
        (pointer, "is a Git LFS pointer to a file of 32,726,877 bytes; the source has not the file itself"),
        (pointer_of_unknown_length, "is a Git LFS pointer to a file of 32,726,877 bytes"),
        (too_long_by_header, "has 3,000,001 bytes, expected 3,000,000; nothing is kept"),
        (too_long_without_header, "refused: it is longer than the 3,000,000 bytes expected"),
        (too_short, "has 2,000 bytes, expected 3,000,000"),
        (other_part, "answers from byte 7, not 0"),
        (nameless_part, "a part of the file without saying which: 'rows 1-2'"),
        (endless_length, "longer than the 3,000,000 bytes expected"),
        (lambda request: request.head(403, 0), "the server answers HTTP 403"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_server_that_gives_another_file_is_refused_and_nothing_is_kept(
    behaviour: Behaviour, message: str, tree: Served, tmp_path: Path
) -> None:
    tree.behaviours[MODEL] = behaviour
    with pytest.raises(HubError, match=message):
        fetch(tree, tmp_path)
    assert not [path for path, size in files_in(tmp_path).items() if size]


def test_a_file_that_is_short_without_a_stated_length_never_appears(tree: Served, tmp_path: Path) -> None:
    tree.behaviours[MODEL] = short_without_header
    with pytest.raises(HubError, match="ends after"):
        fetch(tree, tmp_path)
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("file:///etc/passwd", "redirects to 'file:///etc/passwd'"),
        ("http://example.invalid/small-12.onnx", "redirects to 'http://example.invalid/small-12.onnx'"),
        ("file://localhost/etc/passwd", "expected a place behind https"),
        ("ftp://example.invalid/small-12.onnx", "expected a place behind https"),
        ("", "redirects to ''"),
        ("http://[", "no URL"),
        ("/tree/" + MODEL, "more than 8 redirects"),
    ],
)
def test_a_redirect_to_an_unsafe_place_is_refused(location: str, message: str, tree: Served, tmp_path: Path) -> None:
    tree.behaviours[MODEL] = lambda request: request.head(302, 0, Location=location)
    with pytest.raises(HubError, match=message):
        fetch(tree, tmp_path)
    assert not [path for path, size in files_in(tmp_path).items() if size]


def test_a_redirect_on_the_same_machine_is_followed(tree: Served, tmp_path: Path) -> None:
    tree.files["elsewhere"] = tree.files[MODEL]
    tree.behaviours[MODEL] = lambda request: request.head(307, 0, Location="/tree/elsewhere")
    assert fetch(tree, tmp_path).path.read_bytes() == tree.files[MODEL]


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://a.example/x", "https://b.example/y", "https://b.example/y"),
        ("https://a.example/x", "//b.example/y", "https://b.example/y"),
        ("https://a.example/x/y", "z", "https://a.example/x/z"),
        ("http://127.0.0.1:1/x", "https://b.example/y", "https://b.example/y"),
        ("https://a.example/x", "http://a.example/x", None),
        ("https://a.example/x", "http://localhost/x", None),
        ("https://a.example/x", "file:///x", None),
        ("https://a.example/x", "data:text/plain,x", None),
    ],
)
def test_a_redirect_never_leaves_https(url: str, location: str, target: str | None) -> None:
    if target is None:
        with pytest.raises(HubError, match="expected a place behind https"):
            next_url(url, location)
    else:
        assert next_url(url, location) == target


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def secure(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_https_is_not_left_for_http_by_a_redirect(
    authority: trustme.CA, tree: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with served(Served(small_tree()), secure(authority)) as safe:
        assert fetch(safe, tmp_path / "cache").path.read_bytes() == safe.files[MODEL]
        safe.behaviours[MODEL] = lambda request: request.head(302, 0, Location=f"{tree.url}/{MODEL}")
        with pytest.raises(HubError, match="expected a place behind https"):
            fetch(safe, tmp_path / "other")
    assert tree.requests == []


def test_a_server_with_a_certificate_of_nobody_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    with (
        served(Served(small_tree()), secure(authority)) as tree,
        pytest.raises(HubError, match=r"no trusted connection: .*certificate verify failed"),
    ):
        fetch(tree, tmp_path)


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with served(Served({})) as tree:
        pass
    with pytest.raises(HubError, match=r"http://127\.0\.0\.1.*: no answer"):
        fetch(tree, tmp_path)
