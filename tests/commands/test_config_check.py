"""``contextops config check``: every check, from the config file to the models."""

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


def rows(result):
    """Return the state and detail of each check by name."""
    lines = [line.split(" ", 2) for line in result.stdout.splitlines()]
    assert [line[1] for line in lines] == CHECKS
    return {line[1]: (line[0], *line[2:]) for line in lines}


@pytest.mark.parametrize("version", VERSIONS)
def test_all_checks_pass_on_open_webui(run, serve, stored, version):
    server = serve(OpenWebUI(version))
    path = stored(
        f"[profiles.default]\nbase_url = '{server.url}'\napi_key = '{KEY}'\nmodel = 'ctx-small'\n"
    )
    result = run("config", "check")
    assert (result.status, result.stderr) == (0, "")
    checks = rows(result)
    assert checks["file"] == ("ok", str(path))
    assert checks["permissions"][0] == "ok"
    assert checks["profile"] == ("ok", f"default: {server.url}/api")
    assert checks["dns"] == ("skipped", "127.0.0.1 is an IP address")
    assert checks["tcp"] == ("ok", f"127.0.0.1 port {server.port}")
    assert checks["tls"] == ("skipped", "plain http")
    assert checks["health"][0] == "ok"
    assert checks["version"] == ("ok", version)
    assert checks["key"] == ("ok", f"accepted (from {path} [profiles.default])")
    assert checks["models"] == ("ok", "2 available, including ctx-small")
    assert KEY not in result.stdout


def test_key_is_sent_for_list_of_models_only(run, serve, exported):
    server = exported(serve(OpenWebUI()))
    assert run("config", "check").status == 0
    assert {request.path: request.key for request in server.requests} == {
        "/health": None,
        "/api/version": None,
        "/api/models": KEY,
    }


def test_refused_connection_fails_tcp_and_skips_the_rest(run, monkeypatch, refusing):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    result = run("config", "check")
    assert result.status == 7
    checks = rows(result)
    assert checks["file"][0] == "skipped"
    assert checks["tcp"] == ("failed", "unreachable")
    assert checks["models"] == ("skipped", "because tcp failed")
    assert "connection refused; check that the server is running" in result.stderr
    assert result.stderr.count("\n") == 1


def test_dns_check_shows_addresses(run, serve, exported, monkeypatch):
    server = exported(serve(OpenWebUI()))
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", f"http://localhost:{server.port}")
    checks = rows(run("config", "check"))
    assert checks["dns"][0] == "ok"
    assert "127.0.0.1" in checks["dns"][1]


def test_unknown_host_is_status_7(run, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", "http://no-such-host.invalid")
    result = run("config", "check")
    assert result.status == 7
    assert rows(result)["dns"] == ("failed", "unreachable")
    assert "contextops: cannot resolve no-such-host.invalid: " in result.stderr


def test_invalid_file_is_status_3_with_its_line(run, stored):
    stored("[profiles.default]\nmodel = \n")
    result = run("config", "check")
    assert result.status == 3
    assert rows(result)["file"] == ("failed", "config")
    assert "line 2" in result.stderr


def test_key_readable_by_others_fails_permissions(run, stored):
    path = stored(f"[profiles.default]\napi_key = '{KEY}'\n", 0o644)
    result = run("config", "check")
    assert result.status == 3
    checks = rows(result)
    assert (checks["file"][0], checks["permissions"][0]) == ("ok", "failed")
    assert f"run 'chmod 600 {path}'" in result.stderr
    assert KEY not in result.stdout + result.stderr


def test_file_named_by_environment_must_exist(run, monkeypatch, tmp_path):
    monkeypatch.setenv("CONTEXTOPS_CONFIG", str(tmp_path / "none.toml"))
    result = run("config", "check")
    assert (result.status, rows(result)["file"][0]) == (3, "failed")


def test_unknown_profile_is_status_3(run, stored):
    stored("[profiles.work]\nmodel = 'm'\n")
    result = run("config", "check", "--profile", "wrk")
    assert (result.status, rows(result)["profile"][0]) == (3, "failed")
    assert "the config file has work" in result.stderr


def test_unknown_certificate_is_status_60(run, serve, exported, certificates):
    exported(serve(OpenWebUI(), tls=certificates.server()))
    result = run("config", "check")
    assert result.status == 60
    checks = rows(result)
    assert (checks["tcp"][0], checks["tls"], checks["health"][0]) == (
        "ok",
        ("failed", "tls"),
        "skipped",
    )


def test_certificate_of_known_authority_is_verified(run, serve, exported, certificates):
    exported(serve(OpenWebUI(), tls=certificates.server()))
    env = {"CONTEXTOPS_CA_BUNDLE": str(certificates.authority)}
    result = run("config", "check", env=env)
    assert result.status == 0
    assert rows(result)["tls"] == ("ok", "verified")


@pytest.mark.parametrize("greeting", [[HOLD], [RESET]], ids=["hangs", "resets"])
def test_incomplete_handshake_is_not_reported_as_verified(run, serve, exported, greeting):
    server = exported(serve(OpenWebUI(), greeting=greeting, may_be_idle=True))
    env = {"CONTEXTOPS_BASE_URL": server.url.replace("http:", "https:")}
    result = run("config", "check", "--connect-timeout", "500ms", env=env)
    checks = rows(result)
    assert result.status in (7, 28, 60)
    assert checks["tls"][0] in ("skipped", "failed")
    assert "verified" not in result.stdout


def test_missing_ca_bundle_fails_tls(run, serve, exported, certificates):
    exported(serve(OpenWebUI(), tls=certificates.server(), may_be_idle=True))
    result = run("config", "check", env={"CONTEXTOPS_CA_BUNDLE": "nope.pem"})
    assert (result.status, rows(result)["tls"]) == (3, ("failed", "config"))


def test_server_that_closes_fails_health(run, serve, exported):
    exported(serve(lambda _: [CLOSE]))
    result = run("config", "check")
    assert result.status == 7
    checks = rows(result)
    assert (checks["tcp"][0], checks["health"]) == ("ok", ("failed", "unreachable"))


def test_bad_gateway_is_status_50(run, serve, exported):
    exported(serve(lambda _: http(502, {"content-type": "text/html"}, "<h1>Bad Gateway</h1>")))
    result = run("config", "check")
    assert (result.status, rows(result)["health"]) == (50, ("failed", "server_error"))
    assert "Bad Gateway" in result.stderr


def test_web_server_without_api_is_status_8(run, serve, exported):
    exported(serve(lambda _: http(200, {"content-type": "text/html"}, "<html>")))
    result = run("config", "check")
    assert result.status == 8
    checks = rows(result)
    assert (checks["health"][0], checks["version"][0], checks["key"][0]) == ("skipped",) * 3
    assert checks["models"] == ("failed", "bad_response")
    assert "web page" in result.stderr


def test_other_openai_server_needs_neither_health_nor_version(run, serve, exported, monkeypatch):
    server = exported(serve(LlamaCpp()))
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", f"{server.url}/v1")
    result = run("config", "check", env={"CONTEXTOPS_MODEL": "demo.gguf"})
    assert result.status == 0
    assert rows(result)["version"][0] == "skipped"


def test_wrong_key_is_status_4(run, serve, exported, monkeypatch):
    exported(serve(OpenWebUI()))
    monkeypatch.setenv("CONTEXTOPS_API_KEY", "sk-wrong-wrong-wrong")
    result = run("config", "check")
    assert (result.status, rows(result)["key"]) == (4, ("failed", "auth"))
    assert "sk-wrong" not in result.stdout + result.stderr


def test_missing_key_is_status_4(run, serve, exported, monkeypatch):
    exported(serve(OpenWebUI()))
    monkeypatch.delenv("CONTEXTOPS_API_KEY")
    result = run("config", "check")
    assert (result.status, rows(result)["key"]) == (4, ("failed", "auth"))
    assert "no key was sent" in result.stderr
    assert "contextops config set api_key -" in result.stderr


def test_failed_key_command_is_status_3(run, serve, exported, stored, monkeypatch):
    server = exported(serve(OpenWebUI()))
    monkeypatch.delenv("CONTEXTOPS_API_KEY")
    monkeypatch.delenv("CONTEXTOPS_BASE_URL")
    stored(f"[profiles.default]\nbase_url = '{server.url}'\napi_key_command = ['false']\n")
    result = run("config", "check")
    assert (result.status, rows(result)["key"]) == (3, ("failed", "config"))


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
def test_model_of_profile_must_be_listed(run, serve, exported, models, model, status, words):
    exported(serve(OpenWebUI(models=models)), model=model)
    result = run("config", "check")
    assert result.status == status
    assert words in result.stderr


def test_connect_timeout_limits_tcp_check(run, exported, deaf, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", deaf)
    result = run("config", "check", "--connect-timeout", "300ms")
    assert (result.status, rows(result)["tcp"]) == (28, ("failed", "timeout"))


@pytest.mark.parametrize(
    "answer", [[HOLD], http(503, {"retry-after": "100"})], ids=["hangs", "busy"]
)
def test_max_time_limits_all_checks_together(run, serve, exported, answer):
    exported(serve(lambda _: answer))
    begun = time.monotonic()
    result = run("config", "check", "--max-time", "700ms", "--retries", "2")
    assert result.status in (28, 50)
    assert time.monotonic() - begun < 2.5


def test_default_max_time_limits_checks(serve, exported, monkeypatch, run):
    monkeypatch.setattr("contextops.checks.doctor.METADATA_MAX_TIME", 0.6)
    exported(serve(lambda _: [HOLD]))
    assert run("config", "check").status == 28


def test_max_time_limits_connecting(run, exported, deaf, monkeypatch):
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
def test_health_follows_the_servers_report(run, serve, exported, answer, status, state):
    def health(request):
        return answer if request.path == "/health" else OpenWebUI()(request)

    exported(serve(health))
    result = run("config", "check")
    assert (result.status, rows(result)["health"][0]) == (status, state)


def test_unreachable_proxy_is_named(run, serve, exported, refusing):
    exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("config", "check", env={"CONTEXTOPS_PROXY": refusing})
    assert result.status == 7
    assert "and proxy ('contextops config get proxy')" in result.stderr


def test_redirect_to_https_suggests_https_base_url(run, serve, exported):
    exported(serve(lambda _: http(301, {"location": "https://127.0.0.1/health"})))
    result = run("config", "check")
    assert result.status == 8
    assert "use https:// in base_url" in result.stderr


def test_model_of_profile_is_not_a_glob(run, serve, exported):
    exported(serve(OpenWebUI()), model="ctx-*")
    assert run("config", "check").status == 5


def test_authorization_header_is_reported_as_key(run, serve, exported, monkeypatch):
    exported(serve(OpenWebUI()))
    monkeypatch.delenv("CONTEXTOPS_API_KEY")
    result = run("config", "check", "-H", f"Authorization: Bearer {KEY}")
    assert result.status == 0
    assert rows(result)["key"][1] == "accepted (from the Authorization header)"


def test_401_of_health_does_not_fail_key(run, serve, exported):
    """llama.cpp refuses every path under its API without a key, /api/health too."""

    def answer(request):
        if request.key is None:
            return detail("Invalid API Key", 401)
        return json_answer({"data": [{"id": "ctx-small"}]})

    exported(serve(answer))
    assert run("config", "check").status == 0


# Output formats


def test_json_is_an_array_with_an_item_for_each(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    result = run("config", "check", "--json")
    checks = json.loads(result.stdout)
    assert [row["check"] for row in checks] == CHECKS
    (failed,) = [row for row in checks if row["state"] == "failed"]
    assert (failed["check"], failed["error"]["exit"]) == ("tcp", 7)
    assert json.loads(result.stderr) == {"error": failed["error"]}


def test_junit_skips_checks_after_a_failure(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    suite = ET.fromstring(run("config", "check", "--format", "junit").stdout).find("testsuite")
    assert (suite.get("failures"), suite.get("tests")) == ("1", str(len(CHECKS)))
    assert suite.find("testcase[@name='models']/skipped").get("message") == "because tcp failed"


def test_github_report_has_an_annotation(run, exported, refusing, monkeypatch):
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", refusing)
    result = run("config", "check", "--format", "github")
    assert "::error title=contextops config check%3A failed tcp::cannot connect" in result.stdout


def test_result_on_terminal_is_a_table(terminal, serve, exported):
    exported(serve(OpenWebUI()))
    child = terminal("config", "check")
    child.expect(r"CHECK +STATE +DETAIL\r\n")
    child.expect(r"models +ok +2 available, including ctx-small\r\n")
    child.expect(__import__("pexpect").EOF)
    child.close()
    assert child.exitstatus == 0


@pytest.mark.local_model
def test_embedded_model_passes_all_checks(command):
    result = command("config", "check", "--local")
    assert result.status == 0
    assert rows(result)["profile"] == ("ok", "local: the embedded model")
    assert rows(result)["models"][0] == "ok"
