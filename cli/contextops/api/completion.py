"""Events in, pieces of an answer out, and the proof that it is complete.

An answer is complete with a ``finish_reason`` or by ``[DONE]``; a server that was cut off, or whose
provider was, gives neither. The shapes are those of OpenAI's chat completions; what carries no
``choices`` (sources, statuses, pings) is passed over.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, NamedTuple

from contextops import strict_json
from contextops.api.error_responses import error_words
from contextops.api.sse import Event
from contextops.errors import (
    BadResponseError,
    ContextopsError,
    ServerError,
    TooLargeError,
    TruncatedError,
)


class Text(NamedTuple):
    """The next words of the answer."""

    content: str


class Reasoning(NamedTuple):
    """The next words of what the model thought before it answered."""

    content: str


class ToolCall(NamedTuple):
    """The next piece of a tool call, as the server sent it (``index``, ``id``, ``function``)."""

    delta: Mapping[str, Any]


class Done(NamedTuple):
    """The complete answer; always last. ``response`` is a ``chat.completion`` object."""

    response: dict[str, Any]


Piece = Text | Reasoning | ToolCall | Done

_CUT_BY = {
    "length": ("it reached its limit of tokens", "allow more with --max-tokens"),
    "content_filter": ("the provider's content filter stopped it", "rephrase the prompt"),
}

# Choices, and calls in one of them: an empty one is two bytes on the wire, and a thousand here.
_MOST = 10_000
_HEAD = ("id", "created", "model")
_EXTRAS = frozenset({"usage", "sources", "selected_model_id", "system_fingerprint"})
# Digits of an index, more than any of so many has.
_LONGEST_INDEX = 10


class _Call:
    """One tool call; its parts are joined when it is asked for, once."""

    def __init__(self) -> None:
        self.id: Any = None
        self._name: list[str] = []
        self._arguments: list[str] = []

    def add(self, piece: Mapping[str, Any]) -> None:
        """Add a piece; there are servers that send the whole name with each."""
        self.id = self.id or piece.get("id")
        name, arguments = (_part(_function(piece).get(part)) for part in ("name", "arguments"))
        if name and self._name != [name]:
            self._name.append(name)
        if arguments:
            self._arguments.append(arguments)

    def whole(self) -> dict[str, Any]:
        """Give the call in OpenAI's form, in which no arguments are an empty object."""
        arguments = "".join(self._arguments)
        function = {
            "name": "".join(self._name),
            "arguments": arguments if arguments.strip() else "{}",
        }
        return {"id": self.id, "type": "function", "function": function}


class _Choice:
    """One of the answers that were asked for; texts are UTF-8, to hold a long one in its size."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.is_refusal = False
        self.reasoning = bytearray()
        self.calls: list[_Call] = []
        self.slots: dict[int, _Call] = {}
        self.finish_reason: str | None = None


class Answer:
    """Put one answer together from what came.

    Keeps no more than ``max_answer`` bytes of it; raises ``TooLargeError`` beyond.
    """

    def __init__(self, max_answer: int) -> None:
        self._max_answer = max_answer
        self._size = 0
        self._head: dict[str, Any] = {}
        self._extras: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._document: dict[str, Any] = {}
        self._failed = False
        self._is_cut = False
        self.done = False

    @property
    def is_finished(self) -> bool:
        """Tell whether there is a choice, and every one has said why it ended."""
        choices = self._choices.values()
        return bool(choices) and all(choice.finish_reason for choice in choices)

    @property
    def is_complete(self) -> bool:
        """Tell whether the answer is complete; none is that brought an error."""
        return not self._failed and (self.done or self.is_finished)

    def take(self, events: Iterable[Event], *, at_end: bool = False) -> Iterator[Piece]:
        """Take events and give the pieces in them, texts that follow each other in one.

        ``at_end``: the last event may be cut, which is not the server's fault. Raises
        ``ServerError`` for an error event and ``BadResponseError`` for what is no JSON, after the
        pieces before it.
        """
        pieces: list[Piece] = []
        try:
            self._take_events(events, pieces, at_end=at_end)
        except ContextopsError:
            self._failed = True
            yield from pieces
            raise
        yield from pieces

    def _take_events(self, events: Iterable[Event], pieces: list[Piece], *, at_end: bool) -> None:
        for event in events:
            if self.done:
                break
            data = event.data.strip()
            if data == "[DONE]":
                self.done = True
            elif data:
                try:
                    value = strict_json.loads(data)
                except ValueError as error:
                    if at_end:
                        break
                    raise BadResponseError(
                        "the stream has an event that is no JSON", str(error), "see its server"
                    ) from None
                if isinstance(value, dict):
                    self._take_chunk(value, pieces)

    def take_document(self, document: dict[str, Any]) -> list[Piece]:
        """Take an answer that came in one JSON document, a ``chat.completion`` object."""
        pieces: list[Piece] = []
        self._take_chunk(document, pieces)
        self._document = document
        # JSON proves itself: cut anywhere, it is none.
        self.done = True
        return pieces

    def response(self, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Give what has come so far as a ``chat.completion`` object, ``about`` under our name.

        What came in one document is given as it came, but for its tool calls, which are in one
        form however they came.
        """
        choices = self._document.get("choices")
        said = [_normal(each) for each in choices or () if isinstance(each, dict)]
        return {
            "id": self._head.get("id"),
            "object": "chat.completion",
            "created": self._head.get("created"),
            "model": self._head.get("model"),
            "choices": [_choice(index, self._choices[index]) for index in sorted(self._choices)],
            **self._extras,
            **self._document,
            **({"choices": said} if said else {}),
            "contextops": {**(about or {}), "complete": self.is_complete and not self._is_cut},
        }

    def require_whole(self, *, limit_is_callers: bool, allow_truncated: bool) -> None:
        """Raise ``TruncatedError`` where there is more that did not come, unless that was wanted.

        Of tool calls it never is: a part of what is executed is not some of it.
        """
        if not self.is_complete:
            raise TruncatedError(
                "the answer was cut off",
                "the stream ended without saying that it was over",
                "try again",
            )
        for choice in self._choices.values():
            reason = choice.finish_reason
            wanted = allow_truncated or (reason == "length" and limit_is_callers)
            if reason in _CUT_BY and (choice.calls or not wanted):
                self._is_cut = True
                raise TruncatedError(f"the answer is not whole ({reason})", *_CUT_BY[reason])

    def _take_chunk(self, chunk: dict[str, Any], pieces: list[Piece]) -> None:
        error = chunk.get("error")
        if error:
            raise ServerError(
                "the server failed while it answered",
                error_words(strict_json.dumps({"error": error}).encode()),
                "try again",
            )
        for name in _HEAD:
            if name not in self._head and chunk.get(name) is not None:
                self._head[name] = chunk[name]
        for name in _EXTRAS.intersection(chunk):
            if chunk[name] is not None:
                self._extras[name] = chunk[name]
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                self._take_choice(choice, pieces)

    def _take_choice(self, choice: dict[str, Any], pieces: list[Piece]) -> None:
        index = choice.get("index")
        index = index if isinstance(index, int) else 0
        kept = self._choices.get(index)
        if kept is None:
            _require_few(self._choices, "choices")
            kept = self._choices[index] = _Choice()
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            self._take_delta(kept, delta, pieces if index == 0 else [])
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason:
            kept.finish_reason = reason

    def _take_delta(self, kept: _Choice, delta: dict[str, Any], pieces: list[Piece]) -> None:
        # One of these is in each of 100,000 deltas, and the others in none: they cost a look.
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if thought and (thought := _text(thought)):
            self._grow(kept.reasoning, thought)
            _append(pieces, Reasoning(thought))
        said = delta.get("content") or delta.get("refusal")
        if said and (text := _text(said)):
            kept.is_refusal = kept.is_refusal or not delta.get("content")
            self._grow(kept.text, text)
            _append(pieces, Text(text))
        if delta.get("tool_calls") or delta.get("function_call"):
            for call in _pieces_of_calls(delta):
                self._take_call(kept, call)
                pieces.append(ToolCall(call))

    def _take_call(self, kept: _Choice, call: dict[str, Any]) -> None:
        """Add a piece to its call: that of its index, or the last one.

        Another id begins another call only where a name comes with it: there are servers that
        give all calls one index, and others that give each piece an id of its own.
        """
        index, name = _index(call.get("index")), call.get("id")
        last = kept.calls[-1] if kept.calls else None
        known = last if index is None else kept.slots.get(index)
        if known is not None and _function(call).get("name"):
            is_other = name != known.id if name and known.id else index is None
            known = None if is_other else known
        if known is None:
            _require_few(kept.calls, "tool calls")
            known = _Call()
            kept.calls.append(known)
        if index is not None:
            kept.slots[index] = known
        known.add(call)
        self._count(len(strict_json.dumps(call)))

    def _grow(self, kept: bytearray, text: str) -> None:
        data = text.encode()
        self._count(len(data))
        kept += data

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._max_answer:
            raise TooLargeError(
                "the answer is too long",
                f"more than {self._max_answer} bytes of text",
                "raise max_answer if you want it",
            )


def _require_few(kept: Sized, what: str) -> None:
    if len(kept) >= _MOST:
        raise TooLargeError(
            f"the answer has too many {what}", f"more than {_MOST}", "ask for fewer"
        )


def _text(content: Any) -> str:
    """Give the words of a ``content``: a string, or parts of which some are text."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _part(value: Any) -> str:
    """Give a piece of a call: text, though some servers send arguments as an object."""
    if isinstance(value, dict):
        return strict_json.dumps(value)
    return value if isinstance(value, str) else ""


def _function(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function")
    return function if isinstance(function, dict) else {}


def _index(value: Any) -> int | None:
    """Give the index of a call: a number, which some servers send as text."""
    if isinstance(value, str) and len(value) < _LONGEST_INDEX and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def _pieces_of_calls(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the calls in a message, or the pieces of them in a delta.

    ``function_call`` is what the API had before it had ``tool_calls``: one, without an id.
    """
    calls = said.get("tool_calls")
    pieces = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    old = said.get("function_call")
    if not pieces and isinstance(old, dict) and any(old.values()):
        return [{"index": 0, "function": old}]
    return pieces


def _whole_calls(calls: Iterable[_Call]) -> list[dict[str, Any]]:
    """Give the calls, each with an id: its result must name one."""
    made = [call.whole() for call in calls]
    taken = {call["id"] for call in made if isinstance(call["id"], str)}
    free = (name for number in itertools.count(1) if (name := f"call_{number}") not in taken)
    for call in made:
        if not call["id"] or not isinstance(call["id"], str):
            call["id"] = next(free)
    return made


def _normal(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Give a choice of a document with its tool calls as a stream's are, without them if none."""
    said = choice.get("message")
    if not isinstance(said, dict):
        return dict(choice)
    calls = []
    for whole in _pieces_of_calls(said):
        call = _Call()
        call.add(whole)
        calls.append(call)
    message = {
        name: value for name, value in said.items() if name not in ("tool_calls", "function_call")
    }
    if calls:
        message["tool_calls"] = _whole_calls(calls)
    return {**choice, "message": message}


def tool_calls_of(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the tool calls of a choice of a response of ours."""
    said = choice.get("message")
    calls: list[dict[str, Any]] = said.get("tool_calls", []) if isinstance(said, dict) else []
    return calls


def text_of_choice(choice: Mapping[str, Any]) -> str:
    """Give the words of a choice."""
    said = choice.get("message")
    told = said if isinstance(said, dict) else {}
    return _text(told.get("content") or told.get("refusal"))


def is_refusal(choice: Mapping[str, Any]) -> bool:
    """Tell whether a choice is the model's refusal to answer."""
    said = choice.get("message")
    return isinstance(said, dict) and bool(_text(said.get("refusal")))


def usage_line(response: Mapping[str, Any]) -> str:
    """Say what an answer cost, as far as the server told."""
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return "usage: the server did not say"
    counts = ((name, usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    told = ", ".join(f"{name} {count}" for name, count in counts if count is not None)
    seconds = response["contextops"]["total_ms"] / 1000
    return f"usage: {told} tokens in {seconds:.1f} s"


def _append(pieces: list[Piece], piece: Text | Reasoning) -> None:
    last = pieces[-1] if pieces else None
    if isinstance(last, Text | Reasoning) and type(last) is type(piece):
        pieces[-1] = type(piece)(last.content + piece.content)
    else:
        pieces.append(piece)


def _choice(index: int, choice: _Choice) -> dict[str, Any]:
    text = choice.text.decode()
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if choice.calls and not text else text,
    }
    if choice.reasoning:
        message["reasoning_content"] = choice.reasoning.decode()
    if choice.is_refusal:
        message["refusal"] = text
    if choice.calls:
        message["tool_calls"] = _whole_calls(choice.calls)
    return {"index": index, "message": message, "finish_reason": choice.finish_reason}
