"""Command lines, surroundings and input at random: a status of the table, and never a traceback."""

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


# They run an editor, or a server, until somebody ends them.
LEFT_OUT = {("config", "edit"), ("serve",)}
LINES = [
    (path, sorted(options))
    for typed, options, below in COMMANDS
    if not below and (path := tuple(typed.split()[1:])) not in LEFT_OUT
]
# Waits and retries that nobody wants to wait for.
UNWANTED = {"--wait", "--local"}
VALUES = st.sampled_from(
    [
        *("", "-", "0", "1", "-1", "x", "a=b", "ctx-small", "default", "local", "../x", "/", "@x"),
        *("10ms", "http://127.0.0.1:1", "{}", "[]", '{"a":', "ü", "\x1b[2J", "a\nb", "utf-16"),
        *("templates.a.prompt", "params.x", "headers.X", "api_key", "model", "*", "["),
    ]
) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
NAMES = [name for name, _ in environment_variables() if name.startswith("CONTEXTOPS_")]
AROUND = st.dictionaries(
    st.sampled_from([name for name in NAMES if "COMMAND" not in name and "LOCAL" not in name]),
    VALUES,
    max_size=2,
)


@st.composite
def lines(draw: Any) -> list[str]:
    """Write a command line that has something to do with the command."""
    path, options = draw(st.sampled_from(LINES))
    known = st.sampled_from([option for option in options if option not in UNWANTED])
    pairs = st.tuples(known, VALUES) | st.tuples(known) | st.tuples(VALUES)
    rest = [word for pair in draw(st.lists(pairs, max_size=4)) for word in pair]
    return [*path, *rest]


@pytest.fixture
def answered() -> Iterator[str]:
    with Server(OpenWebUI(), may_be_idle=True) as server:
        yield server.url


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines(), AROUND, st.binary(max_size=20))
@example(["chat", "send", "--param", "stop=["], {}, b"")
@example(["config", "set", "params.x", "["], {"CONTEXTOPS_MODEL": "\x1b[2J"}, b"\xff")
def test_whatever_is_typed_has_a_status_of_the_table(run, answered, home, argv, around, given):
    os.chdir(home)
    known = {"CONTEXTOPS_BASE_URL": answered, "CONTEXTOPS_API_KEY": KEY, "CONTEXTOPS_RETRIES": "0"}
    known["CONTEXTOPS_MAX_TIME"] = "5"
    told = run(*argv, input=given, env={**known, **around})
    assert told.status in STATUSES, told.stderr
    assert "Traceback" not in told.stderr
    assert KEY not in told.stdout + told.stderr
