"""Which modules a command may load: start-up is a feature, and this guard cannot flake."""

from __future__ import annotations

import subprocess
import sys

import pytest

from contextops.commands import SUMMARIES, SUMMARIES_OF_CHAT, Commands

PROBE = """
import sys
sys.argv[0] = "contextops"
from contextops.__main__ import main
try:
    main()
except SystemExit:
    pass
print(*sorted(sys.modules), sep="\\n", file=sys.stderr)
"""

HEAVY = {
    *("httpx", "httpcore", "anyio", "h11", "ssl", "rich", "pygments", "markdown_it", "pydantic"),
    *(
        "prompt_toolkit",
        "jsonschema",
        "referencing",
        "xllamacpp",
        "asyncio",
        "urllib.request",
        "email",
    ),
}


def loaded_by(*argv):
    told = subprocess.run(
        [sys.executable, "-c", PROBE, *argv],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return set(told.stderr.split())


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["--version"],
        ["chat", "send", "--help"],
        ["chat", "send", "-n", "-m", "m", "--dry-run", "hi"],
        ["config", "path"],
        ["config", "get", "base_url"],
        ["completion", "bash"],
        ["help", "exit-codes"],
        ["chat", "repl", "--help"],
    ],
    ids=" ".join,
)
def test_what_needs_no_server_loads_nothing_heavy(argv):
    loaded = loaded_by(*argv)
    assert loaded & HEAVY == set()
    # What the guard relies on: it sees what is loaded.
    assert "typer" in loaded


@pytest.mark.parametrize(
    ("argv", "own"),
    [
        (["--help"], ["context", "options", "parser"]),
        (["--version"], ["context", "options", "parser"]),
        (["config", "path"], ["config", "context", "options", "parser"]),
        (["completion", "bash"], ["completion", "context", "options", "parser"]),
        (["chat", "--help"], ["chat", "context", "options", "parser"]),
        (["chat", "send", "--help"], ["chat", "chat_send", "context", "options", "parser"]),
        (["help", "exit-codes"], ["help", "context", "options", "parser"]),
    ],
    ids=str,
)
def test_a_command_loads_itself_alone(argv, own):
    before = "contextops.commands."
    loaded = sorted(name for name in loaded_by(*argv) if name.startswith(before))
    assert loaded == sorted(f"{before}{name}" for name in own)


@pytest.mark.parametrize(
    ("summaries", "prefix"), [(SUMMARIES, ""), (SUMMARIES_OF_CHAT, "chat_")], ids=["all", "chat"]
)
def test_what_the_help_says_of_a_command_is_what_it_says_itself(summaries, prefix):
    loaded = Commands(summaries, prefix)
    assert {name: loaded[name].help.splitlines()[0] for name in loaded} == summaries


def test_a_conversation_in_a_pipe_loads_no_editor_and_nothing_before_the_first_turn():
    assert loaded_by("chat", "repl", "-m", "m") & HEAVY == set()


def test_a_conversation_at_a_terminal_loads_the_editor_and_no_http_before_the_first_turn(tmp_path):
    pexpect = pytest.importorskip("pexpect", exc_type=ImportError)
    told = tmp_path / "told"
    probe = PROBE.replace("file=sys.stderr", f"file=open({str(told)!r}, 'w')")
    child = pexpect.spawn(sys.executable, ["-c", probe, "chat", "repl", "-m", "m"], timeout=10)
    child.expect_exact("m>")
    child.sendeof()
    child.expect(pexpect.EOF)
    child.close()
    loaded = set(told.read_text().split())
    assert "prompt_toolkit" in loaded
    assert loaded & {"httpx", "rich", "markdown_it", "pygments", "jsonschema"} == set()
