"""Control characters in text from elsewhere become visible."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops.output import sanitize_text
from standard_streams import FORBIDDEN, TEXTS


@given(TEXTS)
@settings(max_examples=40)
@example("".join(sorted(FORBIDDEN)))
def test_sanitized_text_has_no_forbidden_character(text: str):
    assert not FORBIDDEN & set(sanitize_text(text))


@given(TEXTS)
@settings(max_examples=40)
def test_sanitizing_twice_changes_nothing(text: str):
    assert sanitize_text(sanitize_text(text)) == sanitize_text(text)


@given(TEXTS, st.data())
@settings(max_examples=40)
def test_sanitizing_does_not_depend_on_how_text_is_split(text: str, data: st.DataObject):
    places = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    parts = itertools.pairwise([0, *places, len(text)])
    assert "".join(sanitize_text(text[start:end]) for start, end in parts) == sanitize_text(text)


@given(TEXTS)
@settings(max_examples=40)
@example("line\n\ttab é \u200d \u2028 \N{GRINNING FACE} \ufeff ^[ \\u{202e}")
def test_clean_text_is_unchanged(text: str):
    clean = "".join(character for character in text if character not in FORBIDDEN)
    assert sanitize_text(clean) == clean


@pytest.mark.parametrize(
    ("text", "sanitized"),
    [
        ("\x1b[31m", "^[[31m"),
        ("\x1b]52;c;aGk=\x07", "^[]52;c;aGk=^G"),
        ("\r\x00\x08\x7f", "^M^@^H^?"),
        ("\x9b31m\x85", "\\u{9b}31m\\u{85}"),
        ("\u202e\u2066", "\\u{202e}\\u{2066}"),
    ],
)
def test_forbidden_character_becomes_visible(text: str, sanitized: str):
    assert sanitize_text(text) == sanitized
