"""A completion put together from what the server sends, and whether it is complete.

An answer is complete with a ``finish_reason`` or by ``[DONE]``. A server that was interrupted, or
whose provider was, sends neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from contextops import strict_json
from contextops.api.error_responses import error_in_document
from contextops.api.responses import (
    content_type_of,
    parse_json,
    read_body,
    require_api_response,
)
from contextops.api.sse import Event, Parser
from contextops.api.stream import (
    TRUNCATION_REASONS,
    Delta,
    Piece,
    Reasoning,
    Text,
    ToolCall,
    ToolCallBuilder,
    content_text,
    first_bytes,
    is_stream,
    read_calls,
    read_chunks,
    read_deltas,
    require_completion,
    require_few,
)
from contextops.errors import (
    BadResponseError,
    ContextopsError,
    ServerError,
    TimedOutError,
    TooLargeError,
    TruncatedError,
)

if TYPE_CHECKING:
    from contextops.api.timeouts import Deadlines

    # Loads httpx.
    from contextops.api.transport import Response
    from contextops.config import Profile

_HEAD = ("id", "created", "model")
_EXTRAS = frozenset({"usage", "sources", "selected_model_id", "system_fingerprint"})


class _Choice:
    """One of the answers to a request. Texts are UTF-8, so that 64 MB take 64 MB of memory."""

    def __init__(self) -> None:
        self.text = bytearray()
        self.is_refusal = False
        self.reasoning = bytearray()
        self.calls = ToolCallBuilder()
        self.finish_reason = ""

    def to_json(self, index: int) -> dict[str, Any]:
        """Return the choice as an entry of ``choices``."""
        text = self.text.decode()
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if self.calls and not text else text,
        }
        if self.reasoning:
            message["reasoning_content"] = self.reasoning.decode()
        if self.is_refusal:
            message["refusal"] = text
        if self.calls:
            message["tool_calls"] = self.calls.build()
        return {"index": index, "message": message, "finish_reason": self.finish_reason or None}


class Completion:
    """One answer, put together from events or from a document.

    It holds at most ``max_answer`` bytes of text, reasoning and tool calls.
    """

    def __init__(self, max_answer: int) -> None:
        self._max_answer = max_answer
        self._size = 0
        self._head: dict[str, Any] = {}
        self._extras: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._document: dict[str, Any] = {}
        self._failed = False
        self._is_truncated = False
        self.is_done = False
        """Whether ``[DONE]`` or a document came, after which nothing counts."""

    @property
    def is_finished(self) -> bool:
        """Whether there is a choice, and each has a finish reason."""
        choices = self._choices.values()
        return bool(choices) and all(choice.finish_reason for choice in choices)

    @property
    def is_complete(self) -> bool:
        """Whether the answer came to its end without an error; a limit may have ended it."""
        return not self._failed and (self.is_done or self.is_finished)

    def add_events(self, events: Iterable[Event], *, at_end: bool = False) -> Iterator[Piece]:
        """Add events and yield the pieces in them, consecutive texts joined into one.

        ``at_end`` says that the stream has ended, so that the last event may be incomplete. An
        error is raised after the pieces before it.

        Raises:
            ServerError: An event reports an error.
            BadResponseError: An event is not JSON.
            TooLargeError: The answer is larger than ``max_answer``.
        """
        if self.is_done:
            return
        pieces: list[Piece] = []
        try:
            for chunk in read_chunks(events, at_end=at_end):
                if chunk is None:
                    self.is_done = True
                    break
                self._add_chunk(chunk, pieces)
        except ContextopsError:
            self._failed = True
            yield from pieces
            raise
        yield from pieces

    def add_document(self, document: dict[str, Any]) -> list[Piece]:
        """Add an answer that came as one document, a ``chat.completion`` object.

        The same errors are raised as by ``add_events``.
        """
        pieces: list[Piece] = []
        self._add_chunk(document, pieces)
        self._document = document
        # A JSON document that is truncated is not JSON, so this one is complete.
        self.is_done = True
        return pieces

    def response(self, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return what has come so far as a ``chat.completion`` object.

        ``metadata`` is added under the key ``contextops``, together with ``complete``. A document
        is returned as it came, except that its tool calls have the shape of streamed ones.
        """
        response: dict[str, Any] = {
            "id": self._head.get("id"),
            "object": "chat.completion",
            "created": self._head.get("created"),
            "model": self._head.get("model"),
            "choices": [self._choices[index].to_json(index) for index in sorted(self._choices)],
            **self._extras,
            **self._document,
        }
        if self._document:
            choices = self._document.get("choices") or ()
            response["choices"] = [
                _with_uniform_calls(choice) for choice in choices if isinstance(choice, dict)
            ]
        is_complete = self.is_complete and not self._is_truncated
        response["contextops"] = {**(metadata or {}), "complete": is_complete}
        return response

    def require_complete(self, *, allow_caller_limit: bool, allow_truncated: bool) -> None:
        """Raise ``TruncatedError`` if the answer is incomplete and that is not allowed.

        ``allow_caller_limit`` allows a token limit, because the caller set it. Truncated tool
        calls are never allowed: what is executed must be complete.
        """
        if not self.is_complete:
            raise TruncatedError(
                "the answer is truncated", "the stream ended without a finish reason", "try again"
            )
        for choice in self._choices.values():
            reason = choice.finish_reason
            is_allowed = allow_truncated or (reason == "length" and allow_caller_limit)
            if reason in TRUNCATION_REASONS and (choice.calls or not is_allowed):
                self._is_truncated = True
                raise TruncatedError(
                    f"the answer is truncated ({reason})", *TRUNCATION_REASONS[reason]
                )

    def _add_chunk(self, chunk: dict[str, Any], pieces: list[Piece]) -> None:
        deltas = read_deltas(chunk)
        if len(self._head) < len(_HEAD):
            for name in _HEAD:
                if name not in self._head and chunk.get(name) is not None:
                    self._head[name] = chunk[name]
        if not _EXTRAS.isdisjoint(chunk):
            present = _EXTRAS.intersection(chunk)
            self._extras |= {name: chunk[name] for name in present if chunk[name] is not None}
        for delta in deltas:
            choice = self._choices.get(delta.choice_index)
            if choice is None:
                require_few(len(self._choices), "choices")
                choice = self._choices[delta.choice_index] = _Choice()
            # Only the first choice is shown; the others are in the response.
            self._add_delta(choice, delta, pieces if delta.choice_index == 0 else [])

    def _add_delta(self, choice: _Choice, delta: Delta, pieces: list[Piece]) -> None:
        _, text, reasoning, calls, finish_reason, is_refusal = delta
        if reasoning:
            data = reasoning.encode()
            self._count(len(data))
            choice.reasoning += data
            if pieces and isinstance(last := pieces[-1], Reasoning):
                reasoning = last.content + reasoning
                pieces.pop()
            pieces.append(Reasoning(reasoning))
        if text:
            choice.is_refusal = choice.is_refusal or is_refusal
            data = text.encode()
            self._count(len(data))
            choice.text += data
            if pieces and isinstance(last := pieces[-1], Text):
                text = last.content + text
                pieces.pop()
            pieces.append(Text(text))
        for part in calls:
            choice.calls.add(part)
            self._count(len(strict_json.dumps(part)))
            pieces.append(ToolCall(part))
        if finish_reason:
            choice.finish_reason = finish_reason

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._max_answer:
            raise TooLargeError(
                "the answer is too long",
                f"more than {self._max_answer} bytes of text",
                "raise max_answer",
            )


def _with_uniform_calls(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return a choice of a document with its tool calls in the shape of streamed ones."""
    message = choice.get("message")
    if not isinstance(message, dict):
        return dict(choice)
    calls = ToolCallBuilder()
    for call in read_calls(message):
        calls.add_complete(call)
    message = {
        name: value
        for name, value in message.items()
        if name not in ("tool_calls", "function_call")
    }
    if calls:
        message["tool_calls"] = calls.build()
    return {**choice, "message": message}


# Reading it from a response -------------------------------------------------------------------


def read_completion(
    response: Response,
    url: str,
    completion: Completion,
    deadlines: Deadlines,
    profile: Profile,
) -> Iterator[Piece]:
    """Read a response into ``completion``, and yield the pieces as they come.

    What counts is whether a stream or a document came, not which was asked for.
    """
    require_api_response(response, url)
    blocks = response.blocks()
    start = first_bytes(blocks)
    if not start.strip():
        raise BadResponseError(f"{url} answered with nothing", f"status {response.status}, no body")
    if is_stream(content_type_of(response), start):
        parser = Parser(profile.max_event)
        yield from _read_stream(start, blocks, parser, completion, deadlines)
        return
    document = parse_json(read_body(response, profile.max_body, start), url)
    require_completion(document, response.status)
    try:
        yield from completion.add_document(document)
    except ServerError:
        raise error_in_document(document, response.status) from None


def _read_stream(
    start: bytes,
    blocks: Iterator[bytes],
    parser: Parser,
    completion: Completion,
    deadlines: Deadlines,
) -> Iterator[Piece]:
    block: bytes | None = start
    while block is not None and not completion.is_done:
        yield from completion.add_events(parser.feed(block))
        if completion.is_complete:
            deadlines.completed()
        try:
            block = None if completion.is_done else next(blocks, None)
        except (TimedOutError, TruncatedError, BadResponseError):
            # Some servers end with "data: [DONE]" and no line end.
            yield from completion.add_events(parser.close(), at_end=True)
            if completion.is_complete:
                return
            raise
    yield from completion.add_events(parser.close(), at_end=True)


# Reading a response object --------------------------------------------------------------------


def tool_calls_of(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the tool calls of a choice of a response that ``Completion`` built."""
    message = choice.get("message")
    calls: list[dict[str, Any]] = message.get("tool_calls", []) if isinstance(message, dict) else []
    return calls


def text_of_choice(choice: Mapping[str, Any]) -> str:
    """Return the text of a choice; a refusal is text, too."""
    message = choice.get("message")
    if not isinstance(message, dict):
        return ""
    return content_text(message.get("content") or message.get("refusal"))


def is_refusal(choice: Mapping[str, Any]) -> bool:
    """Return whether a choice is the model's refusal to answer."""
    message = choice.get("message")
    return isinstance(message, dict) and bool(content_text(message.get("refusal")))


def usage_line(response: Mapping[str, Any]) -> str:
    """Return one line with the tokens that an answer took, if the server reported them."""
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return "usage: not reported by the server"
    counts = ((name, usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    listed = ", ".join(f"{name} {count}" for name, count in counts if count is not None)
    seconds = response["contextops"]["total_ms"] / 1000
    return f"usage: {listed} tokens in {seconds:.1f} s"
