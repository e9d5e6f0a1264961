"""Markdown on a terminal hides nothing, whatever the terminal and the model say."""

from __future__ import annotations

import re

import pytest

from contextops.output.markdown import MarkdownWriter
from contextops.output.sanitize import sanitize_text
from shapes import KEY, chunk, stream

STYLE = re.compile(r"\x1b\[[0-9;]*m")


def rendered(text: str) -> str:
    """Give what a person sees of an answer, without styles."""
    shown: list[str] = []
    writer = MarkdownWriter(shown.append, color="auto", sanitize=sanitize_text)
    writer.write(text)
    writer.end()
    return STYLE.sub("", "".join(shown))


@pytest.mark.parametrize("columns", ["0", "1", "-1", "", "wide"])
def test_whatever_columns_says_the_answer_is_shown(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert re.sub(r"\s", "", rendered("an **answer**")) == "ananswer"


def test_columns_0_is_80(monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    assert max(map(len, rendered("word " * 100).splitlines())) in range(70, 81)


def test_no_columns_at_all(terminal, serve, monkeypatch):
    server = serve(lambda _: stream(chunk("an **answer**"), chunk(finish="stop")))
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", server.url)
    monkeypatch.setenv("CONTEXTOPS_API_KEY", KEY)
    told = terminal("chat", "send", "-n", "-m", "m", "hi", env={"COLUMNS": "0"})
    told.expect_exact("answer")
    told.expect(__import__("pexpect").EOF)
    told.close()
    assert told.exitstatus == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[note]: http://hidden.example "title"', ["note", "http://hidden.example", "title"]),
        ('see [note]\n\n[note]: http://hidden.example "t"', ["see", "http://hidden.example"]),
        ("> " * 3000 + "x", ["x"]),
        ("> " * 30 + "word", ["word"]),
        ("```", ["```"]),
        ("``", ["``"]),
        ("a\n\n```\n```\n\nb", ["a", "```", "b"]),
        ("-", ["-"]),
        ("#", ["#"]),
    ],
)
def test_nothing_renders_to_nothing(text, words):
    shown = rendered(text)
    for word in words:
        assert word in shown


def test_what_is_blank_stays_away():
    assert rendered("\n\n \n") == ""


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```make\nall:\n\techo $@\n```", "all:\n\techo $@\n"),
        ("```\n  two\n\n\n    four\n```", "  two\n\n\n    four\n"),
        (f"```python\nx = '{'word ' * 40}'\n```", f"x = '{'word ' * 40}'\n"),
        ("    indented\n    code", "indented\ncode\n"),
    ],
)
def test_code_can_be_copied_as_it_is(text, code):
    assert rendered(text) == code


@pytest.mark.parametrize(
    "text", ["some words", "> a quote", "- an item", "# a title", "|a|\n|-|\n|b|"]
)
def test_no_line_is_filled_with_spaces(text):
    assert [line for line in rendered(text).splitlines() if line.endswith(" ")] == []


@pytest.mark.parametrize("before", ["- item\n\n", "> "])
def test_code_in_a_list_or_a_quote_is_folded_and_not_cut(before):
    margin = "  " if before.startswith("-") else "> "
    text = f"{before}```\n{margin}{'word' * 40}\n{margin}```"
    assert re.sub(r"[^word]", "", rendered(text)).count("word") == 40
