"""Words, files, images and settings in, a request's body out: nothing is dropped or guessed."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextops import strict_json
from contextops.chat import request
from contextops.chat.inputs import InputReader
from contextops.errors import InputError, UsageError
from json_values import VALUES


@pytest.fixture
def read() -> InputReader:
    return InputReader(limit=1 << 20, note=pytest.fail)


# Who reads standard input -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "paths", "is_claimed"),
    [
        *(
            ([], [], False),
            (["a"], [None], False),
            (["a", "-"], [], False),
            (["-", "a"], [], False),
        ),
        *((["-"], [None], True), ([], ["-"], True), (["a"], ["f", "-"], True)),
    ],
)
def test_a_dash_claims_standard_input(words, paths, is_claimed):
    assert request.claims_stdin(words, *paths) is is_claimed


@pytest.mark.parametrize(
    ("words", "paths"), [(["-"], ["-"]), ([], ["-", "-"]), (["-"], ["f", "-"])]
)
def test_one_only_may_claim_it(words, paths):
    with pytest.raises(UsageError, match="twice") as refused:
        request.claims_stdin(words, *paths)
    assert refused.value.status == 2


# Files in their frames --------------------------------------------------------------------------


def framed(path: str, content: str) -> str:
    return "".join(request.frame_file(path, content))


def test_a_frame_names_the_file_as_it_was_typed():
    assert framed("./a.py", "x = 1\n") == '<document path="./a.py">\nx = 1\n\n</document>'


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ('a"b', "a&quot;b"),
        ("<&>", "&lt;&amp;&gt;"),
        ("two\nlines\r", "two&#10;lines&#13;"),
        (os.fsdecode(b"\xff"), "\ufffd"),
        ("größer", "größer"),
    ],
)
def test_a_name_cannot_leave_its_attribute(path, shown):
    assert framed(path, "").startswith(f'<document path="{shown}">\n')


@pytest.mark.parametrize(
    ("content", "tag"),
    [
        ("<document>", "document"),
        ("a </document> b", "document-2"),
        ("</document-2>", "document"),
        ("</document></document-2></document-3>", "document-4"),
    ],
)
def test_a_frame_is_not_closed_by_what_it_holds(content, tag):
    assert framed("f", content) == f'<{tag} path="f">\n{content}\n</{tag}>'


@given(st.text(), st.text())
@settings(max_examples=40)
def test_whatever_a_file_holds_its_frame_ends_once(path: str, content: str):
    lines = framed(path, content).split("\n")
    tag = lines[0].partition(" ")[0].removeprefix("<")
    assert lines[0].count('"') == 2
    assert "\n".join(lines[1:-1]) == content
    assert lines[-1] == f"</{tag}>"
    assert lines[-1] not in content


# Images -----------------------------------------------------------------------------------------

IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\nrest",
    "image/jpeg": b"\xff\xd8\xffrest",
    "image/gif": b"GIF89arest",
    "image/webp": b"RIFF\0\0\0\0WEBPrest",
}


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_is_known_by_its_bytes(read, tmp_path, kind):
    path = tmp_path / "picture.txt"
    path.write_bytes(IMAGES[kind])
    text, image = request.message_content("what is it?", [str(path)], read)
    assert text == {"type": "text", "text": "what is it?"}
    head, _, data = image["image_url"]["url"].partition(",")
    assert head == f"data:{kind};base64"
    assert base64.b64decode(data) == IMAGES[kind]


def test_the_address_of_an_image_is_passed_on(read):
    url = "HTTPS://example.org/a.png?b=c"
    assert request.message_content("", [url], read) == [
        {"type": "image_url", "image_url": {"url": url}}
    ]


def test_without_images_the_content_is_the_text(read):
    assert request.message_content("text", [], read) == "text"


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"RIFF\0\0\0\0WAVE", b"\x89PN"])
def test_what_is_no_image_is_refused(read, tmp_path, data):
    path = tmp_path / "fake.png"
    path.write_bytes(data)
    with pytest.raises(InputError, match="no image") as failed:
        request.message_content("x", [str(path)], read)
    assert failed.value.status == 26


# Messages of a file -----------------------------------------------------------------------------

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def messages_in(folder: Path, text: str, read: InputReader) -> Any:
    path = folder / "messages.json"
    path.write_text(text)
    return request.read_messages(str(path), read)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "developer", "content": "x", "name": "kept as it is"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "x"},
    ],
    ids="-".join,
)
def test_a_message_passes_as_it_is(read, tmp_path, message):
    told = messages_in(tmp_path, strict_json.dumps([message]), read)
    assert told == [message]


@pytest.mark.parametrize(
    "message",
    [
        *(5, None, [], {}, {"role": "user"}, {"content": "x"}, {"role": "cat", "content": "x"}),
        *({"role": "user", "content": 5}, {"role": "user", "content": []}, {"role": ["user"]}),
        *({"role": "user", "content": ["x"]}, {"role": "user", "content": [{"text": "x"}]}),
        *({"role": "assistant", "content": None}, {"role": "tool", "content": "x"}),
        {"role": "user", "content": "x", "tool_calls": [CALL]},
        {"role": "assistant", "tool_calls": "x"},
    ],
    ids=str,
)
def test_what_is_no_message_is_named_by_its_number(read, tmp_path, message):
    good = {"role": "user", "content": "x"}
    with pytest.raises(InputError, match="message 1 of") as failed:
        messages_in(tmp_path, strict_json.dumps([good, message]), read)
    assert failed.value.status == 26


@pytest.mark.parametrize("text", ["", "{", "{}", "null", '"x"', "[NaN]", "[" * 5000])
def test_what_is_no_array_of_messages_is_refused(read, tmp_path, text):
    with pytest.raises(InputError) as failed:
        messages_in(tmp_path, text, read)
    assert failed.value.status == 26


@given(VALUES)
@settings(max_examples=40)
def test_of_any_value_it_can_be_said_whether_it_is_a_message(value: Any):
    told = request.message_fault(value)
    assert told is None or told


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
    assert request.parse_params([pair], {}) == {name: value}


@given(VALUES)
@settings(max_examples=40)
def test_any_value_can_be_typed(value: Any):
    assert request.parse_params([f"a={strict_json.dumps(value)}"], {}) == {"a": value}


def test_flags_of_their_own_are_parameters():
    flags = {"temperature": 0.0, "max_tokens": None}
    assert request.parse_params(["top_p=0.9"], flags) == {"temperature": 0.0, "top_p": 0.9}


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        *((["a"], "NAME=VALUE"), (["=1"], "NAME=VALUE"), ([""], "NAME=VALUE")),
        *((["model=x"], "-m"), (["messages=[]"], "prompt"), (["stream=true"], "--stream")),
        *((["a=1", "a=1"], "twice"), (["temperature=1"], "twice")),
    ],
)
def test_what_cannot_be_meant_is_refused(pairs: list[str], word: str):
    with pytest.raises(UsageError, match=word) as refused:
        request.parse_params(pairs, {"temperature": 0.2})
    assert refused.value.status == 2


def test_a_parameter_that_is_no_utf8_is_refused():
    with pytest.raises(InputError) as failed:
        request.parse_params([os.fsdecode(b"user=\xff")], {})
    assert failed.value.status == 26


# The body ---------------------------------------------------------------------------------------


def composed(**changes: Any) -> dict[str, Any]:
    given_: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "p"}],
        "params": {},
        "stream": True,
        "shows_usage": False,
    }
    return request.request_body(**{**given_, **changes})


def test_the_body_is_what_the_reference_documents():
    message = {"role": "user", "content": "p"}
    assert composed() == {"model": "m", "messages": [message], "stream": True}
    assert composed(stream=False) == {"model": "m", "messages": [message], "stream": False}


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
