"""``contextops api``: any endpoint, with the statuses and streams of the other commands."""

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


def test_api_prints_body_unchanged(run, serve, exported):
    body = b'{"version" : "0.12.4",\n "x": "\xc3\xa9"}'
    server = exported(serve(lambda _: http(200, {"content-type": "application/json"}, body)))
    result = run("api", "GET", "/api/version")
    assert (result.status, result.stdout_bytes, result.stderr) == (0, body, "")
    assert server.request.target == "/api/version"
    assert server.request.headers["authorization"] == f"Bearer {KEY}"


def test_api_path_without_slash_is_relative_to_api(run, serve, exported):
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
def test_api_sends_body_from_argument_stdin_or_file(
    run, serve, exported, tmp_path, monkeypatch, argv, stdin, sent
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body.json").write_bytes(b'{"from": "file"}')
    server = exported(serve(lambda _: json_answer({"ok": True})))
    assert run("api", "POST", "/x", *argv, input=stdin).status == 0
    assert server.request.body == sent
    assert server.request.headers["content-type"] == "application/json"


def test_api_uploads_file_under_its_own_name(run, serve, exported, tmp_path):
    notes = tmp_path / "notes ü.txt"
    notes.write_bytes(b"\x00\xffhello")
    server = exported(serve(lambda _: json_answer({"id": "f1"})))
    result = run("api", "POST", "/api/v1/files/", "-F", f"file=@{notes}", "-F", "kind=note")
    assert result.status == 0
    assert server.request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b"\x00\xffhello" in server.request.body
    assert b'name="file"; filename="notes' in server.request.body
    assert b'name="kind"\r\n\r\nnote' in server.request.body


def test_api_include_prints_status_and_headers_before_body(run, serve, exported):
    exported(serve(lambda _: http(200, {"x-request-id": "r1"}, b"body")))
    result = run("api", "GET", "/x", "-i")
    head, _, body = result.stdout.partition("\n\n")
    assert head.splitlines()[0] == "HTTP 200 OK"
    assert "x-request-id: r1" in head
    assert body == "body"


def test_api_include_prints_body_of_error_response(run, serve, exported):
    exported(serve(lambda _: detail("teapot", 418)))
    result = run("api", "GET", "/x", "-i")
    assert result.status == 22
    assert result.stdout.startswith("HTTP 418 ")
    assert result.stdout.endswith('\n\n{"detail":"teapot"}')


def test_api_error_response_leaves_stdout_empty(run, serve, exported):
    exported(serve(lambda _: detail("no", 403)))
    result = run("api", "DELETE", "/x")
    assert (result.status, result.stdout) == (4, "")


def test_api_web_page_is_status_8_unless_html_is_accepted(run, serve, exported):
    exported(serve(OpenWebUI()))
    assert run("api", "GET", "/nope").status == 8
    result = run("api", "GET", "/nope", "-H", "Accept: text/html")
    assert result.status == 0
    assert result.stdout.startswith("<!doctype html>")


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
def test_api_invalid_arguments_send_nothing(run, serve, exported, argv, status):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("api", *argv)
    assert (result.status, result.stdout) == (status, "")
    assert server.requests == []


def test_api_compressed_body_is_status_8(run, serve, exported):
    exported(serve(lambda _: http(200, {"content-encoding": "gzip"}, b"\x1f\x8b")))
    result = run("api", "GET", "/x")
    assert (result.status, result.stdout) == (8, "")


def test_api_distinguishes_401_of_provider(run, serve, exported):
    exported(serve(OpenWebUI()))
    body = '{"model": "ctx-small", "messages": [{"role": "user", "content": "!401"}]}'
    assert run("api", "POST", "chat/completions", "-d", body).status == 50


def test_api_unknown_model_suggests_known_one(run, serve, exported):
    exported(serve(OpenWebUI()))
    result = run("api", "POST", "chat/completions", "-d", '{"model": "ctx-smal", "messages": []}')
    assert result.status == 5
    assert "did you mean ctx-small" in result.stderr


def test_api_truncated_body_is_status_18_with_received_part(run, serve, exported):
    exported(serve(lambda _: http(200, {"content-length": "100"}, b"half of it")))
    result = run("api", "GET", "/x")
    assert (result.status, result.stdout) == (18, "half of it")
