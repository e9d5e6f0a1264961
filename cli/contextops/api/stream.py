"""The differences between vendors in an answer, read into one shape.

Servers follow OpenAI's chat completions, each with departures of its own. Every departure is dealt
with here, and nowhere else: how a stream differs from a document (``is_stream``), which events
belong to the answer and which report an error (``read_chunks``), under which names text and
reasoning come (``read_deltas``), which parts make one tool call (``ToolCallBuilder``), and which
finish reasons mean that the answer is truncated (``TRUNCATION_REASONS``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from contextops import strict_json
from contextops.api.error_responses import error_in_document, server_message
from contextops.api.sse import Event
from contextops.errors import BadResponseError, ServerError, TooLargeError

MAX_ITEMS = 10_000
"""Choices in an answer, and tool calls in a choice.

An empty one is two bytes on the wire and a thousand in memory.
"""

TRUNCATION_REASONS: Mapping[str, tuple[str, str]] = {
    "length": ("the token limit was reached", "allow more with --max-tokens"),
    "content_filter": ("the provider's content filter stopped it", "rephrase the prompt"),
}
"""Finish reasons that mean that the answer is truncated, each with the why and the remedy."""

# The longest name of a field in an event stream, with its colon and space: so many bytes show
# whether a body is a stream, wherever it was split on its way.
_LONGEST_FIELD = len(b"retry: ")

# Digits of a tool call's index. Python refuses to convert a number of 5,000 digits.
_MAX_INDEX_DIGITS = 9


class Text(NamedTuple):
    """The next part of the answer's text."""

    content: str


class Reasoning(NamedTuple):
    """The next part of what the model thought before it answered."""

    content: str


class ToolCall(NamedTuple):
    """The next part of a tool call, as the server sent it (``index``, ``id``, ``function``)."""

    delta: Mapping[str, Any]


class Done(NamedTuple):
    """The end of a complete answer. ``response`` is a ``chat.completion`` object."""

    response: dict[str, Any]


Piece = Text | Reasoning | ToolCall | Done


class Delta(NamedTuple):
    """What one chunk, or a whole document, adds to one choice."""

    choice_index: int
    text: str
    reasoning: str
    calls: list[dict[str, Any]]
    finish_reason: str
    is_refusal: bool


# Streams and documents ------------------------------------------------------------------------


def first_bytes(blocks: Iterator[bytes]) -> bytes:
    """Return the start of a body, with enough of it for ``is_stream``; empty if the body is."""
    start = b""
    for block in blocks:
        start += block
        if len(start.strip()) >= _LONGEST_FIELD:
            break
    return start


def is_stream(content_type: str, start: bytes) -> bool:
    """Return whether a body that begins with ``start`` is an event stream, not a JSON document.

    The body has the last word: servers stream what was not asked to be streamed, and Open WebUI
    0.6.43 sends an error as bare JSON with the content type of a stream.
    """
    first = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if first.startswith((b"data:", b":", b"event:", b"id:", b"retry:")):
        return True
    is_document = first.startswith((b"{", b"[", b'"', b"null"))
    return content_type == "text/event-stream" and not is_document


def require_completion(document: Any, status: int) -> None:
    """Raise what a document stands for if it is not a ``chat.completion`` object."""
    choices = document.get("choices") if isinstance(document, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, dict) or not isinstance(first.get("message"), dict):
        raise error_in_document(document, status)


# Events -> chunks -> deltas -------------------------------------------------------------------


def read_chunks(events: Iterable[Event], *, at_end: bool) -> Iterator[dict[str, Any] | None]:
    """Yield the JSON object of each event, and None for the ``[DONE]`` that ends a stream.

    ``at_end`` says that the stream has ended, so that the last event may be incomplete. Events
    that are not objects are skipped.

    Raises:
        BadResponseError: An event is not JSON.
    """
    for event in events:
        data = event.data.strip()
        if data == "[DONE]":
            yield None
        elif data:
            try:
                chunk = strict_json.loads(data)
            except ValueError as error:
                if at_end:
                    return
                raise BadResponseError(
                    "the stream contains an event that is not JSON", str(error), "check the server"
                ) from None
            if isinstance(chunk, dict):
                yield chunk


def read_deltas(chunk: Mapping[str, Any]) -> list[Delta]:
    """Return what a chunk, or a ``chat.completion`` document, adds to each choice.

    Chunks without ``choices`` (sources, statuses, pings) add nothing.

    Raises:
        ServerError: The chunk reports an error.
    """
    if error := chunk.get("error"):
        raise ServerError(
            "the server failed while answering",
            server_message(strict_json.dumps({"error": error}).encode()),
            "try again",
        )
    deltas: list[Delta] = []
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if not isinstance(choice, dict):
            continue
        index = choice.get("index")
        reason = choice.get("finish_reason")
        delta = choice.get("delta") or choice.get("message")
        text = reasoning = ""
        is_refusal = False
        calls: list[dict[str, Any]] = []
        if isinstance(delta, dict):
            # One of these is in each of 100,000 deltas, and the others in none: what is absent
            # costs one look.
            if thought := delta.get("reasoning_content") or delta.get("reasoning"):
                reasoning = content_text(thought)
            if content := delta.get("content"):
                text = content_text(content)
            elif refusal := delta.get("refusal"):
                text = content_text(refusal)
                is_refusal = True
            if delta.get("tool_calls") or delta.get("function_call"):
                calls = read_calls(delta)
        deltas.append(
            Delta(
                index if isinstance(index, int) else 0,
                text,
                reasoning,
                calls,
                reason if isinstance(reason, str) else "",
                is_refusal,
            )
        )
    return deltas


def content_text(content: Any) -> str:
    """Return the text of a ``content``: a string, or a list of parts of which some are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(content_text(part.get("text")) for part in content if isinstance(part, dict))
    return ""


# Tool calls -----------------------------------------------------------------------------------


def read_calls(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tool calls of a message, or the parts of them in a delta.

    ``function_call`` is what the API had before ``tool_calls``: one call, without an id.
    """
    calls = message.get("tool_calls")
    parts = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    legacy = message.get("function_call")
    if not parts and isinstance(legacy, dict) and any(legacy.values()):
        return [{"index": 0, "function": legacy}]
    return parts


class ToolCallBuilder:
    """Builds the tool calls of one choice from their parts."""

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def __len__(self) -> int:
        """Return the number of calls so far."""
        return len(self._calls)

    def add(self, part: Mapping[str, Any]) -> None:
        """Add a part to the call with its index, or to the last call if it has none.

        Another id starts another call only if a name comes with it: some servers use one index
        for all calls, and others give each part an id of its own.

        Raises:
            TooLargeError: There are more than ``MAX_ITEMS`` calls.
        """
        index, call_id = _index(part.get("index")), part.get("id")
        last = self._calls[-1] if self._calls else None
        call = last if index is None else self._by_index.get(index)
        if call is not None and _function(part).get("name"):
            is_another = call_id != call.id if call_id and call.id else index is None
            call = None if is_another else call
        if call is None:
            call = self._start()
        if index is not None:
            self._by_index[index] = call
        call.add(part)

    def add_complete(self, call: Mapping[str, Any]) -> None:
        """Add a call that is complete, as in a document."""
        self._start().add(call)

    def build(self) -> list[dict[str, Any]]:
        """Return the calls in OpenAI's shape, each with an id, which its result has to name."""
        calls = [call.to_json() for call in self._calls]
        used = {call["id"] for call in calls if isinstance(call["id"], str)}
        free = (name for number in itertools.count(1) if (name := f"call_{number}") not in used)
        for call in calls:
            if not call["id"] or not isinstance(call["id"], str):
                call["id"] = next(free)
        return calls

    def _start(self) -> _Call:
        require_few(len(self._calls), "tool calls")
        call = _Call()
        self._calls.append(call)
        return call


class _Call:
    """One tool call. Its parts are joined once, when it is asked for."""

    def __init__(self) -> None:
        self.id: Any = None
        self._name: list[str] = []
        self._arguments: list[str] = []

    def add(self, part: Mapping[str, Any]) -> None:
        self.id = self.id or part.get("id")
        function = _function(part)
        name, arguments = _call_text(function.get("name")), _call_text(function.get("arguments"))
        # Some servers repeat the whole name with each part.
        if name and self._name != [name]:
            self._name.append(name)
        if arguments:
            self._arguments.append(arguments)

    def to_json(self) -> dict[str, Any]:
        """Return the call in OpenAI's shape, in which no arguments are an empty object."""
        arguments = "".join(self._arguments)
        function = {
            "name": "".join(self._name),
            "arguments": arguments if arguments.strip() else "{}",
        }
        return {"id": self.id, "type": "function", "function": function}


def require_few(count: int, what: str) -> None:
    """Raise ``TooLargeError`` if there are ``MAX_ITEMS`` of something before another is added."""
    if count >= MAX_ITEMS:
        raise TooLargeError(
            f"the answer has too many {what}", f"more than {MAX_ITEMS}", "ask for fewer"
        )


def _function(part: Mapping[str, Any]) -> Mapping[str, Any]:
    function = part.get("function")
    return function if isinstance(function, dict) else {}


def _call_text(value: Any) -> str:
    """Return a name or arguments as text; some servers send arguments as an object."""
    if isinstance(value, dict):
        return strict_json.dumps(value)
    return value if isinstance(value, str) else ""


def _index(value: Any) -> int | None:
    """Return the index of a call: a number, which some servers send as text."""
    if isinstance(value, str) and len(value) <= _MAX_INDEX_DIGITS and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else None
