"""Every shell example of README, run unchanged against a loopback server."""

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
    """Yield each block without a marker; those with one are run by .ci/run."""
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
def workdir(tmp_path, monkeypatch):
    """Make a folder with the files of the examples, and put the command on the PATH."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    script = binaries / "contextops"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m contextops "$@"\n')
    script.chmod(0o755)
    folder = tmp_path / "workdir"
    folder.mkdir()
    (folder / "build.log").write_text("error: no\n")
    (folder / "weather.txt").write_text("Oslo: -3\nZürich: 21\n", encoding="utf-8")
    (folder / "words.tsv").write_text("sky\tblue\nsea\tgreen\n")
    (folder / "questions.txt").write_text("one\ntwo\n")
    (folder / "notes.txt").write_text("note\n")
    (folder / "main.py").write_text("x = 1\n")
    (folder / "test_main.py").write_text("assert 1\n")
    (folder / "evaluate.sh").write_text("#!/bin/sh\n")
    (folder / "evaluate.sh").chmod(0o755)
    (folder / "screenshot.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm"]
    for step in (["git", "init", "-q"], ["git", "add", "."], [*commit, "one"]):
        subprocess.run(step, cwd=folder, check=True)
    (folder / "main.py").write_text("x = 2\n")
    for step in (["git", "add", "."], [*commit, "two"]):
        subprocess.run(step, cwd=folder, check=True)
    (folder / "main.py").write_text("x = 3\n")
    subprocess.run(["git", "add", "."], cwd=folder, check=True)
    for below_home in (".zfunc", ".config/fish/completions"):
        (Path(os.environ["HOME"]) / below_home).mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize("block", list(blocks()))
def test_example_runs_without_error(serve, workdir, block):
    result, _ = run_block(serve, workdir, block)
    errors = [
        line for line in result.stderr.splitlines() if not line.startswith("contextops: note:")
    ]
    assert (result.returncode, errors) == (0, [])


CI_BLOCK = re.compile(r"```(yaml|make)\n(.*?)```", re.DOTALL)


def ci_blocks():
    """Yield each example for CI servers, with its commands."""
    for kind, text in CI_BLOCK.findall(README.read_text(encoding="utf-8")):
        lines = [
            line.strip().removeprefix("- ").removeprefix("run: ") for line in text.splitlines()
        ]
        commands = [line for line in lines if line.startswith("contextops ")]
        yield pytest.param(kind, text, "\n".join(commands), id=text.splitlines()[0])


@pytest.mark.parametrize(("kind", "text", "commands"), list(ci_blocks()))
def test_ci_example_passes_and_fails_with_the_server(
    serve, workdir, monkeypatch, kind, text, commands
):
    if kind == "make":
        (workdir / "Makefile").write_text(text)
        commands = "make"
    monkeypatch.setitem(globals(), "ANSWER", "4")
    result, _ = run_block(serve, workdir, commands)
    assert result.returncode == 0, result.stderr
    monkeypatch.setitem(globals(), "answer", lambda _: json_answer({"detail": "no"}, 401))
    result, _ = run_block(serve, workdir, commands)
    assert result.returncode == (2 if kind == "make" else 4)


def run_block(serve, workdir, block):
    """Run a block; return the completed process and the server."""
    server = serve(answer, may_be_idle=True)
    local = block
    for address in ("http://localhost:11434", "https://ai.example.com"):
        local = local.replace(address, server.url)
    result = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", local],
        cwd=workdir,
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
    return result, server


def block_with(words):
    return next(block.values[0] for block in blocks() if words in block.values[0])


def test_template_example_asks_for_a_commit_message(serve, workdir):
    result, server = run_block(serve, workdir, block_with("--template"))
    assert result.stdout == ANSWER
    body = server.request.json()
    rules, prompt = (message["content"] for message in body["messages"])
    assert rules == "You write commit messages, and nothing else."
    assert prompt.startswith("Write a short commit message for this diff:\n\ndiff --git a/main.py")
    assert body["temperature"] == 0.2


def test_schema_example_writes_a_csv_table(serve, workdir):
    (workdir / "build.log").write_text("one\ntwo\n")
    run_block(serve, workdir, block_with("--schema"))
    assert (workdir / "log.csv").read_text() == 2 * '"error","db1","disk ""full"", twice"\n'
    assert not (workdir / "refused.log").exists()


def test_tools_example_sends_the_result_of_the_tool(serve, workdir):
    result, server = run_block(serve, workdir, block_with("--tools"))
    assert result.stdout == "tool said: Zürich: 21\n"
    question, tool_call, result = server.requests[-1].json()["messages"]
    assert (question["role"], tool_call["tool_calls"][0]["id"]) == ("user", "call_1")
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "Zürich: 21"}


def test_tools_example_ends_with_the_status_of_the_error(serve, workdir, monkeypatch):
    monkeypatch.setitem(globals(), "answer", lambda _: json_answer({"detail": "no"}, 422))
    result, _ = run_block(serve, workdir, block_with("--tools"))
    assert (result.returncode, result.stdout) == (22, "")
