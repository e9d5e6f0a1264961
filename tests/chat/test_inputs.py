"""The inputs of a prompt: which are read, how they are decoded, and their errors."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextops.chat import inputs, request
from contextops.chat.inputs import InputReader, decode, read_argument
from contextops.errors import InputError, UsageError

LIMIT = 1 << 20


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def gather(notes: list[str]) -> Callable[..., str]:
    """A function that gathers a prompt, and requires that it is not empty."""

    def gather(
        *words: str,
        files: tuple[str | Path, ...] = (),
        read_stdin: bool = True,
        limit: int = LIMIT,
        encoding: str = "utf-8",
    ) -> str:
        reader = InputReader(limit=limit, note=notes.append, encoding=encoding)
        text = request.gather_prompt(words, [str(path) for path in files], reader, stdin=read_stdin)
        request.require_prompt(text, has_more=False)
        return text

    return gather


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """A function that replaces standard input: by what kind, and with which content."""
    with ExitStack() as stack:

        def replace_stdin(kind: str, data: bytes = b"", *, at: int = 0) -> None:
            descriptor = KINDS[kind](stack, data, tmp_path)
            stream = stack.enter_context(open(descriptor, encoding="ascii"))  # noqa: PTH123
            if at:
                os.lseek(descriptor, at, os.SEEK_SET)
            monkeypatch.setattr(sys, "stdin", stream)

        yield replace_stdin
        monkeypatch.undo()


def _pipe(_stack: ExitStack, data: bytes, _folder: Path) -> int:
    reader, writer = os.pipe()
    threading.Thread(target=_fill, args=(writer, data)).start()
    return reader


def _fill(writer: int, data: bytes) -> None:
    # The reader may stop early.
    with suppress(BrokenPipeError), open(writer, "wb") as stream:
        stream.write(data)


def _socket(stack: ExitStack, data: bytes, _folder: Path) -> int:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(data)
    return ours.detach()


def _file(_stack: ExitStack, data: bytes, folder: Path) -> int:
    path = folder / "input"
    path.write_bytes(data)
    return os.open(path, os.O_RDONLY)


def _null(*_: Any) -> int:
    return os.open(os.devnull, os.O_RDONLY)


def _terminal(stack: ExitStack, data: bytes, _folder: Path) -> int:
    person, terminal = os.openpty()
    stack.callback(os.close, person)
    os.write(person, data)
    return terminal


KINDS = {"pipe": _pipe, "socket": _socket, "file": _file, "null": _null, "terminal": _terminal}

posix = pytest.mark.skipif(sys.platform == "win32", reason="no such descriptors on this system")


# The words and standard input -------------------------------------------------------------------


def test_words_are_joined_with_spaces(gather, stdin):
    stdin("null")
    assert gather("Why is", "the sky", "blue?") == "Why is the sky blue?"


@pytest.mark.parametrize("kind", ["pipe", "file", pytest.param("socket", marks=posix)])
@pytest.mark.parametrize(
    ("words", "data", "expected"),
    [
        ([], b"from input\n", "from input\n"),
        (["words"], b"from input\n", "words\n\nfrom input\n"),
        (["words", "-"], b"in", "words -\n\nin"),
        (["words"], b"", "words"),
        (["words"], b" \n", "words"),
        ([""], b"in", "in"),
        ([], b"a\r\nb\r\n", "a\r\nb\r\n"),
        ([], b"\xef\xbb\xbfa\xef\xbb\xbf", "a\ufeff"),
        ([], "ü\0\N{GRINNING FACE}\u2028".encode(), "ü\0\N{GRINNING FACE}\u2028"),
    ],
)
def test_standard_input_follows_the_words(gather, stdin, kind, words, data, expected):
    stdin(kind, data)
    assert gather(*words) == expected


@pytest.mark.parametrize("kind", ["null", pytest.param("terminal", marks=posix)])
def test_terminal_and_dev_null_are_not_read(gather, stdin, kind):
    stdin(kind, b"never read\n")
    assert gather("words") == "words"
    with pytest.raises(UsageError):
        gather()


@posix
def test_dash_reads_terminal(gather, stdin, notes):
    stdin("terminal", b"typed\n\x04")
    assert gather("-") == "typed\n"
    assert not notes


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_dash_as_only_word_is_standard_input(gather, stdin, kind):
    stdin(kind, b"in")
    assert gather("-") == "in"


def test_file_that_a_loop_reads_is_not_read(gather, stdin):
    stdin("file", b"first line\nsecond line\n", at=11)
    assert gather("words") == "words"
    assert gather() == "second line\n", "without words, the rest of the file is the prompt"


def test_standard_input_is_ignored_without_stdin(gather, stdin):
    stdin("pipe", b"never read")
    assert gather("words", read_stdin=False) == "words"
    with pytest.raises(UsageError) as raised:
        gather(read_stdin=False)
    assert "no prompt" in raised.value.what


@pytest.mark.parametrize("words", [[], [""], [" ", "\n"], ["\u3000"]])
@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"\xef\xbb\xbf"])
def test_blank_prompt_is_usage_error(gather, stdin, words, data):
    stdin("pipe", data)
    with pytest.raises(UsageError) as raised:
        gather(*words)
    assert raised.value.status == 2
    assert "contextops chat send" in raised.value.remedy


def test_closed_standard_input_is_read_for_dash_only(gather, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert gather("words") == "words"
    with pytest.raises(UsageError):
        gather()
    with pytest.raises(InputError) as raised:
        gather("-")
    assert raised.value.status == 26


@posix
def test_unreadable_standard_input_is_input_error(gather, monkeypatch, tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)

    class Folder:
        closed = False

        def fileno(self) -> int:
            return descriptor

        @property
        def buffer(self) -> Any:
            return os.fdopen(os.open(tmp_path, os.O_RDONLY), "rb")

    monkeypatch.setattr(sys, "stdin", Folder())
    with pytest.raises(InputError):
        gather("-")
    os.close(descriptor)


# Invalid and large input -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"\xff", 0),
        (b"abc\xfe", 3),
        ("ü".encode() + b"\xc3", 2),
        (b"\xef\xbb\xbfa\xe9", 4),
        ("text".encode("utf-16"), 0),
        (b"\xed\xa0\x80", 0),
        (b"a" * 100_000 + b"\x80", 100_000),
    ],
)
def test_invalid_utf8_is_input_error_with_offset(gather, stdin, data, offset):
    stdin("pipe", data)
    with pytest.raises(InputError) as raised:
        gather("words")
    assert raised.value.status == 26
    assert f"offset {offset}" in raised.value.why
    assert "--encoding" in raised.value.remedy


def test_words_that_are_not_utf8_are_input_error(gather, stdin):
    stdin("null")
    with pytest.raises(InputError) as raised:
        gather("abc", os.fsdecode(b"d\xff"))
    assert raised.value.status == 26
    assert "5" in raised.value.why


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_input_over_limit_is_input_error(gather, stdin, kind):
    stdin(kind, b"x" * 1000)
    assert len(gather(limit=1000)) == 1000
    stdin(kind, b"x" * 1001)
    with pytest.raises(InputError) as raised:
        gather(limit=1000)
    assert raised.value.status == 26
    assert "max_prompt" in raised.value.remedy


def test_endless_input_is_input_error(gather, monkeypatch):
    with open("/dev/zero", "rb") as zero:  # noqa: PTH123

        class Endless:
            buffer = zero
            closed = False

            def fileno(self) -> int:
                raise OSError

        monkeypatch.setattr(sys, "stdin", Endless())
        with pytest.raises(InputError, match="large"):
            gather("-", limit=10_000)


@given(st.text(), st.binary())
def test_decode_returns_exact_text_or_raises(text: str, data: bytes):
    assert decode(text.encode(), "x") == text.removeprefix("\ufeff")
    with suppress(InputError):
        assert decode(data, "x").encode() == data.removeprefix(b"\xef\xbb\xbf")


# Waiting ----------------------------------------------------------------------------------------


@posix
def test_silent_standard_input_is_noted_once(gather, monkeypatch, notes):
    monkeypatch.setattr(inputs, "STDIN_NOTE_DELAY", 0.05)
    reader, writer = os.pipe()
    noted = threading.Event()

    def note(text: str) -> None:
        notes.append(text)
        os.close(writer)
        noted.set()

    with open(reader, encoding="utf-8") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", stream)
        inputs_ = InputReader(limit=9, note=note)
        assert request.gather_prompt(["words"], [], inputs_, stdin=True) == "words"
        monkeypatch.undo()
    assert noted.is_set()
    assert "standard input" in notes[0]
    assert "-n" in notes[0]
    assert len(notes) == 1


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_available_input_is_not_noted(gather, stdin, notes, kind):
    stdin(kind, b"in")
    gather()
    assert notes == []


# Files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["missing", "."])
def test_unreadable_file_of_prompt_is_named(gather, stdin, tmp_path, name):
    stdin("null")
    with pytest.raises(InputError) as raised:
        gather("words", files=[tmp_path / name])
    assert raised.value.status == 26
    assert str(tmp_path / name) in raised.value.message


@posix
def test_named_pipe_is_read_to_its_end(gather, stdin, tmp_path):
    stdin("null")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(b"x" * 200_000,)).start()
    assert gather(files=[pipe]) == f'<document path="{pipe}">\n{"x" * 200_000}\n</document>'


@pytest.mark.parametrize("is_file", [True, False])
def test_limit_applies_to_each_input(gather, stdin, tmp_path, is_file):
    path = tmp_path / "file"
    path.write_bytes(b"x" * (1001 if is_file else 1000))
    stdin("pipe", b"y" * (1000 if is_file else 1001))
    with pytest.raises(InputError, match="file is too" if is_file else "input is too"):
        gather(files=[path], limit=1000)


def test_path_in_piped_text_is_not_read(gather, stdin, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("never read")
    lines = f"{secret}\n@{secret}\n-f {secret}\n"
    stdin("pipe", lines.encode())
    assert gather("@" + str(secret)) == f"@{secret}\n\n{lines}"


# Encodings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        *(("latin-1", "größer".encode("latin-1")), ("LATIN1", "größer".encode("latin-1"))),
        *(("utf-16", "größer".encode("utf-16")), ("utf-16-be", "größer".encode("utf-16-be"))),
        *(("cp1252", "größer".encode("cp1252")), ("utf-8-sig", "größer".encode("utf-8-sig"))),
    ],
)
def test_named_encoding_is_used_for_all_text(gather, stdin, tmp_path, encoding, data):
    stdin("pipe", data)
    path = tmp_path / "file"
    path.write_bytes(data)
    text = gather("größer", files=[path], encoding=encoding)
    assert text == f'größer\n\ngrößer\n\n<document path="{path}">\ngrößer\n</document>'


@pytest.mark.parametrize(
    ("encoding", "data"),
    [("utf-16", b"odd"), ("ascii", b"caf\xc3\xa9"), ("idna", b"xn--99999999999")],
)
def test_input_not_in_named_encoding_is_input_error(gather, stdin, encoding, data):
    stdin("pipe", data)
    with pytest.raises(InputError, match=encoding) as raised:
        gather(encoding=encoding)
    assert raised.value.status == 26


@pytest.mark.parametrize("encoding", ["klingon", "", "rot13", "hex", "undefined", "a\0b", "ü"])
def test_unknown_encoding_is_usage_error(notes, encoding):
    with pytest.raises(UsageError) as raised:
        InputReader(limit=None, note=notes.append, encoding=encoding)
    assert raised.value.status == 2


# Options that take a file -----------------------------------------------------------------------


def test_argument_is_itself_a_file_or_standard_input(stdin, tmp_path, notes):
    path = tmp_path / "a file"
    path.write_bytes(b"\xff\r\n\xef\xbb\xbf")
    stdin("pipe", b"\x00in")
    reader = InputReader(limit=None, note=notes.append)
    assert read_argument('{"a": "ü"}', reader) == '{"a": "ü"}'.encode()
    assert read_argument(f"@{path}", reader) == b"\xff\r\n\xef\xbb\xbf"
    assert read_argument("-", reader) == b"\x00in"


@pytest.mark.parametrize("name", ["missing", ".", "a\0b", "x" * 5000])
def test_unreadable_file_is_named(tmp_path, notes, name: str):
    with pytest.raises(InputError) as raised:
        InputReader(limit=None, note=notes.append).read_bytes(f"{tmp_path}/{name}")
    assert raised.value.status == 26
    assert name in raised.value.what
    assert raised.value.why
