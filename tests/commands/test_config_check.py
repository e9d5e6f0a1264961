"""``contextops config check``: why it does not work, from the file to the models."""

from __future__ import annotations

import json
import time
from xml.etree import ElementTree as ET

import pytest

from server import CLOSE, HOLD, RESET
from shapes import KEY, VERSIONS, LlamaCpp, OpenWebUI, detail, http, json_answer

CHECKS = [
    "file",
    "permissions",
    "profile",
    "dns",
    "tcp",
    "tls",
    "health",
    "version",
    "key",
    "models",
]


def rows(told):
    """Give the state and the detail of each check."""
    lines = [line.split(" ", 2) for line in told.stdout.splitlines()]
    assert [line[1] for line in lines] == CHECKS
    return {line[1]: (line[0], *line[2:]) for line in lines}


@pytest.mark.parametrize("version", VERSIONS)
def test_all_is_well(run, serve, stored, version):
    server = serve(OpenWebUI(version))
    path = stored(
        f"[profiles.default]\nbase_url = '{server.url}'\napi_key = '{KEY}'\nmodel = 'ctx-small'\n"
    )
    told = run("config", "check")
    assert (told.status, told.stderr) == (0, "")
    found = rows(told)
    assert found["file"] == ("ok", str(path))
    assert found["permissions"][0] == "ok"
    assert found["profile"] == ("ok", f"default: {server.url}/api")
    assert found["dns"] == ("skipped", "127.0.0.1 is an IP address")
    assert found["tcp"] == ("ok", f"127.0.0.1 port {server.port}")
    assert found["tls"] == ("skipped", "plain http")
    assert found["health"][0] == "ok"
    assert found["version"] == ("ok", version)
    assert found["key"] == ("ok", f"accepted (from {path} [profiles.default])")
    assert found["models"] == ("ok", "2 available, including ctx-small")
    assert KEY not in told.stdout


def test_the_key_goes_only_where_it_is_needed(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run("config", "check").status == 0
    assert {request.path: request.key for request in server.requests} == {
        "/health": None,
        "/api/version": None,
        "/api/models": KEY,
    }


def test_nothing_is_set_at_all(run, monkeypatch, refusing):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    told = run("config", "check")
    assert told.status == 7
    found = rows(told)
    assert found["file"][0] == "skipped"
    assert found["tcp"] == ("failed", "unreachable")
    assert found["models"] == ("skipped", "because tcp failed")
    assert "connection refused; check that the server is running" in told.stderr
    assert told.stderr.count("\n") == 1


def test_a_name_is_resolved(run, serve, exported, monkeypatch):
    server = exported(serve(OpenWebUI()))
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", f"http://localhost:{server.port}")
    found = rows(run("config", "check"))
    assert found["dns"][0] == "ok"
    assert "127.0.0.1" in found["dns"][1]


def test_a_name_that_nobody_knows_is_7(run, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", "http://no-such-host.invalid")
    told = run("config", "check")
    assert told.status == 7
    assert rows(told)["dns"] == ("failed", "unreachable")
    assert "contextops: cannot resolve no-such-host.invalid: " in told.stderr


def test_a_broken_file_is_3_with_its_line(run, stored):
    stored("[profiles.default]\nmodel = \n")
    told = run("config", "check")
    assert told.status == 3
    assert rows(told)["file"] == ("failed", "config")
    assert "line 2" in told.stderr


def test_a_key_that_others_can_read_is_a_matter_of_permissions(run, stored):
    path = stored(f"[profiles.default]\napi_key = '{KEY}'\n", 0o644)
    told = run("config", "check")
    assert told.status == 3
    found = rows(told)
    assert (found["file"][0], found["permissions"][0]) == ("ok", "failed")
    assert f"run 'chmod 600 {path}'" in told.stderr
    assert KEY not in told.stdout + told.stderr


def test_a_file_that_was_named_must_be_there(run, monkeypatch, tmp_path):
    monkeypatch.setenv("CONTEXTOPS_CONFIG", str(tmp_path / "none.toml"))
    told = run("config", "check")
    assert (told.status, rows(told)["file"][0]) == (3, "failed")


def test_an_unknown_profile_is_3(run, stored):
    stored("[profiles.work]\nmodel = 'm'\n")
    told = run("config", "check", "--profile", "wrk")
    assert (told.status, rows(told)["profile"][0]) == (3, "failed")
    assert "the config file has work" in told.stderr


def test_a_certificate_that_nobody_knows_is_60(run, serve, exported, certificates):
    exported(serve(OpenWebUI(), tls=certificates.server()))
    told = run("config", "check")
    assert told.status == 60
    found = rows(told)
    assert (found["tcp"][0], found["tls"], found["health"][0]) == (
        "ok",
        ("failed", "tls"),
        "skipped",
    )


def test_a_certificate_of_a_known_authority_is_verified(run, serve, exported, certificates):
    exported(serve(OpenWebUI(), tls=certificates.server()))
    env = {"CONTEXTOPS_CA_BUNDLE": str(certificates.authority)}
    told = run("config", "check", env=env)
    assert told.status == 0
    assert rows(told)["tls"] == ("ok", "verified")


@pytest.mark.parametrize("greeting", [[HOLD], [RESET]], ids=["hangs", "resets"])
def test_a_handshake_that_never_was_verified_nothing(run, serve, exported, greeting):
    server = exported(serve(OpenWebUI(), greeting=greeting, may_be_idle=True))
    env = {"CONTEXTOPS_BASE_URL": server.url.replace("http:", "https:")}
    told = run("config", "check", "--connect-timeout", "500ms", env=env)
    found = rows(told)
    assert told.status in (7, 28, 60)
    assert found["tls"][0] in ("skipped", "failed")
    assert "verified" not in told.stdout


def test_an_authority_that_is_no_file_is_a_matter_of_tls(run, serve, exported, certificates):
    exported(serve(OpenWebUI(), tls=certificates.server(), may_be_idle=True))
    told = run("config", "check", env={"CONTEXTOPS_CA_BUNDLE": "nope.pem"})
    assert (told.status, rows(told)["tls"]) == (3, ("failed", "config"))


def test_a_server_that_closes_fails_where_it_is_asked_first(run, serve, exported):
    exported(serve(lambda _: [CLOSE]))
    told = run("config", "check")
    assert told.status == 7
    found = rows(told)
    assert (found["tcp"][0], found["health"]) == ("ok", ("failed", "unreachable"))


def test_a_gateway_without_its_server_is_50(run, serve, exported):
    exported(serve(lambda _: http(502, {"content-type": "text/html"}, "<h1>Bad Gateway</h1>")))
    told = run("config", "check")
    assert (told.status, rows(told)["health"]) == (50, ("failed", "server_error"))
    assert "Bad Gateway" in told.stderr


def test_a_web_server_without_the_api_is_8(run, serve, exported):
    exported(serve(lambda _: http(200, {"content-type": "text/html"}, "<html>")))
    told = run("config", "check")
    assert told.status == 8
    found = rows(told)
    assert (found["health"][0], found["version"][0], found["key"][0]) == ("skipped",) * 3
    assert found["models"] == ("failed", "bad_response")
    assert "web page" in told.stderr


def test_another_openai_server_needs_neither_health_nor_version(run, serve, exported, monkeypatch):
    server = exported(serve(LlamaCpp()))
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", f"{server.url}/v1")
    told = run("config", "check", env={"CONTEXTOPS_MODEL": "demo.gguf"})
    assert told.status == 0
    assert rows(told)["version"][0] == "skipped"


def test_a_wrong_key_is_4(run, serve, exported, monkeypatch):
    exported(serve(OpenWebUI()))
    monkeypatch.setenv("CONTEXTOPS_API_KEY", "sk-wrong-wrong-wrong")
    told = run("config", "check")
    assert (told.status, rows(told)["key"]) == (4, ("failed", "auth"))
    assert "sk-wrong" not in told.stdout + told.stderr


def test_no_key_where_one_is_wanted_is_4(run, serve, exported, monkeypatch):
    exported(serve(OpenWebUI()))
    monkeypatch.delenv("CONTEXTOPS_API_KEY")
    told = run("config", "check")
    assert (told.status, rows(told)["key"]) == (4, ("failed", "auth"))
    assert "no key was sent" in told.stderr
    assert "contextops config set api_key -" in told.stderr


def test_a_key_command_that_fails_is_3(run, serve, exported, stored, monkeypatch):
    server = exported(serve(OpenWebUI()))
    monkeypatch.delenv("CONTEXTOPS_API_KEY")
    monkeypatch.delenv("CONTEXTOPS_BASE_URL")
    stored(f"[profiles.default]\nbase_url = '{server.url}'\napi_key_command = ['false']\n")
    told = run("config", "check")
    assert (told.status, rows(told)["key"]) == (3, ("failed", "config"))


@pytest.mark.parametrize(
    ("models", "model", "status", "words"),
    [
        (["a", "b"], "ab", 5, "the server has no model ab"),
        (["a", "b"], None, 0, ""),
        (["a"], None, 0, ""),
        ([], None, 5, "private until an administrator"),
        ([], "a", 5, "private until an administrator"),
    ],
)
def test_the_model_of_the_profile_is_there(run, serve, exported, models, model, status, words):
    exported(serve(OpenWebUI(models=models)), model=model)
    told = run("config", "check")
    assert told.status == status
    assert words in told.stderr


def test_the_limits_hold(run, exported, deaf, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", deaf)
    told = run("config", "check", "--connect-timeout", "300ms")
    assert (told.status, rows(told)["tcp"]) == (28, ("failed", "timeout"))


@pytest.mark.parametrize(
    "answer", [[HOLD], http(503, {"retry-after": "100"})], ids=["hangs", "busy"]
)
def test_all_of_it_together_has_a_limit(run, serve, exported, answer):
    exported(serve(lambda _: answer))
    begun = time.monotonic()
    told = run("config", "check", "--max-time", "700ms", "--retries", "2")
    assert told.status in (28, 50)
    assert time.monotonic() - begun < 2.5


def test_the_limit_is_there_without_being_set(serve, exported, monkeypatch, run):
    monkeypatch.setattr("contextops.checks.doctor.METADATA_MAX_TIME", 0.6)
    exported(serve(lambda _: [HOLD]))
    assert run("config", "check").status == 28


def test_the_limit_holds_before_there_is_a_connection(run, exported, deaf, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", deaf)
    begun = time.monotonic()
    assert run("config", "check", "--connect-timeout", "0", "--max-time", "500ms").status == 28
    assert time.monotonic() - begun < 2.5


@pytest.mark.parametrize(
    ("answer", "status", "state"),
    [
        (json_answer({"status": True}), 0, "ok"),
        (json_answer({"status": "ok"}), 0, "ok"),
        (json_answer({"status": False}), 50, "failed"),
        (json_answer({"status": "error"}), 50, "failed"),
        (json_answer({"status": 404, "error": "Not Found"}, 404), 0, "skipped"),
    ],
)
def test_health_is_what_the_server_says(run, serve, exported, answer, status, state):
    def health(request):
        return answer if request.path == "/health" else OpenWebUI()(request)

    exported(serve(health))
    told = run("config", "check")
    assert (told.status, rows(told)["health"][0]) == (status, state)


def test_a_proxy_that_is_not_there_is_named(run, serve, exported, refusing):
    exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("config", "check", env={"CONTEXTOPS_PROXY": refusing})
    assert told.status == 7
    assert "and proxy ('contextops config get proxy')" in told.stderr


def test_a_redirect_to_https_says_what_to_write(run, serve, exported):
    exported(serve(lambda _: http(301, {"location": "https://127.0.0.1/health"})))
    told = run("config", "check")
    assert told.status == 8
    assert "use https:// in base_url" in told.stderr


def test_the_model_of_a_profile_is_no_glob(run, serve, exported):
    exported(serve(OpenWebUI()), model="ctx-*")
    assert run("config", "check").status == 5


def test_a_header_that_is_the_key_is_told(run, serve, exported, monkeypatch):
    exported(serve(OpenWebUI()))
    monkeypatch.delenv("CONTEXTOPS_API_KEY")
    told = run("config", "check", "-H", f"Authorization: Bearer {KEY}")
    assert told.status == 0
    assert rows(told)["key"][1] == "accepted (from the Authorization header)"


def test_a_refused_health_is_not_the_key(run, serve, exported):
    """llama.cpp refuses every path under its API without a key, /api/health too."""

    def answer(request):
        if request.key is None:
            return detail("Invalid API Key", 401)
        return json_answer({"data": [{"id": "ctx-small"}]})

    exported(serve(answer))
    assert run("config", "check").status == 0


# The forms


def test_json_is_an_array_with_a_row_for_each(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    told = run("config", "check", "--json")
    found = json.loads(told.stdout)
    assert [row["check"] for row in found] == CHECKS
    (failed,) = [row for row in found if row["state"] == "failed"]
    assert (failed["check"], failed["error"]["exit"]) == ("tcp", 7)
    assert json.loads(told.stderr) == {"error": failed["error"]}


def test_junit_skips_what_was_not_looked_at(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    suite = ET.fromstring(run("config", "check", "--format", "junit").stdout).find("testsuite")
    assert (suite.get("failures"), suite.get("tests")) == ("1", str(len(CHECKS)))
    assert suite.find("testcase[@name='models']/skipped").get("message") == "because tcp failed"


def test_github_gets_an_annotation(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    told = run("config", "check", "--format", "github")
    assert "::error title=contextops config check%3A failed tcp::cannot connect" in told.stdout


def test_a_table_on_a_terminal(terminal, serve, exported):
    exported(serve(OpenWebUI()))
    shown = terminal("config", "check")
    shown.expect(r"CHECK +STATE +DETAIL\r\n")
    shown.expect(r"models +ok +2 available, including ctx-small\r\n")
    shown.expect(__import__("pexpect").EOF)
    shown.close()
    assert shown.exitstatus == 0


@pytest.mark.local_model
def test_the_embedded_model_is_well(command):
    told = command("config", "check", "--local")
    assert told.status == 0
    assert rows(told)["profile"] == ("ok", "local: the embedded model")
    assert rows(told)["models"][0] == "ok"
