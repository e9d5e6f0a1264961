"""``contextops chat send --dry-run`` and ``--curl``: the request is printed and not sent."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from shapes import KEY, OpenWebUI

pytestmark = pytest.mark.usefixtures("workdir")
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


@pytest.mark.parametrize("more", [[], ["--session", "s"], ["-x"], ["--json"], ["--jsonl"]])
def test_dry_run_prints_the_request_body_and_sends_nothing(run, serve, exported, home, more):
    server = exported(serve(OpenWebUI()))
    argv = ("chat", "send", "-s", "terse", "-t", "0.5", *more, "größer\x1b")
    result = run(*argv, "--dry-run")
    assert (result.status, result.stderr) == (0, "")
    assert server.requests == []
    assert not (home / ".local").exists()
    run(*argv)
    assert json.loads(result.stdout) == server.request.json()
    assert "\x1b" not in result.stdout


def test_dry_run_without_model_is_status_3_and_sends_nothing(run, serve, exported):
    server = exported(serve(OpenWebUI(), may_be_idle=True), model=None)
    result = run("chat", "send", "--dry-run", "hi")
    assert (result.status, result.stdout) == (3, "")
    assert "-m" in result.stderr
    assert server.requests == []


@pytest.mark.parametrize(
    "flags",
    [
        ["--dry-run"],
        ["--dry-run", "--curl"],
        # This server does not get the key.
        ["--dry-run", "--base-url", "http://localhost:1"],
    ],
)
@pytest.mark.parametrize(
    ("variable", "value"),
    [("API_KEY", "CANARY two words"), ("API_KEY", "größer"), ("API_KEY_COMMAND", '"CANARY')],
)
def test_dry_run_with_invalid_key_is_status_3(
    run, serve, exported, monkeypatch, flags, variable, value
):
    exported(serve(OpenWebUI(), may_be_idle=True))
    monkeypatch.delenv("CONTEXTOPS_API_KEY")
    monkeypatch.setenv(f"CONTEXTOPS_{variable}", value)
    result = run("chat", "send", *flags, "hi", input="piped")
    assert (result.status, result.stdout, result.stderr.count("\n")) == (3, "", 1)
    assert f"CONTEXTOPS_{variable}" in result.stderr
    assert "CANARY" not in result.stderr


@posix
@pytest.mark.parametrize("more", [[], ["--curl"]])
def test_dry_run_does_not_run_key_command(run, serve, home, workdir, more):
    config = home / ".config/contextops/config.toml"
    config.parent.mkdir(parents=True)
    ran = workdir / "ran"
    config.write_text(f'[profiles.default]\nmodel = "m"\napi_key_command = ["touch", "{ran}"]\n')
    result = run("chat", "send", "--dry-run", *more, "hi")
    assert result.status == 0
    assert not ran.exists()
    assert ("$CONTEXTOPS_API_KEY" in result.stdout) is bool(more)


@posix
@pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl"
)
def test_curl_command_sends_the_same_request(run, serve, exported, workdir):
    server = exported(serve(OpenWebUI()))
    prompt = 'it\'s $HOME `ls` "größer" \\ !x\nEND_OF_BODY\n\x1b'
    argv = ("chat", "send", "-H", "X-Team: it's", "-H", "content-type: application/json", prompt)
    result = run(*argv, "--dry-run", "--curl")
    assert result.status == 0
    assert KEY not in result.stdout
    pasted = subprocess.run(["bash"], input=result.stdout_bytes, capture_output=True, check=False)
    assert (pasted.returncode, pasted.stderr) == (0, b"")
    assert b"data: [DONE]" in pasted.stdout
    run(*argv)
    curl_request, own_request = server.requests
    assert curl_request.json() == own_request.json()
    assert curl_request.target == own_request.target
    for name in ("authorization", "content-type", "x-team"):
        assert curl_request.headers[name] == own_request.headers[name]


def test_curl_command_has_only_the_custom_authorization_header(run, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    result = run("chat", "send", "--dry-run", "--curl", "-H", "authorization: Basic CANARY99", "hi")
    assert result.stdout.lower().count("authorization") == 1
    assert "CANARY" not in result.stdout
