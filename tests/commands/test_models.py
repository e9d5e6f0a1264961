"""``contextops models``: what the server offers, for people, pipes and programs."""

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
def test_a_pipe_gets_one_id_a_line_in_the_servers_order(run, serve, exported, version):
    exported(serve(OpenWebUI(version)))
    told = run("models", "list")
    assert (told.status, told.stdout, told.stderr) == (0, "ctx-small\nctx-large\n", "")


def test_the_bare_array_of_the_reference_is_read_too(run, serve, exported):
    exported(serve(Reference()))
    told = run("models", "list")
    assert told.status == 0
    assert told.stdout.splitlines()


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
def test_a_pattern_is_a_part_of_an_id_or_a_glob(run, serve, exported, patterns, ids):
    exported(serve(OpenWebUI()))
    told = run("models", "list", *patterns)
    assert (told.status, told.stdout.split(), told.stderr) == (0, ids, "")


def test_json_is_the_documented_array_with_what_else_there_is(run, serve, exported):
    exported(serve(lambda _: json_answer({"data": [{"id": "a", "tags": ["x"]}, {"id": "b:1"}]})))
    told = run("models", "list", "--json")
    assert told.status == 0
    assert told.stdout.count("\n") == 1
    assert json.loads(told.stdout) == [
        {"id": "a", "object": None, "created": None, "owned_by": None, "tags": ["x"]},
        {"id": "b:1", "object": None, "created": None, "owned_by": None},
    ]


def test_jsonl_is_one_object_a_line(run, serve, exported):
    exported(serve(OpenWebUI()))
    told = run("models", "list", "--jsonl")
    assert [json.loads(line)["id"] for line in told.stdout.splitlines()] == [
        "ctx-small",
        "ctx-large",
    ]


def test_json_and_jsonl_exclude_each_other(run, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("models", "list", "--json", "--jsonl")
    assert told.status == 2
    assert told.stdout == ""


def test_refresh_asks_the_server_to_ask_its_providers(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run("models", "list", "--refresh").status == 0
    assert server.request.target == "/api/models?refresh=true"


def test_the_key_is_sent_as_bearer_and_identity_is_asked_for(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    run("models", "list")
    assert server.request.headers["authorization"] == f"Bearer {KEY}"
    assert server.request.headers["accept-encoding"] == "identity"


def test_doubles_are_listed_once(run, serve, exported):
    exported(serve(lambda _: json_answer({"data": [{"id": "a"}, {"id": "b"}, {"id": "a"}]})))
    assert run("models", "list").stdout == "a\nb\n"


def test_ids_cannot_write_to_the_terminal(run, serve, exported):
    exported(serve(lambda _: json_answer({"data": [{"id": "a\x1b]0;x\x07\u202eb"}]})))
    assert run("models", "list").stdout == "a^[]0;x^G\\u{202e}b\n"


def test_an_empty_list_is_explained(run, serve, exported):
    exported(serve(lambda _: json_answer({"data": []})))
    told = run("models", "list")
    assert (told.status, told.stdout) == (0, "")
    assert "private until an administrator" in told.stderr


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
def test_what_is_no_list_has_its_status_and_one_line(run, serve, exported, answer, status, words):
    exported(serve(lambda _: answer))
    told = run("models", "list", "--retries", "0")
    assert (told.status, told.stdout) == (status, "")
    assert told.stderr.startswith("contextops: ")
    assert told.stderr.count("\n") == 1
    assert words in told.stderr
    assert "SECRET" not in told.stderr


def test_a_bom_before_the_list_is_no_fault(run, serve, exported):
    exported(serve(lambda _: http(200, {}, b'\xef\xbb\xbf{"data": [{"id": "a"}]}')))
    assert run("models", "list").stdout == "a\n"


def test_a_redirect_within_the_origin_is_followed(run, serve, exported):
    def answer(request):
        if request.path == "/api/models":
            return http(307, {"location": "/moved/models"})
        return json_answer({"data": [{"id": "a"}]})

    server = exported(serve(answer))
    assert run("models", "list").stdout == "a\n"
    assert server.requests[1].headers["authorization"] == f"Bearer {KEY}"


def test_a_redirect_to_another_origin_is_not(run, serve, exported):
    other = serve(OpenWebUI(), may_be_idle=True)
    exported(serve(lambda _: http(301, {"location": f"{other.url}/api/models"})))
    assert run("models", "list").status == 8
    assert other.requests == []


def test_a_redirect_to_no_url_is_status_8(run, serve, exported):
    exported(serve(lambda _: http(302, {"location": "http://[bad"})))
    assert run("models", "list").status == 8


def test_a_refusal_whose_words_stall_is_a_refusal(run, serve, exported):
    exported(serve(lambda _: [http(401, {"content-length": "99"}, b"half"), HOLD]))
    told = run("models", "list", "--first-token-timeout", "0.5", "--max-time", "3")
    assert told.status == 4


def test_a_loop_of_redirects_ends(run, serve, exported):
    server = exported(serve(lambda request: http(302, {"location": request.target + "x"})))
    assert run("models", "list").status == 8
    assert len(server.requests) == 6


def test_a_table_on_a_terminal(terminal, serve, exported):
    exported(serve(OpenWebUI()))
    shown = terminal("models", "list")
    shown.expect_exact("MODEL")
    shown.expect_exact("ctx-large")
    shown.expect(__import__("pexpect").EOF)
    shown.close()
    assert shown.exitstatus == 0


def test_an_openai_server_is_met_at_v1(run, serve, monkeypatch):
    server = serve(lambda _: json_answer({"object": "list", "data": [{"id": "gpt"}]}))
    told = run("--base-url", f"{server.url}/v1", "models", "list")
    assert told.stdout == "gpt\n"
    assert server.request.path == "/v1/models"


# --- what a TAB offers ---


def kept(profile="default"):
    file = cache_folder() / "models" / profile
    return file.read_text(encoding="utf-8") if file.exists() else None


def test_a_list_is_kept_whole_for_a_tab_and_for_its_owner_alone(run, serve, exported):
    exported(serve(OpenWebUI()))
    assert run("models", "list", "small").stdout == "ctx-small\n"
    assert kept() == "ctx-small\nctx-large\n"
    mode = (cache_folder() / "models/default").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600 or sys.platform == "win32"


@pytest.mark.parametrize("form", ["--json", "--jsonl"])
def test_a_list_is_kept_in_every_form(run, serve, exported, form):
    exported(serve(OpenWebUI()))
    assert run("models", "list", form).status == 0
    assert kept() == "ctx-small\nctx-large\n"


def test_a_list_is_its_profiles_and_the_next_takes_its_place(run, serve, exported):
    server = exported(serve(lambda _: json_answer({"data": [{"id": "new"}]})))
    run("config", "set", "--profile", "my lab", "base_url", server.url)
    for each in ("old", "new"):
        (cache_folder() / "models").mkdir(parents=True, exist_ok=True)
        (cache_folder() / "models/my lab").write_text(f"{each}\n")
        assert run("models", "list", "--profile", "my lab").status == 0
        assert (kept(), kept("my lab")) == (None, "new\n")


def test_the_models_of_an_address_that_was_typed_are_no_profiles(run, serve):
    server = serve(lambda _: json_answer({"data": [{"id": "a"}]}))
    assert run("models", "list", "--base-url", server.url).stdout == "a\n"
    assert kept() is None


def test_what_no_line_can_hold_or_would_pass_for_a_flag_is_not_kept(run, serve, exported):
    ids = ["a b", "a\nb", "\x1b[2J", "\u202e", "-x", f"x-{KEY}", "modèle:8b"]
    exported(serve(lambda _: json_answer({"data": [{"id": each} for each in ids]})))
    assert run("models", "list", "--json").status == 0
    assert kept() == "a b\nmodèle:8b\n"


@pytest.mark.parametrize("name", ["..", "../x", "a/b", "/x"])
def test_no_name_of_a_profile_leads_out_of_the_folder(run, serve, exported, name):
    server = exported(serve(OpenWebUI()))
    run("config", "set", "--profile", name, "base_url", server.url)
    assert run("models", "list", "--profile", name).stdout == "ctx-small\nctx-large\n"
    assert not cache_folder().exists()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_cannot_be_kept_is_no_failure(run, serve, exported, kind):
    exported(serve(OpenWebUI()))
    blocked = cache_folder() if kind == "file" else cache_folder() / "models/default/x"
    blocked.parent.mkdir(parents=True)
    blocked.touch()
    told = run("models", "list")
    assert (told.status, told.stdout, told.stderr) == (0, "ctx-small\nctx-large\n", "")


def test_without_a_home_nothing_is_kept(run, serve, exported, monkeypatch, tmp_path):
    exported(serve(OpenWebUI()))
    monkeypatch.setenv("CONTEXTOPS_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").touch(mode=0o600)
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform != "win32":
        monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    told = run("models", "list")
    assert (told.status, told.stdout, told.stderr) == (0, "ctx-small\nctx-large\n", "")


def test_a_failure_leaves_what_was_kept(run, serve, exported):
    exported(serve(OpenWebUI()))
    run("models", "list")
    exported(serve(lambda _: json_answer({"detail": "no"}, 500)))
    assert run("models", "list", "--retries", "0").status == 50
    assert kept() == "ctx-small\nctx-large\n"
