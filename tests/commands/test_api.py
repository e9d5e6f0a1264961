"""``contextops api``: any endpoint, under the contract of the others."""

from __future__ import annotations

import pytest

from shapes import KEY, OpenWebUI, detail, http, json_answer


@pytest.fixture
def exported(monkeypatch):
    def export(server):
        monkeypatch.setenv("CONTEXTOPS_BASE_URL", server.url)
        monkeypatch.setenv("CONTEXTOPS_API_KEY", KEY)
        return server

    return export


def test_the_body_comes_out_as_it_came_in(run, serve, exported):
    body = b'{"version" : "0.12.4",\n "x": "\xc3\xa9"}'
    server = exported(serve(lambda _: http(200, {"content-type": "application/json"}, body)))
    told = run("api", "GET", "/api/version")
    assert (told.status, told.stdout_bytes, told.stderr) == (0, body, "")
    assert server.request.target == "/api/version"
    assert server.request.headers["authorization"] == f"Bearer {KEY}"


def test_a_path_without_a_slash_is_below_the_api(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run("api", "get", "models?refresh=true").status == 0
    assert server.request.target == "/api/models?refresh=true"


@pytest.mark.parametrize(
    ("argv", "stdin", "sent"),
    [
        (["-d", '{"a": 1}'], None, b'{"a": 1}'),
        (["-d", "-"], b'{"from": "stdin"}', b'{"from": "stdin"}'),
        (["-d", "@body.json"], None, b'{"from": "file"}'),
    ],
)
def test_a_body_from_words_stdin_or_a_file(
    run, serve, exported, tmp_path, monkeypatch, argv, stdin, sent
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.json").write_bytes(b'{"from": "file"}')
    server = exported(serve(lambda _: json_answer({"ok": True})))
    assert run("api", "POST", "/x", *argv, input=stdin).status == 0
    assert server.request.body == sent
    assert server.request.headers["content-type"] == "application/json"


def test_a_file_is_uploaded_under_its_own_name(run, serve, exported, tmp_path):
    notes = tmp_path / "notes ü.txt"
    notes.write_bytes(b"\x00\xffhello")
    server = exported(serve(lambda _: json_answer({"id": "f1"})))
    told = run("api", "POST", "/api/v1/files/", "-F", f"file=@{notes}", "-F", "kind=note")
    assert told.status == 0
    assert server.request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b"\x00\xffhello" in server.request.body
    assert b'name="file"; filename="notes' in server.request.body
    assert b'name="kind"\r\n\r\nnote' in server.request.body


def test_include_shows_status_and_headers_before_the_body(run, serve, exported):
    exported(serve(lambda _: http(200, {"x-request-id": "r1"}, b"body")))
    told = run("api", "GET", "/x", "-i")
    head, _, body = told.stdout.partition("\n\n")
    assert head.splitlines()[0] == "HTTP 200 OK"
    assert "x-request-id: r1" in head
    assert body == "body"


def test_include_shows_the_body_of_a_refusal_too(run, serve, exported):
    exported(serve(lambda _: detail("teapot", 418)))
    told = run("api", "GET", "/x", "-i")
    assert told.status == 22
    assert told.stdout.startswith("HTTP 418 ")
    assert told.stdout.endswith('\n\n{"detail":"teapot"}')


def test_a_refusal_leaves_stdout_empty(run, serve, exported):
    exported(serve(lambda _: detail("no", 403)))
    told = run("api", "DELETE", "/x")
    assert (told.status, told.stdout) == (4, "")


def test_a_web_page_is_an_unknown_path_unless_one_is_wanted(run, serve, exported):
    exported(serve(OpenWebUI()))
    assert run("api", "GET", "/nope").status == 8
    told = run("api", "GET", "/nope", "-H", "Accept: text/html")
    assert told.status == 0
    assert told.stdout.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["GE T", "/x"], 2),
        (["GET", "https://elsewhere.example/x"], 2),
        (["POST", "/x", "-d", "{}", "-F", "a=b"], 2),
        (["POST", "/x", "-F", "nothing"], 2),
        (["POST", "/x", "-d", "@/does/not/exist"], 26),
        (["POST", "/x", "-F", "file=@/does/not/exist"], 26),
        (["GET"], 2),
        (["GET", "/a b"], 2),
        (["GET", "/a\nb"], 2),
        (["GET", "/a#b"], 2),
        (["GET", "/a/../b"], 2),
        (["GET", "\udcff"], 2),
    ],
)
def test_what_cannot_be_meant_is_not_sent(run, serve, exported, argv, status):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("api", *argv)
    assert (told.status, told.stdout) == (status, "")
    assert server.requests == []


def test_a_compressed_body_is_refused(run, serve, exported):
    exported(serve(lambda _: http(200, {"content-encoding": "gzip"}, b"\x1f\x8b")))
    told = run("api", "GET", "/x")
    assert (told.status, told.stdout) == (8, "")


def test_a_providers_401_is_told_from_ones_own(run, serve, exported):
    exported(serve(OpenWebUI()))
    body = '{"model": "ctx-small", "messages": [{"role": "user", "content": "!401"}]}'
    assert run("api", "POST", "chat/completions", "-d", body).status == 50


def test_an_unknown_model_is_told_the_known(run, serve, exported):
    exported(serve(OpenWebUI()))
    told = run("api", "POST", "chat/completions", "-d", '{"model": "ctx-smal", "messages": []}')
    assert told.status == 5
    assert "did you mean ctx-small" in told.stderr


def test_a_cut_body_is_status_18_with_what_came(run, serve, exported):
    exported(serve(lambda _: http(200, {"content-length": "100"}, b"half of it")))
    told = run("api", "GET", "/x")
    assert (told.status, told.stdout) == (18, "half of it")
