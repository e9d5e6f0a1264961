"""A server on the loopback address that sends exactly the bytes that a test specifies.

It uses sockets, not a web framework, since it must also send responses that are not valid HTTP.
Its answer is a function of the request::

    with Server(lambda request: http(200, {"data": []})) as server:
        ...

An answer is bytes or a sequence of steps. Bytes are sent unchanged, a number is a pause in seconds,
a ``threading.Event`` is waited for, and a function is called with the connection: ``HOLD`` waits
until the client closes the connection, ``CLOSE`` closes it, ``RESET`` resets it. While the server
waits, it notices when the client closes. After a complete and well-framed answer the connection
stays open for the next request; after any other answer it is closed.
"""

from __future__ import annotations

import contextlib
import json
import select
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

_HANG_UP = getattr(select, "POLLRDHUP", 0)
_BLOCK = 65536
_JOIN_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it was received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    head: bytes
    """The request line and the headers, as received."""
    connection: int
    """The number of its connection, starting at 1."""
    turn: int
    """Its number on that connection, starting at 1."""

    @property
    def path(self) -> str:
        """The path as received, without the query."""
        if self.method == "CONNECT":
            return self.target
        if self.target.startswith("/"):
            return self.target.partition("?")[0]
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))

    @property
    def key(self) -> str | None:
        """The bearer key, None if there was none."""
        scheme, _, key = self.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else None

    def json(self) -> Any:
        """Return the parsed JSON body."""
        return json.loads(self.body)


class ClientGoneError(Exception):
    """The client has closed the connection."""


class Connection:
    """The connection to one client; steps that are functions are called with it."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.socket = sock
        self.number = number
        self.closed = False
        self.buffer = bytearray()

    def send(self, block: bytes) -> None:
        """Send bytes unchanged."""
        try:
            self.socket.sendall(block)
        except OSError as error:
            raise ClientGoneError from error

    def receive(self) -> bytes:
        """Return the next bytes from the client, empty at the end of its side."""
        try:
            return self.socket.recv(_BLOCK)
        except TimeoutError:
            raise
        except OSError:
            return b""

    def receive_until(self, end: bytes) -> bytes:
        """Return the bytes before ``end``, and discard ``end``."""
        while end not in self.buffer:
            self._receive_more()
        text, _, rest = self.buffer.partition(end)
        self.buffer = rest
        return bytes(text)

    def receive_exactly(self, length: int) -> bytes:
        """Return the next ``length`` bytes."""
        while len(self.buffer) < length:
            self._receive_more()
        block = bytes(self.buffer[:length])
        del self.buffer[:length]
        return block

    def _receive_more(self) -> None:
        block = self.receive()
        if not block:
            raise ClientGoneError
        self.buffer += block

    def wait(self, seconds: float, event: threading.Event | None = None) -> None:
        """Wait until ``event`` is set or ``seconds`` have passed.

        Raises ``ClientGoneError`` when the client closes the connection first.
        """
        end = time.monotonic() + seconds
        while not (event and event.is_set()):
            remaining = end - time.monotonic()
            if remaining <= 0:
                return
            if self._hangs_up_within(min(remaining, 0.01) if event else remaining):
                raise ClientGoneError

    def hold(self) -> None:
        """Wait until the client closes the connection."""
        self.wait(float("inf"))

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.closed = True
        self.socket.close()

    def drain(self) -> None:
        """Shut down the sending side, read until the client does the same, and close."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
        while self.receive():
            pass
        self.close()

    def shut_down(self) -> None:
        """Wake the thread that waits on this connection; called from another thread."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _hangs_up_within(self, seconds: float) -> bool:
        if not _HANG_UP:
            return self._poll_for_end(min(seconds, 0.05))
        poller = select.poll()
        poller.register(self.socket, _HANG_UP)
        return bool(poller.poll(None if seconds == float("inf") else seconds * 1000))

    def _poll_for_end(self, seconds: float) -> bool:
        """Poll for the end of the stream, on systems without ``POLLRDHUP``."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return False
        try:
            if not socket.socket.recv(self.socket, 1, socket.MSG_PEEK):
                return True
        except OSError:
            return True
        time.sleep(seconds)
        return False


HOLD = Connection.hold
RESET = Connection.reset
CLOSE = Connection.close

Step: TypeAlias = bytes | float | threading.Event | Callable[[Connection], None]
Answer: TypeAlias = bytes | Iterable[Step]
Greeting: TypeAlias = Iterable[Step] | Callable[[int], Iterable[Step]]


@dataclass
class _Framing:
    """The framing of an answer: whether it leaves the connection usable for the next one."""

    method: str
    head: bytes | None = b""
    length: int = -1
    chunked: bool = False
    open: bool = False
    body: int = 0
    tail: bytes = b"\r\n"

    def add(self, block: bytes) -> None:
        """Record a block that was sent."""
        if self.head is not None:
            head, end, block = (self.head + block).partition(b"\r\n\r\n")
            self.head = None if end or len(head) > _BLOCK else head
            if not end:
                return
            self._read(head.decode("latin-1").lower())
        self.body += len(block)
        self.tail = (self.tail + block[-7:])[-7:]

    def _read(self, head: str) -> None:
        status, *lines = head.split("\r\n")
        headers = dict(line.split(":", 1) for line in lines if ":" in line)
        self.open = status.startswith("http/1.1") and "close" not in headers.get("connection", "")
        self.chunked = "chunked" in headers.get("transfer-encoding", "")
        if self.method == "HEAD" or status.split(" ")[1:2] in (["204"], ["304"]):
            self.length = 0
        elif headers.get("content-length", "").strip().isdigit():
            self.length = int(headers["content-length"])

    @property
    def complete(self) -> bool:
        ended = self.tail == b"\r\n0\r\n\r\n" if self.chunked else self.body == self.length
        return self.open and ended


@dataclass(kw_only=True)
class Server:
    """A server that answers until its ``with`` block ends, and then checks how it was used.

    The block raises AssertionError if no client sent a request, unless ``may_be_idle`` is true. It
    also raises what the answer function raised. ``answer`` is a function of the request, or one
    answer for every request.

    ``at`` is the port, 0 for any free one. ``idle`` closes an open connection after that many
    seconds without a request, 0 right after the answer. ``greeting`` holds the steps of a
    connection before anything is read from it (``[CLOSE]``, an SSH banner), or is a function that
    returns them for the connection's number. ``early`` sends the answer before the body is read.
    ``tls`` is the server's TLS context.
    """

    answer: Callable[[Request], Answer] | Answer = field(kw_only=False)
    host: str = "127.0.0.1"
    at: int = 0
    idle: float | None = None
    greeting: Greeting = ()
    early: bool = False
    tls: ssl.SSLContext | None = None
    may_be_idle: bool = False

    requests: list[Request] = field(default_factory=list, init=False)
    connections: int = field(default=0, init=False)
    invalid_requests: list[bytes] = field(default_factory=list, init=False)
    """Received data that is not HTTP."""
    handshakes_failed: list[Exception] = field(default_factory=list, init=False)
    failures: list[BaseException] = field(default_factory=list, init=False)
    """Exceptions that the answer function raised."""
    request_received: threading.Event = field(default_factory=threading.Event, init=False)
    """Set when the first request was received."""
    hung_up: threading.Event = field(default_factory=threading.Event, init=False)
    """Set when a client closed the connection before it had the complete answer."""

    _stopping: threading.Event = field(default_factory=threading.Event, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _open: dict[int, Connection] = field(default_factory=dict, init=False)
    threads: list[threading.Thread] = field(default_factory=list, init=False)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return self.origin

    @property
    def request(self) -> Request:
        """The request; raises ValueError unless there was exactly one."""
        (request,) = self.requests
        return request

    def __enter__(self) -> Server:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.at), family=family, backlog=1024)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._start(self._accept)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.stop()
        if error is None:
            self.check()
        else:
            for raised in self.failures:
                error.add_note(f"the server's answer raised {raised!r}")

    def check(self) -> None:
        """Raise what the answer function raised, or AssertionError if no request was received."""
        for error in self.failures:
            raise error
        if not self.connections and not self.may_be_idle:
            raise AssertionError(f"no client connected to the server at {self.origin}")
        if not (self.requests or self._was_reached or self.may_be_idle):
            raise AssertionError(f"no client sent a request to the server at {self.origin}")

    def stop(self) -> None:
        """Close all connections and wait for the threads; a second call does nothing."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake_sender.send(b"x")
        self.threads[0].join(_JOIN_SECONDS)
        with self._lock:
            connections = list(self._open.values())
        for connection in connections:
            connection.shut_down()
        for thread in self.threads:
            thread.join(_JOIN_SECONDS)
        if any(thread.is_alive() for thread in self.threads):
            self.failures.append(RuntimeError("an answer did not end when the server was stopped"))
        for sock in (self._listener, self._wake_receiver, self._wake_sender):
            sock.close()

    @property
    def _was_reached(self) -> bool:
        return bool(self.greeting or self.invalid_requests or self.handshakes_failed)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_receiver, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select()
                self._accept_pending()
        self._accept_pending()

    def _accept_pending(self) -> None:
        """Accept every pending connection, at the end too, so that each one is counted."""
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(True)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            connection = Connection(sock, self.connections)
            with self._lock:
                self._open[connection.number] = connection
            self._start(self._serve, connection)

    def _serve(self, connection: Connection) -> None:
        try:
            self._handle(connection)
        except ClientGoneError:
            if not self._stopping.is_set():
                self.hung_up.set()
        except BaseException as error:  # noqa: BLE001  raised again by check()
            self.failures.append(error)
        finally:
            with self._lock:
                self._open.pop(connection.number)
                connection.close()

    def _handle(self, connection: Connection) -> None:
        greeting = self.greeting
        self._send_steps(
            connection, greeting(connection.number) if callable(greeting) else greeting
        )
        if connection.closed or not self._start_tls(connection):
            return
        turn = 1
        while request := self._read(connection, turn):
            self.requests.append(request)
            self.request_received.set()
            answer = self.answer(request) if callable(self.answer) else self.answer
            framing = _Framing(request.method)
            self._send_steps(connection, [answer] if isinstance(answer, bytes) else answer, framing)
            if connection.closed:
                return
            if self.early:
                connection.drain()
            if connection.closed or not framing.complete or self.idle == 0:
                return
            turn += 1

    def _start_tls(self, connection: Connection) -> bool:
        if self.tls is None:
            return True
        try:
            with self._lock:
                connection.socket = self.tls.wrap_socket(
                    connection.socket, server_side=True, do_handshake_on_connect=False
                )
            connection.socket.do_handshake()
        except OSError as error:
            self.handshakes_failed.append(error)
            return False
        return True

    def _send_steps(
        self, connection: Connection, steps: Iterable[Step], framing: _Framing | None = None
    ) -> None:
        try:
            for step in steps:
                if isinstance(step, bytes):
                    connection.send(step)
                    if framing:
                        framing.add(step)
                elif isinstance(step, threading.Event):
                    connection.wait(float("inf"), step)
                elif callable(step):
                    step(connection)
                else:
                    connection.wait(step)
                if connection.closed:
                    return
        finally:
            if hasattr(steps, "close"):
                steps.close()

    def _read(self, connection: Connection, turn: int) -> Request | None:
        if not self._wait_for_request(connection, turn):
            return None
        if not connection.buffer[:1].isupper():
            self.invalid_requests.append(bytes(connection.buffer))
            connection.send(_BAD_REQUEST)
            return None
        head = connection.receive_until(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        headers = _headers(lines)
        return Request(
            method=method,
            target=target,
            headers=headers,
            body=b"" if self.early else _body(connection, headers),
            head=head,
            connection=connection.number,
            turn=turn,
        )

    def _wait_for_request(self, connection: Connection, turn: int) -> bool:
        connection.socket.settimeout(self.idle if turn > 1 else None)
        try:
            if not connection.buffer:
                connection.buffer += connection.receive()
        except TimeoutError:
            return False
        connection.socket.settimeout(None)
        return bool(connection.buffer)


def _headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _body(connection: Connection, headers: dict[str, str]) -> bytes:
    if headers.get("expect", "").lower() == "100-continue":
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" not in headers.get("transfer-encoding", ""):
        return connection.receive_exactly(int(headers.get("content-length", "0")))
    body = bytearray()
    while size := int(connection.receive_until(b"\r\n"), 16):
        body += connection.receive_exactly(size)
        connection.receive_until(b"\r\n")
    while connection.receive_until(b"\r\n"):
        pass
    return bytes(body)


_BAD_REQUEST = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"connection: close\r\ncontent-length: 30\r\n\r\nInvalid HTTP request received."
)


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """Yield the URL of a port that is bound, so that nobody else uses it, but does not listen."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """Yield the URL of a port where connections are neither accepted nor refused."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
