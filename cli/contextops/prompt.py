"""Words, standard input and settings in; the body of a request out.

Nothing is guessed: what cannot be read as it stands is refused, never dropped or re-encoded.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from contextops import jsontext
from contextops.errors import InputFailure, UsageFailure

PATIENCE = 3.0
"""Seconds of silence on standard input before a note says what is waited for."""

_BLOCK = 1 << 20

Note = Callable[[str], None]


def gather(words: Sequence[str], *, reads_stdin: bool, max_prompt: int, note: Note) -> str:
    """Join the words, then standard input where it is meant, with a blank line between.

    ``-`` as the only word means standard input, a terminal too. Raises ``UsageFailure`` for an
    empty prompt and ``InputFailure`` for what is no UTF-8 or larger than ``max_prompt`` bytes.
    """
    if list(words) == ["-"]:
        if not reads_stdin:
            raise UsageFailure("- and -n exclude each other", remedy="leave one out")
        parts = [_standard_input(max_prompt, note)]
    else:
        parts = [_argument("the prompt", " ".join(words))]
        if reads_stdin and _is_meant(has_words=bool(words)):
            parts.append(_standard_input(max_prompt, note))
    prompt = "\n\n".join(part for part in parts if part.strip())
    if not prompt:
        raise UsageFailure(
            "no prompt",
            "there are no words, and standard input gave none",
            "try: contextops chat send 'Why is the sky blue?'",
        )
    return prompt


def body(
    *,
    model: str,
    system: str | None,
    prompt: str,
    params: Mapping[str, Any],
    stream: bool,
    shows_usage: bool,
) -> dict[str, Any]:
    """Compose the body of ``POST /chat/completions``."""
    messages = [{"role": "system", "content": system}] if system else []
    composed = {
        "model": model,
        "messages": [*messages, {"role": "user", "content": prompt}],
        **params,
        "stream": stream,
    }
    if stream and shows_usage:
        composed.setdefault("stream_options", {"include_usage": True})
    return composed


def parameters(typed: Sequence[str], flags: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``NAME=VALUE`` pairs, whose values are JSON where they parse, and flags of their own.

    Raises ``UsageFailure`` for one parameter in two flags, and for what is no parameter.
    """
    read: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
    for pair in typed:
        name, equals, text = _argument("--param", pair).partition("=")
        if not equals or not name:
            raise UsageFailure("--param is not NAME=VALUE", pair, "try: --param top_p=0.9")
        if name in _OTHER_WAYS:
            raise UsageFailure(f"{name} is no --param", _OTHER_WAYS[name])
        if name in read:
            raise UsageFailure(f"{name} is given twice", "by two flags", "leave one out")
        read[name] = _value(text)
    return read


_OTHER_WAYS = {
    "model": "it is chosen with -m",
    "messages": "they are the prompt",
    "stream": "it is --stream or --no-stream",
}


def _value(text: str) -> Any:
    try:
        return jsontext.loads(text)
    except ValueError:
        return text


def _argument(what: str, text: str) -> str:
    """Refuse words that are no UTF-8: Python holds their bytes as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputFailure(
            f"{what} is not UTF-8", f"character {error.start} of the words", "convert it first"
        ) from None
    return text


# Standard input ---------------------------------------------------------------------------


def _is_meant(*, has_words: bool) -> bool:
    """Tell whether standard input is part of the prompt: a pipe, a socket or a file is.

    Beside words, a file that has been read from is not: it is the list that the body of a
    ``while read`` loop inherits.
    """
    if sys.stdin is None:
        return False
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        # No descriptor, but a stream: a program that runs us in its own process.
        return not sys.stdin.closed
    if stat.S_ISREG(mode):
        return not (has_words and os.lseek(descriptor, 0, os.SEEK_CUR) > 0)
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _standard_input(max_prompt: int, note: Note) -> str:
    if sys.stdin is None:
        raise InputFailure("cannot read standard input", "it is closed", "use words instead")
    try:
        _wait_for_input(note)
        data = _read(sys.stdin.buffer, max_prompt)
    except OSError as error:
        raise InputFailure("cannot read standard input", error.strerror or str(error)) from None
    return decoded(data, "standard input")


def _wait_for_input(note: Note) -> None:
    """Say after a while what is waited for: a script's author forgot where stdin comes from."""
    if sys.platform == "win32":
        return
    import select

    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):
        return
    if os.isatty(descriptor):
        return
    if not select.select([descriptor], [], [], PATIENCE)[0]:
        note("waiting for standard input; -n leaves it alone")


def _read(stream: BinaryIO, limit: int) -> bytes:
    data = bytearray()
    while True:
        block = stream.read(_BLOCK)
        data += block
        if len(data) > limit:
            raise InputFailure(
                "the prompt is too large",
                f"standard input has more than {limit} bytes",
                "raise max_prompt",
            )
        # A part of a block is the end: at a terminal, to ask again would want a second Ctrl-D.
        if len(block) < _BLOCK:
            return bytes(data)


# Other sources ----------------------------------------------------------------------------


def source(text: str) -> bytes:
    """Give the bytes that an option means: ``@FILE``, ``-`` for standard input, or itself."""
    if text == "-":
        if sys.stdin is None:
            raise InputFailure("cannot read standard input", "it is closed")
        return sys.stdin.buffer.read()
    return file(text[1:]) if text.startswith("@") else text.encode("utf-8", "surrogateescape")


def file(path: str) -> bytes:
    """Read a file whole; raises ``InputFailure`` naming it."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFailure(f"cannot read {path}", reason.lower(), "check the path") from None


def decoded(data: bytes, source: str) -> str:
    """Read bytes as UTF-8, less a BOM; raises ``InputFailure`` with the offset of what is none."""
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputFailure(
            f"{source} is not UTF-8",
            f"byte {data[error.start]:#04x} at offset {error.start}",
            "convert it first, e.g. with iconv",
        ) from None
