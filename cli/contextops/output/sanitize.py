"""Sanitizing of text from servers, models and files: a terminal obeys nothing in it."""

from __future__ import annotations

import re


def _visible(code: int) -> str:
    if code < 0x20 or code == 0x7F:
        return f"^{chr(code ^ 0x40)}"
    return f"\\u{{{code:x}}}"


# C0 and C1 control characters, DEL, and the bidirectional controls of Unicode.
_FORBIDDEN = [
    *(code for code in range(0x20) if chr(code) not in "\n\t"),
    *range(0x7F, 0xA0),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
]
_SANITIZED = {code: _visible(code) for code in _FORBIDDEN}
_SANITIZED_EXACT = _SANITIZED | {ord(each): _visible(ord(each)) for each in "\n\t"}
_WHITE_SPACE = re.compile("[ \t\r\n\u2028\u2029]+")


def sanitize_text(text: str) -> str:
    """Return the text with every character visible that a terminal would obey.

    Newlines and tabs stay. Works character by character, so that a control sequence cannot pass
    by being split between two calls.
    """
    return text.translate(_SANITIZED)


def one_line(text: str) -> str:
    """Return the sanitized text on one line, each run of white space folded into a space."""
    return _WHITE_SPACE.sub(" ", text).strip(" ").translate(_SANITIZED)


def sanitize_exact(text: str) -> str:
    """Return the sanitized text with newlines and tabs made visible too, and no space changed.

    For one line that must stay recognizable, such as a model id.
    """
    return text.translate(_SANITIZED_EXACT)
