"""Random command lines, environments and input end with a documented status, without traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from command_tree import COMMANDS
from contextops.commands.help import EXIT_CODES
from contextops.config import environment_variables
from server import Server
from shapes import KEY, OpenWebUI

STATUSES = {int(status) for row in EXIT_CODES for status in row[0].split()} - {1}

# They run an editor or a server until they are ended.
BLOCKING = {("config", "edit"), ("serve",)}
COMMAND_LINES = [
    (path, sorted(options))
    for typed, options, subcommands in COMMANDS
    if not subcommands and (path := tuple(typed.split()[1:])) not in BLOCKING
]
# They wait, or start the demo model.
SLOW = {"--wait", "--local"}
VALUES = st.sampled_from(
    [
        *("", "-", "0", "1", "-1", "x", "a=b", "ctx-small", "default", "local", "../x", "/", "@x"),
        *("10ms", "http://127.0.0.1:1", "{}", "[]", '{"a":', "ü", "\x1b[2J", "a\nb", "utf-16"),
        *("templates.a.prompt", "params.x", "headers.X", "api_key", "model", "*", "["),
    ]
) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
NAMES = [name for name, _ in environment_variables() if name.startswith("CONTEXTOPS_")]
ENVIRONMENTS = st.dictionaries(
    st.sampled_from([name for name in NAMES if "COMMAND" not in name and "LOCAL" not in name]),
    VALUES,
    max_size=2,
)


@st.composite
def command_lines(draw: Any) -> list[str]:
    """Generate a command with some of its options and random values."""
    path, options = draw(st.sampled_from(COMMAND_LINES))
    known = st.sampled_from([option for option in options if option not in SLOW])
    pairs = st.tuples(known, VALUES) | st.tuples(known) | st.tuples(VALUES)
    words = [word for pair in draw(st.lists(pairs, max_size=4)) for word in pair]
    return [*path, *words]


@pytest.fixture
def server_url() -> Iterator[str]:
    with Server(OpenWebUI(), may_be_idle=True) as server:
        yield server.url


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(command_lines(), ENVIRONMENTS, st.binary(max_size=20))
@example(["chat", "send", "--param", "stop=["], {}, b"")
@example(["config", "set", "params.x", "["], {"CONTEXTOPS_MODEL": "\x1b[2J"}, b"\xff")
def test_random_command_line_ends_with_a_documented_status(
    run, server_url, home, argv, environment, stdin
):
    os.chdir(home)
    known = {
        "CONTEXTOPS_BASE_URL": server_url,
        "CONTEXTOPS_API_KEY": KEY,
        "CONTEXTOPS_RETRIES": "0",
    }
    known["CONTEXTOPS_MAX_TIME"] = "5"
    result = run(*argv, input=stdin, env={**known, **environment})
    assert result.status in STATUSES, result.stderr
    assert "Traceback" not in result.stderr
    assert KEY not in result.stdout + result.stderr
