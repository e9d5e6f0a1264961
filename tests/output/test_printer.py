"""What is printed where: the streams of real descriptors, and the characters that pass to them."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any, TextIO

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops.errors import (
    BadResponseError,
    ContextopsError,
    OutputError,
    RateLimitedError,
    SignalInterrupt,
    TruncatedError,
)
from contextops.output.printer import Printer
from contextops.output.sanitize import sanitize_text
from contextops.output.spinner import Spinner

# The contract's list, but for the two that text needs.
FORBIDDEN = {
    *map(chr, (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
} - {"\n", "\t"}
TEXTS = st.lists(
    st.sampled_from(sorted(FORBIDDEN))
    | st.sampled_from(
        ["\x1b[31m", "\x1b]52;c;", "\x1b]8;;http://x\x1b\\", "\r\n", "^[", "\\u{202e}"]
    )
    | st.text(max_size=5),
    max_size=20,
).map("".join)


# The sanitizer ----------------------------------------------------------------------------------


@given(TEXTS)
@settings(max_examples=40)
@example("".join(sorted(FORBIDDEN)))
def test_no_forbidden_character_passes(text: str):
    assert not FORBIDDEN & set(sanitize_text(text))


@given(TEXTS)
@settings(max_examples=40)
def test_twice_is_once(text: str):
    assert sanitize_text(sanitize_text(text)) == sanitize_text(text)


@given(TEXTS, st.data())
@settings(max_examples=40)
def test_it_is_the_same_however_it_is_split(text: str, data: st.DataObject):
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    parts = itertools.pairwise([0, *places, len(text)])
    assert "".join(sanitize_text(text[start:end]) for start, end in parts) == sanitize_text(text)


@given(TEXTS)
@settings(max_examples=40)
@example("line\n\ttab é \u200d \u2028 \N{GRINNING FACE} \ufeff ^[ \\u{202e}")
def test_clean_text_passes_as_it_is(text: str):
    clean = "".join(character for character in text if character not in FORBIDDEN)
    assert sanitize_text(clean) == clean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "^[[31m"),
        ("\x1b]52;c;aGk=\x07", "^[]52;c;aGk=^G"),
        ("\r\x00\x08\x7f", "^M^@^H^?"),
        ("\x9b31m\x85", "\\u{9b}31m\\u{85}"),
        ("\u202e\u2066", "\\u{202e}\\u{2066}"),
    ],
)
def test_what_is_forbidden_becomes_visible(text: str, shown: str):
    assert sanitize_text(text) == shown


# Real descriptors -------------------------------------------------------------------------------


class End:
    """The other end of a standard stream, which is a pipe or a terminal of 80 columns."""

    def __init__(self, stack: ExitStack, name: str, *, terminal: bool, encoding: str) -> None:
        if terminal:
            import termios
            import tty

            self.reader, writer = os.openpty()
            tty.setraw(writer)
            termios.tcsetwinsize(writer, (24, 80))
        else:
            self.reader, writer = os.pipe()
        os.set_blocking(self.reader, False)
        stream = open(writer, "w", encoding=encoding)  # noqa: SIM115, PTH123
        stack.callback(self._close, stream)
        setattr(sys, name, stream)

    def read(self) -> bytes:
        """Take what has come so far."""
        data = b""
        try:
            while block := os.read(self.reader, 65536):
                data += block
        except BlockingIOError:
            pass
        return data

    @property
    def text(self) -> str:
        """Take what has come so far, which must be UTF-8."""
        return self.read().decode()

    def hang_up(self) -> None:
        """Go away, as ``head`` does."""
        os.close(self.reader)
        self.reader = -1

    def _close(self, stream: TextIO) -> None:
        with suppress(BrokenPipeError):
            stream.close()
        if self.reader >= 0:
            os.close(self.reader)


Streams = Callable[..., tuple[End, End]]


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Iterator[Streams]:
    """Give the standard streams ends that can be read: pipes, or the terminals that are named."""
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, getattr(sys, name))

    with ExitStack() as stack:

        def make(*terminals: str, encoding: str = "utf-8") -> tuple[End, End]:
            if terminals and sys.platform == "win32":
                pytest.skip("this system has no pseudo-terminals")
            out, err = (
                End(stack, name, terminal=name in terminals, encoding=encoding)
                for name in ("stdout", "stderr")
            )
            return out, err

        yield make
        monkeypatch.undo()


def answered(printer: Printer, *pieces: str) -> None:
    writer = printer.answer_writer()
    for piece in pieces:
        writer.write(piece)
    writer.end()


# The answer in a pipe ---------------------------------------------------------------------------


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
def test_a_pipe_gets_what_the_model_said(streams: Streams, pieces: list[str], printed: str):
    out, err = streams()
    for how in ({}, {"plain": True}, {"raw": True}, {"color": "never"}):
        answered(Printer(**how), *pieces)
        assert out.read() == printed.encode()
        assert err.read() == b""


def test_a_terminal_for_notes_changes_nothing(streams: Streams):
    out, _ = streams("stderr")
    answered(Printer(), "\x1b[31m")
    assert out.read() == b"\x1b[31m\n"


def test_each_piece_is_out_at_once(streams: Streams):
    out, _ = streams()
    writer = Printer().answer_writer()
    for piece in ("o", "ne\n", "é"):
        writer.write(piece)
        assert out.text == piece
    writer.end()
    assert out.text == "\n"


def test_the_locale_is_not_asked(streams: Streams):
    out, err = streams(encoding="ascii")
    printer = Printer()
    answered(printer, "é")
    printer.note("ü")
    assert out.text == "é\n"
    assert "ü" in err.text


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="this system has no SIGPIPE")
def test_a_reader_that_leaves_is_a_death_by_sigpipe(streams: Streams):
    out, err = streams()
    writer = Printer().answer_writer()
    out.hang_up()
    with pytest.raises(SignalInterrupt) as death:
        writer.write("one")
    assert death.value.status == 141
    # What is still to be tidied up does not fail again.
    writer.end()
    sys.stdout.flush()
    assert err.read() == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110
def test_a_full_disk_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OutputError) as failed:
            Printer().json({})
    assert failed.value.status == 23
    assert "space" in failed.value.why


@pytest.mark.parametrize(
    "do",
    [
        Printer.require_stdout,
        Printer.answer_writer,
        lambda printer: printer.line("x"),
        lambda printer: printer.json({}),
        lambda printer: printer.table(["a"], [["b"]]),
    ],
)
def test_a_closed_stdout_is_a_failure(monkeypatch: pytest.MonkeyPatch, do):
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OutputError) as failed:
        do(Printer())
    assert failed.value.status == 23


class Trickle(io.RawIOBase):
    """A raw stdout, as ``python -u`` has it, that takes a few bytes at a time."""

    def __init__(self, room: int) -> None:
        self.taken = b""
        self._room = room

    def write(self, data: Any) -> int:
        if not self._room:
            raise OSError(errno.EFBIG, "File too large")
        part = bytes(data[: min(7, self._room)])
        self.taken += part
        self._room -= len(part)
        return len(part)


def test_an_unbuffered_stdout_gets_all_of_it(monkeypatch: pytest.MonkeyPatch):
    raw = Trickle(1000)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, write_through=True))
    Printer().line("word " * 30)
    assert raw.taken == b"word " * 30 + b"\n"


def test_an_unbuffered_stdout_that_takes_a_part_is_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Trickle(100), write_through=True))
    with pytest.raises(OutputError) as failed:
        Printer().line("word " * 30)
    assert failed.value.why == "file too large"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of this system always block")
@pytest.mark.parametrize("buffering", [0, -1])
def test_a_pipe_that_does_not_block_is_waited_for(monkeypatch, buffering: int):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    taken: list[bytes] = []

    def read_slowly() -> None:
        time.sleep(0.1)
        while block := os.read(reader, 65536):
            taken.append(block)

    thread = threading.Thread(target=read_slowly)
    with io.TextIOWrapper(open(writer, "wb", buffering)) as stdout:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", stdout)
        thread.start()
        Printer().json(["x" * 1_000_000])
        monkeypatch.undo()
    thread.join()
    os.close(reader)
    assert len(b"".join(taken)) == 1_000_005


# The answer on a terminal -----------------------------------------------------------------------

STYLE = re.compile(r"\x1b\[[0-9;]*m")


def shown(end: End) -> str:
    """Give what a person sees: no styles, no margins."""
    lines = STYLE.sub("", end.text).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


ATTACK = ["\x1b", "[31m\x1b]52;c;aGk=\x07 \x9b2J \u202e \r", "\x1b]8;;http://evil\x1b", "\\end"]


@pytest.mark.parametrize(
    ("how", "variables"),
    [
        ({}, {}),
        ({"plain": True}, {}),
        ({"color": "never"}, {}),
        ({"color": "always"}, {}),
        ({}, {"NO_COLOR": "1"}),
        ({}, {"TERM": "dumb"}),
    ],
)
def test_no_terminal_obeys_the_model(streams: Streams, monkeypatch, how, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out, _ = streams("stdout", "stderr")
    answered(Printer(**how), *ATTACK)
    told = out.text
    assert not FORBIDDEN & set(STYLE.sub("", told))
    assert "^[[31m^[]52;c;aGk=^G" in told
    assert "\\u{202e}" in told


@pytest.mark.parametrize(
    ("how", "variables", "is_colored"),
    [
        ({}, {}, True),
        ({"color": "never"}, {}, False),
        ({}, {"NO_COLOR": "1"}, False),
        ({"color": "always"}, {"NO_COLOR": "1"}, True),
    ],
)
def test_colors_can_be_done_without(streams: Streams, monkeypatch, how, variables, is_colored):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out, _ = streams("stdout", "stderr")
    answered(Printer(**how), "**bold** `code`\n\n```py\nx = 'text'\n```\n")
    told = out.text
    assert "\x1b[1m" in told
    assert bool(re.search(r"\x1b\[[0-9;]*[349][0-7]", told)) is is_colored


def test_raw_is_raw(streams: Streams):
    out, _ = streams("stdout", "stderr")
    answered(Printer(raw=True), *ATTACK)
    assert out.text == "".join(ATTACK) + "\n"


@pytest.mark.parametrize(
    ("how", "variables"), [({"plain": True}, {}), ({}, {"TERM": "dumb"}), ({"raw": True}, {})]
)
def test_what_is_not_rendered_stays_as_it_is(streams: Streams, monkeypatch, how, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    out, _ = streams("stdout", "stderr")
    answered(Printer(**how), "# Title\n\n**bo", "ld**")
    assert out.text == "# Title\n\n**bold**\n"


def test_markdown_is_rendered(streams: Streams):
    out, _ = streams("stdout", "stderr")
    answered(Printer(), "# Title\n\nsome **bo", "ld** text\n\n```py\nx = 1\n```\n\n- a\n- b")
    told = out.text
    assert "\x1b[1m" in told
    assert "**" not in told
    assert "```" not in told
    assert told.endswith("\n")
    for word in ("Title", "some", "bold", "x = 1", " a", " b"):
        assert word in STYLE.sub("", told)


def test_a_block_is_shown_when_it_is_finished(streams: Streams):
    out, _ = streams("stdout", "stderr")
    writer = Printer().answer_writer()
    writer.write("first\n\nsecond")
    assert shown(out) == "first"
    writer.end()
    assert shown(out) == "second"


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
def test_no_word_is_lost_in_rendering(streams: Streams, text: str):
    out, _ = streams("stdout", "stderr")
    answered(Printer(), text)
    told = shown(out)
    for word in re.findall(r"\w+", text):
        assert word in told


def test_a_link_does_not_hide_where_it_leads(streams: Streams):
    out, _ = streams("stdout", "stderr")
    answered(Printer(), "[bank.example](http://evil.example/)")
    told = out.text
    assert "http://evil.example/" in STYLE.sub("", told)
    assert "\x1b]8" not in told


def test_color_always_renders_into_a_pipe(streams: Streams):
    out, _ = streams()
    answered(Printer(color="always"), "**bold**")
    assert "\x1b[1mbold\x1b[0m" in out.text


# JSON and lines ---------------------------------------------------------------------------------


def test_json_is_compact_in_a_pipe(streams: Streams):
    out, _ = streams()
    Printer(as_json=True).json({"a": [1, "ü\x1b\x9b"]})
    assert out.text == '{"a":[1,"ü\\u001b\\u009b"]}\n'


def test_json_is_indented_on_a_terminal(streams: Streams):
    out, _ = streams("stdout")
    Printer(as_json=True).json({"a": "\u202e"})
    assert out.text == '{\n  "a": "\\u202e"\n}\n'


def test_json_lines_are_lines_everywhere(streams: Streams):
    out, _ = streams("stdout")
    Printer(as_json=True).json_lines([{"a": "x\ny\u2028"}, {}])
    assert out.text == '{"a":"x\\ny\\u2028"}\n{}\n'


@given(st.lists(TEXTS | st.text(), max_size=5))
@settings(max_examples=40)
@example(["a\nb", "\x1b[31m", "two  blanks ", ""])
def test_a_line_is_a_line_and_clean_text_stays(texts: list[str]):
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(sys, "stdout", sys.stdout)
        out = End(stack, "stdout", terminal=False, encoding="utf-8")
        Printer().lines(texts)
        lines = out.text.split("\n")
    assert len(lines) == len(texts) + 1
    for text, line in zip(texts, lines, strict=False):
        assert not FORBIDDEN & set(line)
        if not (FORBIDDEN | {"\n", "\t"}) & set(text):
            assert line == text


def test_columns_stand_below_each_other(streams: Streams):
    out, _ = streams()
    Printer().table(("MODEL", "OWNER"), [("a\x1b[0m", "x"), ("a long one", ""), ("b\nc", "y")])
    assert out.text == "MODEL       OWNER\na^[[0m      x\na long one\nb c         y\n"


# Notes and errors -------------------------------------------------------------------------------


def test_silence_is_silent(streams: Streams):
    out, err = streams("stderr")
    with Printer().waiting():
        pass
    assert out.read() == err.read() == b""


def test_a_note_is_a_line(streams: Streams):
    out, err = streams()
    Printer().note("one\ntwo \x1b[31m")
    assert err.text == "contextops: note: one two ^[[31m\n"
    assert out.read() == b""


def test_quiet_drops_notes_and_never_errors(streams: Streams):
    _, err = streams()
    printer = Printer(quiet=True)
    printer.note("note")
    printer.error(TruncatedError("what", "why", "do"))
    printer.usage("7 tokens")
    assert err.text == "contextops: what: why; do\n7 tokens\n"


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (TruncatedError("what", "why", "do this"), "what: why; do this"),
        (TruncatedError("what"), "what"),
        (TruncatedError("what", remedy="do this"), "what; do this"),
        (BadResponseError("a\r\nb", "\x1b]0;t\x07\u202e\x85"), "a b: ^[]0;t^G\\u{202e}\\u{85}"),
    ],
)
def test_an_error_is_one_line(streams: Streams, failure: ContextopsError, line: str):
    out, err = streams()
    Printer().error(failure)
    assert err.text == f"contextops: {line}\n"
    assert out.read() == b""


def test_an_error_and_a_note_are_json_for_programs(streams: Streams):
    _, err = streams()
    printer = Printer(as_json=True)
    printer.note("a\nb \x1b")
    printer.error(
        RateLimitedError("too many", "slow\ndown", "wait", http_status=429, retry_after=3)
    )
    printer.error(TruncatedError("cut"))
    note, limited, cut = map(json.loads, err.text.splitlines())
    assert note == {"note": "a b ^["}
    assert limited == {
        "error": {
            "code": "rate_limited",
            "exit": 29,
            "http_status": 429,
            "message": "too many: slow down; wait",
            "retry_after": 3,
        }
    }
    assert cut["error"] == {
        "code": "truncated",
        "exit": 18,
        "http_status": None,
        "message": "cut",
        "retry_after": None,
    }


def test_what_was_asked_for_beside_the_answer_is_json_for_programs(streams: Streams):
    _, err = streams()
    printer = Printer(as_json=True, quiet=True, verbose=True)
    printer.usage("usage: 7\ntokens")
    printer.debug("> GET /\x1b")
    told = [json.loads(line) for line in err.text.splitlines()]
    assert told == [{"note": "usage: 7 tokens"}, {"note": "> GET /^["}]


def test_a_person_who_asks_for_json_reads_errors_as_text(streams: Streams):
    _, err = streams("stderr")
    Printer(as_json=True).error(TruncatedError("what", "why"))
    assert err.text == "contextops: what: why\n"


@given(TEXTS | st.text(), TEXTS | st.text(), st.booleans())
@settings(max_examples=40)
@example("x" * 20_000, "\n" * 20_000, True)
@example("a\u2028b\u2029c\vd", "\x85e\x1cf", False)
def test_whatever_a_server_says_an_error_is_one_line(what: str, why: str, as_json: bool):
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(sys, "stderr", sys.stderr)
        err = End(stack, "stderr", terminal=False, encoding="utf-8")
        Printer(as_json=as_json).error(BadResponseError(what, why))
        told = err.text
    assert told.count("\n") == 1
    assert len(told.splitlines()) == 1
    assert not FORBIDDEN & set(told)
    assert len(told) < 10_000
    assert not as_json or json.loads(told)["error"]["exit"] == 8


def test_a_bug_says_where_and_nothing_else(streams: Streams):
    _, err = streams()
    Printer().internal_error("KeyError at x.py:1")
    line = err.text
    assert line.startswith("contextops: internal error: KeyError at x.py:1;")
    assert "report" in line
    Printer(as_json=True).internal_error("KeyError at x.py:1")
    assert json.loads(err.text)["error"]["exit"] == 1


@pytest.mark.parametrize("gone", [True, False])
def test_nobody_to_tell_is_no_failure(streams: Streams, monkeypatch, gone: bool):
    _, err = streams()
    if gone:
        monkeypatch.setattr(sys, "stderr", None)
    else:
        err.hang_up()
    Printer().error(TruncatedError("what"))
    Printer().note("what")


SECRET = "sk-0123456789abcdef"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_secret_is_hidden_whoever_says_it(streams: Streams, as_json: bool):
    out, err = streams()
    printer = Printer(as_json=as_json, verbose=True)
    printer.add_secret(SECRET)
    printer.add_secret(SECRET + "-and-more")
    printer.add_secret("word")
    printer.note(f"a word of {SECRET}")
    printer.usage(f"used {SECRET}")
    printer.debug(f"< x: {SECRET}{SECRET}")
    printer.error(BadResponseError("no", f"key {SECRET}-and-more is bad", SECRET))
    printer.error(BadResponseError("no", f"Incorrect API key provided: {SECRET[:12]}…"))
    printer.parser_error(f"No such option: {SECRET}\nTry --help\n")
    told = err.text
    assert SECRET[:6] not in told
    assert "and-more" not in told
    for words in (
        "a word of ***",
        "used ***",
        "x: ******",
        "key *** is bad; ***",
        "provided: ***…",
    ):
        assert words in told
    assert told.endswith("No such option: ***\nTry --help\n")
    error = printer.error_object(BadResponseError("no", SECRET))
    assert error["message"] == "no: ***"
    # What is asked for is not ours to change.
    printer.line(SECRET)
    assert out.text == f"{SECRET}\n"


def test_a_secret_is_hidden_by_the_printer_of_a_file_too(streams: Streams):
    _, err = streams()
    printer = Printer()
    other = printer.redirected(lambda _: None)
    printer.add_secret(SECRET)
    other.note(SECRET)
    assert err.text == "contextops: note: ***\n"


# The spinner ------------------------------------------------------------------------------------


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the spinner start sooner."""
    monkeypatch.setattr(Spinner, "_DELAY", 0.05)
    monkeypatch.setattr(Spinner, "_PERIOD", 0.02)


def spun(err: End, seconds: float = 5.0) -> bytes:
    """Wait for a sign of the spinner."""
    data = b""
    end = time.monotonic() + seconds
    while not data and time.monotonic() < end:
        time.sleep(0.01)
        data = err.read()
    return data


@pytest.mark.usefixtures("hasty")
def test_a_person_sees_that_we_are_at_work_until_the_first_word(streams: Streams):
    out, err = streams("stdout", "stderr")
    printer = Printer(plain=True)
    with printer.waiting():
        assert spun(err).startswith(b"\r")
        assert out.read() == b""
        answered(printer, "word")
        assert err.read().endswith(b"\r\x1b[K")
        assert out.read() == b"word\n"
        assert spun(err, 0.08) == b""
    assert err.read() == b""


@pytest.mark.usefixtures("hasty")
def test_an_error_ends_it(streams: Streams):
    _, err = streams("stderr")
    printer = Printer()
    with printer.waiting():
        spun(err)
    assert err.read().endswith(b"\r\x1b[K")
    printer.error(TruncatedError("what"))
    assert err.text == "contextops: what\n"


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("terminals", "how", "variables"),
    [
        ((), {}, {}),
        (("stdout",), {}, {}),
        (("stderr",), {"quiet": True}, {}),
        (("stderr",), {"color": "never"}, {}),
        (("stderr",), {}, {"TERM": "dumb"}),
    ],
)
def test_nothing_spins_for_programs(
    streams: Streams, monkeypatch, terminals: Sequence[str], how: Any, variables: dict[str, str]
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    _, err = streams(*terminals)
    with Printer(**how).waiting():
        assert spun(err, 0.08) == b""
