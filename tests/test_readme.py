"""What README shows works as it stands there: every block of shell, against a loopback server."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shapes import DONE, KEY, OpenWebUI, chunk, json_answer, stream

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- ([\w-]+) -->\n+)?```sh\n(.*?)```", re.DOTALL)
ANSWER = "Here it is:\n\n```sh\nwc -l *.py\n```\n\n```python\nx: int = 1\n```\n"

pytestmark = [
    pytest.mark.readme,
    pytest.mark.skipif(
        sys.platform == "win32"
        or not (shutil.which("bash") and shutil.which("jq") and shutil.which("git")),
        reason="needs a POSIX system with bash, jq and git",
    ),
]


def blocks():
    """Give each block that has no mark: those with one are run by .ci/run."""
    for number, match in enumerate(BLOCK.finditer(README.read_text(encoding="utf-8"))):
        if match[2] is None:
            yield pytest.param(match[3], id=f"{number}: {match[3].splitlines()[0][:50]}")


FIELDS = '{"level": "error", "host": "db1", "message": "disk \\"full\\", twice"}'


def answer(request):
    if request.path.endswith("/chat/completions") and "response_format" in request.json():
        return stream(chunk(FIELDS), chunk(finish="stop"), DONE)
    if request.path.endswith("/chat/completions") and "tools" in request.json():
        return OpenWebUI(models=["llama3.1"])(request)
    if request.method == "POST" and request.path.endswith("/chat/completions"):
        return stream(chunk(ANSWER), chunk(finish="stop"), DONE)
    if request.path.startswith(("/v1/", "/api/v1/", "/api/version", "/api/embeddings")):
        return json_answer({"object": "list", "data": [{"id": "llama3.1"}], "version": "0.12.4"})
    return OpenWebUI(models=["llama3.1", "llama-guard"])(request)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Make a folder with what the examples are about, and the command on the PATH."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    script = binaries / "contextops"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m contextops "$@"\n')
    script.chmod(0o755)
    desk = tmp_path / "desk"
    desk.mkdir()
    (desk / "build.log").write_text("error: no\n")
    (desk / "weather.txt").write_text("Oslo: -3\nZürich: 21\n", encoding="utf-8")
    (desk / "words.tsv").write_text("sky\tblue\nsea\tgreen\n")
    (desk / "questions.txt").write_text("one\ntwo\n")
    (desk / "notes.txt").write_text("note\n")
    (desk / "main.py").write_text("x = 1\n")
    (desk / "test_main.py").write_text("assert 1\n")
    (desk / "evaluate.sh").write_text("#!/bin/sh\n")
    (desk / "evaluate.sh").chmod(0o755)
    (desk / "screenshot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm"]
    for step in (["git", "init", "-q"], ["git", "add", "."], [*commit, "one"]):
        subprocess.run(step, cwd=desk, check=True)
    (desk / "main.py").write_text("x = 2\n")
    for step in (["git", "add", "."], [*commit, "two"]):
        subprocess.run(step, cwd=desk, check=True)
    (desk / "main.py").write_text("x = 3\n")
    subprocess.run(["git", "add", "."], cwd=desk, check=True)
    for folder in (".zfunc", ".config/fish/completions"):
        (Path(os.environ["HOME"]) / folder).mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
    return desk


@pytest.mark.parametrize("block", list(blocks()))
def test_an_example_runs(serve, bench, block):
    told, _ = shown(serve, bench, block)
    errors = [line for line in told.stderr.splitlines() if not line.startswith("contextops: note:")]
    assert (told.returncode, errors) == (0, [])


FOR_CI = re.compile(r"```(yaml|make)\n(.*?)```", re.DOTALL)


def ci_blocks():
    """Give what README shows to CI servers: the commands of each."""
    for kind, text in FOR_CI.findall(README.read_text(encoding="utf-8")):
        lines = [
            line.strip().removeprefix("- ").removeprefix("run: ") for line in text.splitlines()
        ]
        commands = [line for line in lines if line.startswith("contextops ")]
        yield pytest.param(kind, text, "\n".join(commands), id=text.splitlines()[0])


@pytest.mark.parametrize(("kind", "text", "commands"), list(ci_blocks()))
def test_a_gate_of_ci_opens_and_closes(serve, bench, monkeypatch, kind, text, commands):
    if kind == "make":
        (bench / "Makefile").write_text(text)
        commands = "make"
    monkeypatch.setitem(globals(), "ANSWER", "4")
    told, _ = shown(serve, bench, commands)
    assert told.returncode == 0, told.stderr
    monkeypatch.setitem(globals(), "answer", lambda _: json_answer({"detail": "no"}, 401))
    told, _ = shown(serve, bench, commands)
    assert told.returncode == (2 if kind == "make" else 4)


def shown(serve, bench, block):
    """Run a block and give what it left, and the server."""
    server = serve(answer, may_be_idle=True)
    local = block
    for address in ("http://localhost:11434", "https://ai.example.com"):
        local = local.replace(address, server.url)
    told = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", local],
        cwd=bench,
        env={
            **os.environ,
            "CONTEXTOPS_BASE_URL": server.url,
            "CONTEXTOPS_API_KEY": KEY,
            "CONTEXTOPS_MODEL": "llama3.1",
            "notes": "none",
        },
        input="sk-0123456789abcdef",
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return told, server


def block_with(words):
    return next(block.values[0] for block in blocks() if words in block.values[0])


def test_a_template_is_a_command_of_git(serve, bench):
    told, server = shown(serve, bench, block_with("--template"))
    assert told.stdout == ANSWER
    body = server.request.json()
    rules, prompt = (message["content"] for message in body["messages"])
    assert rules == "You write commit messages, and nothing else."
    assert prompt.startswith("Write a short commit message for this diff:\n\ndiff --git a/main.py")
    assert body["temperature"] == 0.2


def test_the_lines_of_a_log_become_a_table(serve, bench):
    (bench / "build.log").write_text("one\ntwo\n")
    shown(serve, bench, block_with("--schema"))
    assert (bench / "log.csv").read_text() == 2 * '"error","db1","disk ""full"", twice"\n'
    assert not (bench / "refused.log").exists()


def test_a_tool_is_called_and_what_it_says_is_answered(serve, bench):
    told, server = shown(serve, bench, block_with("--tools"))
    assert told.stdout == "tool said: Zürich: 21\n"
    asked, made, result = server.requests[-1].json()["messages"]
    assert (asked["role"], made["tool_calls"][0]["id"]) == ("user", "call_1")
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "Zürich: 21"}


def test_a_loop_of_tools_ends_with_the_status_of_what_failed(serve, bench, monkeypatch):
    monkeypatch.setitem(globals(), "answer", lambda _: json_answer({"detail": "no"}, 422))
    told, _ = shown(serve, bench, block_with("--tools"))
    assert (told.returncode, told.stdout) == (22, "")
