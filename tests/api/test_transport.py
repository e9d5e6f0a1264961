"""One exchange over real sockets: whatever the server does, it ends in time and as it should.

Limits are small here, and are held with room to spare: what does not end at its limit would last
ten seconds or for ever.
"""

from __future__ import annotations

import contextlib
import email
import itertools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from certificates import Certificates
from contextops.api.request import Request
from contextops.api.timeouts import Deadlines
from contextops.api.transport import Response, Route, Transport, encode_multipart
from contextops.errors import ConfigError, ContextopsError, TimedOutError
from server import CLOSE, HOLD, RESET, Connection, Step
from server import Request as Received
from shapes import KEY, chunked, http, in_turn

LIMIT = 0.05
LATE = 1.0
"""Seconds after its limit at which an end is too late, on a machine that has other work."""
NEVER = 10.0

OK = http(200, {}, b"ok")


def limits(**changed: float) -> Deadlines:
    usual = {"connect": NEVER, "first_token": NEVER, "idle": NEVER, "total": NEVER}
    return Deadlines(**{**usual, **changed})


def send(
    url: str,
    *,
    route: Route = Route(),  # noqa: B008  it is frozen
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    write: float = NEVER,
    origin: str = "",
    **changed: float,
) -> Response:
    connect = changed.get("connect", NEVER)
    transport = Transport(origin or url, route, connect=connect, write=write)
    return transport.send(Request(method, url, headers or {}, body), limits(**changed))


def fetch(url: str, **how: Any) -> tuple[int, bytes]:
    """Send a request, and return the status and the whole body."""
    response = send(url, **how)
    with contextlib.closing(response):
        return response.status, b"".join(response.blocks())


def fetch_error(url: str, **how: Any) -> ContextopsError:
    """Send a request that fails, and return its error."""
    with pytest.raises(ContextopsError) as raised:
        fetch(url, **how)
    assert raised.value.what
    assert raised.value.remedy
    assert KEY not in raised.value.message
    return raised.value


@contextlib.contextmanager
def ends_at(limit: float = LIMIT) -> Iterator[None]:
    """Check that the block takes as long as the limit says."""
    start = time.monotonic()
    yield
    assert limit * 0.9 <= time.monotonic() - start < limit + LATE


def forever(*steps: Step, pause: float = 0.02) -> Iterator[Step]:
    for step in itertools.cycle(steps):
        yield step
        yield pause


def bytewise(block: bytes) -> Iterator[Step]:
    for byte in block:
        yield bytes([byte])
        yield 0.02


HEAD = http(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
PING = chunked(b": ping\n\n", end=False)
TOKEN = chunked(b"data: token\n\n", end=False)


# Requests ---------------------------------------------------------------------------------------


def test_request_is_sent_unchanged(serve):
    server = serve(OK)
    headers = {"Authorization": f"Bearer {KEY}", "X-Org": "a", "content-type": "text/x"}
    assert fetch(f"{server.url}/a/b?c=d", method="POST", headers=headers, body=b"\x00\xff") == (
        200,
        b"ok",
    )
    request = server.request
    assert (request.method, request.target) == ("POST", "/a/b?c=d")
    assert (request.key, request.headers["x-org"], request.body) == (KEY, "a", b"\x00\xff")
    assert request.headers["content-type"] == "text/x"
    assert request.headers["content-length"] == "2"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("contextops/")


def test_request_without_body_has_no_body_headers(serve):
    server = serve(OK)
    fetch(server.url)
    assert "content-length" not in server.request.headers
    assert "content-type" not in server.request.headers
    assert server.request.key is None


@pytest.mark.parametrize("name", ["Accept-Encoding", "accept-encoding", "USER-AGENT", "Accept"])
def test_callers_headers_win_over_defaults(serve, name: str):
    server = serve(OK)
    fetch(server.url, headers={name: "mine"})
    assert server.request.headers[name.lower()] == "mine"


def test_environment_and_netrc_are_ignored(serve, refusing, home: Path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, refusing)
    (home / ".netrc").write_text("machine 127.0.0.1 login someone password other\n")
    server = serve(OK)
    assert fetch(server.url) == (200, b"ok")
    assert "authorization" not in server.request.headers


def test_multipart_form_is_readable_by_email_parser():
    body, kind = encode_multipart([("file", "näme.txt", b"\x00\r\n--x"), ("kind", None, b"notes")])
    message = email.message_from_bytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
    file, field = message.get_payload()
    assert file.get_param("name", header="content-disposition") == "file"
    assert "me.txt" in str(file["content-disposition"])
    assert file.get_payload(decode=True) == b"\x00\r\n--x"
    assert field.get_param("filename", header="content-disposition") is None
    assert field.get_payload(decode=True) == b"notes"


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("http://127.0.0.1:1/\x07", {}),
        ("http://127.0.0.1:1/" + "x" * 100_000, {}),
        ("http://[::1", {}),
        ("http://" + "a" * 64 + ".example/", {}),
        ("ftp://127.0.0.1/", {}),
        (None, {"X-Key": f"{KEY}\nX-Other: a"}),
        (None, {"X-Key": f"{KEY}é"}),
        (None, {"X Key": KEY}),
    ],
    ids=range(8),
)
def test_unsendable_request_raises_without_showing_the_key(serve, url: str | None, headers):
    server = serve(OK, may_be_idle=True)
    assert fetch_error(url or server.url, headers=headers).status == 3
    assert not server.requests


# Responses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        http(200, {}, b"all of it"),
        http(200, {"content-length": None}, b"all of it"),
        http(200, {"content-length": None, "connection": "close"}, b"all of it"),
        HEAD + chunked(b"all ", b"of it"),
        HEAD + b"4;x=y\r\nall \r\n5\r\nof it\r\n0\r\ntrailer: x\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nall of it",
        b"HTTP/1.1 200\r\ncontent-length: 9\r\n\r\nall of it",
        b"HTTP/1.1 100 Continue\r\n\r\n" + http(200, {}, b"all of it"),
        b"HTTP/1.1 103 A\r\nlink: x\r\n\r\nHTTP/1.1 102 B\r\n\r\n" + http(200, {}, b"all of it"),
    ],
    ids=["length", "close", "closing", "chunks", "trailers", "1.0", "no phrase", "100", "103"],
)
@pytest.mark.parametrize("bytes_at_once", [None, 1])
def test_body_is_complete_in_any_framing(serve, answer: bytes, bytes_at_once: int | None):
    server = serve(lambda _: [answer] if bytes_at_once is None else [bytes([b]) for b in answer])
    assert fetch(server.url) == (200, b"all of it")


@pytest.mark.parametrize("status", [204, 304])
def test_response_without_body_is_empty(serve, status: int):
    assert fetch(serve(http(status)).url) == (status, b"")
    head = http(200, {"content-length": "5"})
    assert fetch(serve(head).url, method="HEAD") == (200, b"")


@pytest.mark.parametrize("status", [201, 302, 307, 400, 401, 404, 429, 500, 503, 599])
def test_any_status_is_returned_without_following_redirects(serve, status: int):
    other = serve(OK, may_be_idle=True)
    server = serve(http(status, {"location": other.url}, b"said"))
    assert fetch(server.url, method="POST", body=b"x") == (status, b"said")
    assert not other.connections


def test_response_header_names_are_lower_case(serve):
    response = send(serve(http(200, {"X-Two": "a\r\nx-tWO: b", "Retry-After": "7"})).url)
    assert response.headers["x-two"] == "a, b"
    assert response.headers["retry-after"] == "7"
    response.close()


def test_compressed_body_is_not_decompressed(serve):
    assert fetch(serve(http(200, {"content-encoding": "gzip"}, b"\x1f\x8b")).url) == (
        200,
        b"\x1f\x8b",
    )


def test_block_is_yielded_when_it_arrives(serve):
    go_on = threading.Event()
    server = serve([HEAD, TOKEN, go_on, TOKEN, chunked()])
    response = send(server.url)
    blocks = response.blocks()
    assert next(blocks) == b"data: token\n\n"
    go_on.set()
    assert b"".join(blocks) == b"data: token\n\n"
    response.close()
    assert not server.hung_up.is_set()


def test_read_ahead_of_slow_reader_is_limited(serve):
    block = bytes(range(256)) * 256
    sent = []

    def answer(_: Received) -> Iterator[Step]:
        yield http(200, {"content-length": str(len(block) * 400)})
        for number in range(400):
            yield block
            sent.append(number)

    server = serve(answer)
    response = send(server.url)
    time.sleep(0.1)
    # What the system's buffers hold, and a little more; not all 26 megabytes.
    assert len(sent) < 300
    assert sum(map(len, response.blocks())) == len(block) * 400
    response.close()


def test_response_before_end_of_upload_is_read(serve):
    server = serve(http(413, {"connection": "close"}, b"too large"), early=True)
    assert fetch(server.url, method="POST", body=b"x" * 8_000_000) == (413, b"too large")


# Time limits ------------------------------------------------------------------------------------


BEFORE_A_TOKEN: dict[str, Callable[[], Iterable[Step]]] = {
    "never a header": lambda: [HOLD],
    "endless 102": lambda: forever(b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a head in drips": lambda: bytewise(HEAD * 100),
    "a header without end": lambda: itertools.chain([HEAD[:-2], b"x: "], forever(b"x")),
    "a head and no more": lambda: [HEAD, HOLD],
    "endless pings": lambda: itertools.chain([HEAD], forever(PING)),
    "a body in drips": lambda: itertools.chain([HEAD, b"ffff\r\n"], forever(b"x")),
    "a chunk's size in drips": lambda: itertools.chain([HEAD], forever(b"0")),
}


@pytest.mark.parametrize("what", BEFORE_A_TOKEN)
def test_first_token_timeout_holds(serve, what: str):
    server = serve(lambda _: BEFORE_A_TOKEN[what]())
    with ends_at():
        error = fetch_error(server.url, first_token=LIMIT)
    assert (error.status, "--first-token-timeout" in error.remedy) == (28, True)
    assert server.hung_up.wait(5)


@pytest.mark.parametrize("what", ["never a header", "endless 102", "endless pings"])
def test_max_time_holds(serve, what: str):
    server = serve(lambda _: BEFORE_A_TOKEN[what]())
    with ends_at():
        error = fetch_error(server.url, total=LIMIT)
    assert (error.status, "--max-time" in error.remedy) == (28, True)
    assert server.hung_up.wait(5)


@pytest.mark.parametrize(
    "rest", [lambda: [HOLD], lambda: forever(PING), lambda: [b"5\r\nab", HOLD]]
)
def test_idle_timeout_holds_after_a_token(serve, rest: Callable[[], Iterable[Step]]):
    server = serve(lambda _: itertools.chain([HEAD, TOKEN], rest()))
    transport = Transport(server.url, Route(), connect=NEVER, write=NEVER)
    deadlines = limits(idle=LIMIT)
    response = transport.send(Request("GET", server.url), deadlines)
    blocks = response.blocks()
    assert next(blocks).startswith(b"data: token\n\n")
    deadlines.token()
    with ends_at(), pytest.raises(TimedOutError) as ended:
        list(blocks)
    assert "--idle-timeout" in ended.value.remedy
    response.close()
    assert server.hung_up.wait(5)


def test_tokens_restart_the_idle_timeout(serve):
    server = serve([HEAD, *[TOKEN, 0.05] * 7, chunked()])
    transport = Transport(server.url, Route(), connect=NEVER, write=NEVER)
    deadlines = limits(idle=0.3)
    response = transport.send(Request("GET", server.url), deadlines)
    for _ in response.blocks():
        deadlines.token()
    response.close()
    assert deadlines.elapsed > 0.34


@pytest.mark.parametrize(
    ("changed", "flag"), [({"write": LIMIT}, "try again"), ({"total": LIMIT}, "--max-time")]
)
def test_stalled_upload_times_out(serve, changed, flag: str):
    server = serve([HOLD], early=True)
    body = b"x" * 30_000_000
    with ends_at():
        error = fetch_error(server.url, method="POST", body=body, first_token=LIMIT / 4, **changed)
    assert error.status == 28
    assert flag in error.remedy
    # The server notices the end only after it has read what is on its way.
    assert no_exchange_left()


def test_connect_timeout_holds(deaf):
    with ends_at():
        error = fetch_error(deaf, connect=LIMIT)
    assert (error.status, "--connect-timeout" in error.remedy) == (28, True)
    with ends_at():
        assert "--max-time" in fetch_error(deaf, total=LIMIT).remedy


def test_connect_timeout_covers_tls_handshake(serve, certificates):
    server = serve(OK, greeting=[HOLD], may_be_idle=True)
    url = server.url.replace("http:", "https:")
    with ends_at():
        error = fetch_error(url, route=trusting(certificates), connect=LIMIT)
    assert (error.status, "--connect-timeout" in error.remedy) == (28, True)
    assert server.hung_up.wait(5)


def test_connect_timeout_covers_proxy_connect(serve, certificates):
    server = serve([HOLD])
    route = trusting(certificates, proxy=server.url)
    with ends_at():
        error = fetch_error("https://there.example/", route=route, connect=LIMIT)
    assert (error.status, "--connect-timeout" in error.remedy) == (28, True)
    assert server.request.method == "CONNECT"


def test_connect_timeout_covers_name_resolution(monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(NEVER) and [])
    with ends_at():
        error = fetch_error("http://there.example/", connect=LIMIT)
    assert (error.status, "--connect-timeout" in error.remedy) == (28, True)
    ended.set()


# Connections that fail --------------------------------------------------------------------------


def resolve_to(monkeypatch: pytest.MonkeyPatch, *servers: str) -> None:
    """Make every name resolve to the addresses of these servers, in this order."""
    ports = [int(url.rpartition(":")[2]) for url in servers]
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)


def test_refused_connection_is_unreachable(refusing):
    error = fetch_error(refusing)
    assert error.status == 7
    assert refusing.removeprefix("http://") in error.what
    assert "refused" in error.why
    assert "base_url" in error.remedy


def test_unknown_host_is_unreachable(monkeypatch):
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = fetch_error("http://there.example:81/")
    assert error.status == 7
    assert "there.example:81" in error.what
    assert "resolved" in error.why
    assert "base_url" in error.remedy


def test_dead_address_leaves_time_for_the_next(serve, deaf, monkeypatch):
    server = serve(OK)
    resolve_to(monkeypatch, deaf, server.url)
    assert fetch("http://there.example/", connect=0.5) == (200, b"ok")


def test_refusing_address_is_followed_by_the_next(serve, refusing, monkeypatch):
    server = serve(OK)
    resolve_to(monkeypatch, refusing, server.url)
    assert fetch("http://there.example/") == (200, b"ok")


# Responses that fail ----------------------------------------------------------------------------


@pytest.mark.parametrize("step", [CLOSE, RESET])
def test_connection_closed_before_request_is_unreachable(serve, step: Step):
    error = fetch_error(serve(OK, greeting=[step]).url)
    assert (error.status, error.code) == (7, "unreachable")


@pytest.mark.parametrize(
    "steps",
    [[CLOSE], [RESET], [b"HTTP/1.1 200 OK\r\ncontent-", CLOSE], [b"H", CLOSE], [b"", CLOSE]],
)
def test_connection_closed_before_head_is_unreachable(serve, steps: Sequence[Step]):
    server = serve(steps)
    error = fetch_error(server.url)
    assert error.status == 7
    assert f"127.0.0.1:{server.port}" in error.what
    assert len(server.requests) == 1, "the transport does not retry"


@pytest.mark.parametrize(
    "answer",
    [
        b"hello, I am no web server\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b'{"choices": []}\n\n',
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 99 OK\r\n\r\n",
        b"HTTP/3 200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon" + b"x" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nna me: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        http(200, {"content-length": "-1"}, b"x"),
        http(200, {"content-length": "x"}, b"x"),
        http(200, {"content-length": "1\r\ncontent-length: 2"}, b"xy"),
        http(200, {"transfer-encoding": "gzip, chunked"}, b"xy"),
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 2_000_000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000,
    ],
    ids=lambda answer: repr(answer[9:30]),
)
def test_response_that_is_not_http_is_a_bad_response(serve, answer: bytes):
    error = fetch_error(serve([answer, 0.05]).url)
    assert error.status == 8
    assert "base_url" in error.remedy
    assert len(error.message) < 1000


def test_banner_of_another_protocol_is_an_error(serve):
    server = serve(OK, greeting=[b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE])
    # Its line does not end as a head does, so httpx may see only that the connection closed.
    assert fetch_error(server.url).status in (7, 8)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([http(200, {"content-length": "99"}, b"part"), CLOSE], b"part"),
        ([HEAD, b"4\r\npart\r\n", CLOSE], b"part"),
        ([HEAD, b"9\r\npart", CLOSE], b"part"),
        ([HEAD, b"4\r\npart\r\n5", CLOSE], b"part"),
        ([HEAD, b"4\r\npart\r\n0\r\n", CLOSE], b"part"),
        ([HEAD, CLOSE], b""),
        ([HEAD, b"4\r\npart\r\n", 0.05, RESET], b"part"),
        ([http(200, {"content-length": "99"}, b"part"), 0.05, RESET], b"part"),
    ],
    ids=["length", "chunks", "chunk", "size", "trailers", "head", "reset chunks", "reset"],
)
def test_body_that_ends_early_is_truncated(serve, answer: Sequence[Step], expected: bytes):
    response = send(serve(answer).url)
    blocks: list[bytes] = []
    with pytest.raises(ContextopsError) as raised:
        blocks.extend(response.blocks())
    assert raised.value.status == 18
    assert b"".join(blocks) == expected
    assert list(response.blocks()) == [], "it is over"
    response.close()


def test_blocks_before_early_end_are_yielded_first(serve):
    response = send(serve([HEAD, TOKEN, TOKEN, CLOSE]).url)
    assert no_exchange_left(), "all that came waits for its reader"
    blocks: list[bytes] = []
    with pytest.raises(ContextopsError):
        blocks.extend(response.blocks())
    assert b"".join(blocks) == b"data: token\n\n" * 2
    response.close()


@pytest.mark.parametrize(
    "chunks",
    [
        *(b"zz\r\nx", b"-4\r\npart", b"4\r\npart!!", b"\r\n\r\n", b"f" * 30 + b"\r\nx"),
        *(b"4 4\r\npart", b"0x4\r\npart", b"<html>" * 10 + b"\r\n"),
        b"0\r\n" + b"trailer: x\r\n" * 20_000,
    ],
    ids=lambda chunks: repr(chunks[:12]),
)
def test_misframed_body_is_a_bad_response(serve, chunks: bytes):
    response = send(serve([HEAD, b"3\r\none\r\n", chunks, 0.05]).url)
    blocks: list[bytes] = []
    with pytest.raises(ContextopsError) as bad:
        blocks.extend(response.blocks())
    assert bad.value.status == 8
    assert b"".join(blocks).startswith(b"one")
    assert len(bad.value.message) < 1000
    response.close()


# TLS --------------------------------------------------------------------------------------------


def trusting(certificates: Certificates, **more: Any) -> Route:
    return Route(ca_bundle=certificates.authority, **more)


def test_certificate_of_known_authority_is_accepted(serve, certificates):
    server = serve(OK, tls=certificates.server())
    assert fetch(server.url, route=trusting(certificates)) == (200, b"ok")


def test_certificate_of_unknown_authority_is_rejected(serve, certificates):
    server = serve(OK, tls=certificates.server())
    error = fetch_error(server.url)
    assert (error.status, "ca_bundle" in error.remedy) == (60, True)
    assert "issuer" in error.why or "signed" in error.why
    assert not server.requests
    assert fetch(server.url, route=Route(insecure=True)) == (200, b"ok")


@pytest.mark.parametrize(("which", "word"), [("expired", "expired"), ("misnamed", "not valid for")])
def test_expired_or_misnamed_certificate_is_rejected(serve, certificates, which, word: str):
    server = serve(OK, tls=certificates.server(which))
    error = fetch_error(server.url, route=trusting(certificates))
    assert error.status == 60
    assert word in error.why
    assert not server.requests


def test_missing_client_certificate_is_named_in_remedy(serve, certificates):
    tls = certificates.server(ask_client=True)
    error = fetch_error(serve(OK, tls=tls).url, route=trusting(certificates))
    assert (error.status, "client_cert" in error.remedy) == (60, True)
    route = trusting(certificates, client_cert=certificates.good)
    assert fetch(serve(OK, tls=tls).url, route=route) == (200, b"ok")


def test_tls_to_plain_server_suggests_http(serve):
    server = serve(OK)
    error = fetch_error(server.url.replace("http:", "https:"))
    assert (error.status, "http://" in error.remedy) == (60, True)
    assert server.invalid_requests


ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


@pytest.mark.parametrize("steps", [[ALERT, CLOSE], [ALERT + b"\r\n\r\n", 0.05]])
def test_tls_alert_suggests_https(serve, steps):
    error = fetch_error(serve(steps).url)
    assert error.status in (7, 8)
    assert "https" in error.remedy


@pytest.mark.parametrize("steps", [[CLOSE], [RESET]])
def test_closed_plain_connection_is_probed_for_tls(serve, certificates, steps):
    secure = serve(OK, tls=certificates.server())
    error = fetch_error(secure.url.replace("https:", "http:"))
    assert (error.status, error.remedy) == (8, "use https:// in base_url")
    assert not secure.requests
    plain = serve(steps)
    error = fetch_error(plain.url)
    assert (error.status, "https" in error.remedy) == (7, False)
    (probe,) = plain.invalid_requests
    assert probe.startswith(b"\x16\x03")
    assert KEY.encode() not in probe


def noise(connection: Connection) -> None:
    """Send bytes that are not encrypted."""
    with socket.socket(fileno=os.dup(connection.socket.fileno())) as beneath:
        beneath.sendall(b"x" * 99)


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        *(([CLOSE], 7), ([RESET], 7), ([HEAD, TOKEN, CLOSE], 18), ([HEAD, TOKEN, 0.05, RESET], 18)),
        ([HEAD, TOKEN, noise], 18),
    ],
)
def test_early_end_under_tls_is_not_a_tls_error(serve, certificates, steps, status: int):
    server = serve(steps, tls=certificates.server())
    assert fetch_error(server.url, route=trusting(certificates)).status == status


@pytest.mark.parametrize(
    ("setting", "value", "word"),
    [
        ("ca_bundle", Path("missing.pem"), "ca_bundle"),
        ("ca_bundle", Path(__file__), "ca_bundle"),
        ("client_cert", Path("missing.pem"), "client_cert"),
        ("proxy", "nonsense", "proxy"),
        ("proxy", "ftp://someone:secret@127.0.0.1/", "proxy"),
        ("proxy", "socks5://someone:secret@127.0.0.1:1080", "socks"),
    ],
)
def test_unusable_route_raises_config_error_at_once(setting: str, value: Any, word: str):
    with pytest.raises(ConfigError) as raised:
        Transport("https://there.example", Route(**{setting: value}), connect=1, write=1)
    assert word in raised.value.remedy
    assert "secret" not in raised.value.message


# Proxies ----------------------------------------------------------------------------------------


def tunnel(port: int) -> Callable[[Connection], None]:
    """Return a step that passes bytes between a client and a port until one of them closes."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(65536):
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    def run(connection: Connection) -> None:
        with socket.create_connection(("127.0.0.1", port)) as there:
            back = threading.Thread(target=pump, args=(there, connection.socket))
            back.start()
            pump(connection.socket, there)
            back.join()
        connection.close()

    return run


def test_plain_http_goes_through_proxy(serve):
    proxy = serve(OK)
    route = Route(proxy=proxy.url.replace("//", "//someone:secret@"))
    assert fetch("http://there.example/path", route=route) == (200, b"ok")
    assert proxy.request.target == "http://there.example/path"
    assert proxy.request.headers["proxy-authorization"].startswith("Basic ")


def test_tls_through_proxy_hides_the_key_from_it(serve, certificates):
    server = serve(OK, tls=certificates.server())
    proxy = serve([http(200, {"content-length": None}), tunnel(server.port)])
    route = trusting(certificates, proxy=proxy.url)
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"https://localhost:{server.port}/"
    assert fetch(url, route=route, headers=headers) == (200, b"ok")
    assert server.request.key == KEY
    assert (proxy.request.method, proxy.request.target) == ("CONNECT", f"localhost:{server.port}")
    assert KEY.encode() not in proxy.request.head


@pytest.mark.parametrize("status", [403, 407, 502, 503])
def test_refusal_of_proxy_is_unreachable(serve, certificates, status: int):
    proxy = serve(http(status, {}, b"no"))
    error = fetch_error("https://there.example/", route=trusting(certificates, proxy=proxy.url))
    assert error.status == 7
    assert str(status) in error.message
    assert "proxy" in error.remedy


@pytest.mark.parametrize("steps", [[CLOSE], [RESET], [b"SSH-2.0-x\r\n\r\n", CLOSE]])
def test_proxy_without_http_is_an_error(serve, certificates, steps):
    route = trusting(certificates, proxy=serve(steps).url)
    assert fetch_error("https://there.example/", route=route).status in (7, 8)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_unreachable_proxy_is_named(refusing, certificates, scheme: str):
    route = trusting(certificates, proxy=refusing.replace("//", "//someone:secret@"))
    error = fetch_error(f"{scheme}://there.example/", route=route)
    assert error.status == 7
    assert refusing.removeprefix("http://") in error.what
    assert "proxy" in error.remedy
    assert "secret" not in error.message


# Closing ----------------------------------------------------------------------------------------


def exchanges() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "exchange"]


def no_exchange_left() -> bool:
    end = time.monotonic() + 5
    while exchanges() and time.monotonic() < end:
        time.sleep(0.01)
    return not exchanges()


@pytest.mark.parametrize("rest", [lambda: [HOLD], lambda: forever(TOKEN, pause=0)])
def test_close_ends_the_connection(serve, rest: Callable[[], Iterable[Step]]):
    server = serve(lambda _: itertools.chain([HEAD, TOKEN], rest()))
    response = send(server.url)
    assert next(response.blocks())
    assert not server.hung_up.is_set()
    response.close()
    assert server.hung_up.wait(5)
    assert no_exchange_left()


def test_close_ends_the_connection_under_tls(serve, certificates):
    server = serve([HEAD, TOKEN, HOLD], tls=certificates.server())
    response = send(server.url, route=trusting(certificates))
    assert next(response.blocks())
    response.close()
    assert server.hung_up.wait(5)
    assert no_exchange_left()


def test_close_after_complete_response_is_harmless(serve):
    server = serve(OK)
    response = send(server.url)
    assert b"".join(response.blocks()) == b"ok"
    response.close()
    response.close()
    assert no_exchange_left()
    assert not server.hung_up.is_set()


class AlarmError(Exception):
    """The exception that the alarm raises."""


@pytest.mark.skipif(sys.platform == "win32", reason="no alarms on this system")
@pytest.mark.parametrize("where", ["connecting", "before the head", "in the body"])
def test_interrupt_is_raised_in_time(serve, deaf, where: str):
    def interrupt(*_: object) -> None:
        raise AlarmError

    server = serve(
        in_turn([HOLD] if where == "before the head" else [HEAD, TOKEN, HOLD]),
        may_be_idle=where == "connecting",
    )
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        with ends_at(), pytest.raises(AlarmError):
            fetch(deaf if where == "connecting" else server.url, connect=0.25)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if where != "connecting":
        assert server.hung_up.wait(5)
    assert no_exchange_left()
