"""Markdown rendered on a terminal, of any width and any content."""

from __future__ import annotations

import re

import pytest

from contextops.output.markdown import MarkdownWriter
from contextops.output.sanitize import sanitize_text
from shapes import KEY, chunk, stream

STYLE = re.compile(r"\x1b\[[0-9;]*m")


def rendered(text: str) -> str:
    """Return an answer as it appears on a terminal, without styles."""
    output: list[str] = []
    writer = MarkdownWriter(output.append, color="auto", sanitize=sanitize_text)
    writer.write(text)
    writer.end()
    return STYLE.sub("", "".join(output))


@pytest.mark.parametrize("columns", ["0", "1", "-1", "", "wide"])
def test_answer_is_shown_whatever_columns_is_set_to(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert re.sub(r"\s", "", rendered("an **answer**")) == "ananswer"


def test_columns_0_renders_at_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    assert max(map(len, rendered("word " * 100).splitlines())) in range(70, 81)


def test_chat_send_renders_answer_with_columns_0(terminal, serve, monkeypatch):
    server = serve(lambda _: stream(chunk("an **answer**"), chunk(finish="stop")))
    monkeypatch.setenv("CONTEXTOPS_BASE_URL", server.url)
    monkeypatch.setenv("CONTEXTOPS_API_KEY", KEY)
    child = terminal("chat", "send", "-n", "-m", "m", "hi", env={"COLUMNS": "0"})
    child.expect_exact("answer")
    child.expect(__import__("pexpect").EOF)
    child.close()
    assert child.exitstatus == 0


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
def test_markdown_without_output_is_shown_as_text(text, words):
    output = rendered(text)
    for word in words:
        assert word in output


def test_blank_markdown_renders_to_nothing():
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
def test_rendered_code_is_unchanged(text, code):
    assert rendered(text) == code


@pytest.mark.parametrize(
    "text", ["some words", "> a quote", "- an item", "# a title", "|a|\n|-|\n|b|"]
)
def test_rendered_lines_have_no_trailing_spaces(text):
    assert [line for line in rendered(text).splitlines() if line.endswith(" ")] == []


@pytest.mark.parametrize("before", ["- item\n\n", "> "])
def test_long_code_in_list_or_quote_is_wrapped_not_cut(before):
    margin = "  " if before.startswith("-") else "> "
    text = f"{before}```\n{margin}{'word' * 40}\n{margin}```"
    assert re.sub(r"[^word]", "", rendered(text)).count("word") == 40
