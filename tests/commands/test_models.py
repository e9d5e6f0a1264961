"""``contextops models list``: the models that the server offers, in every format."""

from __future__ import annotations

import json
import stat
import sys

import pytest

from contextops.config import cache_folder
from server import HOLD
from shapes import KEY, VERSIONS, OpenWebUI, Reference, detail, http, json_answer

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.parametrize("version", VERSIONS)
def test_list_in_pipe_is_one_id_a_line_in_server_order(run, serve, exported, version):
    exported(serve(OpenWebUI(version)))
    result = run("models", "list")
    assert (result.status, result.stdout, result.stderr) == (0, "ctx-small\nctx-large\n", "")


def test_bare_array_of_the_reference_is_read(run, serve, exported):
    exported(serve(Reference()))
    result = run("models", "list")
    assert result.status == 0
    assert result.stdout.splitlines()


@pytest.mark.parametrize(
    ("patterns", "ids"),
    [
        (["small"], ["ctx-small"]),
        (["ctx-*"], ["ctx-small", "ctx-large"]),
        (["*-larg?"], ["ctx-large"]),
        (["tx"], ["ctx-small", "ctx-large"]),
        (["tx*"], []),
        (["nothing"], []),
        (["large", "small"], ["ctx-small", "ctx-large"]),
    ],
)
def test_pattern_is_part_of_an_id_or_a_glob(run, serve, exported, patterns, ids):
    exported(serve(OpenWebUI()))
    result = run("models", "list", *patterns)
    assert (result.status, result.stdout.split(), result.stderr) == (0, ids, "")


def test_json_is_documented_array_with_extra_members(run, serve, exported):
    exported(serve(lambda _: json_answer({"data": [{"id": "a", "tags": ["x"]}, {"id": "b:1"}]})))
    result = run("models", "list", "--json")
    assert result.status == 0
    assert result.stdout.count("\n") == 1
    assert json.loads(result.stdout) == [
        {"id": "a", "object": None, "created": None, "owned_by": None, "tags": ["x"]},
        {"id": "b:1", "object": None, "created": None, "owned_by": None},
    ]


def test_jsonl_is_one_object_a_line(run, serve, exported):
    exported(serve(OpenWebUI()))
    result = run("models", "list", "--jsonl")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [
        "ctx-small",
        "ctx-large",
    ]


def test_json_and_jsonl_exclude_each_other(run, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("models", "list", "--json", "--jsonl")
    assert result.status == 2
    assert result.stdout == ""


def test_refresh_is_sent_to_the_server(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run("models", "list", "--refresh").status == 0
    assert server.request.target == "/api/models?refresh=true"


def test_request_has_bearer_key_and_identity_encoding(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    run("models", "list")
    assert server.request.headers["authorization"] == f"Bearer {KEY}"
    assert server.request.headers["accept-encoding"] == "identity"


def test_duplicate_ids_are_listed_once(run, serve, exported):
    exported(serve(lambda _: json_answer({"data": [{"id": "a"}, {"id": "b"}, {"id": "a"}]})))
    assert run("models", "list").stdout == "a\nb\n"


def test_control_characters_in_ids_are_visible(run, serve, exported):
    exported(serve(lambda _: json_answer({"data": [{"id": "a\x1b]0;x\x07\u202eb"}]})))
    assert run("models", "list").stdout == "a^[]0;x^G\\u{202e}b\n"


def test_empty_list_is_explained_on_stderr(run, serve, exported):
    exported(serve(lambda _: json_answer({"data": []})))
    result = run("models", "list")
    assert (result.status, result.stdout) == (0, "")
    assert "private until an administrator" in result.stderr


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (http(200, {"content-type": "text/html"}, "<html>"), 8, "web page"),
        (json_answer(None), 8, "null"),
        (json_answer({"data": None}), 8, ""),
        (json_answer({"data": [{"name": "no id"}]}), 8, "without an id"),
        (json_answer({"data": "x"}), 8, ""),
        (http(200, {"content-type": "application/json"}, '{"data": ['), 8, "JSON"),
        (http(200, {"content-type": "application/json"}, b"\xff"), 8, "JSON"),
        (http(200, {"content-type": "application/json"}, "[" * 100_000), 8, "JSON"),
        (http(200, {"content-type": "application/json"}, '[{"id": "a", "created": NaN}]'), 8, ""),
        (http(200, {"content-type": "application/json", "content-encoding": "gzip"}, b"x"), 8, ""),
        (http(204), 8, ""),
        (detail("Not authenticated", 401), 4, "Not authenticated"),
        (detail("Use of API key is not enabled in the environment.", 403), 4, "ENABLE_API_KEYS"),
        (detail("Not Found", 404), 8, "base_url"),
        (detail("teapot", 418), 22, "teapot"),
        (detail([{"loc": ["query", "a"], "msg": "bad", "input": "SECRET"}], 422), 22, "query.a"),
        (http(500, {"content-type": "text/plain"}, "it broke"), 50, "it broke"),
        (http(302, {"location": "https://elsewhere.example/"}), 8, "elsewhere.example"),
    ],
)
def test_bad_list_response_has_its_status_and_one_line(run, serve, exported, answer, status, words):
    exported(serve(lambda _: answer))
    result = run("models", "list", "--retries", "0")
    assert (result.status, result.stdout) == (status, "")
    assert result.stderr.startswith("contextops: ")
    assert result.stderr.count("\n") == 1
    assert words in result.stderr
    assert "SECRET" not in result.stderr


def test_list_may_begin_with_byte_order_mark(run, serve, exported):
    exported(serve(lambda _: http(200, {}, b'\xef\xbb\xbf{"data": [{"id": "a"}]}')))
    assert run("models", "list").stdout == "a\n"


def test_redirect_within_origin_is_followed(run, serve, exported):
    def answer(request):
        if request.path == "/api/models":
            return http(307, {"location": "/moved/models"})
        return json_answer({"data": [{"id": "a"}]})

    server = exported(serve(answer))
    assert run("models", "list").stdout == "a\n"
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


def test_redirect_to_another_origin_is_not_followed(run, serve, exported):
    other = serve(OpenWebUI(), may_be_idle=True)
    exported(serve(lambda _: http(301, {"location": f"{other.url}/api/models"})))
    assert run("models", "list").status == 8
    assert other.requests == []


def test_redirect_to_invalid_url_is_status_8(run, serve, exported):
    exported(serve(lambda _: http(302, {"location": "http://[bad"})))
    assert run("models", "list").status == 8


def test_401_with_stalled_body_is_status_4(run, serve, exported):
    exported(serve(lambda _: [http(401, {"content-length": "99"}, b"half"), HOLD]))
    result = run("models", "list", "--first-token-timeout", "0.5", "--max-time", "3")
    assert result.status == 4


def test_redirect_loop_ends(run, serve, exported):
    server = exported(serve(lambda request: http(302, {"location": request.target + "x"})))
    assert run("models", "list").status == 8
    assert len(server.requests) == 6


def test_result_on_terminal_is_a_table(terminal, serve, exported):
    exported(serve(OpenWebUI()))
    child = terminal("models", "list")
    child.expect_exact("MODEL")
    child.expect_exact("ctx-large")
    child.expect(__import__("pexpect").EOF)
    child.close()
    assert child.exitstatus == 0


def test_base_url_with_v1_uses_openai_paths(run, serve, monkeypatch):
    server = serve(lambda _: json_answer({"object": "list", "data": [{"id": "gpt"}]}))
    result = run("--base-url", f"{server.url}/v1", "models", "list")
    assert result.stdout == "gpt\n"
    assert server.request.path == "/v1/models"


# --- ids cached for completion ---


def cached_ids(profile="default"):
    file = cache_folder() / "models" / profile
    return file.read_text(encoding="utf-8") if file.exists() else None


def test_all_ids_are_cached_for_completion_with_private_mode(run, serve, exported):
    exported(serve(OpenWebUI()))
    assert run("models", "list", "small").stdout == "ctx-small\n"
    assert cached_ids() == "ctx-small\nctx-large\n"
    mode = (cache_folder() / "models/default").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600 or sys.platform == "win32"


@pytest.mark.parametrize("output_format", ["--json", "--jsonl"])
def test_ids_are_cached_with_every_output_format(run, serve, exported, output_format):
    exported(serve(OpenWebUI()))
    assert run("models", "list", output_format).status == 0
    assert cached_ids() == "ctx-small\nctx-large\n"


def test_ids_are_cached_per_profile_and_replaced(run, serve, exported):
    server = exported(serve(lambda _: json_answer({"data": [{"id": "new"}]})))
    run("config", "set", "--profile", "my lab", "base_url", server.url)
    for each in ("old", "new"):
        (cache_folder() / "models").mkdir(parents=True, exist_ok=True)
        (cache_folder() / "models/my lab").write_text(f"{each}\n")
        assert run("models", "list", "--profile", "my lab").status == 0
        assert (cached_ids(), cached_ids("my lab")) == (None, "new\n")


def test_ids_of_typed_base_url_are_not_cached(run, serve):
    server = serve(lambda _: json_answer({"data": [{"id": "a"}]}))
    assert run("models", "list", "--base-url", server.url).stdout == "a\n"
    assert cached_ids() is None


def test_ids_unsafe_in_a_shell_are_not_cached(run, serve, exported):
    ids = ["a b", "a\nb", "\x1b[2J", "\u202e", "-x", f"x-{KEY}", "modèle:8b"]
    exported(serve(lambda _: json_answer({"data": [{"id": each} for each in ids]})))
    assert run("models", "list", "--json").status == 0
    assert cached_ids() == "a b\nmodèle:8b\n"


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "/x"])
def test_profile_name_cannot_leave_cache_folder(run, serve, exported, name):
    server = exported(serve(OpenWebUI()))
    run("config", "set", "--profile", name, "base_url", server.url)
    assert run("models", "list", "--profile", name).stdout == "ctx-small\nctx-large\n"
    assert {path.name for path in cache_folder().iterdir()} == {"names", "names.lock"}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_unwritable_cache_is_ignored(run, serve, exported, kind):
    exported(serve(OpenWebUI()))
    blocked = cache_folder() if kind == "file" else cache_folder() / "models/default/x"
    blocked.parent.mkdir(parents=True)
    blocked.touch()
    result = run("models", "list")
    assert (result.status, result.stdout, result.stderr) == (0, "ctx-small\nctx-large\n", "")


def test_without_home_nothing_is_cached(run, serve, exported, monkeypatch, tmp_path):
    exported(serve(OpenWebUI()))
    monkeypatch.setenv("CONTEXTOPS_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").touch(mode=0o600)
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform != "win32":
        monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    result = run("models", "list")
    assert (result.status, result.stdout, result.stderr) == (0, "ctx-small\nctx-large\n", "")


def test_failed_list_leaves_cached_ids(run, serve, exported):
    exported(serve(OpenWebUI()))
    run("models", "list")
    exported(serve(lambda _: json_answer({"detail": "no"}, 500)))
    assert run("models", "list", "--retries", "0").status == 50
    assert cached_ids() == "ctx-small\nctx-large\n"
