"""What proves an answer, what is kept of one that is not, and that no shape breaks us."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops import strict_json
from contextops.api.client import Client
from contextops.api.completion import Completion
from contextops.api.sse import Event
from contextops.api.stream import Done, Piece, Reasoning, Text, ToolCall
from contextops.config import resolve
from contextops.errors import ContextopsError
from json_values import VALUES, values
from server import CLOSE, HOLD, Server, Step
from shapes import CREATED, DONE, USAGE, chunk, completion, json_answer, reply, stream, usage_chunk

PLENTY = 1 << 20


def events(*said: Any) -> list[Event]:
    return [Event(each if isinstance(each, str) else strict_json.dumps(each)) for each in said]


def taken(*said: Any, answer: Completion | None = None) -> list[Piece]:
    return list((answer or Completion(PLENTY)).add_events(events(*said)))


def texts(pieces: Iterable[Piece]) -> str:
    return "".join(piece.content for piece in pieces if isinstance(piece, Text))


def judged(answer: Completion, **wanted: bool) -> int:
    """Give the status that an answer ends with."""
    nothing = {"allow_caller_limit": False, "allow_truncated": False}
    try:
        answer.require_complete(**{**nothing, **wanted})
    except ContextopsError as failure:
        return failure.status
    return 0


def status(*said: Any, **wanted: bool) -> int:
    answer = Completion(PLENTY)
    try:
        taken(*said, answer=answer)
    except ContextopsError as failure:
        return failure.status
    return judged(answer, **wanted)


# What proves it ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
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
def test_proof(said: list[Any], expected: int):
    assert status(*said) == expected


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
def test_a_cut_may_be_wanted(reason, allow_caller_limit, allow_truncated, expected):
    how = {"allow_caller_limit": allow_caller_limit, "allow_truncated": allow_truncated}
    assert status(chunk("a", finish=reason), DONE, **how) == expected


def test_what_is_not_proved_is_never_allowed():
    assert status(chunk("a"), allow_caller_limit=True, allow_truncated=True) == 18


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ([chunk("a")], "truncated"),
        ([chunk("a", finish="length")], "length"),
        ([chunk("a", finish="content_filter")], "content_filter"),
    ],
)
def test_says_what_is_missing_and_what_to_do(said: list[Any], word: str):
    answer = Completion(PLENTY)
    taken(*said, answer=answer)
    with pytest.raises(ContextopsError) as cut:
        answer.require_complete(allow_caller_limit=False, allow_truncated=False)
    assert word in cut.value.what
    assert cut.value.why
    assert cut.value.remedy


def test_each_of_several_choices_must_end():
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


# What is kept of it -----------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [{"error": {"message": "broken"}}, "{not json}"])
@pytest.mark.parametrize("proof", [[], [chunk(finish="stop")]], ids=["open", "ended"])
def test_what_came_before_a_failure_is_given(bad: Any, proof: list[Any]):
    answer = Completion(PLENTY)
    pieces: list[Piece] = []
    with pytest.raises(ContextopsError):
        pieces.extend(
            answer.add_events(events(chunk("one "), chunk("two"), *proof, bad, chunk("three")))
        )
    assert texts(pieces) == "one two"
    response = answer.response()
    assert response["choices"][0]["message"]["content"] == "one two"
    assert response["contextops"]["complete"] is False


def test_the_last_event_may_be_cut():
    answer = Completion(PLENTY)
    cut = strict_json.dumps(chunk("two"))[:-5]
    assert texts(answer.add_events(events(chunk("one"), cut), at_end=True)) == "one"
    assert judged(answer) == 18


def test_what_is_too_long_is_kept_up_to_the_limit():
    answer = Completion(10)
    assert texts(taken(chunk("12345"), chunk("67890"), answer=answer)) == "1234567890"
    with pytest.raises(ContextopsError) as failed:
        taken(chunk("x"), answer=answer)
    assert failed.value.status == 63
    assert "max_answer" in failed.value.remedy


@pytest.mark.parametrize(
    "said",
    [
        [chunk("ééé")],
        [chunk("éé"), chunk(reasoning_content="é")],
        [chunk(tool_calls=[{"index": 0, "function": {"arguments": "123456"}}])],
    ],
    ids=["bytes", "reasoning", "tool calls"],
)
def test_the_limit_is_of_bytes_of_all_that_is_kept(said: list[Any]):
    with pytest.raises(ContextopsError) as failed:
        taken(*said, answer=Completion(5))
    assert failed.value.status == 63


@pytest.mark.parametrize(
    "flood",
    [
        [{"choices": [{"index": number} for number in range(10_001)]}],
        [chunk(tool_calls=[{"index": number} for number in range(10_001)])],
    ],
    ids=["choices", "tool calls"],
)
def test_what_is_small_on_the_wire_is_not_kept_without_end(flood: list[Any]):
    with pytest.raises(ContextopsError) as failed:
        taken(*flood, answer=Completion(1 << 26))
    assert failed.value.status == 63


def test_a_thousand_tool_calls_are_few():
    calls = [{"index": n, "id": f"call_{n}", "function": {"name": "f"}} for n in range(1000)]
    answer = Completion(PLENTY)
    taken(chunk(tool_calls=calls), DONE, answer=answer)
    assert len(answer.response()["choices"][0]["message"]["tool_calls"]) == 1000


# Which pieces -----------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=8), max_size=12), st.data())
@settings(max_examples=20)
def test_the_text_is_the_same_however_it_is_cut(parts: list[str], data: st.DataObject):
    said = [*(chunk(part) for part in parts), chunk(finish="stop"), DONE]
    places = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=5)))
    answer = Completion(PLENTY)
    pieces: list[Piece] = []
    for start, end in itertools.pairwise([0, *places, len(said)]):
        pieces += answer.add_events(events(*said[start:end]))
    assert texts(pieces) == "".join(parts)
    assert answer.response()["choices"][0]["message"]["content"] == "".join(parts)
    assert judged(answer) == 0


def test_pieces_that_come_together_are_given_together():
    assert taken(chunk("a"), chunk("b"), chunk(reasoning_content="c"), chunk("d")) == [
        Text("ab"),
        Reasoning("c"),
        Text("d"),
    ]


def test_reasoning_is_no_text():
    pieces = taken(
        chunk(reasoning_content="let "), chunk(reasoning="me"), chunk("yes"), chunk(finish="stop")
    )
    assert pieces == [Reasoning("let me"), Text("yes")]


def test_only_the_first_choice_is_shown():
    both = [{"index": n, "delta": {"content": text}} for n, text in ((1, "second"), (0, "first"))]
    answer = Completion(PLENTY)
    assert taken({"choices": both}, DONE, answer=answer) == [Text("first")]
    said = [choice["message"]["content"] for choice in answer.response()["choices"]]
    assert said == ["first", "second"]


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
def test_odd_events_between_good_ones_change_nothing(odd: Any):
    answer = Completion(PLENTY)
    pieces = taken(chunk("a"), odd, chunk("b"), odd, chunk(finish="stop"), odd, answer=answer)
    assert texts(pieces) == "ab"
    assert judged(answer) == 0
    assert answer.response()["choices"][0]["message"]["content"] == "ab"


def test_text_in_parts_is_text():
    content = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    assert taken({"choices": [{"delta": {"content": content}}]}) == [Text("ab")]


def test_a_refusal_is_text():
    answer = Completion(PLENTY)
    said = [{"choices": [{"delta": {"refusal": part}}]} for part in ("I will", " not")]
    assert taken(*said, answer=answer) == [Text("I will not")]
    message = answer.response()["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == ("I will not", "I will not")


def test_half_a_pair_is_a_replacement():
    broken = '{"choices": [{"delta": {"content": "a\\ud83d"}}]}'
    answer = Completion(PLENTY)
    assert taken(broken, answer=answer) == [Text("a\ufffd")]
    strict_json.dumps(answer.response()).encode()


# Tool calls -------------------------------------------------------------------------------------


def called(*calls: list[dict[str, Any]]) -> list[tuple[Any, str, str]]:
    answer = Completion(PLENTY)
    pieces = taken(*(chunk(tool_calls=each) for each in calls), DONE, answer=answer)
    assert [piece.delta for piece in pieces if isinstance(piece, ToolCall)] == [
        call for each in calls for call in each
    ]
    message = answer.response()["choices"][0]["message"]
    assert message["content"] is None
    return [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message["tool_calls"]
    ]


def test_arguments_come_in_pieces():
    assert called(
        [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "function": {"arguments": '{"x":'}}],
        [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}],
        [{"index": n, "function": {"arguments": end}} for n, end in enumerate((" 1}", "}"))],
    ) == [("a", "f", '{"x": 1}'), ("b", "g", "{}")]


def test_one_index_with_two_ids_is_two_calls():
    assert called(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}],
        [{"index": 0, "id": "b", "function": {"name": "g", "arguments": "["}}],
        [{"index": 0, "function": {"arguments": "]"}}],
    ) == [("a", "f", "{}"), ("b", "g", "[]")]


def test_an_id_of_its_own_for_each_piece_begins_no_call():
    assert called(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}],
        [{"index": 0, "id": "b", "function": {"arguments": '{"x":'}}],
        [{"index": 0, "id": "c", "function": {"name": None, "arguments": "1}"}}],
    ) == [("a", "f", '{"x":1}')]


@pytest.mark.parametrize("index", [{}, {"index": None}, {"index": []}, {"index": "x"}])
def test_calls_without_an_index_are_calls_of_their_own(index: dict[str, Any]):
    calls = [{**index, "id": name, "function": {"name": name}} for name in "ab"]
    assert called(calls) == [("a", "a", "{}"), ("b", "b", "{}")]
    nameless = [{**index, "function": {"name": name}} for name in "ab"]
    assert called(nameless) == [("call_1", "a", "{}"), ("call_2", "b", "{}")]


@pytest.mark.parametrize(
    "rest", [{"id": "a", "function": {"name": "f"}}, {"id": "a", "function": {}}, {"function": {}}]
)
def test_without_an_index_the_same_id_or_none_is_the_same_call(rest: dict[str, Any]):
    pieces = [{**rest, "function": {**rest["function"], "arguments": part}} for part in "[1]"]
    first = {"id": "a", "function": {"name": "f", "arguments": ""}}
    assert called([first], *([piece] for piece in pieces)) == [("a", "f", "[1]")]


def test_an_index_may_be_text():
    begun = [
        {"index": str(n), "id": name, "function": {"name": name}} for n, name in enumerate("ab")
    ]
    ends = [{"index": str(n), "function": {"arguments": str(n)}} for n in range(2)]
    assert called(begun, ends) == [("a", "a", "0"), ("b", "b", "1")]
    # Python reads no number of 5,000 digits.
    assert called([{"index": "1" * 5000, "id": "a", "function": {"name": "a"}}])


def test_a_name_that_is_repeated_is_the_same_name():
    pieces = [{"index": 0, "function": {"name": "f", "arguments": part}} for part in "[1]"]
    assert called(*([piece] for piece in pieces)) == [("call_1", "f", "[1]")]
    parts = [{"index": 0, "function": {"name": part}} for part in ("get_", "weather")]
    assert called(parts) == [("call_1", "get_weather", "{}")]


def test_an_id_that_is_made_up_is_no_other_calls():
    calls = [{"index": n, "id": name, "function": {}} for n, name in enumerate((None, "call_1", 7))]
    assert [name for name, _, _ in called(calls)] == ["call_2", "call_1", "call_3"]


def test_the_older_api_calls_one_function():
    answer = Completion(PLENTY)
    parts = [{"name": "f", "arguments": ""}, {"arguments": "[1"}, {"arguments": "]"}]
    pieces = taken(*(chunk(function_call=part) for part in parts), DONE, answer=answer)
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
def test_calls_are_the_same_streamed_or_not(call: dict[str, Any]):
    streamed, whole = Completion(PLENTY), Completion(PLENTY)
    taken(chunk(tool_calls=[call]), DONE, answer=streamed)
    whole.add_document(completion(None, tool_calls=[call, None]))
    for answer in (streamed, whole):
        function = {"name": "f", "arguments": '{"x":1}'}
        message = answer.response()["choices"][0]["message"]
        assert message["tool_calls"] == [{"id": "c", "type": "function", "function": function}]


@pytest.mark.parametrize("none", [[], None, {}, [None]])
def test_a_document_without_a_call_has_no_calls(none: Any):
    answer = Completion(PLENTY)
    answer.add_document(completion("Hello", tool_calls=none, function_call=None))
    assert answer.response()["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_calls_that_are_cut_are_never_allowed(reason: str):
    piece = chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "f"}}])
    answer = Completion(PLENTY)
    taken(piece, chunk(finish=reason), DONE, answer=answer)
    assert judged(answer, allow_caller_limit=True, allow_truncated=True) == 18
    assert answer.response()["contextops"]["complete"] is False


# The whole --------------------------------------------------------------------------------------


def test_the_whole_is_what_the_reference_documents():
    answer = Completion(PLENTY)
    sources = {"sources": [{"source": {"id": "f"}}]}
    taken(sources, *reply("Hello world", usage=True), answer=answer)
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


def test_reasoning_is_kept_beside_the_text():
    answer = Completion(PLENTY)
    taken(chunk(reasoning_content="hm, "), chunk(reasoning_content="so"), chunk("a"), answer=answer)
    message = answer.response()["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "a", "reasoning_content": "hm, so"}


def test_one_document_is_given_as_it_came():
    document = completion("Hello", reasoning_content="hm", annotations=[1])
    answer = Completion(PLENTY)
    assert answer.add_document(document) == [Reasoning("hm"), Text("Hello")]
    assert judged(answer) == 0
    response = answer.response({"attempts": 1})
    assert response.pop("contextops") == {"attempts": 1, "complete": True}
    assert response == document


def test_one_document_can_be_cut_by_a_limit():
    answer = Completion(PLENTY)
    answer.add_document(completion("Hello", finish="length"))
    assert judged(answer) == 18
    assert judged(answer, allow_caller_limit=True) == 0


# Whatever a server says -------------------------------------------------------------------------

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
def test_any_events_are_an_answer_or_a_failure_of_ours(said: list[Any]):
    answer = Completion(PLENTY)
    pieces: list[Piece] = []
    failed = 0
    try:
        pieces.extend(answer.add_events(events(*said)))
    except ContextopsError as failure:
        failed = failure.status
    assert failed in (0, 8, 50)
    response = answer.response()
    strict_json.dumps(response).encode()
    first = [choice for choice in response["choices"] if choice["index"] == 0]
    assert texts(pieces) == "".join(choice["message"]["content"] or "" for choice in first)
    assert judged(answer) in ((18,) if failed else (0, 18))
    if failed:
        assert response["contextops"]["complete"] is False


@pytest.fixture
def ask(tmp_path: Path):
    """Give a client of a server, with nothing set but its address."""

    def ask(server: Server) -> Client:
        environ = {"HOME": str(tmp_path)}
        return Client(resolve({"base_url": server.url}, environ), note=lambda _: None)

    return ask


def outcome(client: Client) -> int:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    pieces: list[Piece] = []
    try:
        pieces.extend(client.chat(body))
    except ContextopsError as failure:
        return failure.status
    *_, done = pieces
    assert isinstance(done, Done)
    assert done.response["contextops"]["complete"] is True
    strict_json.dumps(done.response).encode()
    return 0


def test_any_document_is_an_answer_or_a_failure_of_ours(ask):
    said: list[Any] = []
    with Server(lambda _: json_answer(said[-1])) as server:
        client = ask(server)

        @given(CHAT | VALUES)
        @settings(max_examples=20)
        @example(completion("Hello"))
        @example({"choices": [{"message": {"content": 1, "tool_calls": [{"index": []}]}}]})
        @example({"choices": [{"message": {}}], "error": {"message": "x"}})
        @example({"data": []})
        def check(document: Any) -> None:
            said.append(document)
            assert outcome(client) in (0, 8, 18, 22, 50)

        check()


def test_any_stream_is_an_answer_or_a_failure_of_ours(ask):
    said: list[Any] = []
    with Server(lambda _: stream(*said[-1])) as server:
        client = ask(server)

        @given(st.lists(CHUNKS.map(strict_json.dumps) | st.binary(max_size=20), max_size=3))
        @settings(max_examples=20)
        def check(parts: list[str | bytes]) -> None:
            said.append(parts)
            assert outcome(client) in (0, 8, 18, 22, 50)

        check()


@pytest.mark.parametrize("end", [CLOSE, HOLD])
def test_an_end_without_a_line_end_is_one(tmp_path: Path, end: Step):
    said = stream(chunk("Hello"), b"data: [DONE]", end, end=False)
    with Server(said) as server:
        typed = {"base_url": server.url, "idle_timeout": "0.1"}
        client = Client(resolve(typed, {"HOME": str(tmp_path)}), note=lambda _: None)
        assert outcome(client) == 0


MODELS = values("data", "id", "object", "created", "owned_by", "error", "detail", texts=("m",))


def test_any_list_of_models_is_one_or_a_failure_of_ours(ask):
    said: list[Any] = []
    with Server(lambda _: json_answer(said[-1])) as server:
        client = ask(server)

        @given(MODELS | st.lists(st.dictionaries(st.just("id"), st.text(max_size=2) | VALUES)))
        @settings(max_examples=20)
        @example({"data": [{"id": "a"}, {"id": "b", "x": 1}, {"id": "a"}]})
        @example({"data": None})
        @example([])
        def check(document: Any) -> None:
            said.append(document)
            failed = 0
            models: list[dict[str, Any]] = []
            try:
                models = client.models()
            except ContextopsError as failure:
                failed = failure.status
            assert failed in (0, 8, 22, 50)
            if failed:
                return
            ids = [model["id"] for model in models]
            listed = document["data"] if isinstance(document, dict) else document
            assert ids == list(dict.fromkeys(entry["id"] for entry in listed))
            for model in models:
                assert {"id", "object", "created", "owned_by"} <= model.keys()

        check()
