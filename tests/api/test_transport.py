"""One exchange over real sockets: whatever the other side does, it ends in time and as it should.

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


def got(url: str, **how: Any) -> tuple[int, bytes]:
    """Send a request and read the whole answer."""
    response = send(url, **how)
    with contextlib.closing(response):
        return response.status, b"".join(response.blocks())


def failure(url: str, **how: Any) -> ContextopsError:
    """Send a request that comes to nothing."""
    with pytest.raises(ContextopsError) as failed:
        got(url, **how)
    assert failed.value.what
    assert failed.value.remedy
    assert KEY not in failed.value.message
    return failed.value


@contextlib.contextmanager
def ending_at(limit: float = LIMIT) -> Iterator[None]:
    """See that the block takes as long as the limit says."""
    start = time.monotonic()
    yield
    assert limit * 0.9 <= time.monotonic() - start < limit + LATE


def for_ever(*steps: Step, pause: float = 0.02) -> Iterator[Step]:
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


# What goes out ----------------------------------------------------------------------------------


def test_a_request_goes_out_as_it_stands(serve):
    server = serve(OK)
    headers = {"Authorization": f"Bearer {KEY}", "X-Org": "a", "content-type": "text/x"}
    assert got(f"{server.url}/a/b?c=d", method="POST", headers=headers, body=b"\x00\xff") == (
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


def test_a_request_without_a_body_has_none(serve):
    server = serve(OK)
    got(server.url)
    assert "content-length" not in server.request.headers
    assert "content-type" not in server.request.headers
    assert server.request.key is None


@pytest.mark.parametrize("name", ["Accept-Encoding", "accept-encoding", "USER-AGENT", "Accept"])
def test_ones_own_headers_win(serve, name: str):
    server = serve(OK)
    got(server.url, headers={name: "mine"})
    assert server.request.headers[name.lower()] == "mine"


def test_the_environment_has_no_say(serve, refusing, home: Path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, refusing)
    (home / ".netrc").write_text("machine 127.0.0.1 login someone password other\n")
    server = serve(OK)
    assert got(server.url) == (200, b"ok")
    assert "authorization" not in server.request.headers


def test_a_form_is_one_that_others_read():
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
def test_what_cannot_be_sent_is_said_without_a_key(serve, url: str | None, headers):
    server = serve(OK, may_be_idle=True)
    assert failure(url or server.url, headers=headers).status == 3
    assert not server.requests


# What comes back --------------------------------------------------------------------------------


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
def test_a_body_comes_whole(serve, answer: bytes, bytes_at_once: int | None):
    server = serve(lambda _: [answer] if bytes_at_once is None else [bytes([b]) for b in answer])
    assert got(server.url) == (200, b"all of it")


@pytest.mark.parametrize("status", [204, 304])
def test_no_body_is_none(serve, status: int):
    assert got(serve(http(status)).url) == (status, b"")
    head = http(200, {"content-length": "5"})
    assert got(serve(head).url, method="HEAD") == (200, b"")


@pytest.mark.parametrize("status", [201, 302, 307, 400, 401, 404, 429, 500, 503, 599])
def test_no_status_is_a_failure_here_nor_led_elsewhere(serve, status: int):
    other = serve(OK, may_be_idle=True)
    server = serve(http(status, {"location": other.url}, b"said"))
    assert got(server.url, method="POST", body=b"x") == (status, b"said")
    assert not other.connections


def test_headers_have_lower_case_names(serve):
    response = send(serve(http(200, {"X-Two": "a\r\nx-tWO: b", "Retry-After": "7"})).url)
    assert response.headers["x-two"] == "a, b"
    assert response.headers["retry-after"] == "7"
    response.close()


def test_a_compressed_body_is_handed_over_as_it_is(serve):
    assert got(serve(http(200, {"content-encoding": "gzip"}, b"\x1f\x8b")).url) == (
        200,
        b"\x1f\x8b",
    )


def test_each_part_is_handed_over_when_it_comes(serve):
    go_on = threading.Event()
    server = serve([HEAD, TOKEN, go_on, TOKEN, chunked()])
    response = send(server.url)
    blocks = response.blocks()
    assert next(blocks) == b"data: token\n\n"
    go_on.set()
    assert b"".join(blocks) == b"data: token\n\n"
    response.close()
    assert not server.hung_up.is_set()


def test_a_slow_reader_is_not_run_over(serve):
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
    # What the system holds, and a little of ours; not the 26 megabytes.
    assert len(sent) < 300
    assert sum(map(len, response.blocks())) == len(block) * 400
    response.close()


def test_an_answer_that_comes_before_all_was_sent_is_read(serve):
    server = serve(http(413, {"connection": "close"}, b"too large"), early=True)
    assert got(server.url, method="POST", body=b"x" * 8_000_000) == (413, b"too large")


# Limits, from outside ---------------------------------------------------------------------------


BEFORE_A_WORD: dict[str, Callable[[], Iterable[Step]]] = {
    "never a header": lambda: [HOLD],
    "endless 102": lambda: for_ever(b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a head in drips": lambda: bytewise(HEAD * 100),
    "a header without end": lambda: itertools.chain([HEAD[:-2], b"x: "], for_ever(b"x")),
    "a head and no more": lambda: [HEAD, HOLD],
    "endless pings": lambda: itertools.chain([HEAD], for_ever(PING)),
    "a body in drips": lambda: itertools.chain([HEAD, b"ffff\r\n"], for_ever(b"x")),
    "a chunk's size in drips": lambda: itertools.chain([HEAD], for_ever(b"0")),
}


@pytest.mark.parametrize("what", BEFORE_A_WORD)
def test_the_first_word_has_a_limit(serve, what: str):
    server = serve(lambda _: BEFORE_A_WORD[what]())
    with ending_at():
        told = failure(server.url, first_token=LIMIT)
    assert (told.status, "--first-token-timeout" in told.remedy) == (28, True)
    assert server.hung_up.wait(5)


@pytest.mark.parametrize("what", ["never a header", "endless 102", "endless pings"])
def test_the_whole_has_a_limit(serve, what: str):
    server = serve(lambda _: BEFORE_A_WORD[what]())
    with ending_at():
        told = failure(server.url, total=LIMIT)
    assert (told.status, "--max-time" in told.remedy) == (28, True)
    assert server.hung_up.wait(5)


@pytest.mark.parametrize(
    "rest", [lambda: [HOLD], lambda: for_ever(PING), lambda: [b"5\r\nab", HOLD]]
)
def test_silence_after_a_word_has_a_limit(serve, rest: Callable[[], Iterable[Step]]):
    server = serve(lambda _: itertools.chain([HEAD, TOKEN], rest()))
    transport = Transport(server.url, Route(), connect=NEVER, write=NEVER)
    deadlines = limits(idle=LIMIT)
    response = transport.send(Request("GET", server.url), deadlines)
    blocks = response.blocks()
    assert next(blocks).startswith(b"data: token\n\n")
    deadlines.token()
    with ending_at(), pytest.raises(TimedOutError) as ended:
        list(blocks)
    assert "--idle-timeout" in ended.value.remedy
    response.close()
    assert server.hung_up.wait(5)


def test_words_that_keep_coming_are_waited_for(serve):
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
def test_a_server_that_takes_no_more_has_a_limit(serve, changed, flag: str):
    server = serve([HOLD], early=True)
    body = b"x" * 30_000_000
    with ending_at():
        told = failure(server.url, method="POST", body=body, first_token=LIMIT / 4, **changed)
    assert told.status == 28
    assert flag in told.remedy
    # The server cannot know before it has taken what is on its way.
    assert none_left()


def test_connecting_has_a_limit(deaf):
    with ending_at():
        told = failure(deaf, connect=LIMIT)
    assert (told.status, "--connect-timeout" in told.remedy) == (28, True)
    with ending_at():
        assert "--max-time" in failure(deaf, total=LIMIT).remedy


def test_a_handshake_is_a_part_of_connecting(serve, certificates):
    server = serve(OK, greeting=[HOLD], may_be_idle=True)
    url = server.url.replace("http:", "https:")
    with ending_at():
        told = failure(url, route=trusting(certificates), connect=LIMIT)
    assert (told.status, "--connect-timeout" in told.remedy) == (28, True)
    assert server.hung_up.wait(5)


def test_what_a_proxy_is_asked_is_a_part_of_connecting(serve, certificates):
    server = serve([HOLD])
    route = trusting(certificates, proxy=server.url)
    with ending_at():
        told = failure("https://there.example/", route=route, connect=LIMIT)
    assert (told.status, "--connect-timeout" in told.remedy) == (28, True)
    assert server.request.method == "CONNECT"


def test_a_name_server_that_hangs_is_a_part_of_connecting(monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(NEVER) and [])
    with ending_at():
        told = failure("http://there.example/", connect=LIMIT)
    assert (told.status, "--connect-timeout" in told.remedy) == (28, True)
    ended.set()


# Nobody there -----------------------------------------------------------------------------------


def resolve_to(monkeypatch: pytest.MonkeyPatch, *servers: str) -> None:
    """Let every name have the addresses of these servers, in this order."""
    ports = [int(url.rpartition(":")[2]) for url in servers]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_refused_connection(refusing):
    told = failure(refusing)
    assert told.status == 7
    assert refusing.removeprefix("http://") in told.what
    assert "refused" in told.why
    assert "base_url" in told.remedy


def test_a_name_that_nobody_knows(monkeypatch):
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    told = failure("http://there.example:81/")
    assert told.status == 7
    assert "there.example:81" in told.what
    assert "resolved" in told.why
    assert "base_url" in told.remedy


def test_a_dead_address_leaves_time_for_the_next(serve, deaf, monkeypatch):
    server = serve(OK)
    resolve_to(monkeypatch, deaf, server.url)
    assert got("http://there.example/", connect=0.5) == (200, b"ok")


def test_a_refusing_address_leaves_the_next(serve, refusing, monkeypatch):
    server = serve(OK)
    resolve_to(monkeypatch, refusing, server.url)
    assert got("http://there.example/") == (200, b"ok")


# What is no answer ------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [CLOSE, RESET])
def test_an_end_before_anything_was_asked(serve, step: Step):
    told = failure(serve(OK, greeting=[step]).url)
    assert (told.status, told.code) == (7, "unreachable")


@pytest.mark.parametrize(
    "steps",
    [[CLOSE], [RESET], [b"HTTP/1.1 200 OK\r\ncontent-", CLOSE], [b"H", CLOSE], [b"", CLOSE]],
)
def test_an_end_before_the_head(serve, steps: Sequence[Step]):
    server = serve(steps)
    told = failure(server.url)
    assert told.status == 7
    assert f"127.0.0.1:{server.port}" in told.what
    assert len(server.requests) == 1, "trying again is not this floor's"


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
def test_what_is_no_http_is_a_bad_response(serve, answer: bytes):
    told = failure(serve([answer, 0.05]).url)
    assert told.status == 8
    assert "base_url" in told.remedy
    assert len(told.message) < 1000


def test_another_protocol(serve):
    server = serve(OK, greeting=[b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE])
    # Its line is not ended as a head is, so that the library may not have looked at it.
    assert failure(server.url).status in (7, 8)


@pytest.mark.parametrize(
    ("answer", "given"),
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
def test_an_answer_that_is_cut_off_is_truncated(serve, answer: Sequence[Step], given: bytes):
    response = send(serve(answer).url)
    blocks: list[bytes] = []
    with pytest.raises(ContextopsError) as cut:
        blocks.extend(response.blocks())
    assert cut.value.status == 18
    assert b"".join(blocks) == given
    assert list(response.blocks()) == [], "it is over"
    response.close()


def test_what_came_before_the_end_is_given_first(serve):
    response = send(serve([HEAD, TOKEN, TOKEN, CLOSE]).url)
    assert none_left(), "all that came waits for its reader"
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
def test_a_body_that_is_misframed_is_a_bad_response(serve, chunks: bytes):
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


def test_a_certificate_of_a_known_authority(serve, certificates):
    server = serve(OK, tls=certificates.server())
    assert got(server.url, route=trusting(certificates)) == (200, b"ok")


def test_a_certificate_that_nobody_signed(serve, certificates):
    server = serve(OK, tls=certificates.server())
    told = failure(server.url)
    assert (told.status, "ca_bundle" in told.remedy) == (60, True)
    assert "issuer" in told.why or "signed" in told.why
    assert not server.requests
    assert got(server.url, route=Route(insecure=True)) == (200, b"ok")


@pytest.mark.parametrize(("which", "word"), [("expired", "expired"), ("misnamed", "not valid for")])
def test_a_certificate_that_is_not_good(serve, certificates, which, word: str):
    server = serve(OK, tls=certificates.server(which))
    told = failure(server.url, route=trusting(certificates))
    assert told.status == 60
    assert word in told.why
    assert not server.requests


def test_a_server_that_wants_a_certificate(serve, certificates):
    tls = certificates.server(ask_client=True)
    told = failure(serve(OK, tls=tls).url, route=trusting(certificates))
    assert (told.status, "client_cert" in told.remedy) == (60, True)
    route = trusting(certificates, client_cert=certificates.good)
    assert got(serve(OK, tls=tls).url, route=route) == (200, b"ok")


def test_tls_with_a_plain_server_has_http_as_its_remedy(serve):
    server = serve(OK)
    told = failure(server.url.replace("http:", "https:"))
    assert (told.status, "http://" in told.remedy) == (60, True)
    assert server.invalid_requests


ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


@pytest.mark.parametrize("steps", [[ALERT, CLOSE], [ALERT + b"\r\n\r\n", 0.05]])
def test_an_alert_of_tls_has_https_in_its_remedy(serve, steps):
    told = failure(serve(steps).url)
    assert told.status in (7, 8)
    assert "https" in told.remedy


@pytest.mark.parametrize("steps", [[CLOSE], [RESET]])
def test_who_hangs_up_is_asked_whether_it_wants_tls(serve, certificates, steps):
    secure = serve(OK, tls=certificates.server())
    told = failure(secure.url.replace("https:", "http:"))
    assert (told.status, told.remedy) == (8, "use https:// in base_url")
    assert not secure.requests
    plain = serve(steps)
    told = failure(plain.url)
    assert (told.status, "https" in told.remedy) == (7, False)
    (asked,) = plain.invalid_requests
    assert asked.startswith(b"\x16\x03")
    assert KEY.encode() not in asked


def noise(connection: Connection) -> None:
    """Send what is not encrypted."""
    with socket.socket(fileno=os.dup(connection.socket.fileno())) as beneath:
        beneath.sendall(b"x" * 99)


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        *(([CLOSE], 7), ([RESET], 7), ([HEAD, TOKEN, CLOSE], 18), ([HEAD, TOKEN, 0.05, RESET], 18)),
        ([HEAD, TOKEN, noise], 18),
    ],
)
def test_an_end_under_tls_is_no_matter_of_certificates(serve, certificates, steps, status: int):
    server = serve(steps, tls=certificates.server())
    assert failure(server.url, route=trusting(certificates)).status == status


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
def test_a_route_that_cannot_be_used_is_said_at_once(setting: str, value: Any, word: str):
    with pytest.raises(ConfigError) as failed:
        Transport("https://there.example", Route(**{setting: value}), connect=1, write=1)
    assert word in failed.value.remedy
    assert "secret" not in failed.value.message


# Through a proxy --------------------------------------------------------------------------------


def tunnel(port: int) -> Callable[[Connection], None]:
    """Pass bytes on between a client and a port until one of them ends."""

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


def test_plain_http_through_a_proxy(serve):
    proxy = serve(OK)
    route = Route(proxy=proxy.url.replace("//", "//someone:secret@"))
    assert got("http://there.example/path", route=route) == (200, b"ok")
    assert proxy.request.target == "http://there.example/path"
    assert proxy.request.headers["proxy-authorization"].startswith("Basic ")


def test_tls_through_a_proxy_shows_it_no_key(serve, certificates):
    server = serve(OK, tls=certificates.server())
    proxy = serve([http(200, {"content-length": None}), tunnel(server.port)])
    route = trusting(certificates, proxy=proxy.url)
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"https://localhost:{server.port}/"
    assert got(url, route=route, headers=headers) == (200, b"ok")
    assert server.request.key == KEY
    assert (proxy.request.method, proxy.request.target) == ("CONNECT", f"localhost:{server.port}")
    assert KEY.encode() not in proxy.request.head


@pytest.mark.parametrize("status", [403, 407, 502, 503])
def test_a_proxy_that_refuses(serve, certificates, status: int):
    proxy = serve(http(status, {}, b"no"))
    told = failure("https://there.example/", route=trusting(certificates, proxy=proxy.url))
    assert told.status == 7
    assert str(status) in told.message
    assert "proxy" in told.remedy


@pytest.mark.parametrize("steps", [[CLOSE], [RESET], [b"SSH-2.0-x\r\n\r\n", CLOSE]])
def test_a_proxy_that_is_none(serve, certificates, steps):
    route = trusting(certificates, proxy=serve(steps).url)
    assert failure("https://there.example/", route=route).status in (7, 8)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named(refusing, certificates, scheme: str):
    route = trusting(certificates, proxy=refusing.replace("//", "//someone:secret@"))
    told = failure(f"{scheme}://there.example/", route=route)
    assert told.status == 7
    assert refusing.removeprefix("http://") in told.what
    assert "proxy" in told.remedy
    assert "secret" not in told.message


# Giving up --------------------------------------------------------------------------------------


def exchanges() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "exchange"]


def none_left() -> bool:
    end = time.monotonic() + 5
    while exchanges() and time.monotonic() < end:
        time.sleep(0.01)
    return not exchanges()


@pytest.mark.parametrize("rest", [lambda: [HOLD], lambda: for_ever(TOKEN, pause=0)])
def test_closing_hangs_up(serve, rest: Callable[[], Iterable[Step]]):
    server = serve(lambda _: itertools.chain([HEAD, TOKEN], rest()))
    response = send(server.url)
    assert next(response.blocks())
    assert not server.hung_up.is_set()
    response.close()
    assert server.hung_up.wait(5)
    assert none_left()


def test_closing_hangs_up_under_tls(serve, certificates):
    server = serve([HEAD, TOKEN, HOLD], tls=certificates.server())
    response = send(server.url, route=trusting(certificates))
    assert next(response.blocks())
    response.close()
    assert server.hung_up.wait(5)
    assert none_left()


def test_closing_a_whole_answer_hangs_up_on_nobody(serve):
    server = serve(OK)
    response = send(server.url)
    assert b"".join(response.blocks()) == b"ok"
    response.close()
    response.close()
    assert none_left()
    assert not server.hung_up.is_set()


class AlarmError(Exception):
    """What the alarm raises."""


@pytest.mark.skipif(sys.platform == "win32", reason="no alarms on this system")
@pytest.mark.parametrize("where", ["connecting", "before the head", "in the body"])
def test_an_interrupt_is_never_late(serve, deaf, where: str):
    def interrupt(*_: object) -> None:
        raise AlarmError

    server = serve(
        in_turn([HOLD] if where == "before the head" else [HEAD, TOKEN, HOLD]),
        may_be_idle=where == "connecting",
    )
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        with ending_at(), pytest.raises(AlarmError):
            got(deaf if where == "connecting" else server.url, connect=0.25)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if where != "connecting":
        assert server.hung_up.wait(5)
    assert none_left()
