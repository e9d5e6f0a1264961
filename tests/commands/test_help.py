"""``contextops help``: its topics, which are files, and the help of commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import contextops
from contextops.commands.help import EXIT_CODES, TOPICS, read_topic
from contextops.config import environment_variables

FOLDER = Path(contextops.__file__).parent / "help"


def test_topics_are_the_files_of_the_folder():
    assert set(TOPICS) == {path.stem for path in FOLDER.iterdir()}
    assert {"exit-codes", "environment"} <= set(TOPICS)


@pytest.mark.parametrize("topic", TOPICS)
def test_topic_prints_its_text_with_tables_filled_in(run, topic):
    result = run("help", topic)
    assert (result.status, result.stderr) == (0, "")
    title, text = read_topic(topic)
    assert title
    for line in text.splitlines():
        assert len(line) <= 80
        assert (line in result.stdout.splitlines()) is (not line.startswith("{"))
    assert "{" not in result.stdout


@pytest.mark.parametrize(
    ("topic", "rows"), [("exit-codes", EXIT_CODES), ("environment", environment_variables())]
)
def test_table_of_topic_has_a_line_for_each_row(run, topic, rows):
    lines = run("help", topic).stdout.splitlines()
    for name, *_, description in rows:
        # Cells have single spaces only.
        end = " ".join(description.split())
        assert [line for line in lines if line.startswith(f"{name} ") and line.endswith(end)]


def test_help_without_a_topic_lists_commands_and_topics(run):
    result = run("help")
    assert result.status == 0
    assert result.stdout.startswith(run("--help").stdout)
    assert "  exit-codes   Exit statuses\n" in result.stdout
    assert "  environment  Environment variables\n" in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="about SIGPIPE")
@pytest.mark.parametrize("words", [[], *([topic] for topic in TOPICS), ["chat", "send"]])
def test_reader_may_leave_after_the_first_line(command, words):
    process = command.start("help", *words)
    os.read(process.stdout.fileno(), 1)
    process.stdout.close()
    assert process.wait(10) == 0
    assert process.stderr.read() == b""


def test_help_of_a_command_is_that_of_its_option(run):
    assert run("help", "models", "list").stdout == run("models", "list", "--help").stdout


@pytest.mark.parametrize("words", [["bogus"], ["models", "bogus"]])
def test_unknown_topic_is_a_usage_error_that_names_the_topics(run, words):
    result = run("help", *words)
    assert (result.status, result.stdout) == (2, "")
    assert result.stderr == (
        f"contextops: no help topic '{' '.join(words)}'; try {', '.join(TOPICS)}, or a command\n"
    )
