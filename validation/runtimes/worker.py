"""Runs inside a foreign Python: answers requests on stdin until it closes.

Started as `worker.py BACKEND_FILE MEMORY`: the class `Backend` of that file answers, a method for each request. Needs
Python 3.6 and the numpy of that environment, nothing of this project; the other side imports `send` and `receive`.

A message is a value of JSON in which arrays and byte strings may stand. On the pipe it is two little-endian 64-bit
lengths, JSON, and a body; an array is `{"$array": [dtype, shape, part]}`, part numbers the byte strings that make up
the body, and `$parts` lists their lengths. Nothing is ever unpickled.
"""

import json
import os
import runpy
import struct
import sys
from typing import Any, BinaryIO

import numpy as np

_LENGTHS = struct.Struct("<QQ")
_PARTS = "$parts"


def send(stream: BinaryIO, message: "dict[str, Any]") -> None:
    """Write a message. Raises TypeError for a value that has no place in one."""
    parts = []  # type: list[bytes]
    encoded = _encode(message, parts)
    encoded[_PARTS] = [len(part) for part in parts]
    text = json.dumps(encoded).encode()
    stream.write(_LENGTHS.pack(len(text), sum(len(part) for part in parts)))
    stream.write(text)
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: BinaryIO) -> "dict[str, Any] | None":
    """Return the next message; None where the stream ends. Raises ValueError where it is none."""
    start = stream.read(_LENGTHS.size)
    if len(start) < _LENGTHS.size:
        return None
    text_size, body_size = _LENGTHS.unpack(start)
    text, body = stream.read(text_size), stream.read(body_size)
    if len(text) < text_size or len(body) < body_size:
        return None
    encoded = json.loads(text.decode())
    parts, offset = [], 0
    for size in encoded.pop(_PARTS):
        parts.append(body[offset : offset + size])
        offset += size
    message = _decode(encoded, parts)  # type: dict[str, Any]
    return message


def _encode(value: "Any", parts: "list[bytes]") -> "Any":
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return {"$bytes": _add(value, parts)}
    if isinstance(value, (np.ndarray, np.generic)):
        return _encode_array(np.asarray(value), parts)
    if isinstance(value, (list, tuple)):
        return [_encode(element, parts) for element in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _encode(element, parts) for key, element in value.items()}
    if isinstance(value, dict):
        return {"$map": [[_encode(key, parts), _encode(element, parts)] for key, element in value.items()]}
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def _encode_array(array: "np.ndarray", parts: "list[bytes]") -> "Any":
    if array.dtype.kind in "OUS":
        texts = [item.decode("latin-1") if isinstance(item, bytes) else str(item) for item in array.ravel()]
        kind = "bytes" if any(isinstance(item, bytes) for item in array.ravel()) else "text"
        return {"$strings": [kind, list(array.shape), _add(json.dumps(texts).encode(), parts)]}
    if array.dtype.kind not in "biufc":
        raise TypeError(f"an array of type {array.dtype} cannot be sent")
    content = np.ascontiguousarray(array).tobytes()
    return {"$array": [array.dtype.str, list(array.shape), _add(content, parts)]}


def _decode(value: "Any", parts: "list[bytes]") -> "Any":
    if isinstance(value, list):
        return [_decode(element, parts) for element in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" in value:
        return parts[value["$bytes"]]
    if "$array" in value:
        dtype, shape, part = value["$array"]
        # a copy: what the bytes give is read-only
        return np.frombuffer(parts[part], np.dtype(dtype)).reshape(shape).copy()
    if "$strings" in value:
        kind, shape, part = value["$strings"]
        texts = json.loads(parts[part].decode())
        array = np.empty(len(texts), object)
        array[:] = [text.encode("latin-1") for text in texts] if kind == "bytes" else texts
        return array.reshape(shape)
    if "$map" in value:
        return {_decode(key, parts): _decode(element, parts) for key, element in value["$map"]}
    return {key: _decode(element, parts) for key, element in value.items()}


def _add(part: bytes, parts: "list[bytes]") -> int:
    parts.append(part)
    return len(parts) - 1


def _peak_memory() -> int:
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def _limit_memory(size: int) -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size, size))


def _limit_time(seconds: float) -> None:
    """Let no request use more processor time than all cores can in the time that it has: an orphan ends as well."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    allowed = used.ru_utime + used.ru_stime + (seconds + 1) * (os.cpu_count() or 1)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(allowed) + 1, hard))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, MemoryError) or "bad_alloc" in str(error) or "bad allocation" in str(error):
        return "out of memory" + (": " + lines[0] if lines else "")
    return lines[0] if lines else type(error).__name__


def _answer(backend: "Any", request: "dict[str, Any]") -> "dict[str, Any]":
    try:
        answer = getattr(backend, request["do"])(**request["arguments"])
        return {} if answer is None else answer
    except Exception as error:  # whatever the runtime raises is the answer
        return {"error": getattr(backend, "reason", _first_line)(error)}


def main() -> None:
    """Answer requests until stdin closes."""
    # runtimes print on both streams: the protocol gets descriptors of its own, and what is printed goes to stderr
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    _limit_memory(int(sys.argv[2]))
    backend = runpy.run_path(sys.argv[1])["Backend"]()
    while True:
        request = receive(requests)
        if request is None:
            return
        _limit_time(request["seconds"])
        reply = _answer(backend, request)
        try:
            send(replies, dict(reply, peak_memory=_peak_memory()))
        except TypeError as error:
            send(replies, {"error": str(error), "peak_memory": _peak_memory()})


if __name__ == "__main__":
    main()
