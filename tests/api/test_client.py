"""The client against a server that sends anything: an answer, or an error with an exit status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contextops import strict_json
from contextops.api.client import Client
from contextops.api.stream import Done, Piece
from contextops.config import resolve
from contextops.errors import ContextopsError
from json_values import VALUES, values
from server import CLOSE, HOLD, Server, Step
from shapes import chunk, completion, json_answer, stream

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


@pytest.fixture
def make_client(tmp_path: Path):
    """Return a function that makes a client of a server, with nothing set but its URL."""

    def make_client(server: Server) -> Client:
        environ = {"HOME": str(tmp_path)}
        return Client(resolve({"base_url": server.url}, environ), note=lambda _: None)

    return make_client


def outcome(client: Client) -> int:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    pieces: list[Piece] = []
    try:
        pieces.extend(client.chat(body))
    except ContextopsError as error:
        return error.status
    *_, done = pieces
    assert isinstance(done, Done)
    assert done.response["contextops"]["complete"] is True
    strict_json.dumps(done.response).encode()
    return 0


def test_any_document_gives_an_answer_or_a_contextops_error(make_client):
    sent: list[Any] = []
    with Server(lambda _: json_answer(sent[-1])) as server:
        client = make_client(server)

        @given(CHAT | VALUES)
        @settings(max_examples=20)
        @example(completion("Hello"))
        @example({"choices": [{"message": {"content": 1, "tool_calls": [{"index": []}]}}]})
        @example({"choices": [{"message": {}}], "error": {"message": "x"}})
        @example({"data": []})
        def check(document: Any) -> None:
            sent.append(document)
            assert outcome(client) in (0, 8, 18, 22, 50)

        check()


def test_any_stream_gives_an_answer_or_a_contextops_error(make_client):
    sent: list[Any] = []
    with Server(lambda _: stream(*sent[-1])) as server:
        client = make_client(server)

        @given(st.lists(CHUNKS.map(strict_json.dumps) | st.binary(max_size=20), max_size=3))
        @settings(max_examples=20)
        def check(parts: list[str | bytes]) -> None:
            sent.append(parts)
            assert outcome(client) in (0, 8, 18, 22, 50)

        check()


@pytest.mark.parametrize("end", [CLOSE, HOLD])
def test_done_without_line_end_completes_the_answer(tmp_path: Path, end: Step):
    sent = stream(chunk("Hello"), b"data: [DONE]", end, end=False)
    with Server(sent) as server:
        typed = {"base_url": server.url, "idle_timeout": "0.1"}
        client = Client(resolve(typed, {"HOME": str(tmp_path)}), note=lambda _: None)
        assert outcome(client) == 0


MODELS = values("data", "id", "object", "created", "owned_by", "error", "detail", texts=("m",))


def test_any_list_of_models_is_parsed_or_a_contextops_error(make_client):
    sent: list[Any] = []
    with Server(lambda _: json_answer(sent[-1])) as server:
        client = make_client(server)

        @given(MODELS | st.lists(st.dictionaries(st.just("id"), st.text(max_size=2) | VALUES)))
        @settings(max_examples=20)
        @example({"data": [{"id": "a"}, {"id": "b", "x": 1}, {"id": "a"}]})
        @example({"data": None})
        @example([])
        def check(document: Any) -> None:
            sent.append(document)
            failed = 0
            models: list[dict[str, Any]] = []
            try:
                models = client.models()
            except ContextopsError as error:
                failed = error.status
            assert failed in (0, 8, 22, 50)
            if failed:
                return
            ids = [model["id"] for model in models]
            listed = document["data"] if isinstance(document, dict) else document
            assert ids == list(dict.fromkeys(entry["id"] for entry in listed))
            for model in models:
                assert {"id", "object", "created", "owned_by"} <= model.keys()

        check()
