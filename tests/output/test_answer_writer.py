"""A model's text in a pipe, and rendered on a terminal."""

from __future__ import annotations

import re

import pytest

from contextops.output import Printer
from standard_streams import FORBIDDEN, End, Streams, print_answer

# --- in a pipe --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "printed"),
    [
        ([], ""),
        ([""], ""),
        (["one ", "two"], "one two\n"),
        (["one\n"], "one\n"),
        (["one\n\n"], "one\n\n"),
        (["one", "\n", ""], "one\n"),
        (["\n"], "\n"),
        (["\r\n\x1b[31m", "\x9b\u202e\u2028 \t"], "\r\n\x1b[31m\x9b\u202e\u2028 \t\n"),
        (["# Title\n", "**bold** " * 30], "# Title\n" + "**bold** " * 30 + "\n"),
    ],
)
def test_answer_in_pipe_is_the_models_text_with_final_newline(
    streams: Streams, pieces: list[str], printed: str
):
    out, err = streams()
    for options in ({}, {"plain": True}, {"raw": True}, {"color": "never"}):
        print_answer(Printer(**options), *pieces)
        assert out.read() == printed.encode()
        assert err.read() == b""


def test_answer_in_pipe_is_unchanged_when_stderr_is_a_terminal(streams: Streams):
    out, _ = streams("stderr")
    print_answer(Printer(), "\x1b[31m")
    assert out.read() == b"\x1b[31m\n"


def test_each_piece_is_written_at_once(streams: Streams):
    out, _ = streams()
    writer = Printer().answer_writer()
    for piece in ("o", "ne\n", "é"):
        writer.write(piece)
        assert out.text == piece
    writer.end()
    assert out.text == "\n"


def test_output_is_utf8_in_any_locale(streams: Streams):
    out, err = streams(encoding="ascii")
    printer = Printer()
    print_answer(printer, "é")
    printer.note("ü")
    assert out.text == "é\n"
    assert "ü" in err.text


# --- on a terminal ----------------------------------------------------------------------------

STYLE = re.compile(r"\x1b\[[0-9;]*m")


def visible_text(end: End) -> str:
    """Return the text as it appears, without styles and margins."""
    lines = STYLE.sub("", end.text).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


ATTACK = ["\x1b", "[31m\x1b]52;c;aGk=\x07 \x9b2J \u202e \r", "\x1b]8;;http://evil\x1b", "\\end"]


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        ({}, {}),
        ({"plain": True}, {}),
        ({"color": "never"}, {}),
        ({"color": "always"}, {}),
        ({}, {"NO_COLOR": "1"}),
        ({}, {"TERM": "dumb"}),
    ],
)
def test_control_sequences_of_model_are_visible_on_terminal(
    streams: Streams, monkeypatch, options, variables
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out, _ = streams("stdout", "stderr")
    print_answer(Printer(**options), *ATTACK)
    output = out.text
    assert not FORBIDDEN & set(STYLE.sub("", output))
    assert "^[[31m^[]52;c;aGk=^G" in output
    assert "\\u{202e}" in output


@pytest.mark.parametrize(
    ("options", "variables", "is_colored"),
    [
        ({}, {}, True),
        ({"color": "never"}, {}, False),
        ({}, {"NO_COLOR": "1"}, False),
        ({"color": "always"}, {"NO_COLOR": "1"}, True),
    ],
)
def test_colors_follow_option_and_no_color(
    streams: Streams, monkeypatch, options, variables, is_colored
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out, _ = streams("stdout", "stderr")
    print_answer(Printer(**options), "**bold** `code`\n\n```py\nx = 'text'\n```\n")
    output = out.text
    assert "\x1b[1m" in output
    assert bool(re.search(r"\x1b\[[0-9;]*[349][0-7]", output)) is is_colored


def test_raw_answer_is_unchanged_on_terminal(streams: Streams):
    out, _ = streams("stdout", "stderr")
    print_answer(Printer(raw=True), *ATTACK)
    assert out.text == "".join(ATTACK) + "\n"


@pytest.mark.parametrize(
    ("options", "variables"), [({"plain": True}, {}), ({}, {"TERM": "dumb"}), ({"raw": True}, {})]
)
def test_markdown_is_unchanged_when_not_rendered(streams: Streams, monkeypatch, options, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out, _ = streams("stdout", "stderr")
    print_answer(Printer(**options), "# Title\n\n**bo", "ld**")
    assert out.text == "# Title\n\n**bold**\n"


def test_markdown_is_rendered_on_terminal(streams: Streams):
    out, _ = streams("stdout", "stderr")
    print_answer(Printer(), "# Title\n\nsome **bo", "ld** text\n\n```py\nx = 1\n```\n\n- a\n- b")
    output = out.text
    assert "\x1b[1m" in output
    assert "**" not in output
    assert "```" not in output
    assert output.endswith("\n")
    for word in ("Title", "some", "bold", "x = 1", " a", " b"):
        assert word in STYLE.sub("", output)


def test_block_is_rendered_when_complete(streams: Streams):
    out, _ = streams("stdout", "stderr")
    writer = Printer().answer_writer()
    writer.write("first\n\nsecond")
    assert visible_text(out) == "first"
    writer.end()
    assert visible_text(out) == "second"


@pytest.mark.parametrize(
    "text",
    [
        "vector<int> and Map<String, List<T>>",
        "<think>\nlet me see\n</think>\n\n42",
        "<div>\n<p>hello</p>\n</div>",
        "<!-- remark -->\n\ntext",
        "see [the page](http://example.com/there)",
        "![a picture](http://example.com/picture.png)",
        "<https://example.com/>",
        "| a | b |\n|---|---|\n| one | <two> |",
        "1. one\n\n2. two\n\nthree",
        "a\n\n    indented\n\nb",
        "> quoted\n\n---\n\n~~gone~~",
        "`code` ``a`b``",
        "| not a table",
        "```\nnever closed <x>",
    ],
)
def test_rendering_keeps_every_word(streams: Streams, text: str):
    out, _ = streams("stdout", "stderr")
    print_answer(Printer(), text)
    output = visible_text(out)
    for word in re.findall(r"\w+", text):
        assert word in output


def test_rendered_link_shows_its_url(streams: Streams):
    out, _ = streams("stdout", "stderr")
    print_answer(Printer(), "[bank.example](http://evil.example/)")
    output = out.text
    assert "http://evil.example/" in STYLE.sub("", output)
    assert "\x1b]8" not in output


def test_color_always_renders_in_pipe(streams: Streams):
    out, _ = streams()
    print_answer(Printer(color="always"), "**bold**")
    assert "\x1b[1mbold\x1b[0m" in out.text
