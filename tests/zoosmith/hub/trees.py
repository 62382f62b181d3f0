"""Trees as a zoo publishes them, small ones, and a server that gives them over HTTP, well or badly."""

import hashlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 32726877\n" % (b"0" * 64)
CARD = "# Small\n\n## License\n\nApache-2.0\n"


def content_of(name: str, size: int = 3_000_000) -> bytes:
    """Bytes of which no two pieces are the same."""
    block = hashlib.sha256(name.encode()).digest()
    return b"".join(number.to_bytes(4, "big") + block[4:] for number in range(size // len(block) + 1))[:size]


def entry(path: str, model: bytes, archive: bytes | None, *, opset: int = 9, title: str = "Small", **more: Any) -> Any:
    """An entry of a manifest for these files."""
    metadata = {
        "model_sha": hashlib.sha256(model).hexdigest(),
        "model_bytes": len(model),
        "tags": ["vision", "small"],
        **more,
    }
    if archive is not None:
        metadata |= {
            "model_with_data_path": path.replace(".onnx", ".tar.gz"),
            "model_with_data_sha": hashlib.sha256(archive).hexdigest(),
            "model_with_data_bytes": len(archive),
        }
    return {"model": title, "model_path": path, "onnx_version": "1.4", "opset_version": opset, "metadata": metadata}


def small_tree() -> dict[str, bytes]:
    """Two rows of one model, with archives, a card and a manifest: content by path."""
    folder = "vision/classification/small"
    files: dict[str, bytes] = {f"{folder}/README.md": CARD.encode()}
    entries = []
    for opset, row in ((9, "9"), (12, "12"), (12, "12-int8")):
        path = f"{folder}/model/small-{row}.onnx"
        model, archive = content_of(path), content_of(f"{path} archive", 500_000)
        files |= {path: model, path.replace(".onnx", ".tar.gz"): archive}
        entries.append(entry(path, model, archive, opset=opset))
    files["ONNX_HUB_MANIFEST.json"] = json.dumps(entries).encode()
    return files


def write_tree(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


class Request(BaseHTTPRequestHandler):
    """One request; a test's behaviour of the server gets it, and may use what stands here."""

    server: "_Server"

    def do_GET(self) -> None:
        path = self.path.lstrip("/").removeprefix("tree/")
        self.server.tree.requests.append((path, self.headers.get("Range")))
        self.server.tree.behaviours.get(path, Request.give)(self)

    @property
    def content(self) -> bytes | None:
        return self.server.tree.files.get(self.path.lstrip("/").removeprefix("tree/"))

    @property
    def start(self) -> int:
        stated = self.headers.get("Range")
        return int(stated.removeprefix("bytes=").rstrip("-")) if stated else 0

    def give(self) -> None:
        """The file, from where it was asked for."""
        content = self.content
        if content is None:
            self.head(404, 0)
            return
        self.head(206 if self.start else 200, len(content) - self.start)
        self.wfile.write(content[self.start :])

    def head(self, status: int, length: int | None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        if status == 206:
            self.send_header("Content-Range", f"bytes {self.start}-{self.start + (length or 0) - 1}/*")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


Behaviour = Callable[[Request], None]


@dataclass
class Served:
    """A tree behind HTTP: its files, how single ones are served, and what was asked for (path and range)."""

    files: dict[str, bytes]
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tree: Served

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are no news."""


@contextmanager
def served(tree: Served, context: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Serve a tree on this machine."""
    server = _Server(("127.0.0.1", 0), Request)
    server.tree = tree
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    host = "localhost" if context else "127.0.0.1"
    tree.url = f"http{'s' if context else ''}://{host}:{server.server_port}/tree"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield tree
    finally:
        tree.stopped.set()
        server.shutdown()
        server.server_close()
