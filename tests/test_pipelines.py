"""The one-liners of README, in a real shell, against a server of each recorded version."""

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
    """Run a script in bash, with the command on its PATH and a server to talk to."""
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
    """Run a script that asks no server."""
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
def test_the_one_liners(shell, version, script, printed):
    told = shell(script, version)
    assert (told.stdout, told.stderr, told.returncode) == (printed, "", 0)


def test_a_while_loop_keeps_its_list_with_n(shell):
    told = shell('printf "a\\nb\\n" | while read -r w; do contextops chat send -n "$w"; done')
    assert told.stdout == "You said: a\nYou said: b\n"


def test_a_while_loop_over_a_file_keeps_its_list_without(shell):
    told = shell(
        'printf "a\\nb\\n" > list; while read -r w; do contextops chat send "$w"; done < list'
    )
    assert told.stdout == "You said: a\nYou said: b\n"


def test_a_reader_that_leaves_ends_it_by_sigpipe(shell):
    told = shell('contextops chat send "a b c" | true; echo "${PIPESTATUS[0]}"')
    assert (told.stdout, told.stderr) == ("141\n", "")


def test_the_status_tells_a_cut_answer_in_an_if(shell):
    told = shell('if a=$(contextops chat send -n "x !len"); then echo ok; else echo "$? $a"; fi')
    assert told.stdout == "18 You said: x !len\n"


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("script", ["> /dev/full", ">&-"])
@pytest.mark.parametrize("command", ["chat send -n hi", "chat send -n --json hi", "models list"])
def test_a_stdout_that_takes_nothing_is_status_23(serve, shell, command, script):
    told = shell(f"contextops {command} {script}; echo $? >&2")
    assert told.stderr.endswith("\n23\n")
    assert "cannot write to standard output" in told.stderr
    assert told.stderr.count("\n") == 2


PRINTING_HELP = ["--help", "-h", "--version", "", "chat", "chat -h", "chat send -h", "help chat"]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("script", ["> /dev/full", ">&-"])
@pytest.mark.parametrize("command", PRINTING_HELP)
def test_help_that_cannot_be_printed_is_status_23(offline, command, script):
    told = offline(f"contextops {command} {script}")
    assert (told.returncode, told.stdout) == (23, "")
    assert told.stderr.startswith("contextops: cannot write to standard output: ")
    assert told.stderr.count("\n") == 1


def test_help_to_a_reader_that_leaves_is_a_death_by_sigpipe(offline):
    told = offline('contextops chat send -h | true; echo "${PIPESTATUS[0]}"')
    # Whether it is written before the reader left is a race.
    assert (told.stdout, told.stderr) in {("141\n", ""), ("0\n", "")}


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_help_is_utf_8_whatever_the_locale_says(offline, encoding):
    told = offline(f"PYTHONIOENCODING={encoding} contextops api --help")
    assert (told.returncode, told.stderr) == (0, "")
    assert "DELETE …" in told.stdout


@pytest.mark.parametrize("words", ["chat", "chat -q", "models --local", "config --profile x -v"])
def test_a_group_without_a_command_prints_its_help(run, words):
    told, asked = run(*words.split()), run(words.split()[0], "--help")
    assert (told.status, told.stderr) == (0, "")
    assert told.stdout == asked.stdout
    assert "Commands:" in told.stdout


@pytest.mark.parametrize("words", ["", "-q", "--profile x"])
def test_no_command_at_all_prints_the_help(run, words):
    told = run(*words.split())
    assert (told.status, told.stderr, told.stdout) == (0, "", run("--help").stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("script", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize("command", ["chat send --bogus", "nonsense", "--color pink", "help x"])
def test_a_stderr_that_takes_nothing_changes_no_status(offline, command, script):
    told = offline(f"contextops {command} {script}")
    assert (told.returncode, told.stdout) == (2, "")


def test_the_parsers_errors_keep_their_form(run):
    told = run("chat", "send", "--bogus")
    assert (told.status, told.stdout) == (2, "")
    assert told.stderr.startswith("Usage: ")
    assert "\nError: No such option: --bogus" in told.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="limits are POSIX's")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_file_that_may_not_grow_is_status_23(command, serve, tmp_path, unbuffered):
    import resource

    server = serve(OpenWebUI(models=[f"model-{number}" for number in range(100)]))

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    # Python compiles nothing then: its files could not grow either.
    env = {"PYTHONUNBUFFERED": unbuffered, "PYTHONDONTWRITEBYTECODE": "1"}
    with (tmp_path / "models.json").open("wb") as out:
        told = command(
            *("models", "list", "--json", "--base-url", server.url),
            env={**env, "CONTEXTOPS_API_KEY": KEY, "CONTEXTOPS_BASE_URL": server.url},
            stdout=out,
            preexec_fn=limit,
        )
    assert told.status == 23
    error = json.loads(told.stderr)["error"]
    assert error["message"] == "cannot write to standard output: file too large"


def test_a_failure_is_the_last_of_the_json_lines(run, refusing):
    told = run("models", "list", "--jsonl", "--retries", "0", "--base-url", refusing)
    assert told.status == 7
    last, error = json.loads(told.stdout), json.loads(told.stderr)
    assert last == {"type": "error", **error, "response": None}


def test_help_and_readme_name_the_statuses_that_there_are():
    from contextops import errors
    from contextops.commands.help import EXIT_CODES

    ours = [
        (kind.status, kind.code)
        for kind in vars(errors).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.ContextopsError)
        and hasattr(kind, "status")
    ]
    statuses = [str(status) for status, _ in ours]
    assert len(set(statuses)) == len(statuses)
    told = [(status, code) for status, code, _ in EXIT_CODES]
    assert told[2:-1] == [(str(status), code) for status, code in sorted(ours)]
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| status | | when |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]
    # Death by a signal has no name there.
    assert [(status, code) for status, code, _ in rows[:-1]] == told[:-1]
    assert rows[-1][0] == told[-1][0]


def test_no_locale_no_home_no_terminal(shell):
    told = shell("unset HOME; LC_ALL=C TERM=dumb contextops chat send -n 'größer'")
    assert (told.returncode, told.stdout) == (0, "You said: größer\n")
