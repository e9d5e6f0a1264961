"""Lines, JSON and tables on standard output; notes and errors on standard error."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops.errors import (
    BadResponseError,
    ContextopsError,
    RateLimitedError,
    TruncatedError,
)
from contextops.output import Printer
from standard_streams import FORBIDDEN, TEXTS, End, Streams

# --- standard output --------------------------------------------------------------------------


def test_json_in_pipe_is_compact(streams: Streams):
    out, _ = streams()
    Printer(as_json=True).json({"a": [1, "ü\x1b\x9b"]})
    assert out.text == '{"a":[1,"ü\\u001b\\u009b"]}\n'


def test_json_on_terminal_is_indented(streams: Streams):
    out, _ = streams("stdout")
    Printer(as_json=True).json({"a": "\u202e"})
    assert out.text == '{\n  "a": "\\u202e"\n}\n'


def test_json_lines_on_terminal_are_not_indented(streams: Streams):
    out, _ = streams("stdout")
    Printer(as_json=True).json_lines([{"a": "x\ny\u2028"}, {}])
    assert out.text == '{"a":"x\\ny\\u2028"}\n{}\n'


@given(st.lists(TEXTS | st.text(), max_size=5))
@settings(max_examples=40)
@example(["a\nb", "\x1b[31m", "two  blanks ", ""])
def test_printed_line_is_one_sanitized_line(texts: list[str]):
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


def test_table_columns_are_aligned(streams: Streams):
    out, _ = streams()
    Printer().table(("MODEL", "OWNER"), [("a\x1b[0m", "x"), ("a long one", ""), ("b\nc", "y")])
    assert out.text == "MODEL       OWNER\na^[[0m      x\na long one\nb c         y\n"


# --- standard error ---------------------------------------------------------------------------


def test_note_is_one_line_on_stderr(streams: Streams):
    out, err = streams()
    Printer().note("one\ntwo \x1b[31m")
    assert err.text == "contextops: note: one two ^[[31m\n"
    assert out.read() == b""


def test_quiet_drops_notes_only(streams: Streams):
    _, err = streams()
    printer = Printer(quiet=True)
    printer.note("note")
    printer.error(TruncatedError("what", "why", "do"))
    printer.usage("7 tokens")
    assert err.text == "contextops: what: why; do\n7 tokens\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (TruncatedError("what", "why", "do this"), "what: why; do this"),
        (TruncatedError("what"), "what"),
        (TruncatedError("what", remedy="do this"), "what; do this"),
        (BadResponseError("a\r\nb", "\x1b]0;t\x07\u202e\x85"), "a b: ^[]0;t^G\\u{202e}\\u{85}"),
    ],
)
def test_error_is_one_line_on_stderr(streams: Streams, error: ContextopsError, line: str):
    out, err = streams()
    Printer().error(error)
    assert err.text == f"contextops: {line}\n"
    assert out.read() == b""


def test_error_and_note_are_json_lines_in_json_mode(streams: Streams):
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


def test_usage_and_debug_are_json_lines_in_json_mode(streams: Streams):
    _, err = streams()
    printer = Printer(as_json=True, quiet=True, verbose=True)
    printer.usage("usage: 7\ntokens")
    printer.debug("> GET /\x1b")
    output = [json.loads(line) for line in err.text.splitlines()]
    assert output == [{"note": "usage: 7 tokens"}, {"note": "> GET /^["}]


def test_error_on_terminal_is_text_in_json_mode(streams: Streams):
    _, err = streams("stderr")
    Printer(as_json=True).error(TruncatedError("what", "why"))
    assert err.text == "contextops: what: why\n"


@given(TEXTS | st.text(), TEXTS | st.text(), st.booleans())
@settings(max_examples=40)
@example("x" * 20_000, "\n" * 20_000, True)
@example("a\u2028b\u2029c\vd", "\x85e\x1cf", False)
def test_error_with_any_server_text_is_one_sanitized_line(what: str, why: str, as_json: bool):
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr(sys, "stderr", sys.stderr)
        err = End(stack, "stderr", terminal=False, encoding="utf-8")
        Printer(as_json=as_json).error(BadResponseError(what, why))
        output = err.text
    assert output.count("\n") == 1
    assert len(output.splitlines()) == 1
    assert not FORBIDDEN & set(output)
    assert len(output) < 10_000
    assert not as_json or json.loads(output)["error"]["exit"] == 8


def test_internal_error_names_location_and_asks_for_report(streams: Streams):
    _, err = streams()
    Printer().internal_error("KeyError at x.py:1")
    line = err.text
    assert line.startswith("contextops: internal error: KeyError at x.py:1;")
    assert "report" in line
    Printer(as_json=True).internal_error("KeyError at x.py:1")
    assert json.loads(err.text)["error"]["exit"] == 1


@pytest.mark.parametrize("gone", [True, False])
def test_messages_to_closed_stderr_are_dropped(streams: Streams, monkeypatch, gone: bool):
    _, err = streams()
    if gone:
        monkeypatch.setattr(sys, "stderr", None)
    else:
        err.hang_up()
    Printer().error(TruncatedError("what"))
    Printer().note("what")


SECRET = "sk-0123456789abcdef"


@pytest.mark.parametrize("as_json", [False, True])
def test_secret_is_masked_in_all_messages(streams: Streams, as_json: bool):
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
    output = err.text
    assert SECRET[:6] not in output
    assert "and-more" not in output
    for words in (
        "a word of ***",
        "used ***",
        "x: ******",
        "key *** is bad; ***",
        "provided: ***…",
    ):
        assert words in output
    assert output.endswith("No such option: ***\nTry --help\n")
    error = printer.error_object(BadResponseError("no", SECRET))
    assert error["message"] == "no: ***"
    # A result is not changed.
    printer.line(SECRET)
    assert out.text == f"{SECRET}\n"


def test_redirected_printer_masks_secret_added_later(streams: Streams):
    _, err = streams()
    printer = Printer()
    other = printer.redirected(lambda _: None)
    printer.add_secret(SECRET)
    other.note(SECRET)
    assert err.text == "contextops: note: ***\n"
