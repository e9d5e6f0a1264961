"""When an answer is complete, what is saved of one that is not, and what its response holds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextops import strict_json
from contextops.api.completion import Completion
from contextops.api.sse import Event
from contextops.api.stream import Piece, Reasoning, Text
from contextops.errors import ContextopsError
from shapes import CREATED, DONE, USAGE, chunk, completion, reply, usage_chunk

PLENTY = 1 << 20


def events(*sent: Any) -> list[Event]:
    return [Event(each if isinstance(each, str) else strict_json.dumps(each)) for each in sent]


def add(*sent: Any, answer: Completion | None = None) -> list[Piece]:
    return list((answer or Completion(PLENTY)).add_events(events(*sent)))


def texts(pieces: Iterable[Piece]) -> str:
    return "".join(piece.content for piece in pieces if isinstance(piece, Text))


def final_status(answer: Completion, **allowed: bool) -> int:
    """Return the exit status that an answer ends with."""
    nothing = {"allow_caller_limit": False, "allow_truncated": False}
    try:
        answer.require_complete(**{**nothing, **allowed})
    except ContextopsError as error:
        return error.status
    return 0


def status(*sent: Any, **allowed: bool) -> int:
    answer = Completion(PLENTY)
    try:
        add(*sent, answer=answer)
    except ContextopsError as error:
        return error.status
    return final_status(answer, **allowed)


# When it is complete --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ([chunk("a"), chunk(finish="stop"), DONE], 0),
        ([chunk("a"), chunk(finish="stop")], 0),
        ([chunk("a", finish="stop")], 0),
        ([chunk("a"), DONE], 0),
        ([chunk("a"), " [DONE] "], 0),
        ([chunk("a"), chunk(finish="tool_calls")], 0),
        ([DONE], 0),
        ([chunk("a")], 18),
        ([], 18),
        ([chunk("a", finish="")], 18),
        ([chunk("a"), usage_chunk()], 18),
        ([chunk("a"), '"[DONE]"'], 18),
        ([chunk("a"), "", " "], 18),
        ([chunk("a"), {"error": {"message": "broken"}}], 50),
        ([chunk("a"), {"error": {"message": "broken"}}, DONE], 50),
        ([chunk("a"), chunk(finish="stop"), {"error": "late"}], 50),
        ([chunk("a"), {"error": {"detail": "pipe"}}], 50),
        ([chunk("a"), chunk(finish="stop"), DONE, {"error": "after the end"}, "{junk"], 0),
        ([chunk("a"), {"error": None}, DONE], 0),
        ([chunk("a"), "{not json}", chunk(finish="stop")], 8),
        ([chunk("a", finish="length"), DONE], 18),
        ([chunk("a", finish="content_filter"), DONE], 18),
    ],
)
def test_stream_ends_with_expected_status(sent: list[Any], expected: int):
    assert status(*sent) == expected


@pytest.mark.parametrize(
    ("reason", "allow_caller_limit", "allow_truncated", "expected"),
    [
        ("length", True, False, 0),
        ("length", False, True, 0),
        ("length", False, False, 18),
        ("content_filter", True, False, 18),
        ("content_filter", False, True, 0),
    ],
)
def test_truncation_is_accepted_if_allowed(reason, allow_caller_limit, allow_truncated, expected):
    how = {"allow_caller_limit": allow_caller_limit, "allow_truncated": allow_truncated}
    assert status(chunk("a", finish=reason), DONE, **how) == expected


def test_incomplete_stream_is_never_accepted():
    assert status(chunk("a"), allow_caller_limit=True, allow_truncated=True) == 18


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        ([chunk("a")], "truncated"),
        ([chunk("a", finish="length")], "length"),
        ([chunk("a", finish="content_filter")], "content_filter"),
    ],
)
def test_truncation_error_has_reason_and_remedy(sent: list[Any], word: str):
    answer = Completion(PLENTY)
    add(*sent, answer=answer)
    with pytest.raises(ContextopsError) as raised:
        answer.require_complete(allow_caller_limit=False, allow_truncated=False)
    assert word in raised.value.what
    assert raised.value.why
    assert raised.value.remedy


def test_stream_is_complete_when_every_choice_has_finish_reason():
    first, second = ({"index": n, "delta": {"content": "a"}} for n in (0, 1))
    ended = [{**each, "delta": {}, "finish_reason": "stop"} for each in (first, second)]
    both = {"choices": [first, second]}
    assert status(both, {"choices": ended[:1]}) == 18
    assert status(both, {"choices": ended}) == 0
    filtered = {
        "choices": [
            {**ended[0], "finish_reason": "length"},
            {**ended[1], "finish_reason": "content_filter"},
        ]
    }
    assert status(both, filtered, allow_caller_limit=True) == 18


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_truncated_calls_are_never_accepted(reason: str):
    piece = chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f"}}])
    answer = Completion(PLENTY)
    add(piece, chunk(finish=reason), DONE, answer=answer)
    assert final_status(answer, allow_caller_limit=True, allow_truncated=True) == 18
    assert answer.response()["contextops"]["complete"] is False


# What is saved of it, up to which limits --------------------------------------------------------


@pytest.mark.parametrize("bad", [{"error": {"message": "broken"}}, "{not json}"])
@pytest.mark.parametrize("end", [[], [chunk(finish="stop")]], ids=["open", "ended"])
def test_pieces_before_an_error_are_yielded(bad: Any, end: list[Any]):
    answer = Completion(PLENTY)
    pieces: list[Piece] = []
    with pytest.raises(ContextopsError):
        pieces.extend(
            answer.add_events(events(chunk("one "), chunk("two"), *end, bad, chunk("three")))
        )
    assert texts(pieces) == "one two"
    response = answer.response()
    assert response["choices"][0]["message"]["content"] == "one two"
    assert response["contextops"]["complete"] is False


def test_incomplete_last_event_is_dropped():
    answer = Completion(PLENTY)
    incomplete = strict_json.dumps(chunk("two"))[:-5]
    assert texts(answer.add_events(events(chunk("one"), incomplete), at_end=True)) == "one"
    assert final_status(answer) == 18


def test_text_beyond_max_answer_raises_after_text_within_it():
    answer = Completion(10)
    assert texts(add(chunk("12345"), chunk("67890"), answer=answer)) == "1234567890"
    with pytest.raises(ContextopsError) as raised:
        add(chunk("x"), answer=answer)
    assert raised.value.status == 63
    assert "max_answer" in raised.value.remedy


@pytest.mark.parametrize(
    "sent",
    [
        [chunk("ééé")],
        [chunk("éé"), chunk(reasoning_content="é")],
        [chunk(tool_calls=[{"index": 0, "function": {"arguments": "123456"}}])],
    ],
    ids=["bytes", "reasoning", "tool calls"],
)
def test_max_answer_counts_bytes_of_text_reasoning_and_calls(sent: list[Any]):
    with pytest.raises(ContextopsError) as raised:
        add(*sent, answer=Completion(5))
    assert raised.value.status == 63


@pytest.mark.parametrize(
    "flood",
    [
        [{"choices": [{"index": number} for number in range(10_001)]}],
        [chunk(tool_calls=[{"index": number} for number in range(10_001)])],
    ],
    ids=["choices", "tool calls"],
)
def test_more_than_ten_thousand_choices_or_calls_raise(flood: list[Any]):
    with pytest.raises(ContextopsError) as raised:
        add(*flood, answer=Completion(1 << 26))
    assert raised.value.status == 63


def test_a_thousand_tool_calls_are_accepted():
    calls = [{"index": n, "id": f"call_{n}", "function": {"name": "f"}} for n in range(1000)]
    answer = Completion(PLENTY)
    add(chunk(tool_calls=calls), DONE, answer=answer)
    assert len(answer.response()["choices"][0]["message"]["tool_calls"]) == 1000


@given(st.lists(st.text(max_size=8), max_size=12), st.data())
@settings(max_examples=20)
def test_text_does_not_depend_on_how_events_are_grouped(parts: list[str], data: st.DataObject):
    sent = [*(chunk(part) for part in parts), chunk(finish="stop"), DONE]
    places = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    answer = Completion(PLENTY)
    pieces: list[Piece] = []
    for start, end in itertools.pairwise([0, *places, len(sent)]):
        pieces += answer.add_events(events(*sent[start:end]))
    assert texts(pieces) == "".join(parts)
    assert answer.response()["choices"][0]["message"]["content"] == "".join(parts)
    assert final_status(answer) == 0


# The response -----------------------------------------------------------------------------------


def test_response_has_documented_shape():
    answer = Completion(PLENTY)
    sources = {"sources": [{"source": {"id": "f"}}]}
    add(sources, *reply("Hello world", usage=True), answer=answer)
    assert answer.response({"requested_model": "m", "attempts": 1}) == {
        "id": "chatcmpl-fake1",
        "object": "chat.completion",
        "created": CREATED,
        "model": "ctx-small",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello world"},
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        "sources": sources["sources"],
        "contextops": {"requested_model": "m", "attempts": 1, "complete": True},
    }


def test_response_has_reasoning_beside_text():
    answer = Completion(PLENTY)
    add(chunk(reasoning_content="hm, "), chunk(reasoning_content="so"), chunk("a"), answer=answer)
    message = answer.response()["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "a", "reasoning_content": "hm, so"}


def test_document_is_returned_unchanged():
    document = completion("Hello", reasoning_content="hm", annotations=[1])
    answer = Completion(PLENTY)
    assert answer.add_document(document) == [Reasoning("hm"), Text("Hello")]
    assert final_status(answer) == 0
    response = answer.response({"attempts": 1})
    assert response.pop("contextops") == {"attempts": 1, "complete": True}
    assert response == document


def test_document_may_be_truncated_by_limit():
    answer = Completion(PLENTY)
    answer.add_document(completion("Hello", finish="length"))
    assert final_status(answer) == 18
    assert final_status(answer, allow_caller_limit=True) == 0
