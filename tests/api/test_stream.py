"""What vendors do differently in a stream, one test or row for each departure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops import strict_json
from contextops.api.completion import Completion
from contextops.api.sse import Event
from contextops.api.stream import Piece, Reasoning, Text, ToolCall, first_bytes, is_stream
from contextops.errors import ContextopsError
from json_values import values
from shapes import DONE, chunk, completion

PLENTY = 1 << 20


def events(*sent: Any) -> list[Event]:
    return [Event(each if isinstance(each, str) else strict_json.dumps(each)) for each in sent]


def add(*sent: Any, answer: Completion | None = None) -> list[Piece]:
    return list((answer or Completion(PLENTY)).add_events(events(*sent)))


def texts(pieces: list[Piece]) -> str:
    return "".join(piece.content for piece in pieces if isinstance(piece, Text))


def final_status(answer: Completion) -> int:
    """Return the exit status that an answer ends with."""
    try:
        answer.require_complete(allow_caller_limit=False, allow_truncated=False)
    except ContextopsError as error:
        return error.status
    return 0


# Streams and documents --------------------------------------------------------------------------

SSE, JSON = "text/event-stream", "application/json"


@pytest.mark.parametrize(
    ("content_type", "start", "expected"),
    [
        (SSE, b"data: {}", True),
        (JSON, b"data: {}", True),
        ("", b"\xef\xbb\xbf\r\n: ping\n", True),
        (JSON, b"event: x", True),
        (JSON, b"id:1", True),
        (JSON, b"retry: 5", True),
        (SSE, b"unknown: x", True),
        (SSE, b'{"error": {}}', False),
        (SSE, b" [", False),
        (SSE, b'"text"', False),
        (SSE, b"null", False),
        (JSON, b"{}", False),
        (JSON, b"anything", False),
    ],
)
def test_body_decides_whether_it_is_a_stream(content_type: str, start: bytes, expected: bool):
    assert is_stream(content_type, start) is expected


def test_first_bytes_of_split_body_show_what_it_is():
    blocks = iter([b"\r\n", b"da", b"ta: ", b"x\n", b"rest"])
    assert first_bytes(blocks) == b"\r\ndata: x\n"
    assert list(blocks) == [b"rest"]
    assert first_bytes(iter([b" ", b""])) == b" "


# Pieces -----------------------------------------------------------------------------------------


def test_consecutive_pieces_of_one_kind_are_joined():
    assert add(chunk("a"), chunk("b"), chunk(reasoning_content="c"), chunk("d")) == [
        Text("ab"),
        Reasoning("c"),
        Text("d"),
    ]


def test_reasoning_is_separate_from_text():
    pieces = add(
        chunk(reasoning_content="let "), chunk(reasoning="me"), chunk("yes"), chunk(finish="stop")
    )
    assert pieces == [Reasoning("let me"), Text("yes")]


def test_only_the_first_choice_yields_pieces():
    both = [{"index": n, "delta": {"content": text}} for n, text in ((1, "second"), (0, "first"))]
    answer = Completion(PLENTY)
    assert add({"choices": both}, DONE, answer=answer) == [Text("first")]
    sent = [choice["message"]["content"] for choice in answer.response()["choices"]]
    assert sent == ["first", "second"]


@pytest.mark.parametrize(
    "odd",
    [
        *(None, 1, [], [1], {}, True),
        *({"sources": [{"source": {}}]}, {"selected_model_id": "m"}, {"event": {"type": "status"}}),
        *({"type": "ping"}, {"choices": None}, {"choices": {}}, {"choices": "x"}, {"choices": []}),
        *({"choices": [None, 1, "x", []]}, {"choices": [{}]}, {"choices": [{"delta": None}]}),
        {"choices": [{"delta": [1]}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"content": None, "tool_calls": None}}]},
        {"choices": [{"delta": {"content": {"a": 1}}}]},
        {"choices": [{"delta": {"content": [1, None, {"text": 3}, {"type": "image"}]}}]},
        {"choices": [{"index": "0", "delta": {"role": "assistant"}}]},
        {"choices": [{"index": None, "delta": {}, "finish_reason": None}]},
        {"choices": [{"delta": {"tool_calls": [None, 1, "x"]}}]},
        {"choices": [{"delta": {"tool_calls": {}}}]},
        {"error": None, "choices": []},
        *("", "null", "1e3", '"text"'),
    ],
    ids=lambda odd: repr(odd)[:60],
)
def test_malformed_chunks_between_valid_ones_are_ignored(odd: Any):
    answer = Completion(PLENTY)
    pieces = add(chunk("a"), odd, chunk("b"), odd, chunk(finish="stop"), odd, answer=answer)
    assert texts(pieces) == "ab"
    assert final_status(answer) == 0
    assert answer.response()["choices"][0]["message"]["content"] == "ab"


def test_content_parts_are_joined_to_text():
    content = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    assert add({"choices": [{"delta": {"content": content}}]}) == [Text("ab")]


def test_refusal_is_text_and_stays_a_refusal():
    answer = Completion(PLENTY)
    sent = [{"choices": [{"delta": {"refusal": part}}]} for part in ("I will", " not")]
    assert add(*sent, answer=answer) == [Text("I will not")]
    message = answer.response()["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == ("I will not", "I will not")


def test_lone_surrogate_becomes_replacement_character():
    broken = '{"choices": [{"delta": {"content": "a\\ud83d"}}]}'
    answer = Completion(PLENTY)
    assert add(broken, answer=answer) == [Text("a\ufffd")]
    strict_json.dumps(answer.response()).encode()


# Tool calls -------------------------------------------------------------------------------------


def calls_from(*calls: list[dict[str, Any]]) -> list[tuple[Any, str, str]]:
    answer = Completion(PLENTY)
    pieces = add(*(chunk(tool_calls=each) for each in calls), DONE, answer=answer)
    assert [piece.delta for piece in pieces if isinstance(piece, ToolCall)] == [
        call for each in calls for call in each
    ]
    message = answer.response()["choices"][0]["message"]
    assert message["content"] is None
    return [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message["tool_calls"]
    ]


def test_call_arguments_are_joined_by_index():
    assert calls_from(
        [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"x":'}}],
        [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}],
        [{"index": n, "function": {"arguments": end}} for n, end in enumerate((" 1}", "}"))],
    ) == [("a", "f", '{"x": 1}'), ("b", "g", "{}")]


def test_two_named_ids_under_one_index_are_two_calls():
    assert calls_from(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}],
        [{"index": 0, "id": "b", "function": {"name": "g", "arguments": "["}}],
        [{"index": 0, "function": {"arguments": "]"}}],
    ) == [("a", "f", "{}"), ("b", "g", "[]")]


def test_new_id_without_name_continues_the_call():
    assert calls_from(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "id": "b", "function": {"arguments": '{"x":'}}],
        [{"index": 0, "id": "c", "function": {"name": None, "arguments": "1}"}}],
    ) == [("a", "f", '{"x":1}')]


@pytest.mark.parametrize("index", [{}, {"index": None}, {"index": []}, {"index": "x"}])
def test_named_calls_without_index_are_separate_calls(index: dict[str, Any]):
    calls = [{**index, "id": name, "function": {"name": name}} for name in "ab"]
    assert calls_from(calls) == [("a", "a", "{}"), ("b", "b", "{}")]
    nameless = [{**index, "function": {"name": name}} for name in "ab"]
    assert calls_from(nameless) == [("call_1", "a", "{}"), ("call_2", "b", "{}")]


@pytest.mark.parametrize(
    "rest", [{"id": "a", "function": {"name": "f"}}, {"id": "a", "function": {}}, {"function": {}}]
)
def test_part_without_index_continues_call_with_same_id_or_none(rest: dict[str, Any]):
    pieces = [{**rest, "function": {**rest["function"], "arguments": part}} for part in "[1]"]
    first = {"id": "a", "function": {"name": "f", "arguments": ""}}
    assert calls_from([first], *([piece] for piece in pieces)) == [("a", "f", "[1]")]


def test_call_index_may_be_text():
    begun = [
        {"index": str(n), "id": name, "function": {"name": name}} for n, name in enumerate("ab")
    ]
    ends = [{"index": str(n), "function": {"arguments": str(n)}} for n in range(2)]
    assert calls_from(begun, ends) == [("a", "a", "0"), ("b", "b", "1")]
    # Python refuses to convert a number of 5,000 digits.
    assert calls_from([{"index": "1" * 5000, "id": "a", "function": {"name": "a"}}])


def test_repeated_call_name_is_not_doubled():
    pieces = [{"index": 0, "function": {"name": "f", "arguments": part}} for part in "[1]"]
    assert calls_from(*([piece] for piece in pieces)) == [("call_1", "f", "[1]")]
    parts = [{"index": 0, "function": {"name": part}} for part in ("get_", "weather")]
    assert calls_from(parts) == [("call_1", "get_weather", "{}")]


def test_generated_call_id_is_unique():
    calls = [{"index": n, "id": name, "function": {}} for n, name in enumerate((None, "call_1", 7))]
    assert [name for name, _, _ in calls_from(calls)] == ["call_2", "call_1", "call_3"]


def test_legacy_function_call_becomes_tool_call():
    answer = Completion(PLENTY)
    parts = [{"name": "f", "arguments": ""}, {"arguments": "[1"}, {"arguments": "]"}]
    pieces = add(*(chunk(function_call=part) for part in parts), DONE, answer=answer)
    assert [type(piece) for piece in pieces] == [ToolCall] * 3
    streamed = answer.response()["choices"][0]["message"]
    answer = Completion(PLENTY)
    answer.add_document(completion(None, function_call={"name": "f", "arguments": "[1]"}))
    assert answer.response()["choices"][0]["message"] == streamed
    function = {"name": "f", "arguments": "[1]"}
    assert streamed["tool_calls"] == [{"id": "call_1", "type": "function", "function": function}]


@pytest.mark.parametrize(
    "call",
    [
        {"id": "c", "function": {"name": "f", "arguments": {"x": 1}}},
        {"id": "c", "index": 0, "function": {"name": "f", "arguments": '{"x":1}'}},
    ],
)
def test_calls_have_same_shape_streamed_or_not(call: dict[str, Any]):
    streamed, unstreamed = Completion(PLENTY), Completion(PLENTY)
    add(chunk(tool_calls=[call]), DONE, answer=streamed)
    unstreamed.add_document(completion(None, tool_calls=[call, None]))
    for answer in (streamed, unstreamed):
        function = {"name": "f", "arguments": '{"x":1}'}
        message = answer.response()["choices"][0]["message"]
        assert message["tool_calls"] == [{"id": "c", "type": "function", "function": function}]


@pytest.mark.parametrize("none", [[], None, {}, [None]])
def test_document_without_calls_has_no_tool_calls_key(none: Any):
    answer = Completion(PLENTY)
    answer.add_document(completion("Hello", tool_calls=none, function_call=None))
    assert answer.response()["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}


# Whatever a server sends ------------------------------------------------------------------------

CHAT = values(
    *("choices", "delta", "message", "content", "reasoning_content", "tool_calls", "index", "id"),
    *("function", "name", "arguments", "finish_reason", "error", "detail", "text", "usage", "data"),
    texts=("stop", "length", "assistant"),
)
CHUNKS = CHAT | st.builds(
    lambda delta, more: {"choices": [{**more, "delta": delta}]},
    st.dictionaries(st.sampled_from(["content", "tool_calls", "reasoning", "refusal"]), CHAT),
    st.dictionaries(st.sampled_from(["index", "finish_reason", "message"]), CHAT),
)


@given(st.lists(CHUNKS | st.text(max_size=8), max_size=3))
@settings(max_examples=40)
@example([{"choices": [{"delta": {"tool_calls": [{"index": {}}]}}]}])
@example([chunk(tool_calls=[{"id": [1]}, {"index": 0, "id": {}, "function": {"name": []}}])])
@example([{"error": {"error": {"error": [{"loc": 1, "msg": None}]}}}])
@example([{"choices": [{"delta": {"content": [{"text": [{"text": "deep"}]}]}}]}])
def test_any_events_give_an_answer_or_a_contextops_error(sent: list[Any]):
    answer = Completion(PLENTY)
    pieces: list[Piece] = []
    failed = 0
    try:
        pieces.extend(answer.add_events(events(*sent)))
    except ContextopsError as error:
        failed = error.status
    assert failed in (0, 8, 50)
    response = answer.response()
    strict_json.dumps(response).encode()
    first = [choice for choice in response["choices"] if choice["index"] == 0]
    assert texts(pieces) == "".join(choice["message"]["content"] or "" for choice in first)
    assert final_status(answer) in ((18,) if failed else (0, 18))
    if failed:
        assert response["contextops"]["complete"] is False
