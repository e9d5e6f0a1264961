"""Which modules a command may load: start-up is a feature, and this guard cannot flake."""

from __future__ import annotations

import subprocess
import sys

import pytest

from contextops.commands import SUMMARIES, Commands

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
        [sys.executable, "-c", PROBE, *argv], check=True, capture_output=True, text=True
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
        (["--help"], set()),
        (["--version"], set()),
        (["config", "path"], {"config"}),
        (["completion", "bash"], {"completion"}),
        (["chat", "send", "--help"], {"chat"}),
        (["help", "exit-codes"], {"help"}),
    ],
    ids=str,
)
def test_a_command_loads_itself_alone(argv, own):
    before = "contextops.commands."
    loaded = {name.removeprefix(before) for name in loaded_by(*argv) if name.startswith(before)}
    assert loaded == own


@pytest.mark.parametrize("name", SUMMARIES)
def test_what_the_help_says_of_a_command_is_what_it_says_itself(name):
    assert Commands()[name].help.splitlines()[0] == SUMMARIES[name]
