"""JSON by RFC 8259: what is read, what is rejected, and what reaches a terminal."""

from __future__ import annotations

import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops import strict_json
from json_values import VALUES

# The characters that a terminal obeys instead of showing them.
OBEYED = {
    *map(chr, (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)))
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        (" \t\r\n[1, 2.5, -0, true]\n", [1, 2.5, 0, True]),
        ('{"a": {"b": ["ü", "\\u00fc", "\\/"]}}', {"a": {"b": ["ü", "ü", "/"]}}),
        ("\ufeff1", 1),
        (b"\xef\xbb\xbf[1]", [1]),
        ('"ü"'.encode(), "ü"),
        ("1" * 4000, int("1" * 4000)),
        ("1e308", 1e308),
        ("1e-400", 0.0),
        ('"\\ud83d\\ude00"', "\N{GRINNING FACE}"),
    ],
)
def test_loads_returns_value(text: str | bytes, value: Any):
    assert strict_json.loads(text) == value


def test_loads_rejects_everything_outside_rfc_8259():
    for text in (
        *("", " ", "\ufeff", "{", '{"a": 1', "[1, 2", '"a', "nul", "tru", "-"),
        *("[1] x", "1 2", "{}{}", "[1,]", '{"a": 1,}', "{'a': 1}", "{a: 1}"),
        *("01", "1.", ".5", "+1"),
        *("NaN", "[NaN]", "Infinity", "-Infinity", "[1e400]", "-1e999", "1" * 5000),
        *('"\n"', '"\t"', '"\x00"', '"\\x41"', '"\\u12"', "\xa01", "// a\n1", "\ufeff\ufeff1"),
        *(b"\xff", b'"\xc3"', b'"\xed\xa0\x80"', '"a"'.encode("utf-16")),
    ):
        with pytest.raises(ValueError, match=r"\S"):
            strict_json.loads(text)


@pytest.mark.parametrize("depth", [50, 100, 300, 500, 700, 900, 950, 980, 5_000, 100_000])
@pytest.mark.parametrize("leaf", ["1", '"\\ud800"'])
def test_nested_value_is_rejected_or_can_be_written_again(leaf: str, depth: int):
    for start, end in (("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")):
        try:
            value = strict_json.loads(start * depth + leaf + end * depth)
        except ValueError:
            assert depth > 50, "a real document was rejected"
            continue
        assert depth < 5000
        for indent in (False, True):
            assert strict_json.loads(strict_json.dumps(value, indent=indent)) == value


def test_loads_accepts_many_brackets_side_by_side():
    value = {"data": [{"tags": [], "a": {}} for _ in range(1000)]}
    assert strict_json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a\\ud83d"', "a\ufffd"),
        ('"\\ude00a"', "\ufffda"),
        ('"\\uDE00\\uD83D"', "\ufffd\ufffd"),
        ('["\\ud800", {"\\udfff": ["\\udbff"]}]', ["\ufffd", {"\ufffd": ["\ufffd"]}]),
        ('"\\\\ud800"', "\\ud800"),
    ],
)
def test_loads_replaces_lone_surrogate_escapes(text: str, value: Any):
    assert strict_json.loads(text) == value


def test_without_surrogates_keeps_complete_pairs():
    assert strict_json.without_surrogates("a\ud83d\N{GRINNING FACE}") == "a\ufffd\N{GRINNING FACE}"


@settings(max_examples=60)
@given(st.text() | st.binary() | VALUES.map(json.dumps))
@example('{"a":' * 300)
def test_loads_returns_writable_value_or_raises_value_error(text: str | bytes):
    try:
        value = strict_json.loads(text)
    except ValueError:
        return
    # What was read can be sent and printed.
    assert strict_json.loads(strict_json.dumps(value).encode("utf-8", "strict")) == value


@given(VALUES)
@settings(max_examples=40)
def test_loads_reads_output_of_json_dumps(value: Any):
    assert strict_json.loads(json.dumps(value)) == value
    assert strict_json.loads(json.dumps(value, ensure_ascii=False).encode()) == value


@given(VALUES, st.booleans())
@settings(max_examples=60)
@example(["".join(sorted(OBEYED))], False)
@example({"\x1b\u202e\x85": "\u2028\u2029\x7f"}, True)
@example({"\x1b\u202e\x85": "\u2028\u2029\x7f"}, False)
def test_dumps_round_trips_and_escapes_what_a_terminal_obeys(value: Any, indent: bool):
    text = strict_json.dumps(value, indent=indent)
    assert json.loads(text) == value
    assert strict_json.loads(text) == value
    assert not OBEYED & (set(text) - ({"\n"} if indent else set()))
    if not indent:
        assert len(text.splitlines()) == 1


def test_dumps_is_compact_or_indented():
    assert strict_json.dumps({"a": [1, "ü"]}) == '{"a":[1,"ü"]}'
    assert strict_json.dumps({"a": [1]}, indent=True) == '{\n  "a": [\n    1\n  ]\n}'


def test_dumps_escapes_lone_surrogate():
    assert strict_json.dumps("\ud83d").encode() == b'"\\ud83d"'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_dumps_rejects_nan_and_infinity(number: float):
    with pytest.raises(ValueError, match="JSON"):
        strict_json.dumps([number])


@given(VALUES)
def test_iterencode_equals_dumps(value):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(strict_json, "_BLOCK", 3)
        patched.setattr(strict_json, "_SLICE", 2)
        assert b"".join(strict_json.iterencode(value)) == strict_json.dumps(value).encode()


@pytest.mark.parametrize("value", ["é" * 5_000_000, [{"id": "x" * 20}] * 50_000])
def test_iterencode_of_large_value_uses_little_memory(value):
    tracemalloc.start()
    try:
        longest = max(map(len, strict_json.iterencode(value)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert longest < 2_000_000
    assert peak < 4_000_000
