"""The one-liners of README, in a real shell, against a server of each recorded version."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from shapes import KEY, VERSIONS, OpenWebUI

pytestmark = pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("jq")), reason="needs bash and jq"
)


@pytest.fixture
def shell(tmp_path, serve):
    """Run a script in bash, with the command on its PATH and a server to talk to."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    script = binaries / "contextops"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m contextops "$@"\n')
    script.chmod(0o755)

    def run(text, version="0.12.4"):
        server = serve(OpenWebUI(version), may_be_idle=">&-" in text)
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


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_help_to_a_full_disk_is_status_23(run, shell):
    assert shell("contextops models list >/dev/null; contextops --help >/dev/full").returncode == 23


def test_no_locale_no_home_no_terminal(shell):
    told = shell("unset HOME; LC_ALL=C TERM=dumb contextops chat send -n 'größer'")
    assert (told.returncode, told.stdout) == (0, "You said: größer\n")
