"""The harness itself, as far as a broken one would hide failures of the tool."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from certificates import Certificates
from server import CLOSE, HOLD, RESET, Request, Server
from shapes import (
    DONE,
    KEY,
    VERSIONS,
    LlamaCpp,
    OpenWebUI,
    Reference,
    Version,
    chunk,
    http,
    in_turn,
    json_answer,
    reply,
    sse,
    stream,
)

OK = http(200, {}, b"ok")


def client(server: Server, **more: object) -> httpx.Client:
    headers = {"authorization": f"Bearer {KEY}"}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, **more)


def wire(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def read(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


# What makes a test fail


def test_a_server_that_nobody_calls_fails():
    with pytest.raises(AssertionError, match="nobody called"), Server(OK):
        pass


def test_a_server_that_nobody_asks_fails():
    with pytest.raises(AssertionError, match="nobody asked"), Server(OK) as server, wire(server):
        pass


def test_a_server_may_be_idle():
    with Server(OK, may_be_idle=True):
        pass


def test_what_the_answer_raises_fails():
    def answer(request: Request) -> bytes:
        assert request.method == "POST", "not as meant"
        return OK

    with pytest.raises(AssertionError, match="not as meant"), Server(answer) as server:
        assert read_after_asking(server) == b""


def test_what_the_answer_raises_between_its_steps_fails():
    def answer(request: Request) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        raise LookupError

    with pytest.raises(LookupError), Server(answer) as server:
        assert read_after_asking(server) == b"HTTP/1.1 200 OK\r\n"


def test_the_tests_own_failure_is_not_hidden():
    with pytest.raises(IndexError) as told, Server(in_turn()) as server:
        read_after_asking(server).decode().split()[1]
    assert "one request too many" in told.value.__notes__[0]


def test_a_request_too_many_fails():
    with pytest.raises(AssertionError, match="too many"), Server(in_turn(OK)) as server:
        read_after_asking(server, times=2)


def read_after_asking(server: Server, *, times: int = 1) -> bytes:
    with wire(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n" * times)
        return read(sock) if times > 1 else sock.recv(65536)


# What goes over the wire


def test_bytes_are_sent_as_they_stand():
    with Server(b"\x00no \xff HTTP") as server, wire(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read(sock) == b"\x00no \xff HTTP"


def test_a_request_is_read_whole():
    with Server(OK) as server, client(server) as caller:
        caller.post("/a/b?c=d&e", json={"f": "ü"}, headers=[("x-a", "1"), ("x-a", "2")])
        caller.post("/chunked", content=iter([b"one", b"two"]))
        first, second = server.requests
    assert (first.method, first.path, first.query) == ("POST", "/a/b", {"c": "d", "e": ""})
    assert (first.key, first.headers["x-a"], first.json()) == (KEY, "1, 2", {"f": "ü"})
    assert first.head.startswith(b"POST /a/b?c=d&e HTTP/1.1\r\n")
    assert second.body == b"onetwo"


def test_a_well_framed_answer_keeps_the_connection():
    with Server(in_turn(OK, stream("x"), http(204, {}), OK)) as server, client(server) as caller:
        for _ in range(4):
            caller.get("/")
    assert [(each.connection, each.turn) for each in server.requests] == [
        *((1, 1), (1, 2), (1, 3), (1, 4))
    ]


@pytest.mark.parametrize(
    "answer",
    [
        http(200, {"connection": "close"}, b"ok"),
        http(200, {"content-length": "5"}, b"ok"),
        http(200, {"content-length": None}, b"ok"),
        [http(200, {"transfer-encoding": "chunked"}), b"2\r\nok\r\n"],
        [OK, CLOSE],
    ],
)
def test_any_other_answer_closes_it(answer: bytes):
    with Server(answer) as server, wire(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read(sock).endswith((b"ok", b"ok\r\n"))


def test_an_idle_connection_is_closed():
    with Server(OK, idle=0) as server, wire(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read(sock) == OK
    with Server(OK, idle=0.01) as server, wire(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read(sock) == OK


def test_reset():
    with Server([b"half", RESET]) as server, wire(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            read(sock)


def test_greeting():
    answers = {1: [CLOSE], 2: [b"SSH-2.0-x\r\n", CLOSE]}
    with Server(OK, greeting=lambda number: answers.get(number, ())) as server:
        for expected in (b"", b"SSH-2.0-x\r\n"):
            with wire(server) as sock:
                assert read(sock) == expected
        with client(server) as caller:
            assert caller.get("/").text == "ok"
    assert server.connections == 3


def test_an_early_answer_does_not_wait_for_the_body():
    answer = http(413, {"connection": "close"}, b"big")
    with Server(answer, early=True) as server, wire(server) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n")
        assert read(sock).endswith(b"big")
        sock.sendall(b"too large")
    assert not server.hung_up.is_set()


def test_what_is_no_http_is_kept():
    with Server(OK) as server, wire(server) as sock:
        sock.sendall(b"\x16\x03\x01hello")
        assert read(sock).startswith(b"HTTP/1.1 400 ")
    assert server.strays == [b"\x16\x03\x01hello"]


def test_tls(certificates: Certificates):
    trust = ssl.create_default_context(cafile=certificates.authority)
    with Server(OK, tls=certificates.server()) as server, client(server, verify=trust) as caller:
        assert server.url.startswith("https://")
        assert caller.get("/").text == "ok"


@pytest.mark.parametrize(
    ("which", "problem"), [("expired", "expired"), ("misnamed", "not valid for")]
)
def test_tls_that_a_client_refuses(certificates: Certificates, which: str, problem: str):
    trust = ssl.create_default_context(cafile=certificates.authority)
    tls = certificates.server(which)
    refused = pytest.raises(httpx.ConnectError, match=problem)
    with Server(OK, tls=tls) as server, client(server, verify=trust) as caller, refused:
        caller.get("/")
    assert server.handshakes_failed
    assert not server.requests


def test_tls_with_a_certificate_of_the_client(certificates: Certificates):
    trust = ssl.create_default_context(cafile=certificates.authority)
    trust.load_cert_chain(certificates.good)
    tls = certificates.server(ask_client=True)
    with Server(OK, tls=tls) as server, client(server, verify=trust) as caller:
        assert caller.get("/").text == "ok"


# When a client goes


@pytest.mark.parametrize("step", [HOLD, 60.0, threading.Event()], ids=["hold", "sleep", "event"])
def test_a_client_that_hangs_up_is_noticed(step: object):
    with Server(stream("one", step)) as server:
        with wire(server) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(1)
            assert server.asked.is_set()
            assert not server.hung_up.is_set()
        assert server.hung_up.wait(5)


def test_a_client_that_hangs_up_under_tls_is_noticed(certificates: Certificates):
    trust = ssl.create_default_context(cafile=certificates.authority)
    with Server(stream("one", HOLD), tls=certificates.server()) as server:
        with client(server, verify=trust) as caller, caller.stream("GET", "/") as response:
            assert next(response.iter_bytes()) == b"data: one\n\n"
        assert server.hung_up.wait(5)


def test_a_client_that_has_its_answer_has_not_hung_up():
    with Server(OK) as server, client(server) as caller:
        caller.get("/")
    assert not server.hung_up.is_set()


def test_an_event_lets_the_answer_go_on():
    go_on = threading.Event()
    with Server(stream("one", go_on, "two")) as server, wire(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        seen = b""
        while b"one" not in seen:
            seen += sock.recv(65536)
        assert b"two" not in seen
        go_on.set()
        while b"two" not in seen:
            seen += sock.recv(65536)


def test_stopping_is_quick():
    start = time.monotonic()
    with Server(stream("one", HOLD)) as server, wire(server) as holding, wire(server):
        holding.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert holding.recv(1)
        server.stop()
    assert time.monotonic() - start < 1
    assert not server.hung_up.is_set()
    assert not any(thread.is_alive() for thread in server.threads)


def test_refusing(refusing: str):
    with pytest.raises(httpx.ConnectError):
        httpx.get(refusing, trust_env=False)


def test_deaf(deaf: str):
    with pytest.raises(httpx.ConnectTimeout):
        httpx.get(deaf, timeout=0.2, trust_env=False)


# The shapes


def test_a_stream_is_framed():
    with Server(stream(*reply("Hello world"))) as server, client(server) as caller:
        assert caller.get("/").content == sse(*reply("Hello world"))


@pytest.mark.parametrize("version", VERSIONS)
def test_open_webui(version: Version):
    with Server(OpenWebUI(version)) as server, client(server) as caller:
        models = caller.get("/api/models").json()["data"]
        question = {"role": "user", "content": "one two"}
        body = {"model": models[0]["id"], "messages": [question]}
        whole = caller.post("/api/chat/completions", json=body).json()
        streamed = caller.post("/api/chat/completions", json={**body, "stream": True})
        missing = caller.post("/api/chat/completions", json={**body, "model": "nope"})
        anonymous = caller.get("/api/models", headers={"authorization": ""})
        page = caller.get("/api/models/")
        wrong = caller.post("/api/chat/completion", json=body)
    assert [model["id"] for model in models] == ["ctx-small", "ctx-large"]
    assert whole["choices"][0]["message"]["content"] == "You said: one two"
    assert streamed.content == sse(*reply("You said: one two"))
    assert (missing.status_code, missing.json()) == (400, {"detail": "Model not found"})
    assert anonymous.status_code == (403 if version == "0.6.5" else 401)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert wrong.status_code == 405


@pytest.mark.parametrize(
    ("version", "refused", "end"),
    [("0.12.4", 429, DONE), ("0.6.43", 429, "said: "), ("0.6.5", 400, None)],
)
def test_open_webui_steered(version: Version, refused: int, end: str | None):
    def body(prompt: str) -> dict[str, object]:
        messages = [{"role": "user", "content": prompt}]
        return {"model": "ctx-small", "messages": messages, "stream": True}

    with Server(OpenWebUI(version)) as server, client(server) as caller:
        limited = caller.post("/api/chat/completions", json=body("!429"))
        assert limited.status_code == refused
        assert ("retry-after" in limited.headers) is (version == "0.12.4")
        if end is None:
            with pytest.raises(httpx.RemoteProtocolError):
                caller.post("/api/chat/completions", json=body("one !cut"))
        else:
            assert end in caller.post("/api/chat/completions", json=body("one !cut")).text[-250:]


def test_other_servers():
    with Server(LlamaCpp()) as server, client(server) as caller:
        assert caller.get("/v1/models").json()["data"][0]["id"] == "demo.gguf"
        assert caller.get("/v1/models", headers={"authorization": ""}).status_code == 401
    with Server(Reference()) as server, client(server) as caller:
        assert caller.get("/api/models").json()[0]["id"] == "llama3.1"


def test_a_chunk_has_what_is_asked_for():
    choice = chunk("a", finish="stop", role="assistant")["choices"][0]
    assert choice["delta"] == {"role": "assistant", "content": "a"}
    assert choice["finish_reason"] == "stop"


def test_the_home_is_nobodys(home, monkeypatch: pytest.MonkeyPatch):
    assert os.environ["HOME"] == str(home)
    assert not [name for name in os.environ if name.startswith("CONTEXTOPS_")]
    assert not [name for name in os.environ if name.lower().endswith("_proxy")]


def test_json_is_compact():
    assert json_answer({"a": "ü"}).endswith('\r\n\r\n{"a":"ü"}'.encode())
