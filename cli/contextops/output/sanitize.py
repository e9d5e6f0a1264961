"""The boundary for text that is not ours: visible characters only, on its line."""

from __future__ import annotations

import re


def _visible(code: int) -> str:
    if code < 0x20 or code == 0x7F:
        return f"^{chr(code ^ 0x40)}"
    return f"\\u{{{code:x}}}"


_FORBIDDEN = [
    *(code for code in range(0x20) if chr(code) not in "\n\t"),
    *range(0x7F, 0xA0),
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
]
_SANITIZED = {code: _visible(code) for code in _FORBIDDEN}
_WHITE_SPACE = re.compile("[ \t\r\n\u2028\u2029]+")


def sanitize_text(text: str) -> str:
    """Make every character visible that a terminal would obey instead of showing.

    Works character by character, so a sequence cut between two calls cannot pass.
    """
    return text.translate(_SANITIZED)


def one_line(text: str) -> str:
    """Sanitize, and fold white space, so that a foreign text stays on its line."""
    return sanitize_text(_WHITE_SPACE.sub(" ", text).strip(" "))


def sanitize_exact(text: str) -> str:
    """Sanitize what must stay as it is, a model's id say, with its line ends and tabs."""
    return sanitize_text(text).replace("\n", _visible(0x0A)).replace("\t", _visible(0x09))
