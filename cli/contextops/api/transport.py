"""One HTTP exchange under time limits: the only module that knows httpx.

The exchange runs in a thread of its own and hands over what comes; whoever reads waits for that
no longer than the deadlines say. So a limit holds whatever the network does - a name server
that hangs, pings for ever, an endless row of interim answers - and Ctrl-C is never late.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import httpx

from contextops import __version__
from contextops.api.error_responses import MAX_WORDS, USE_TLS
from contextops.api.timeouts import SHARE_OF_ONE_ADDRESS, Deadlines
from contextops.errors import (
    BadResponseError,
    ConfigError,
    ContextopsError,
    TimedOutError,
    TlsError,
    TruncatedError,
    UnreachableError,
)

# How far the thread may read ahead of whoever writes to a slow pipe: each byte of it is held
# thrice, as it came, as events and as text.
_READ_AHEAD = 1 << 18
# What is sent at once: the library copies what is left of it each time the network takes some.
_BLOCK = 1 << 16
# Seconds for each step of a handshake that only asks whether TLS is spoken.
_PROBE = 2.0


class Blocks(Protocol):
    """A body that comes in blocks, again for every attempt; ``len`` gives its bytes."""

    def __iter__(self) -> Iterator[bytes]:
        """Give the blocks from the start."""

    def __len__(self) -> int:
        """Give the bytes of all of them."""


Body = bytes | Blocks


class Request(NamedTuple):
    """A request to send as it stands; ``url`` is absolute, ``headers`` go out as given."""

    method: str
    url: str
    headers: Mapping[str, str] = MappingProxyType({})
    body: Body | None = None


class Route(NamedTuple):
    """How to reach the server: through which proxy or socket, trusting whom."""

    proxy: str | None = None
    unix_socket: str | None = None
    ca_bundle: Path | None = None
    client_cert: Path | None = None
    insecure: bool = False


def encode_multipart(parts: Sequence[tuple[str, str | None, bytes]]) -> tuple[bytes, str]:
    """Encode a form of (name, file name or None, content) parts and give it with its type.

    As RFC 7578 has it, for uploads.
    """
    form = httpx.Request(
        "POST",
        "http://localhost",
        files=[(name, (file, content)) for name, file, content in parts],
    )
    return form.read(), form.headers["content-type"]


class Response:
    """An answer whose head has come; its body is read with ``blocks``.

    ``headers`` has lower-case names. ``close`` gives up what has not come yet.
    """

    def __init__(self, status: int, headers: Mapping[str, str], exchange: _Exchange) -> None:
        self.status = status
        self.headers = headers
        self._exchange = exchange

    def blocks(self) -> Iterator[bytes]:
        """Give the body as it comes, all that has come since the last block in one.

        Raises ``TimedOutError`` at a deadline and ``TruncatedError`` for an early end.
        """
        while (block := self._exchange.block()) is not None:
            yield block

    def close(self) -> None:
        """Hang up, if the answer is not over."""
        self._exchange.close()


class Transport:
    """Send requests to one server over one route."""

    def __init__(self, origin: str, route: Route, *, connect: float, write: float) -> None:
        per_address = connect * SHARE_OF_ONE_ADDRESS or None
        # Reading has no limit here: it is the deadlines' to wait.
        self._timeout = httpx.Timeout(None, connect=per_address, write=write or None)
        with _explained(origin):
            # Not a client of the library's: that would send loopback through the environment's
            # proxy, read ~/.netrc over our key, and fail for a Location that is no URL.
            self._server = _transport(origin, route)
        self._route = route

    def send(self, request: Request, deadlines: Deadlines) -> Response:
        """Send a request and wait for the head of its answer, which must be closed."""
        deadlines.begin()
        exchange = _Exchange(self._server, request, deadlines, self._route, self._timeout)
        try:
            status, headers = exchange.head()
        except BaseException:
            exchange.close()
            raise
        return Response(status, headers, exchange)


class _Head(NamedTuple):
    status: int
    headers: Mapping[str, str]


class _PlainToTlsError(Exception):
    """Plain http was sent to a server that speaks TLS."""


_OPENED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
_CONNECTED, _SENT, _END = object(), object(), object()


class _Exchange:
    """Run one request in a thread and hand over what happens, in order."""

    def __init__(
        self,
        server: httpx.HTTPTransport,
        request: Request,
        deadlines: Deadlines,
        route: Route,
        timeout: httpx.Timeout,
    ) -> None:
        self._server = server
        self._request = request
        self._deadlines = deadlines
        self._route = route
        self._timeout = timeout
        self._happened: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._put = self._taken = 0
        self._closed = False
        self._ended = False
        self._has_head = False
        self._is_sending = False
        self._socket: socket.socket | None = None
        threading.Thread(target=self._run, name="exchange", daemon=True).start()

    # In the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._until_connected()
            self._happened.put(_END)
        except BaseException as error:  # noqa: BLE001 - the reader's thread raises it
            self._happened.put(error)

    def _until_connected(self) -> None:
        while True:
            try:
                return self._stream()
            except httpx.ConnectTimeout:
                # One address is dead; the deadline says when to stop trying.
                if self._closed:
                    raise

    def _stream(self) -> None:
        with contextlib.closing(self._answered()) as response:
            self._happened.put(_Head(response.status_code, dict(response.headers)))
            for block in response.iter_raw():
                self._happened.put(block)
                self._put += len(block)
                while self._put - self._taken > _READ_AHEAD and not self._closed:
                    time.sleep(0.005)

    def _answered(self) -> httpx.Response:
        """Send the request and wait for the head of its answer."""
        request = self._request
        sent = httpx.Request(
            request.method,
            request.url,
            headers=_headers(request),
            content=_blocks(request.body) if request.body else None,
            extensions={"trace": self._trace, "timeout": self._timeout.as_dict()},
        )
        try:
            return self._server.handle_request(sent)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            if self._is_direct and not self._closed and _speaks_tls(sent.url):
                raise _PlainToTlsError from error
            raise

    @property
    def _is_direct(self) -> bool:
        return not (self._route.proxy or self._route.unix_socket)

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow the phases (httpx's documented extension "trace")."""
        if event.endswith(_OPENED):
            self._socket = info["return_value"].get_extra_info("socket")
        elif event.endswith(".send_request_headers.started"):
            # What a proxy is asked first is a part of connecting.
            self._is_sending = info["request"].method != b"CONNECT"
            if self._is_sending:
                self._happened.put(_CONNECTED)
        elif event.endswith(".send_request_body.complete") and self._is_sending:
            self._happened.put(_SENT)
        if self._closed:
            self._hang_up()

    # For the reader -----------------------------------------------------------------------

    def head(self) -> tuple[int, Mapping[str, str]]:
        """Wait for the head of the answer."""
        head = self._next()
        self._has_head = True
        return head.status, head.headers

    def block(self) -> bytes | None:
        """Wait for what comes next of the body; None at its end."""
        if self._ended:
            return None
        blocks = [self._next()]
        while blocks[-1] is not _END and not self._happened.empty():
            following = self._happened.get_nowait()
            if isinstance(following, BaseException):
                # What came before it is handed over first.
                self._happened.put(following)
                break
            blocks.append(following)
        if blocks[-1] is _END:
            self._ended = True
            blocks.pop()
        joined = b"".join(blocks)
        self._taken += len(joined)
        return joined if joined or not self._ended else None

    def _next(self) -> Any:
        while True:
            remaining = self._deadlines.remaining()
            if remaining == 0:
                # However much has come: it may be pings, faster than they can be read.
                raise self._deadlines.failure()
            try:
                happened = self._happened.get(timeout=remaining)
            except queue.Empty:
                raise self._deadlines.failure() from None
            if happened is _CONNECTED:
                self._deadlines.connected()
            elif happened is _SENT:
                self._deadlines.sent()
            elif isinstance(happened, BaseException):
                self._ended = True
                raise self._failure(happened) from None
            else:
                return happened

    def close(self) -> None:
        """Hang up; the thread ends by itself."""
        self._closed = True
        if not self._ended:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            # The other side may have been quicker.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _failure(self, error: BaseException) -> BaseException:
        proxy = self._route.proxy
        if proxy and self._socket is None and isinstance(error, httpx.ConnectError):
            return _no_connection(error, f"the proxy {_host(proxy)}", "proxy")
        url = self._request.url
        if isinstance(error, _PlainToTlsError):
            return BadResponseError(
                f"{_host(url)} does not speak plain http", "it wants TLS", USE_TLS
            )
        return _failure(error, url, has_head=self._has_head)


def _headers(request: Request) -> dict[str, str]:
    ours = {
        "User-Agent": f"contextops/{__version__}",
        "Accept": "*/*",
        # A compressed stream holds words back, and a bomb can be small.
        "Accept-Encoding": "identity",
        # One exchange a connection: servers close idle ones after seconds (uvicorn: 5), and a
        # request that meets such a close cannot be told from one that was half done.
        "Connection": "close",
    }
    given = {name.lower() for name in request.headers}
    if request.body:
        ours["Content-Length"] = str(len(request.body))
    kept = {name: value for name, value in ours.items() if name.lower() not in given}
    return {**kept, **request.headers}


def _blocks(body: Body) -> Iterator[bytes]:
    if not isinstance(body, bytes):
        return iter(body)
    return (body[start : start + _BLOCK] for start in range(0, len(body), _BLOCK))


def _speaks_tls(url: httpx.URL) -> bool:
    """Tell whether a server that did not answer plain http answers a handshake.

    Most servers with TLS hang up on plain http without a byte that would tell (OpenSSL's own,
    Python's, Node's). Nothing of the request is sent.
    """
    if url.scheme != "http":
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((url.host, url.port or 80), timeout=_PROBE) as plain,
            context.wrap_socket(plain, server_hostname=url.host),
        ):
            return True
    except (OSError, ValueError):
        return False


def _transport(origin: str, route: Route) -> httpx.HTTPTransport:
    proxy = httpx.Proxy(route.proxy) if route.proxy else None
    uses_tls = origin.startswith("https:") or (route.proxy or "").startswith("https:")
    return httpx.HTTPTransport(
        # Reading the store of certificates costs 50 ms, and nothing can lead from http to https:
        # redirects are followed within the origin only.
        verify=_tls(route) if uses_tls else False,
        proxy=proxy,
        uds=route.unix_socket,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


def _tls(route: Route) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(route.ca_bundle) if route.ca_bundle else None)
    if route.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if route.client_cert:
        context.load_cert_chain(str(route.client_cert), password=_no_question)
    return context


def _no_question() -> str:
    """Keep OpenSSL from asking on the terminal, which a script would wait for."""
    raise ValueError("client_cert wants a pass phrase; take one without")


@contextlib.contextmanager
def _explained(origin: str) -> Iterator[None]:
    """Turn what httpx and ssl say of unusable settings into a failure that names them."""
    try:
        yield
    except ImportError:
        raise ConfigError(
            "cannot use the proxy",
            "socks needs a package that is not installed",
            "run: pip install 'httpx[socks]'",
        ) from None
    except (OSError, ValueError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"cannot connect to {origin} this way",
            f"{type(error).__name__}: {error}",
            "check ca_bundle, client_cert and proxy ('contextops config list --show-origin')",
        ) from None


def _failure(error: BaseException, url: str, *, has_head: bool) -> BaseException:
    """Translate what the library raised; the one table of its exceptions."""
    host = _host(url)
    tls = _cause(error, ssl.SSLError)
    if tls is not None and not has_head:
        return _tls_failure(tls, host)
    if isinstance(error, httpx.TimeoutException):
        return TimedOutError("timed out", f"{host} takes no more of the request", "try again")
    if isinstance(error, httpx.ProxyError):
        return UnreachableError(
            "cannot reach the server", f"the proxy says: {error}", "check the proxy"
        )
    if isinstance(error, httpx.RemoteProtocolError):
        return _protocol_failure(error, url, has_head=has_head)
    if isinstance(error, _UNSENDABLE):
        # Its text quotes headers, the key among them.
        return ConfigError(
            "cannot send the request",
            "a header or the URL is not valid HTTP",
            "check base_url, the path and the headers",
        )
    if isinstance(error, httpx.ConnectError):
        return _no_connection(error, host, "base_url")
    if isinstance(error, (httpx.NetworkError, OSError)):
        return _cut() if has_head else _no_answer(url, _reason(error))
    return error


# A label of a host's name that is too long, or a header beyond ASCII, is a UnicodeError.
_UNSENDABLE = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError)


def _host(url: str) -> str:
    try:
        return httpx.URL(url).netloc.decode("ascii", "replace")
    except httpx.InvalidURL:
        return "the server"


def _cut() -> ContextopsError:
    return TruncatedError(
        "the answer was cut off", "the connection broke before its end", "try again"
    )


def _reason(error: BaseException) -> str:
    reason = _cause(error, OSError)
    told = (reason.strerror if isinstance(reason, OSError) else None) or str(error)
    return told.lower()


def _no_connection(error: BaseException, host: str, setting: str) -> ContextopsError:
    remedy = f"{setting} ('contextops config get {setting}')"
    if _cause(error, socket.gaierror) is not None:
        return UnreachableError(
            f"cannot reach {host}", "its name cannot be resolved", f"check {remedy}"
        )
    return UnreachableError(
        f"cannot reach {host}", _reason(error), f"check that it runs, and {remedy}"
    )


def _no_answer(url: str, why: str) -> ContextopsError:
    return UnreachableError(f"no answer from {_host(url)}", why, "try again")


def _protocol_failure(error: Exception, url: str, *, has_head: bool) -> ContextopsError:
    # It may quote a header line, however long.
    told = str(error)[:MAX_WORDS]
    if has_head:
        # A body that ends early and one whose chunks are malformed: the library's texts differ,
        # its types do not.
        if "without sending complete" in told or "unexpectedly closed" in told:
            return _cut()
        return BadResponseError("the answer is no valid HTTP", told, "check what is in between")
    if "disconnected without" in str(error):
        return _no_answer(url, "it closed the connection without a word")
    return BadResponseError(
        f"{_host(url)} does not speak HTTP as it should",
        told,
        "check scheme (http or https) and port of base_url ('contextops config get base_url')",
    )


def _tls_failure(error: BaseException, host: str) -> ContextopsError:
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER" in str(error):
        return TlsError(
            f"no TLS with {host}", "it seems to speak plain http", "use http:// in base_url"
        )
    if "CERTIFICATE_REQUIRED" in str(error):
        return TlsError(
            f"no TLS with {host}", "it wants a certificate of yours", "name it with client_cert"
        )
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
    return TlsError(
        f"no TLS with {host}",
        str(reason).lower(),
        "check the certificate, or name its authority with ca_bundle",
    )


def _cause(error: BaseException | None, kind: type[BaseException]) -> BaseException | None:
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None
