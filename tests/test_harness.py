"""The test server and its answers, where an error in them would hide an error in the tool."""

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
from server import CLOSE, HOLD, Request, Server
from shapes import (
    DONE,
    KEY,
    VERSIONS,
    OpenWebUI,
    Version,
    http,
    in_turn,
    reply,
    sse,
    stream,
)

OK = http(200, {}, b"ok")


def client(server: Server, **more: object) -> httpx.Client:
    headers = {"authorization": f"Bearer {KEY}"}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, **more)


def connect_to(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=10)


def read_until_closed(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


# Errors that fail a test


def test_server_without_connection_raises():
    with pytest.raises(AssertionError, match="no client connected"), Server(OK):
        pass


def test_server_without_request_raises():
    with (
        pytest.raises(AssertionError, match="no client sent a request"),
        Server(OK) as server,
        connect_to(server),
    ):
        pass


def test_server_that_may_be_idle_raises_nothing():
    with Server(OK, may_be_idle=True):
        pass


def test_exception_in_answer_function_is_raised_at_the_end():
    def answer(request: Request) -> bytes:
        assert request.method == "POST", "wrong method"
        return OK

    with pytest.raises(AssertionError, match="wrong method"), Server(answer) as server:
        assert read_after_request(server) == b""


def test_exception_between_steps_is_raised_at_the_end():
    def answer(request: Request) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        raise LookupError

    with pytest.raises(LookupError), Server(answer) as server:
        assert read_after_request(server) == b"HTTP/1.1 200 OK\r\n"


def test_exception_in_the_test_is_raised_with_a_note_about_the_answer():
    with pytest.raises(IndexError) as error, Server(in_turn()) as server:
        read_after_request(server).decode().split()[1]
    assert "unexpected request" in error.value.__notes__[0]


def test_request_without_an_answer_left_raises():
    with pytest.raises(AssertionError, match="unexpected request"), Server(in_turn(OK)) as server:
        read_after_request(server, times=2)


def read_after_request(server: Server, *, times: int = 1) -> bytes:
    with connect_to(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n" * times)
        return read_until_closed(sock) if times > 1 else sock.recv(65536)


# Bytes on the connection


def test_bytes_are_sent_unchanged():
    with Server(b"\x00no \xff HTTP") as server, connect_to(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_until_closed(sock) == b"\x00no \xff HTTP"


def test_request_is_read_completely():
    with Server(OK) as server, client(server) as caller:
        caller.post("/a/b?c=d&e", json={"f": "ü"}, headers=[("x-a", "1"), ("x-a", "2")])
        caller.post("/chunked", content=iter([b"one", b"two"]))
        first, second = server.requests
    assert (first.method, first.path, first.query) == ("POST", "/a/b", {"c": "d", "e": ""})
    assert (first.key, first.headers["x-a"], first.json()) == (KEY, "1, 2", {"f": "ü"})
    assert first.head.startswith(b"POST /a/b?c=d&e HTTP/1.1\r\n")
    assert second.body == b"onetwo"


def test_well_framed_answer_keeps_connection_open():
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
def test_badly_framed_answer_closes_connection(answer: bytes):
    with Server(answer) as server, connect_to(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_until_closed(sock).endswith((b"ok", b"ok\r\n"))


def test_idle_connection_is_closed():
    with Server(OK, idle=0) as server, connect_to(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_until_closed(sock) == OK
    with Server(OK, idle=0.01) as server, connect_to(server) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_until_closed(sock) == OK


def test_greeting_is_sent_before_the_request_is_read():
    answers = {1: [CLOSE], 2: [b"SSH-2.0-x\r\n", CLOSE]}
    with Server(OK, greeting=lambda number: answers.get(number, ())) as server:
        for expected in (b"", b"SSH-2.0-x\r\n"):
            with connect_to(server) as sock:
                assert read_until_closed(sock) == expected
        with client(server) as caller:
            assert caller.get("/").text == "ok"
    assert server.connections == 3


def test_early_answer_is_sent_before_the_body_is_read():
    answer = http(413, {"connection": "close"}, b"big")
    with Server(answer, early=True) as server, connect_to(server) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n")
        assert read_until_closed(sock).endswith(b"big")
        sock.sendall(b"too large")
    assert not server.hung_up.is_set()


def test_data_that_is_not_http_is_recorded():
    with Server(OK) as server, connect_to(server) as sock:
        sock.sendall(b"\x16\x03\x01hello")
        assert read_until_closed(sock).startswith(b"HTTP/1.1 400 ")
    assert server.invalid_requests == [b"\x16\x03\x01hello"]


# Clients that close the connection


@pytest.mark.parametrize("step", [HOLD, 60.0, threading.Event()], ids=["hold", "sleep", "event"])
def test_closed_connection_is_noticed_during_a_step(step: object):
    with Server(stream("one", step)) as server:
        with connect_to(server) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(1)
            assert server.request_received.is_set()
            assert not server.hung_up.is_set()
        assert server.hung_up.wait(5)


def test_closed_tls_connection_is_noticed(certificates: Certificates):
    trust = ssl.create_default_context(cafile=certificates.authority)
    with Server(stream("one", HOLD), tls=certificates.server()) as server:
        with client(server, verify=trust) as caller, caller.stream("GET", "/") as response:
            assert next(response.iter_bytes()) == b"data: one\n\n"
        assert server.hung_up.wait(5)


def test_connection_closed_after_the_answer_is_not_a_hang_up():
    with Server(OK) as server, client(server) as caller:
        caller.get("/")
    assert not server.hung_up.is_set()


def test_stop_ends_all_threads_within_a_second():
    start = time.monotonic()
    with Server(stream("one", HOLD)) as server, connect_to(server) as holding, connect_to(server):
        holding.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert holding.recv(1)
        server.stop()
    assert time.monotonic() - start < 1
    assert not server.hung_up.is_set()
    assert not any(thread.is_alive() for thread in server.threads)


# Answers


@pytest.mark.parametrize("version", VERSIONS)
def test_open_webui_answers_as_recorded(version: Version):
    with Server(OpenWebUI(version)) as server, client(server) as caller:
        models = caller.get("/api/models").json()["data"]
        question = {"role": "user", "content": "one two"}
        body = {"model": models[0]["id"], "messages": [question]}
        document = caller.post("/api/chat/completions", json=body).json()
        streamed = caller.post("/api/chat/completions", json={**body, "stream": True})
        missing = caller.post("/api/chat/completions", json={**body, "model": "nope"})
        anonymous = caller.get("/api/models", headers={"authorization": ""})
        page = caller.get("/api/models/")
        wrong = caller.post("/api/chat/completion", json=body)
    assert [model["id"] for model in models] == ["ctx-small", "ctx-large"]
    assert document["choices"][0]["message"]["content"] == "You said: one two"
    assert streamed.content == sse(*reply("You said: one two"))
    assert (missing.status_code, missing.json()) == (400, {"detail": "Model not found"})
    assert anonymous.status_code == (403 if version == "0.6.5" else 401)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert wrong.status_code == 405


@pytest.mark.parametrize(
    ("version", "status", "end"),
    [("0.12.4", 429, DONE), ("0.6.43", 429, "said: "), ("0.6.5", 400, None)],
)
def test_open_webui_fails_as_recorded_for_each_version(
    version: Version, status: int, end: str | None
):
    def body(prompt: str) -> dict[str, object]:
        messages = [{"role": "user", "content": prompt}]
        return {"model": "ctx-small", "messages": messages, "stream": True}

    with Server(OpenWebUI(version)) as server, client(server) as caller:
        limited = caller.post("/api/chat/completions", json=body("!429"))
        assert limited.status_code == status
        assert ("retry-after" in limited.headers) is (version == "0.12.4")
        if end is None:
            with pytest.raises(httpx.RemoteProtocolError):
                caller.post("/api/chat/completions", json=body("one !cut"))
        else:
            assert end in caller.post("/api/chat/completions", json=body("one !cut")).text[-250:]


def test_environment_has_no_settings_of_the_user(home, monkeypatch: pytest.MonkeyPatch):
    assert os.environ["HOME"] == str(home)
    assert not [name for name in os.environ if name.startswith("CONTEXTOPS_")]
    assert not [name for name in os.environ if name.lower().endswith("_proxy")]
