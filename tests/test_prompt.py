"""Words, standard input and settings in, a request's body out: nothing is dropped or guessed."""

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
from hypothesis import given, settings
from hypothesis import strategies as st

from contextops import jsontext, prompt
from contextops.errors import InputFailure, UsageFailure
from json_values import VALUES

PLENTY = 1 << 20


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def gather(notes: list[str]) -> Callable[..., str]:
    def gather(*words: str, reads_stdin: bool = True, max_prompt: int = PLENTY) -> str:
        return prompt.gather(
            words, reads_stdin=reads_stdin, max_prompt=max_prompt, note=notes.append
        )

    return gather


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Make standard input one of its kinds, with this in it."""
    with ExitStack() as stack:

        def become(kind: str, data: bytes = b"", *, at: int = 0) -> None:
            descriptor = KINDS[kind](stack, data, tmp_path)
            stream = stack.enter_context(open(descriptor, encoding="ascii"))  # noqa: PTH123
            if at:
                os.lseek(descriptor, at, os.SEEK_SET)
            monkeypatch.setattr(sys, "stdin", stream)

        yield become
        monkeypatch.undo()


def _pipe(_stack: ExitStack, data: bytes, _folder: Path) -> int:
    reader, writer = os.pipe()
    threading.Thread(target=_fill, args=(writer, data)).start()
    return reader


def _fill(writer: int, data: bytes) -> None:
    # Who reads may have had enough.
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


def test_words_are_joined_by_spaces(gather, stdin):
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
def test_a_terminal_and_dev_null_are_left_alone(gather, stdin, kind):
    stdin(kind, b"never read\n")
    assert gather("words") == "words"
    with pytest.raises(UsageFailure):
        gather()


@posix
def test_a_dash_reads_a_terminal_too(gather, stdin, notes):
    stdin("terminal", b"typed\n\x04")
    assert gather("-") == "typed\n"
    assert not notes


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_a_dash_is_standard_input_alone(gather, stdin, kind):
    stdin(kind, b"in")
    assert gather("-") == "in"


def test_the_list_of_a_loop_is_left_alone(gather, stdin):
    stdin("file", b"first line\nsecond line\n", at=11)
    assert gather("words") == "words"
    assert gather() == "second line\n", "without words, what is left of a file is meant"


def test_what_is_not_to_be_read_is_not(gather, stdin):
    stdin("pipe", b"never read")
    assert gather("words", reads_stdin=False) == "words"
    with pytest.raises(UsageFailure) as refused:
        gather(reads_stdin=False)
    assert "no prompt" in refused.value.what
    with pytest.raises(UsageFailure):
        gather("-", reads_stdin=False)


@pytest.mark.parametrize("words", [[], [""], [" ", "\n"], ["\u3000"]])
@pytest.mark.parametrize("data", [b"", b" \n\t\n", b"\xef\xbb\xbf"])
def test_no_prompt_is_no_request(gather, stdin, words, data):
    stdin("pipe", data)
    with pytest.raises(UsageFailure) as refused:
        gather(*words)
    assert refused.value.status == 2
    assert "contextops chat send" in refused.value.remedy


def test_closed_input_is_no_input(gather, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert gather("words") == "words"
    with pytest.raises(UsageFailure):
        gather()
    with pytest.raises(InputFailure) as failed:
        gather("-")
    assert failed.value.status == 26


@posix
def test_input_that_cannot_be_read_is_a_failure(gather, monkeypatch, tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)

    class Folder:
        closed = False

        def fileno(self) -> int:
            return descriptor

        @property
        def buffer(self) -> Any:
            return os.fdopen(os.open(tmp_path, os.O_RDONLY), "rb")

    monkeypatch.setattr(sys, "stdin", Folder())
    with pytest.raises(InputFailure):
        gather("-")
    os.close(descriptor)


# What is no UTF-8, and what is too much ---------------------------------------------------------


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
def test_what_is_no_utf8_is_refused_with_its_offset(gather, stdin, data, offset):
    stdin("pipe", data)
    with pytest.raises(InputFailure) as failed:
        gather("words")
    assert failed.value.status == 26
    assert f"offset {offset}" in failed.value.why
    assert "convert" in failed.value.remedy


def test_words_that_are_no_utf8_are_refused(gather, stdin):
    stdin("null")
    with pytest.raises(InputFailure) as failed:
        gather("abc", os.fsdecode(b"d\xff"))
    assert failed.value.status == 26
    assert "5" in failed.value.why


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_too_much_input_is_refused(gather, stdin, kind):
    stdin(kind, b"x" * 1000)
    assert len(gather(max_prompt=1000)) == 1000
    stdin(kind, b"x" * 1001)
    with pytest.raises(InputFailure) as failed:
        gather(max_prompt=1000)
    assert failed.value.status == 26
    assert "max_prompt" in failed.value.remedy


def test_endless_input_is_refused(gather, monkeypatch):
    with open("/dev/zero", "rb") as zero:  # noqa: PTH123

        class Endless:
            buffer = zero
            closed = False

            def fileno(self) -> int:
                raise OSError

        monkeypatch.setattr(sys, "stdin", Endless())
        with pytest.raises(InputFailure, match="large"):
            gather("-", max_prompt=10_000)


@given(st.text(), st.binary())
def test_bytes_are_read_as_they_are_or_refused(text: str, data: bytes):
    assert prompt.decoded(text.encode(), "x") == text.removeprefix("\ufeff")
    with suppress(InputFailure):
        assert prompt.decoded(data, "x").encode() == data.removeprefix(b"\xef\xbb\xbf")


# Waiting ----------------------------------------------------------------------------------------


@posix
def test_silence_is_explained_after_a_while(gather, monkeypatch, notes):
    monkeypatch.setattr(prompt, "PATIENCE", 0.05)
    reader, writer = os.pipe()
    said = threading.Event()

    def note(text: str) -> None:
        notes.append(text)
        os.close(writer)
        said.set()

    with open(reader, encoding="utf-8") as stream:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", stream)
        assert prompt.gather(["words"], reads_stdin=True, max_prompt=9, note=note) == "words"
        monkeypatch.undo()
    assert said.is_set()
    assert "standard input" in notes[0]
    assert "-n" in notes[0]
    assert len(notes) == 1


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_input_that_is_there_is_not_remarked_upon(gather, stdin, notes, kind):
    stdin(kind, b"in")
    gather()
    assert notes == []


# Parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "name", "value"),
    [
        *(("a=1", "a", 1), ("a=0.5", "a", 0.5), ("a=true", "a", True), ("a=null", "a", None)),
        *(('a="1"', "a", "1"), ("a=[1,2]", "a", [1, 2]), ('a={"b":1}', "a", {"b": 1})),
        *(("a=high", "a", "high"), ("a=", "a", ""), ("a=b=c", "a", "b=c"), ("a=ü", "a", "ü")),
        *(("a=NaN", "a", "NaN"), ("a=1e400", "a", "1e400"), ("a=Infinity", "a", "Infinity")),
        *(("a=01", "a", "01"), ("a={'b':1}", "a", "{'b':1}"), ("a=True", "a", "True")),
        ("a=" + "[" * 5000, "a", "[" * 5000),
        ("a=" + "1" * 5000, "a", "1" * 5000),
        ("a.b=1", "a.b", 1),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_a_parameter_is_json_where_it_is_strictly_json(pair: str, name: str, value: Any):
    assert prompt.parameters([pair], {}) == {name: value}


@given(VALUES)
@settings(max_examples=40)
def test_any_value_can_be_typed(value: Any):
    assert prompt.parameters([f"a={jsontext.dumps(value)}"], {}) == {"a": value}


def test_flags_of_their_own_are_parameters():
    flags = {"temperature": 0.0, "max_tokens": None}
    assert prompt.parameters(["top_p=0.9"], flags) == {"temperature": 0.0, "top_p": 0.9}


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        *((["a"], "NAME=VALUE"), (["=1"], "NAME=VALUE"), ([""], "NAME=VALUE")),
        *((["model=x"], "-m"), (["messages=[]"], "prompt"), (["stream=true"], "--stream")),
        *((["a=1", "a=1"], "twice"), (["temperature=1"], "twice")),
    ],
)
def test_what_cannot_be_meant_is_refused(pairs: list[str], word: str):
    with pytest.raises(UsageFailure, match=word) as refused:
        prompt.parameters(pairs, {"temperature": 0.2})
    assert refused.value.status == 2


def test_a_parameter_that_is_no_utf8_is_refused():
    with pytest.raises(InputFailure) as failed:
        prompt.parameters([os.fsdecode(b"user=\xff")], {})
    assert failed.value.status == 26


# The body ---------------------------------------------------------------------------------------


def composed(**changes: Any) -> dict[str, Any]:
    given_: dict[str, Any] = {
        "model": "m",
        "system": None,
        "prompt": "p",
        "params": {},
        "stream": True,
        "shows_usage": False,
    }
    return prompt.body(**{**given_, **changes})


def test_the_body_is_what_the_reference_documents():
    message = {"role": "user", "content": "p"}
    assert composed() == {"model": "m", "messages": [message], "stream": True}
    assert composed(stream=False) == {"model": "m", "messages": [message], "stream": False}


def test_the_system_message_comes_first():
    assert composed(system="be brief")["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "p"},
    ]
    assert len(composed(system="")["messages"]) == 1


def test_parameters_stand_beside_the_messages():
    body = composed(params={"temperature": 0.2, "stop": ["x"]})
    assert body["temperature"] == 0.2
    assert body["stop"] == ["x"]


@pytest.mark.parametrize(
    ("stream", "shows_usage", "asked"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_usage_is_asked_for_only_where_it_is_shown(stream, shows_usage, asked):
    body = composed(stream=stream, shows_usage=shows_usage)
    assert ("stream_options" in body) is asked
    if asked:
        assert body["stream_options"] == {"include_usage": True}


def test_ones_own_stream_options_stay():
    params = {"stream_options": {"include_usage": False, "x": 1}}
    assert composed(params=params, shows_usage=True)["stream_options"] == params["stream_options"]


# Options that take a file -----------------------------------------------------------------------


def test_an_option_takes_itself_a_file_or_standard_input(stdin, tmp_path):
    path = tmp_path / "a file"
    path.write_bytes(b"\xff\r\n\xef\xbb\xbf")
    stdin("pipe", b"\x00in")
    assert prompt.source('{"a": "ü"}') == '{"a": "ü"}'.encode()
    assert prompt.source(f"@{path}") == b"\xff\r\n\xef\xbb\xbf"
    assert prompt.source("-") == b"\x00in"


@pytest.mark.parametrize("name", ["missing", ".", "a\0b", "x" * 5000])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name: str):
    with pytest.raises(InputFailure) as failed:
        prompt.file(f"{tmp_path}/{name}")
    assert failed.value.status == 26
    assert name in failed.value.what
    assert failed.value.why
