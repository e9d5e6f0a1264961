"""Events in, pieces of an answer out, and the proof that it is complete.

An answer is proved by a ``finish_reason`` or by ``[DONE]``; a server that was cut off, or whose
provider was, gives neither. The shapes are those of OpenAI's chat completions; what carries no
``choices`` (sources, statuses, pings) is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, NamedTuple

from contextops import jsontext
from contextops.errors import BadResponse, Failure, ServerFailure, TooLarge, Truncated
from contextops.refusal import words
from contextops.sse import Event


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
    """The whole answer, proved; always last. ``response`` is a ``chat.completion`` object."""

    response: dict[str, Any]


Piece = Text | Reasoning | ToolCall | Done

_CUT_BY = {
    "length": ("it reached its limit of tokens", "allow more with --max-tokens"),
    "content_filter": ("the provider's content filter stopped it", "rephrase the prompt"),
}

# Choices, and calls in one of them: an empty one is two bytes on the wire, and a thousand here.
_MOST = 10_000


class _Call:
    """One tool call; its parts are joined when it is asked for, once."""

    def __init__(self, name: Any) -> None:
        self.id = name
        self.name: list[str] = []
        self.arguments: list[str] = []

    def whole(self) -> dict[str, Any]:
        """Give the call in OpenAI's form."""
        function = {"name": "".join(self.name), "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": function}


class _Choice:
    """One of the answers that were asked for; texts are UTF-8, to hold a long one in its size."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.reasoning = bytearray()
        self.calls: list[_Call] = []
        self.slots: dict[int, _Call] = {}
        self.finish_reason: str | None = None


class Answer:
    """Put one answer together from what came.

    Keeps no more than ``max_answer`` bytes of it; raises ``TooLarge`` beyond.
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
    def is_proved(self) -> bool:
        """Tell whether the answer is complete; none is that brought an error."""
        choices = self._choices.values()
        finished = bool(choices) and all(choice.finish_reason for choice in choices)
        return not self._failed and (self.done or finished)

    def take(self, events: Iterable[Event], *, at_end: bool = False) -> Iterator[Piece]:
        """Take events and give the pieces in them, texts that follow each other in one.

        ``at_end``: the last event may be cut, which is not the server's fault. Raises
        ``ServerFailure`` for an error event and ``BadResponse`` for what is no JSON, after the
        pieces before it.
        """
        pieces: list[Piece] = []
        try:
            self._take_events(events, pieces, at_end=at_end)
        except Failure:
            self._failed = True
            yield from pieces
            raise
        yield from pieces

    def _take_events(self, events: Iterable[Event], pieces: list[Piece], *, at_end: bool) -> None:
        for event in events:
            if self.done:
                break
            if event.data.strip() == "[DONE]":
                self.done = True
            elif event.data.strip():
                try:
                    value = jsontext.loads(event.data)
                except ValueError as error:
                    if at_end:
                        break
                    raise BadResponse(
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
        """Give what has come so far as a ``chat.completion`` object, ``about`` under our name."""
        return {
            "id": self._head.get("id"),
            "object": "chat.completion",
            "created": self._head.get("created"),
            "model": self._head.get("model"),
            "choices": [_choice(index, self._choices[index]) for index in sorted(self._choices)],
            **self._extras,
            # What came in one document is given as it came.
            **self._document,
            "contextops": {**(about or {}), "complete": self.is_proved and not self._is_cut},
        }

    def require_whole(self, *, limit_is_callers: bool, allow_truncated: bool) -> None:
        """Raise ``Truncated`` where there is more that did not come, unless that was wanted."""
        if not self.is_proved:
            raise Truncated(
                "the answer was cut off",
                "the stream ended without saying that it was over",
                "try again",
            )
        if allow_truncated:
            return
        for reason in (choice.finish_reason for choice in self._choices.values()):
            if reason in _CUT_BY and not (reason == "length" and limit_is_callers):
                self._is_cut = True
                raise Truncated(f"the answer is not whole ({reason})", *_CUT_BY[reason])

    def _take_chunk(self, chunk: dict[str, Any], pieces: list[Piece]) -> None:
        error = chunk.get("error")
        if error:
            raise ServerFailure(
                "the server failed while it answered",
                words(jsontext.dumps({"error": error}).encode()),
                "try again",
            )
        for name in ("id", "created", "model"):
            if name not in self._head and chunk.get(name) is not None:
                self._head[name] = chunk[name]
        for name in ("usage", "sources", "selected_model_id", "system_fingerprint"):
            if chunk.get(name) is not None:
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
        thought = _text(delta.get("reasoning_content") or delta.get("reasoning"))
        if thought:
            self._grow(kept.reasoning, thought)
            _append(pieces, Reasoning(thought))
        text = _text(delta.get("content") or delta.get("refusal"))
        if text:
            self._grow(kept.text, text)
            _append(pieces, Text(text))
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                self._take_call(kept, call)
                pieces.append(ToolCall(call))

    def _take_call(self, kept: _Choice, call: dict[str, Any]) -> None:
        """Add a piece to its call: by index, but another id under one index is another call."""
        index, name = call.get("index"), call.get("id")
        if not isinstance(index, int):
            index = len(kept.calls)
        known = kept.slots.get(index)
        if known is None or (name and known.id and name != known.id):
            _require_few(kept.calls, "tool calls")
            known = kept.slots[index] = _Call(name)
            kept.calls.append(known)
        known.id = known.id or name
        function = call.get("function")
        if isinstance(function, dict):
            known.name.append(_part(function.get("name")))
            known.arguments.append(_part(function.get("arguments")))
        self._count(len(jsontext.dumps(call)))

    def _grow(self, kept: bytearray, text: str) -> None:
        data = text.encode()
        kept += data
        self._count(len(data))

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._max_answer:
            raise TooLarge(
                "the answer is too long",
                f"more than {self._max_answer} bytes of text",
                "raise max_answer if you want it",
            )


def _require_few(kept: Sized, what: str) -> None:
    if len(kept) >= _MOST:
        raise TooLarge(f"the answer has too many {what}", f"more than {_MOST}", "ask for fewer")


def _text(content: Any) -> str:
    """Give the words of a ``content``: a string, or parts of which some are text."""
    if isinstance(content, list):
        return "".join(_text(part.get("text")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _part(value: Any) -> str:
    """Give a piece of a call: text, though some servers send arguments as an object."""
    if isinstance(value, dict):
        return jsontext.dumps(value)
    return value if isinstance(value, str) else ""


def calls_in(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give the tool calls of a choice in one form, however they came."""
    said = choice.get("message")
    calls = said.get("tool_calls") if isinstance(said, dict) else None
    return [_called(call) for call in calls or () if isinstance(call, dict)]


def _called(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    told = function if isinstance(function, dict) else {}
    parts = {part: _part(told.get(part)) for part in ("name", "arguments")}
    return {"id": call.get("id"), "type": "function", "function": parts}


def text_in(choice: Mapping[str, Any]) -> str:
    """Give the words of a choice."""
    said = choice.get("message")
    told = said if isinstance(said, dict) else {}
    return _text(told.get("content") or told.get("refusal"))


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
    if choice.calls:
        message["tool_calls"] = [call.whole() for call in choice.calls]
    return {"index": index, "message": message, "finish_reason": choice.finish_reason}
