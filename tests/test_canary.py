"""A planted key: no command prints it, with any flag or error, and no other file contains it."""

from __future__ import annotations

import pytest

from command_tree import COMMANDS
from server import Server
from shapes import OpenWebUI, detail, http, json_answer, stream

KEY = "sk-CANARY5ca1ab1e0ddba11c0ffee0facade0b57"

pytestmark = pytest.mark.faults

# Each echoes the request, as some servers and proxies do.
SERVERS = {
    "good": OpenWebUI(key=KEY),
    "rejects the key": lambda request: detail(f"no such key: {request.key}", 401),
    "server error": lambda request: http(500, {}, f"<h1>{request.headers}</h1>"),
    "redirects": lambda request: http(302, {"location": f"https://x.example/?key={request.key}"}),
    "error in the stream": lambda request: stream({"error": {"message": f"bad key {request.key}"}}),
    "invalid JSON": lambda _: http(200, {"content-type": "application/json"}, KEY),
    "key in a model id": lambda request: json_answer({"data": [{"id": f"m-{request.key}"}]}),
}
ARGUMENTS = {
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
PATHS = [tuple(path.split()[1:]) for path, _, subcommands in COMMANDS if not subcommands]
# An editor shows the file, and a server runs until it is ended.
BLOCKING = {("config", "edit"), ("serve",)}
FLAGS = [[], ["-v"], ["--json"], ["--jsonl"], ["--dry-run"], ["--dry-run", "--curl"]]
FLAGS += [["--format", "junit"], ["--show-origin"], ["--profile", "work"], ["--session", "s"]]


@pytest.fixture(params=["stored", "exported", "file", "command", "header"])
def plant_key(request, home, monkeypatch):
    """Return a function that plants the key in one place, and returns the files that contain it."""
    config = home / ".config/contextops/config.toml"
    config.parent.mkdir(parents=True)
    key_file = home / "key"
    lines = {
        "stored": f"api_key = '{KEY}'",
        "exported": "",
        "file": f"api_key_file = '{key_file}'",
        "command": f"api_key_command = ['cat', '{key_file}']",
        "header": f"headers = {{ Authorization = 'Bearer {KEY}' }}",
    }
    if request.param in ("file", "command"):
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
def test_key_appears_in_no_output_and_no_other_file(run, home, plant_key, server):
    with Server(SERVERS[server], may_be_idle=True) as running:
        key_files = plant_key(running.url)
        for path in PATHS:
            for flags in FLAGS if path not in BLOCKING else []:
                result = run(*path, *ARGUMENTS.get(path, []), *flags, input="hi\n")
                output = result.stdout_bytes + result.stderr_bytes
                if path in {("api",), ("models", "list")} and server != "good":
                    # There, the response of the server is the output.
                    output = result.stderr_bytes
                assert b"CANARY" not in output, (path, flags, output)
            for file in home.rglob("*"):
                if file.is_file() and file not in key_files:
                    assert b"CANARY" not in file.read_bytes(), (path, file)
