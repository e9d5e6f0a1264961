"""Pipelines and one-liners in a real shell, against a server of each recorded version."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shapes import KEY, VERSIONS, OpenWebUI

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not (shutil.which("bash") and shutil.which("jq")),
    reason="needs a POSIX system with bash and jq",
)


@pytest.fixture
def shell(tmp_path, serve):
    """Return a function that runs a bash script with the command on its PATH and a server."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    script = binaries / "contextops"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m contextops "$@"\n')
    script.chmod(0o755)

    def run(text, version="0.12.4", *, idle=False):
        server = serve(OpenWebUI(version), may_be_idle=idle or ">&-" in text)
        return subprocess.run(
            ["bash", "-c", text],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{binaries}:{os.environ['PATH']}",
                "CONTEXTOPS_BASE_URL": server.url,
                "CONTEXTOPS_API_KEY": KEY,
                "CONTEXTOPS_MODEL": "ctx-small",
            },
            check=False,
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


@pytest.fixture
def offline(shell):
    """Return a function that runs a bash script that needs no server."""
    return lambda text: shell(text, idle=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("contextops models list | grep large", "ctx-large\n"),
        (
            (
                "git init -q . && echo line > f && git add f && "
                "git diff --cached | tail -n 1 | contextops chat send describe"
            ),
            "You said: describe\n\n+line\n",
        ),
        ("contextops chat send --json hi | jq -r '.choices[0].message.content'", "You said: hi\n"),
        ("contextops models list --json | jq -r '.[].id'", "ctx-small\nctx-large\n"),
    ],
)
def test_one_liner_prints_expected_output(shell, version, script, printed):
    result = shell(script, version)
    assert (result.stdout, result.stderr, result.returncode) == (printed, "", 0)


def test_no_stdin_flag_leaves_the_list_of_a_piped_while_loop(shell):
    result = shell('printf "a\\nb\\n" | while read -r w; do contextops chat send -n "$w"; done')
    assert result.stdout == "You said: a\nYou said: b\n"


def test_prompt_words_leave_the_list_of_a_while_loop_over_a_file(shell):
    result = shell(
        'printf "a\\nb\\n" > list; while read -r w; do contextops chat send "$w"; done < list'
    )
    assert result.stdout == "You said: a\nYou said: b\n"


def test_closed_pipe_ends_the_command_with_sigpipe(shell):
    result = shell('contextops chat send "a b c" | true; echo "${PIPESTATUS[0]}"')
    assert (result.stdout, result.stderr) == ("141\n", "")


def test_status_of_truncated_answer_is_false_in_an_if(shell):
    result = shell('if a=$(contextops chat send -n "x !len"); then echo ok; else echo "$? $a"; fi')
    assert result.stdout == "18 You said: x !len\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("script", ["> /dev/full", ">&-"])
@pytest.mark.parametrize("command", ["chat send -n hi", "chat send -n --json hi", "models list"])
def test_unwritable_stdout_is_status_23(serve, shell, command, script):
    result = shell(f"contextops {command} {script}; echo $? >&2")
    assert result.stderr.endswith("\n23\n")
    assert "cannot write to standard output" in result.stderr
    assert result.stderr.count("\n") == 2


HELP_COMMANDS = ["--help", "-h", "--version", "", "chat", "chat -h", "chat send -h", "help chat"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("script", ["> /dev/full", ">&-"])
@pytest.mark.parametrize("command", HELP_COMMANDS)
def test_unwritable_stdout_for_help_is_status_23(offline, command, script):
    result = offline(f"contextops {command} {script}")
    assert (result.returncode, result.stdout) == (23, "")
    assert result.stderr.startswith("contextops: cannot write to standard output: ")
    assert result.stderr.count("\n") == 1


def test_help_into_closed_pipe_ends_with_sigpipe(offline):
    result = offline('contextops chat send -h | true; echo "${PIPESTATUS[0]}"')
    # The help may be written before the reader closes the pipe.
    assert (result.stdout, result.stderr) in {("141\n", ""), ("0\n", "")}


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_help_is_utf_8_in_every_locale(offline, encoding):
    result = offline(f"PYTHONIOENCODING={encoding} contextops api --help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "DELETE …" in result.stdout


@pytest.mark.parametrize("words", ["chat", "chat -q", "models --local", "config --profile x -v"])
def test_group_without_command_prints_its_help(run, words):
    result, help_result = run(*words.split()), run(words.split()[0], "--help")
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout == help_result.stdout
    assert "Commands:" in result.stdout


@pytest.mark.parametrize("words", ["", "-q", "--profile x"])
def test_no_command_prints_the_help(run, words):
    result = run(*words.split())
    assert (result.status, result.stderr, result.stdout) == (0, "", run("--help").stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize("script", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize("command", ["chat send --bogus", "nonsense", "--color pink", "help x"])
def test_unwritable_stderr_keeps_the_status(offline, command, script):
    result = offline(f"contextops {command} {script}")
    assert (result.returncode, result.stdout) == (2, "")


def test_usage_error_of_the_parser_keeps_its_format(run):
    result = run("chat", "send", "--bogus")
    assert (result.status, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: ")
    assert "\nError: No such option: --bogus" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_file_size_limit_on_stdout_is_status_23(command, serve, tmp_path, unbuffered):
    import resource

    server = serve(OpenWebUI(models=[f"model-{number}" for number in range(100)]))

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    # Python must not write bytecode, since the limit applies to every file.
    env = {"PYTHONUNBUFFERED": unbuffered, "PYTHONDONTWRITEBYTECODE": "1"}
    with (tmp_path / "models.json").open("wb") as out:
        result = command(
            *("models", "list", "--json", "--base-url", server.url),
            env={**env, "CONTEXTOPS_API_KEY": KEY, "CONTEXTOPS_BASE_URL": server.url},
            stdout=out,
            preexec_fn=limit,
        )
    assert result.status == 23
    error = json.loads(result.stderr)["error"]
    assert error["message"] == "cannot write to standard output: file too large"


def test_error_is_the_last_json_line(run, refusing):
    result = run("models", "list", "--jsonl", "--retries", "0", "--base-url", refusing)
    assert result.status == 7
    last, error = json.loads(result.stdout), json.loads(result.stderr)
    assert last == {"type": "error", **error, "response": None}


def test_help_and_readme_list_every_exit_status():
    from contextops import errors
    from contextops.commands.help import EXIT_CODES

    error_classes = [
        (kind.status, kind.code)
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.ContextopsError)
        and hasattr(kind, "status")
    ]
    statuses = [str(status) for status, _ in error_classes]
    assert len(set(statuses)) == len(statuses)
    documented = [(status, code) for status, code, _ in EXIT_CODES]
    assert documented[2:-1] == [(str(status), code) for status, code in sorted(error_classes)]
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| status | | when |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    # The last row, for signals, has no code.
    assert [(status, code) for status, code, _ in rows[:-1]] == documented[:-1]
    assert rows[-1][0] == documented[-1][0]


def test_command_works_without_home_locale_and_terminal(shell):
    result = shell("unset HOME; LC_ALL=C TERM=dumb contextops chat send -n 'größer'")
    assert (result.returncode, result.stdout) == (0, "You said: größer\n")
