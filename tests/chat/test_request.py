"""Requests: frames of files, images, messages, parameters, and the body."""

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
def reader() -> InputReader:
    return InputReader(limit=1 << 20, note=pytest.fail)


# Standard input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "paths", "is_named"),
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
def test_dash_names_standard_input(words, paths, is_named):
    assert request.names_stdin(words, *paths) is is_named


@pytest.mark.parametrize(
    ("words", "paths"), [(["-"], ["-"]), ([], ["-", "-"]), (["-"], ["f", "-"])]
)
def test_two_dashes_are_usage_error(words, paths):
    with pytest.raises(UsageError, match="twice") as raised:
        request.names_stdin(words, *paths)
    assert raised.value.status == 2


# Frames of files --------------------------------------------------------------------------------


def frame(path: str, content: str) -> str:
    return "".join(request.frame_file(path, content))


def test_frame_has_path_as_typed():
    assert frame("./a.py", "x = 1\n") == '<document path="./a.py">\nx = 1\n\n</document>'


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
def test_path_is_escaped_in_attribute(path, shown):
    assert frame(path, "").startswith(f'<document path="{shown}">\n')


@pytest.mark.parametrize(
    ("content", "tag"),
    [
        ("<document>", "document"),
        ("a </document> b", "document-2"),
        ("</document-2>", "document"),
        ("</document></document-2></document-3>", "document-4"),
    ],
)
def test_content_does_not_close_frame(content, tag):
    assert frame("f", content) == f'<{tag} path="f">\n{content}\n</{tag}>'


@given(st.text(), st.text())
@settings(max_examples=40)
def test_frame_ends_once_for_any_content(path: str, content: str):
    lines = frame(path, content).split("\n")
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


def content(prompt: str, image: str, reader: InputReader) -> Any:
    return request.user_content(prompt, [request.image_part(image, reader)])


@pytest.mark.parametrize("kind", IMAGES)
def test_image_type_is_that_of_first_bytes(reader, tmp_path, kind):
    path = tmp_path / "picture.txt"
    path.write_bytes(IMAGES[kind])
    text, image = content("what is it?", str(path), reader)
    assert text == {"type": "text", "text": "what is it?"}
    head, _, data = image["image_url"]["url"].partition(",")
    assert head == f"data:{kind};base64"
    assert base64.b64decode(data) == IMAGES[kind]


def test_image_url_is_passed_on(reader):
    url = "HTTPS://example.org/a.png?b=c"
    assert content("", url, reader) == [{"type": "image_url", "image_url": {"url": url}}]


def test_content_without_images_is_text(reader):
    assert request.user_content("text", []) == "text"


@pytest.mark.parametrize("data", [b"", b"<svg/>", b"RIFF\0\0\0\0WAVE", b"\x89PN"])
def test_unsupported_image_is_input_error(reader, tmp_path, data):
    path = tmp_path / "fake.png"
    path.write_bytes(data)
    with pytest.raises(InputError, match="unsupported image format") as raised:
        content("x", str(path), reader)
    assert raised.value.status == 26


# Messages from a file ---------------------------------------------------------------------------

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def read_messages_from(folder: Path, text: str, reader: InputReader) -> Any:
    path = folder / "messages.json"
    path.write_text(text)
    return request.read_messages(str(path), reader)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": "x"},
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "developer", "content": "x", "name": "unchanged"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "x"},
    ],
    ids="-".join,
)
def test_valid_message_is_unchanged(reader, tmp_path, message):
    messages = read_messages_from(tmp_path, strict_json.dumps([message]), reader)
    assert messages == [message]


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
def test_invalid_message_is_input_error_with_index(reader, tmp_path, message):
    good = {"role": "user", "content": "x"}
    with pytest.raises(InputError, match="message 1 of") as raised:
        read_messages_from(tmp_path, strict_json.dumps([good, message]), reader)
    assert raised.value.status == 26


@pytest.mark.parametrize("text", ["", "{", "{}", "null", '"x"', "[NaN]", "[" * 5000])
def test_file_that_is_not_message_array_is_input_error(reader, tmp_path, text):
    with pytest.raises(InputError) as raised:
        read_messages_from(tmp_path, text, reader)
    assert raised.value.status == 26


@given(VALUES)
@settings(max_examples=40)
def test_message_fault_accepts_any_value(value: Any):
    fault = request.message_fault(value)
    assert fault is None or fault


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
def test_parameter_value_is_json_or_text(pair: str, name: str, value: Any):
    assert request.parse_params([pair], {}) == {name: value}


@given(VALUES)
@settings(max_examples=40)
def test_any_json_value_can_be_typed(value: Any):
    assert request.parse_params([f"a={strict_json.dumps(value)}"], {}) == {"a": value}


def test_own_options_are_added_to_params():
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
def test_invalid_param_is_usage_error(pairs: list[str], word: str):
    with pytest.raises(UsageError, match=word) as raised:
        request.parse_params(pairs, {"temperature": 0.2})
    assert raised.value.status == 2


def test_param_that_is_not_utf8_is_input_error():
    with pytest.raises(InputError) as raised:
        request.parse_params([os.fsdecode(b"user=\xff")], {})
    assert raised.value.status == 26


# The body ---------------------------------------------------------------------------------------


def make_body(**changes: Any) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "p"}],
        "params": {},
        "stream": True,
        "shows_usage": False,
    }
    return request.request_body(**{**defaults, **changes})


def test_body_matches_api_reference():
    message = {"role": "user", "content": "p"}
    assert make_body() == {"model": "m", "messages": [message], "stream": True}
    assert make_body(stream=False) == {"model": "m", "messages": [message], "stream": False}


def test_params_are_added_to_body():
    body = make_body(params={"temperature": 0.2, "stop": ["x"]})
    assert body["temperature"] == 0.2
    assert body["stop"] == ["x"]


@pytest.mark.parametrize(
    ("stream", "shows_usage", "requested"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_usage_is_requested_only_where_it_is_shown(stream, shows_usage, requested):
    body = make_body(stream=stream, shows_usage=shows_usage)
    assert ("stream_options" in body) is requested
    if requested:
        assert body["stream_options"] == {"include_usage": True}


def test_typed_stream_options_are_kept_unchanged():
    params = {"stream_options": {"include_usage": False, "x": 1}}
    assert make_body(params=params, shows_usage=True)["stream_options"] == params["stream_options"]
