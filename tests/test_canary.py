"""A planted key: no command, flag or error shows a byte of it, and no file but its own has it."""

from __future__ import annotations

import pytest

from command_tree import COMMANDS
from server import Server
from shapes import OpenWebUI, detail, http, json_answer, stream

KEY = "sk-CANARY5ca1ab1e0ddba11c0ffee0facade0b57"

pytestmark = pytest.mark.faults

# Each echoes what it was sent, as servers and the proxies before them do.
SERVERS = {
    "good": OpenWebUI(key=KEY),
    "refuses": lambda request: detail(f"no such key: {request.key}", 401),
    "breaks": lambda request: http(500, {}, f"<h1>{request.headers}</h1>"),
    "redirects": lambda request: http(302, {"location": f"https://x.example/?key={request.key}"}),
    "streams it": lambda request: stream({"error": {"message": f"bad key {request.key}"}}),
    "is no JSON": lambda _: http(200, {"content-type": "application/json"}, KEY),
    "lists it": lambda request: json_answer({"data": [{"id": f"m-{request.key}"}]}),
}
WORDS = {
    ("chat", "send"): ["-n", "hi"],
    ("chat", "repl"): [],
    ("models", "check"): ["--probe", "ctx-small"],
    ("session", "show"): ["s"],
    ("session", "rm"): ["s"],
    ("config", "set"): ["model", "ctx-small"],
    ("config", "get"): ["api_key"],
    ("config", "unset"): ["session"],
    ("api",): ["GET", "models", "-i"],
    ("completion",): ["bash"],
    ("help",): ["environment"],
}
PATHS = [tuple(path.split()[1:]) for path, _, below in COMMANDS if not below]
# An editor shows the file, and a server runs until somebody ends it.
LEFT_OUT = {("config", "edit"), ("serve",)}
FLAGS = [[], ["-v"], ["--json"], ["--jsonl"], ["--dry-run"], ["--dry-run", "--curl"]]
FLAGS += [["--format", "junit"], ["--show-origin"], ["--profile", "work"], ["--session", "s"]]


@pytest.fixture(params=["stored", "exported", "in a file", "of a command", "in a header"])
def planted(request, home, monkeypatch):
    """Plant the key in one of the places where it may be; give the file that has it, if any."""
    config = home / ".config/contextops/config.toml"
    config.parent.mkdir(parents=True)
    key_file = home / "key"
    lines = {
        "stored": f"api_key = '{KEY}'",
        "exported": "",
        "in a file": f"api_key_file = '{key_file}'",
        "of a command": f"api_key_command = ['cat', '{key_file}']",
        "in a header": f"headers = {{ Authorization = 'Bearer {KEY}' }}",
    }
    if request.param in ("in a file", "of a command"):
        key_file.write_text(KEY)
    if request.param == "exported":
        monkeypatch.setenv("CONTEXTOPS_API_KEY", KEY)

    def plant(url):
        stored = f"base_url = '{url}'\nmodel = 'ctx-small'\nretries = 0\n{lines[request.param]}\n"
        config.write_text(f"[profiles.default]\n{stored}[profiles.work]\n{stored}")
        config.chmod(0o600)
        return {config, key_file}

    return plant


@pytest.mark.parametrize("server", SERVERS)
def test_nobody_sees_it(run, home, planted, server):
    with Server(SERVERS[server], may_be_idle=True) as serving:
        own = planted(serving.url)
        for path in PATHS:
            for flags in FLAGS if path not in LEFT_OUT else []:
                told = run(*path, *WORDS.get(path, []), *flags, input="hi\n")
                shown = told.stdout_bytes + told.stderr_bytes
                if path in {("api",), ("models", "list")} and server != "good":
                    # What a server answers there is what was asked for.
                    shown = told.stderr_bytes
                assert b"CANARY" not in shown, (path, flags, shown)
            for file in home.rglob("*"):
                if file.is_file() and file not in own:
                    assert b"CANARY" not in file.read_bytes(), (path, file)
