"""A tree behind https. Every redirect is decided here; none leaves https for anything else.

urllib3 does the transport: it checks certificates against the system's own, streams what the server sends as it is,
holds the length of an answer against the one stated, and has no dependencies.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, SSLError

from zoosmith.hub.errors import HubError, InterruptedTransferError, NotFoundError
from zoosmith.hub.sources import Transfer
from zoosmith.onnx_model.errors import PathError, first_line
from zoosmith.onnx_model.paths import parts_below

# of what is read at a time; where a server stalls, so much at the most came in vain
_PIECE = 1 << 16
_MOST_REDIRECTS = 8
_REDIRECTS = {301, 302, 303, 307, 308}
_ABSENT = {404, 410}
# the server may answer otherwise in a moment
_BUSY = {408, 425, 429, 500, 502, 503, 504}
_SECONDS_TO_CONNECT = 20
# bytes a second; a server that gives less for as long as one may be silent has no end
_SLOWEST = 1000
# of a number of bytes
_MOST_DIGITS = 19


class HttpSource:
    """A tree behind an https URL; behind http only on this machine itself, as for a mirror in a test.

    Args:
        url: of the folder in which the manifest lies.
        timeout: seconds after which a server that sends nothing, or next to nothing, is given up.
    """

    def __init__(self, url: str, timeout: float) -> None:
        parts = _split(url)
        if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
            raise HubError(f"{url}: expected an https URL of a folder, without user, query or fragment")
        if not is_private_enough(url):
            raise HubError(f"{url}: refused: expected https; http is taken on this machine only")
        self._url = url.rstrip("/")
        self._timeout = timeout
        limits = urllib3.Timeout(connect=min(timeout, _SECONDS_TO_CONNECT), read=timeout)
        self._pool = _pool(url, limits)

    @property
    def name(self) -> str:
        """The URL."""
        return self._url

    @contextmanager
    def open(self, path: str, start: int = 0) -> Iterator[Transfer]:
        """Open a file, as `Source.open` describes it."""
        try:
            url = f"{self._url}/{quote('/'.join(parts_below(path)))}"
        except PathError as error:
            raise HubError(f"{self.name}/{path}: refused: {error}") from error
        response = self._answer(url, start)
        try:
            first = _first_byte(response, url) if response.status == 206 else 0
            length = _length(response)
            size = None if length is None else first + length
            yield Transfer(first, size, _pieces(response, url, self._timeout))
        finally:
            # an answer that was not read to its end cannot be followed by another
            response.close()

    def _answer(self, url: str, start: int) -> urllib3.BaseHTTPResponse:
        asked = url
        # an encoded answer would be other bytes than the file's
        headers = {"Accept-Encoding": "identity", "User-Agent": "zoosmith"}
        if start:
            headers["Range"] = f"bytes={start}-"
        for _ in range(_MOST_REDIRECTS + 1):
            try:
                response = self._pool.request(
                    "GET", url, headers=headers, redirect=False, retries=False, preload_content=False
                )
            except SSLError as error:
                raise HubError(f"{asked}: no trusted connection: {first_line(error)}") from error
            except HTTPError as error:
                raise InterruptedTransferError(f"{asked}: no answer: {first_line(error)}") from error
            if response.status in (200, 206):
                return response
            response.close()
            if response.status not in _REDIRECTS:
                raise _refusal(asked, response.status)
            url = next_url(url, response.headers.get("Location", ""))
        raise HubError(f"{asked}: refused: more than {_MOST_REDIRECTS} redirects")


def next_url(url: str, location: str) -> str:
    """Where a redirect leads.

    Args:
        url: that was asked for.
        location: what the server answered.

    Raises:
        HubError: it leads away from https, or names no host.
    """
    try:
        target = urljoin(url, location)
    except ValueError as error:
        raise HubError(f"{url}: refused: it redirects to {location!r}, no URL") from error
    parts = _split(target)
    downgraded = _split(url).scheme == "https" and parts.scheme != "https"
    if not location or not parts.hostname or downgraded or not is_private_enough(target):
        raise HubError(f"{url}: refused: it redirects to {location!r}; expected a place behind https")
    return target


def is_private_enough(url: str) -> bool:
    """Whether nobody between can change what comes from a URL: https, or http on this machine itself."""
    parts = _split(url)
    if parts.scheme == "https":
        return True
    host = parts.hostname or ""
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    return parts.scheme == "http" and here


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise HubError(f"{url}: no URL: {error}") from error


def _pool(url: str, timeout: urllib3.Timeout) -> urllib3.PoolManager:
    """Connections, through the proxy that the environment names for the URL."""
    parts = _split(url)
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname or ""):
        return urllib3.ProxyManager(proxy, timeout=timeout)
    return urllib3.PoolManager(timeout=timeout)


def _refusal(url: str, status: int) -> HubError:
    if status in _ABSENT:
        return NotFoundError(f"{url}: there is no such file (HTTP {status})")
    if status in _BUSY:
        return InterruptedTransferError(f"{url}: the server answers HTTP {status}")
    return HubError(f"{url}: the server answers HTTP {status}")


def _first_byte(response: urllib3.BaseHTTPResponse, url: str) -> int:
    stated = response.headers.get("Content-Range", "")
    unit, _, span = stated.partition(" ")
    first = _number(span.partition("-")[0])
    if unit != "bytes" or first is None:
        raise HubError(f"{url}: the server answers a part of the file without saying which: {stated!r}")
    return first


def _length(response: urllib3.BaseHTTPResponse) -> int | None:
    return _number(response.headers.get("Content-Length", ""))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _MOST_DIGITS else None


def _pieces(response: urllib3.BaseHTTPResponse, url: str, timeout: float) -> Iterator[bytes]:
    begin, came = time.monotonic(), 0
    try:
        while piece := response.read1(_PIECE, decode_content=False):
            yield piece
            came += len(piece)
            spent = time.monotonic() - begin
            if spent > timeout:
                if came < _SLOWEST * spent:
                    raise HubError(
                        f"{url}: given up: less than {_SLOWEST:,} bytes a second came for {timeout:g} s; what came is "
                        "kept, try again to go on from there"
                    )
                begin, came = time.monotonic(), 0
    except HTTPError as error:
        raise InterruptedTransferError(f"{url}: the transfer was cut: {first_line(error)}") from error
