"""One HTTP exchange under time limits: the only module that imports httpx.

The exchange runs in a thread of its own, which hands over what comes; the reader waits for that no
longer than the deadlines say. So a limit holds whatever the network does (a name server that
hangs, pings without end, an endless row of interim responses), and Ctrl-C is never late.
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
from typing import Any, NamedTuple

import httpx

from contextops import __version__
from contextops.api import tls
from contextops.api.connection_errors import (
    cause,
    connect_error,
    handshake_error,
    no_response_error,
    protocol_error,
    system_reason,
    truncated_error,
)
from contextops.api.error_responses import USE_TLS
from contextops.api.request import Request, blocks_of, merge_headers
from contextops.api.timeouts import SHARE_OF_ONE_ADDRESS, Deadlines
from contextops.errors import (
    BadResponseError,
    ConfigError,
    TimedOutError,
    UnreachableError,
)

# Bytes that the thread may read ahead of a reader that writes to a slow pipe. Each of them is in
# memory three times: as it came, as events and as text.
_READ_AHEAD = 1 << 18


class Route(NamedTuple):
    """How the server is reached: through which proxy or socket, and which certificates count."""

    proxy: str | None = None
    unix_socket: str | None = None
    ca_bundle: Path | None = None
    client_cert: Path | None = None
    insecure: bool = False


def encode_multipart(parts: Sequence[tuple[str, str | None, bytes]]) -> tuple[bytes, str]:
    """Return the body and the content type of a multipart form (RFC 7578).

    Each part is a name, a file name or None, and the content.
    """
    form = httpx.Request(
        "POST",
        "http://localhost",
        files=[(name, (file, content)) for name, file, content in parts],
    )
    return form.read(), form.headers["content-type"]


class Response:
    """A response whose head has come; its body is read with ``blocks``.

    The names in ``headers`` are lower case.
    """

    def __init__(self, status: int, headers: Mapping[str, str], exchange: _Exchange) -> None:
        self.status = status
        self.headers = headers
        self._exchange = exchange

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it comes, everything that came since the last block in one.

        Raises:
            TimedOutError: A deadline was reached.
            TruncatedError: The connection ended before the body did.
        """
        while (block := self._exchange.block()) is not None:
            yield block

    def close(self) -> None:
        """Close the connection, if the body has not ended."""
        self._exchange.close()


class Transport:
    """Sends requests to one server over one route.

    ``connect`` and ``write`` are limits in seconds; 0 is no limit.
    """

    def __init__(self, origin: str, route: Route, *, connect: float, write: float) -> None:
        per_address = connect * SHARE_OF_ONE_ADDRESS or None
        # Reading has no limit in httpx: the deadlines have it.
        self._timeout = httpx.Timeout(None, connect=per_address, write=write or None)
        # Not an httpx.Client: it would send loopback requests through the environment's proxy,
        # replace the key by what ~/.netrc has, and fail for a Location that is not a URL.
        self._server = _http_transport(origin, route)
        self._route = route

    def send(self, request: Request, deadlines: Deadlines) -> Response:
        """Send a request, and return its response, which must be closed, once the head has come.

        Raises:
            UnreachableError: There was no response.
            TlsError: The handshake failed.
            TimedOutError: A deadline was reached.
            BadResponseError: The response is not HTTP.
            ConfigError: The URL or a header is not valid.
        """
        deadlines.begin()
        exchange = _Exchange(self._server, request, deadlines, self._route, self._timeout)
        try:
            status, headers = exchange.head()
        except BaseException:
            exchange.close()
            raise
        return Response(status, headers, exchange)


def _http_transport(origin: str, route: Route) -> httpx.HTTPTransport:
    uses_tls = origin.startswith("https:") or (route.proxy or "").startswith("https:")
    try:
        return httpx.HTTPTransport(
            # Not for plain http: reading the certificates takes 50 ms, and nothing leads from http
            # to https, since redirects are followed within the origin only.
            verify=tls.client_context(route.ca_bundle, route.client_cert, insecure=route.insecure)
            if uses_tls
            else False,
            proxy=httpx.Proxy(route.proxy) if route.proxy else None,
            uds=route.unix_socket,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
    except ImportError:
        raise ConfigError(
            "cannot use the proxy",
            "socks needs a package that is not installed",
            "run: pip install 'httpx[socks]'",
        ) from None
    except (OSError, ValueError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"cannot connect to {origin} with these settings",
            f"{type(error).__name__}: {error}",
            "check ca_bundle, client_cert and proxy ('contextops config list --show-origin')",
        ) from None


class _Head(NamedTuple):
    status: int
    headers: Mapping[str, str]


class _PlainToTlsError(Exception):
    """Plain http was sent to a server that speaks TLS."""


_OPENED = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")
_CONNECTED, _SENT, _END = object(), object(), object()


class _Exchange:
    """Runs one request in a thread, and hands over what happens, in order."""

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
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._received = self._read = 0
        self._closed = False
        self._ended = False
        self._has_head = False
        self._is_sending = False
        self._socket: socket.socket | None = None
        threading.Thread(target=self._run, name="exchange", daemon=True).start()

    # In the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        last: Any = _END
        try:
            while True:
                try:
                    self._receive()
                    break
                except httpx.ConnectTimeout:
                    # One address is dead; the deadline says when to stop trying.
                    if self._closed:
                        raise
        except BaseException as error:  # noqa: BLE001 - the reader's thread raises it
            last = error
        self._events.put(last)

    def _receive(self) -> None:
        with contextlib.closing(self._send()) as response:
            self._events.put(_Head(response.status_code, dict(response.headers)))
            for block in response.iter_raw():
                self._events.put(block)
                self._received += len(block)
                while self._received - self._read > _READ_AHEAD and not self._closed:
                    time.sleep(0.005)

    def _send(self) -> httpx.Response:
        """Send the request and wait for the head of the response."""
        body = self._request.body
        request = httpx.Request(
            self._request.method,
            self._request.url,
            headers=_headers(self._request),
            content=blocks_of(body) if body else None,
            extensions={"trace": self._trace, "timeout": self._timeout.as_dict()},
        )
        try:
            return self._server.handle_request(request)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError) as error:
            url = request.url
            is_direct = not (self._route.proxy or self._route.unix_socket)
            may_want_tls = url.scheme == "http" and is_direct and not self._closed
            if may_want_tls and tls.speaks_tls(url.host, url.port or 80):
                raise _PlainToTlsError from error
            raise

    def _trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Follow the phases of the request (httpcore's documented extension "trace")."""
        if event.endswith(_OPENED):
            self._socket = info["return_value"].get_extra_info("socket")
        elif event.endswith(".send_request_headers.started"):
            # A request to a proxy (CONNECT) is part of connecting.
            self._is_sending = info["request"].method != b"CONNECT"
            if self._is_sending:
                self._events.put(_CONNECTED)
        elif event.endswith(".send_request_body.complete") and self._is_sending:
            self._events.put(_SENT)
        if self._closed:
            self._shut_down()

    # For the reader -----------------------------------------------------------------------

    def head(self) -> tuple[int, Mapping[str, str]]:
        """Wait for the head of the response, and return its status and headers."""
        head = self._next()
        self._has_head = True
        return head.status, head.headers

    def block(self) -> bytes | None:
        """Wait for the next part of the body, and return it; None at the end of the body."""
        if self._ended:
            return None
        blocks = [self._next()]
        while blocks[-1] is not _END and not self._events.empty():
            following = self._events.get_nowait()
            if isinstance(following, BaseException):
                # What came before it is handed over first.
                self._events.put(following)
                break
            blocks.append(following)
        if blocks[-1] is _END:
            self._ended = True
            blocks.pop()
        joined = b"".join(blocks)
        self._read += len(joined)
        return joined if joined or not self._ended else None

    def _next(self) -> Any:
        while True:
            remaining = self._deadlines.remaining()
            if remaining == 0:
                # However much has come: it may be pings, faster than they can be read.
                raise self._deadlines.error()
            try:
                event = self._events.get(timeout=remaining)
            except queue.Empty:
                raise self._deadlines.error() from None
            if event is _CONNECTED:
                self._deadlines.connected()
            elif event is _SENT:
                self._deadlines.sent()
            elif isinstance(event, BaseException):
                self._ended = True
                raise self._translated(event) from None
            else:
                return event

    def close(self) -> None:
        """Close the connection; the thread ends by itself."""
        self._closed = True
        if not self._ended:
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket is not None:
            # The server may have closed it before.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _translated(self, error: BaseException) -> BaseException:
        proxy, url = self._route.proxy, self._request.url
        if proxy and self._socket is None and isinstance(error, httpx.ConnectError):
            return connect_error(error, f"the proxy {_host(proxy)}", "proxy")
        if isinstance(error, _PlainToTlsError):
            return BadResponseError(
                f"{_host(url)} does not speak plain http", "it requires TLS", USE_TLS
            )
        return _translate(error, url, has_head=self._has_head)


def _headers(request: Request) -> dict[str, str]:
    defaults = {
        "User-Agent": f"contextops/{__version__}",
        "Accept": "*/*",
        # Compression holds text of a stream back, and a small response can be a bomb.
        "Accept-Encoding": "identity",
        # One request per connection: servers close idle ones after seconds (uvicorn: 5), and a
        # request that meets such a close cannot be told from one that was half done.
        "Connection": "close",
    }
    if request.body:
        defaults["Content-Length"] = str(len(request.body))
    return merge_headers(defaults, request.headers)


# The errors of httpx --------------------------------------------------------------------------

# A host name with a label that is too long, and a header beyond ASCII, are a UnicodeError.
_UNSENDABLE = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError)


def _translate(error: BaseException, url: str, *, has_head: bool) -> BaseException:
    """Return the error for an exception of httpx: the only place that translates them."""
    host = _host(url)
    tls_error = cause(error, ssl.SSLError)
    if tls_error is not None and not has_head:
        return handshake_error(tls_error, host)
    if isinstance(error, httpx.TimeoutException):
        return TimedOutError("timed out", f"{host} stopped accepting the request", "try again")
    if isinstance(error, httpx.ProxyError):
        return UnreachableError(
            "cannot reach the server", f"the proxy answered: {error}", "check the proxy"
        )
    if isinstance(error, httpx.RemoteProtocolError):
        return protocol_error(str(error), host, has_head=has_head)
    if isinstance(error, _UNSENDABLE):
        # Its text is left out: it quotes headers, the key among them.
        return ConfigError(
            "cannot send the request",
            "a header or the URL is not valid HTTP",
            "check base_url, the path and the headers",
        )
    if isinstance(error, httpx.ConnectError):
        return connect_error(error, host, "base_url")
    if isinstance(error, (httpx.NetworkError, OSError)):
        return truncated_error() if has_head else no_response_error(host, system_reason(error))
    return error


def _host(url: str) -> str:
    try:
        return httpx.URL(url).netloc.decode("ascii", "replace")
    except httpx.InvalidURL:
        return "the server"
