"""Answers in the shapes of real servers, and functions to build others.

``OpenWebUI`` answers as recorded from three of its versions with a fake provider behind them,
``LlamaCpp`` as llama.cpp's own server, ``Reference`` as the product's reference page says. Words
that begin with an exclamation mark in the prompt control the fake provider: ``!429`` makes it
answer with that status, ``!cut`` makes it end the stream early.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from server import CLOSE, Answer, Request, Step

KEY = "sk-5ca1ab1e0ddba11c0ffee0facade0b57"
"""A key in the format of Open WebUI; it must not appear in any output."""

CREATED = 1795343264
DONE = "[DONE]"
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 0},
}

JSON: TypeAlias = Any
Event: TypeAlias = dict[str, Any] | str | bytes
"""An event: a JSON value, the text of a ``data`` field, or bytes that are sent unchanged."""


# Parts of answers


def http(
    status: int, headers: Mapping[str, str | None] | None = None, body: bytes | str = b""
) -> bytes:
    """Return an HTTP response; its length is set unless ``headers`` has one, or None for it."""
    if isinstance(body, str):
        body = body.encode()
    fields = {name.lower(): value for name, value in (headers or {}).items()}
    if "transfer-encoding" not in fields:
        fields.setdefault("content-length", str(len(body)))
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def json_answer(
    value: JSON, status: int = 200, headers: Mapping[str, str | None] | None = None
) -> bytes:
    """Return a response with a JSON document, as Open WebUI sends it."""
    common = {"server": "uvicorn", "content-type": "application/json", "vary": "Origin"}
    return http(status, {**common, **(headers or {})}, compact(value))


def compact(value: JSON) -> str:
    """Return JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sse(*events: Event) -> bytes:
    """Return server-sent events."""
    return b"".join(
        event if isinstance(event, bytes) else f"data: {_text_of(event)}\n\n".encode()
        for event in events
    )


def _text_of(event: dict[str, Any] | str) -> str:
    return event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)


def chunked(*blocks: bytes, end: bool = True) -> bytes:
    """Return blocks in chunked transfer encoding."""
    frames = [b"%x\r\n%b\r\n" % (len(block), block) for block in blocks if block]
    return b"".join([*frames, b"0\r\n\r\n" if end else b""])


EVENT_STREAM = {
    "server": "uvicorn",
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-request-id": "up-123",
    "vary": "Origin",
    "transfer-encoding": "chunked",
}


def stream(
    *steps: Event | Step,
    headers: Mapping[str, str | None] = EVENT_STREAM,
    end: bool = True,
) -> list[Step]:
    """Return an answer of events, each in a chunk of its own; other steps may stand between."""
    framed: list[Step] = [http(200, headers)]
    for step in steps:
        event = isinstance(step, dict | str | bytes)
        framed.append(chunked(sse(step), end=False) if event else step)
    return [*framed, chunked(end=end)]


def chunk(
    content: str | None = None,
    *,
    finish: str | None = None,
    model: str = "ctx-small",
    **delta: JSON,
) -> dict[str, Any]:
    """Return one ``chat.completion.chunk``."""
    if content is not None:
        delta["content"] = content
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_head_of(model, "chat.completion.chunk"), "choices": [choice]}


def usage_chunk(model: str = "ctx-small") -> dict[str, Any]:
    """Return the chunk without choices that holds the usage."""
    return {**_head_of(model, "chat.completion.chunk"), "choices": [], "usage": USAGE}


def reply(
    text: str, *, finish: str = "stop", usage: bool = False, model: str = "ctx-small"
) -> list[Event]:
    """Return the events of a complete answer, one chunk for each word."""
    return [
        chunk("", role="assistant", model=model),
        *(chunk(word, model=model) for word in words(text)),
        chunk(finish=finish, model=model),
        *([usage_chunk(model)] if usage else []),
        DONE,
    ]


def words(text: str) -> list[str]:
    """Return the words of a text, each with the space that follows it."""
    *first, last = text.split(" ")
    return [*(f"{word} " for word in first), last]


def completion(
    text: str | None, *, finish: str = "stop", model: str = "ctx-small", **message: JSON
) -> dict[str, Any]:
    """Return a ``chat.completion``."""
    full_message = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": full_message, "logprobs": None, "finish_reason": finish}
    head = {**_head_of(model, "chat.completion"), "system_fingerprint": "fp_fake"}
    return {**head, "choices": [choice], "usage": USAGE}


def _head_of(model: str, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-fake1", "object": kind, "created": CREATED, "model": model}


def in_turn(*answers: Callable[[Request], Answer] | Answer) -> Callable[[Request], Answer]:
    """Return an answer function with one answer for each request; a further request fails."""
    remaining = list(answers)
    lock = threading.Lock()

    def answer(request: Request) -> Answer:
        with lock:
            assert remaining, f"unexpected request: {request.method} {request.target}"
            chosen = remaining.pop(0)
        return chosen(request) if callable(chosen) else chosen

    return answer


# Open WebUI

Version: TypeAlias = Literal["0.6.5", "0.6.43", "0.12.4"]
VERSIONS: tuple[Version, ...] = ("0.6.5", "0.6.43", "0.12.4")

_NOT_AUTHENTICATED = "Not authenticated"
_EXPIRED = "Your session has expired or the token is invalid. Please sign in again."
_KEYS_OFF = "Use of API key is not enabled in the environment."
_CONNECTION_LOST = "Open WebUI: Server Connection Error"
_CONTROLS = {
    *("session_id", "chat_id", "id", "parent_id", "user_message", "background_tasks"),
    *("params", "features", "files", "variables", "tool_ids", "model_item"),
}
_KINDS = {429: "rate_limit_exceeded", 401: "invalid_api_key", 500: "server_error"}
_RETRY_AFTER = {429: "7", 503: "7"}
_PLAIN = {
    "!text500": (500, "Internal Server Error (plain)"),
    "!html502": (502, "<html><h1>502 Bad Gateway</h1></html>"),
}
_CITIES = ("Zürich", "Oslo")


def detail(text: JSON, status: int, headers: Mapping[str, str | None] | None = None) -> bytes:
    """Return an error response of Open WebUI itself."""
    return json_answer({"detail": text}, status, headers)


def upstream_error(status: int) -> dict[str, Any]:
    """Return the error document of the fake provider."""
    kind = _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    text = f"upstream says {status}"
    return {"error": {"message": text, "type": kind, "param": None, "code": kind}}


SPA = http(
    200,
    {
        "server": "uvicorn",
        "content-type": "text/html; charset=utf-8",
        "accept-ranges": "bytes",
        "cache-control": "no-cache",
        "vary": "Accept-Encoding, Origin",
    },
    "<!doctype html>\n<html><head><title>Open WebUI</title></head><body></body></html>\n",
)
"""The page that Open WebUI sends for every unknown path."""


@dataclass(kw_only=True)
class OpenWebUI:
    """An answer function that behaves like Open WebUI.

    ``key`` is the accepted key; with None every request is accepted, with ``keys_enabled`` false
    none is. ``presets`` maps the id of a preset to that of its model. ``pipes`` are the ids of
    function models; their prompts are ``plain``, ``gen``, ``gen late``, ``boom``, ``dict``,
    ``evt`` and ``none``.
    """

    version: Version = field(default="0.12.4", kw_only=False)
    models: Sequence[str] = ("ctx-small", "ctx-large")
    key: str | None = KEY
    keys_enabled: bool = True
    presets: Mapping[str, str] = field(default_factory=dict)
    pipes: Sequence[str] = ()

    def __call__(self, request: Request) -> Answer:
        """Return the answer to a request."""
        if request.method == "HEAD":
            head, end, _ = self._get(request).partition(b"\r\n\r\n")
            return head + end
        if request.method == "GET":
            return self._get(request)
        if request.method == "POST" and request.path in self._chat_paths:
            return self._chat(request)
        return detail("Method Not Allowed", 405, {"allow": "GET, HEAD"})

    @property
    def _chat_paths(self) -> set[str]:
        return {"/api/chat/completions"} | (
            {"/api/v1/chat/completions"} if self._is_at_least("0.6.43") else set()
        )

    def _is_at_least(self, version: Version) -> bool:
        return VERSIONS.index(self.version) >= VERSIONS.index(version)

    def _get(self, request: Request) -> bytes:
        path = request.path
        if path == "/api/models" or (path == "/api/v1/models" and self._is_at_least("0.6.43")):
            return self._auth_error(request) or json_answer({"data": self._listing()})
        if path == "/api/v1/auths/":
            return self._auth_error(request) or self._whoami()
        if path in {"/health", "/health/db", "/ready"}:
            return json_answer({"status": True})
        if path == "/api/version":
            return json_answer({"version": self.version, "deployment_id": ""})
        if path == "/api/config":
            config = {"status": True, "name": "Open WebUI", "version": self.version}
            return json_answer({**config, "features": {"auth": True, "enable_websocket": True}})
        return SPA

    def _whoami(self) -> bytes:
        if self.version == "0.12.4":
            return detail("A human session is required.", 403)
        user = {"id": "9fbff9cf", "email": "a@example.org", "name": "A", "role": "admin"}
        return json_answer({**user, "token": "eyJ.secret.session", "token_type": "Bearer"})

    def _auth_error(self, request: Request) -> bytes | None:
        if self.key is None:
            return None
        scheme = request.headers.get("authorization", "").partition(" ")[0].lower()
        key = request.key
        if self.version == "0.12.4" and not scheme:
            key = request.headers.get("x-api-key")
        if key is None and scheme != "basic":
            return detail(_NOT_AUTHENTICATED, 401 if self._is_at_least("0.6.43") else 403)
        if key is None or not key.startswith("sk-"):
            return detail("401 Unauthorized", 401)
        if key != self.key:
            return detail(_EXPIRED, 401)
        return None if self.keys_enabled else detail(_KEYS_OFF, 403)

    def _listing(self) -> list[dict[str, Any]]:
        extras: dict[str, Any] = {"actions": [], "filters": [], "tags": []}
        if not self._is_at_least("0.6.43"):
            del extras["filters"]
        return [
            *({**_pipe_entry(name), **extras} for name in self.pipes),
            *({**_entry(name), **extras} for name in self.models),
            *({**_preset_entry(name, base), **extras} for name, base in self.presets.items()),
        ]

    def _chat(self, request: Request) -> Answer:
        body, problem = _parsed(request)
        if problem and problem["type"] == "json_invalid":
            return detail([problem], 422)
        if auth_error := self._auth_error(request):
            return auth_error
        if problem:
            return detail([problem], 422)
        if body.get("model") not in [*self.models, *self.presets, *self.pipes]:
            return detail("Model not found", 400)
        return self._answer(body)

    def _answer(self, body: dict[str, Any]) -> Answer:
        model = body["model"]
        if {"session_id", "chat_id", "id"} <= body.keys():
            ids = {"task_ids": ["2b15a7bc-0b32-4a8f-80c0-3f9c66da883c"]}
            return json_answer({"status": True, **ids, "chat_id": body["chat_id"]})
        messages = body.get("messages")
        if not messages or not isinstance(messages, list):
            return self._no_messages(body)
        if not all(isinstance(message, dict) and "role" in message for message in messages):
            return json_answer(None) if self.version == "0.6.43" else detail("'role'", 400)
        if model in self.pipes:
            return _pipe_answer(model, _prompt_of(body), streamed=body.get("stream") is True)
        return self._answer_of_provider(body, self.presets.get(model, model))

    def _no_messages(self, body: dict[str, Any]) -> bytes:
        if self.version == "0.6.43":
            return json_answer(None)
        if body.get("messages", []) != []:
            kind = type(body["messages"]).__name__
            return detail(f"'{kind}' object is not iterable", 400)
        if self.version == "0.6.5" and "messages" not in body:
            return detail("'messages'", 400)
        text = "[] is too short - 'messages'"
        error = {"message": text, "type": "invalid_request_error", "param": "messages"}
        return self._provider_status(400, {"error": {**error, "code": None}})

    # The provider behind it

    def _answer_of_provider(self, body: dict[str, Any], model: str) -> Answer:
        prompt = _prompt_of(body)
        directives = frozenset(re.findall(r"![\w=.]+", prompt))
        if error := self._provider_error(directives):
            return error
        streamed = body.get("stream") is True
        if directives & {"!json", "!sse"}:
            streamed = "!sse" in directives
        text = _result_of(body) or _text_for(prompt, directives, _forwarded(body, model))
        finish = next((reason for word, reason in _FINISHES.items() if word in directives), "stop")
        slow: list[Step] = [float(_number("slow", prompt))]
        tools = bool(body.get("tools")) and "!echo" not in directives and not _result_of(body)
        if not streamed:
            return [
                *slow,
                json_answer(_unstreamed_answer(text, finish, model, directives, tools=tools)),
            ]
        events: list[Event] = _tool_chunks(model) if tools else []
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        events = events or reply(text, finish=finish, usage=usage, model=model)
        if "!reason" in directives:
            events[1:1] = [chunk(reasoning_content=part) for part in ("thinking ", "hard")]
        return [*slow, *self._streamed(events, directives, _number("drip", prompt))]

    def _provider_error(self, directives: frozenset[str]) -> Answer | None:
        for word in directives:
            if re.fullmatch(r"!\d{3}", word):
                status = int(word[1:])
                return self._provider_status(status, upstream_error(status))
            if word in _PLAIN:
                return self._provider_status(*_PLAIN[word])
            if word in _FAILURES:
                return _FAILURES[word](self)
        return None

    def _rate_limited(self) -> Answer:
        error = {"error": {"message": "slow down", "type": "rate_limit_exceeded"}}
        if self.version == "0.12.4":
            return self._provider_status(429, error)
        return [http(200, EVENT_STREAM), chunked(compact(error).encode())]

    def _invalid_json(self) -> Answer:
        return json_answer('{"id": "x", "choices": [{"message": ')

    def _provider_status(self, status: int, body: dict[str, Any] | str) -> bytes:
        if self.version == "0.6.5":
            text = body if isinstance(body, str) else body["error"]["message"]
            return detail(f"{status}: {text}", 400)
        if isinstance(body, str):
            plain = {"server": "uvicorn", "content-type": "text/plain; charset=utf-8"}
            return http(status, {**plain, "vary": "Origin"}, body)
        retry_after = _RETRY_AFTER.get(status) if self.version == "0.12.4" else None
        return json_answer(body, status, {"retry-after": retry_after})

    def _connection_lost(self) -> bytes:
        if self.version == "0.6.43":
            return json_answer(None)
        if self.version == "0.6.5":
            return detail(f"500: {_CONNECTION_LOST}", 400)
        return detail(_CONNECTION_LOST, 500)

    def _streamed(self, events: list[Event], directives: frozenset[str], drip: float) -> Answer:
        if directives & {"!cut", "!midline"}:
            return self._truncated(events[:3])
        if "!nodone" in directives:
            events = events[:-2]
        if "!insse" in directives:
            text = "model overloaded mid-stream"
            error = {"error": {"message": text, "type": "server_error", "code": 503}}
            events = [*events[:3], error, DONE]
        if "!ping" in directives:
            ping: Event = b': keep-alive\n\nevent: ping\ndata: {"type": "ping"}\n\n'
            pinged = [part for event in events[1:-2] for part in (event, ping)]
            events = [b": OPENROUTER PROCESSING\n\n", events[0], *pinged, *events[-2:]]
        if "!crlf" in directives:
            events = [sse(event).replace(b"\n", b"\r\n") for event in events]
        if drip:
            return stream(*(step for event in events for step in (event, drip)))
        return stream(*events)

    def _truncated(self, events: list[Event]) -> Answer:
        if self.version == "0.12.4":
            error = compact({"error": {"message": "Chat completion stream failed"}})
            return stream(*events, b"\n\n", error, DONE)
        if self.version == "0.6.43":
            return stream(*events)
        return stream(*events, CLOSE)


_FAILURES: dict[str, Callable[[OpenWebUI], Answer]] = {
    "!sse429": OpenWebUI._rate_limited,
    "!reset": OpenWebUI._connection_lost,
    "!badjson": OpenWebUI._invalid_json,
}
_FINISHES = {"!len": "length", "!filter": "content_filter"}


def _entry(name: str) -> dict[str, Any]:
    known = {"id": name, "object": "model", "created": 1700000000, "owned_by": "openai"}
    openai = {**known, "owned_by": "fake", "connection_type": "external"}
    entry = {**known, "connection_type": "external", "name": name, "openai": openai}
    return {**entry, "provider": "", "urlIdx": 0}


def _preset_entry(name: str, base: str) -> dict[str, Any]:
    title = f"My {name.title()} 🛠"
    known = {"id": name, "name": title, "object": "model", "created": CREATED, "owned_by": "openai"}
    info = {"id": name, "base_model_id": base, "name": title, "params": {}, "is_active": True}
    return {**known, "connection_type": "external", "preset": True, "info": info}


def _pipe_entry(name: str) -> dict[str, Any]:
    known = {"id": name, "name": name, "object": "model", "created": CREATED, "owned_by": "openai"}
    return {**known, "pipe": {"type": "pipe"}, "has_user_valves": False}


def _parsed(request: Request) -> tuple[Any, dict[str, Any] | None]:
    """Return the parsed body, or None and the problem as FastAPI describes it."""
    body: Any = request.body.decode(errors="replace")
    if "json" in request.headers.get("content-type", ""):
        try:
            body = json.loads(body)
        except ValueError:
            error = {"error": "Expecting property name enclosed in double quotes"}
            problem = {"type": "json_invalid", "loc": ["body", 1], "msg": "JSON decode error"}
            return None, {**problem, "input": {}, "ctx": error}
    if isinstance(body, dict):
        return body, None
    problem = "Input should be a valid dictionary"
    return None, {"type": "dict_type", "loc": ["body"], "msg": problem, "input": body}


def _prompt_of(body: dict[str, Any]) -> str:
    questions = [message for message in body["messages"] if message.get("role") == "user"]
    content = questions[-1].get("content") if questions else ""
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return content or ""


def _result_of(body: dict[str, Any]) -> str:
    """Return the provider's answer to a tool's result, empty if the last message is not one."""
    last = body["messages"][-1]
    return f"tool said: {last.get('content')}" if last["role"] == "tool" else ""


def _number(word: str, prompt: str) -> float:
    match = re.search(rf"!{word}=([\d.]+)", prompt)
    return float(match[1]) if match else 0.0


def _forwarded(body: dict[str, Any], model: str) -> dict[str, Any]:
    """Return the request as Open WebUI forwards it to the provider."""
    forwarded = {name: value for name, value in body.items() if name not in _CONTROLS}
    forwarded["model"] = model
    if not forwarded.get("stream"):
        forwarded.pop("stream_options", None)
    if "max_completion_tokens" in forwarded:
        forwarded["max_tokens"] = forwarded.pop("max_completion_tokens")
    return forwarded


def _text_for(prompt: str, directives: frozenset[str], forwarded: dict[str, Any]) -> str:
    fixed = {
        "!echo": compact(forwarded),
        "!think": "<think>let me see</think>The answer is 42.",
        "!empty": "",
        "!long": "y" * 300_000,
    }
    if size := int(_number("big", prompt)):
        return "x" * size * 1024
    return next((fixed[word] for word in fixed if word in directives), f"You said: {prompt}")


def _unstreamed_answer(
    text: str, finish: str, model: str, directives: frozenset[str], *, tools: bool
) -> dict[str, Any]:
    if tools:
        cities = _CITIES if "!two" in directives else _CITIES[:1]
        calls = [_call(number, city) for number, city in enumerate(cities, 1)]
        return completion(None, finish="tool_calls", model=model, tool_calls=calls)
    reasoning = {"reasoning_content": "thinking hard"} if "!reason" in directives else {}
    document = completion(text, finish=finish, model=model, **reasoning)
    if "!nullchoices" in directives:
        document["choices"] = []
    if "!multi" in directives:
        second = {"role": "assistant", "content": "second"}
        document["choices"].append({"index": 1, "message": second, "finish_reason": "stop"})
    return document


def _call(number: int, city: str) -> dict[str, Any]:
    arguments = json.dumps({"city": city}, ensure_ascii=False)
    function = {"name": "get_weather", "arguments": arguments}
    return {"id": f"call_{number}", "type": "function", "function": function}


def _tool_chunks(model: str) -> list[Event]:
    function = {"name": "get_weather", "arguments": ""}
    opening = {"index": 0, "id": "call_1", "type": "function", "function": function}
    pieces = [
        {"index": 0, "function": {"arguments": piece}}
        for piece in ('{"city":', ' "' + _CITIES[0], '"}')
    ]
    return [
        chunk("", role="assistant", model=model),
        *(chunk(model=model, tool_calls=[piece]) for piece in [opening, *pieces]),
        chunk(finish="tool_calls", model=model),
        DONE,
    ]


_PIPE_WORDS = {
    "plain": ["plain string from pipe"],
    "gen": ["gen ", "one ", "two"],
    "gen late": ["gen ", "one ", "two"],
    "evt": ["after event", "multi\nline"],
    "none": [],
}


def _pipe_answer(model: str, prompt: str, *, streamed: bool) -> Answer:
    """Return the answer of a function model: no newline after ``[DONE]``, an id for every chunk."""
    if prompt == "boom":
        error = {"error": {"detail": "pipe exploded: über"}}
        return stream(sse(compact(error)), headers=_PIPE_STREAM) if streamed else json_answer(error)
    if prompt == "dict":
        value = {"choices": [{"message": {"role": "assistant", "content": "from dict"}}]}
        return stream(sse(compact(value)), headers=_PIPE_STREAM) if streamed else json_answer(value)
    parts = _PIPE_WORDS[prompt]
    if streamed:
        return _pipe_stream(model, prompt, parts)
    if prompt == "gen late":
        return detail("late failure", 400)
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": "stop"}
    if parts:
        choice["message"] = {"role": "assistant", "content": "".join(parts)}
    head = {"id": f"{model}-1", "created": CREATED, "model": model}
    return json_answer({**head, "choices": [choice], "object": "chat.completion"})


_PIPE_STREAM = {
    name: value
    for name, value in EVENT_STREAM.items()
    if name not in {"cache-control", "x-request-id"}
}


def _pipe_stream(model: str, prompt: str, parts: Iterable[str]) -> Answer:
    status = {"type": "status", "data": {"description": "x", "done": True}}
    events: list[Event] = [compact({"event": status})] if prompt == "evt" else []
    deltas: list[dict[str, Any]] = [{"content": word} for word in parts]
    if prompt == "gen late":
        end = [b"\n\n", compact({"error": {"message": "Chat completion stream failed"}}), DONE]
    else:
        deltas.append({})
        end = [b"data: [DONE]"]
    for number, delta in enumerate(deltas):
        finish = None if delta else "stop"
        choice = {"index": 0, "logprobs": None, "finish_reason": finish, "delta": delta}
        head = {"id": f"{model}-{number}", "created": CREATED, "model": model}
        document = {**head, "choices": [choice], "object": "chat.completion.chunk"}
        events.append(compact(document))
    return stream(*events, *end, headers=_PIPE_STREAM)


# Other servers


@dataclass(kw_only=True)
class LlamaCpp:
    """An answer function that behaves like llama.cpp's server, below ``prefix`` if it is set."""

    models: Sequence[str] = ("demo.gguf",)
    key: str | None = KEY
    prefix: str = ""

    def __call__(self, request: Request) -> Answer:
        """Return the answer to a request."""
        path = request.path.removeprefix(self.prefix).removeprefix("/v1")
        if path == "/health":
            return _llama_json({"status": "ok"})
        if self.key not in {None, request.key}:
            return _llama_error(401, "Invalid API Key", "authentication_error")
        if (request.method, path) == ("GET", "/models"):
            return _llama_json({"models": [], "object": "list", "data": self._listing()})
        if (request.method, path) == ("POST", "/chat/completions"):
            return self._chat(request.json())
        return _llama_error(404, "File Not Found", "not_found_error")

    def _listing(self) -> list[dict[str, Any]]:
        meta = {"n_vocab": 49152, "n_ctx": 512, "n_params": 134515008, "size": 96576768}
        entry = {"object": "model", "created": CREATED, "owned_by": "llamacpp", "meta": meta}
        return [{"id": name, "aliases": [name], "tags": [], **entry} for name in self.models]

    def _chat(self, body: dict[str, Any]) -> Answer:
        if "messages" not in body:
            return _llama_error(400, "'messages' is required", "invalid_request_error")
        text = f"You said: {_prompt_of(body)}"
        model = self.models[0]
        if not body.get("stream"):
            return _llama_json(completion(text, model=model))
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        _, *rest = reply(text, usage=usage, model=model)
        role = chunk(role="assistant", model=model)
        role["choices"][0]["delta"]["content"] = None
        headers = {
            "Server": "llama.cpp",
            "Content-Type": "text/event-stream",
            "Transfer-Encoding": "chunked",
        }
        return stream(role, *rest, headers=headers)


def _llama_json(value: JSON, status: int = 200) -> bytes:
    headers = {"Server": "llama.cpp", "Content-Type": "application/json; charset=utf-8"}
    if status >= 400:
        headers["Connection"] = "close"
    return http(status, headers, compact(value))


def _llama_error(status: int, message: str, kind: str) -> bytes:
    return _llama_json({"error": {"message": message, "type": kind, "code": status}}, status)


@dataclass(kw_only=True)
class Reference:
    """An answer function after the reference page: the list is an array, an answer a document."""

    models: Sequence[str] = ("llama3.1", "gpt-3.5")
    key: str | None = KEY

    def __call__(self, request: Request) -> Answer:
        """Return the answer to a request."""
        if self.key not in {None, request.key}:
            return detail(_NOT_AUTHENTICATED, 401)
        if (request.method, request.path) == ("GET", "/api/models"):
            entry = {"object": "model", "created": 1710000000, "owned_by": "contextops"}
            return json_answer([{"id": name, **entry} for name in self.models])
        if (request.method, request.path) != ("POST", "/api/chat/completions"):
            return detail("Not Found", 404)
        body = request.json()
        document = completion(f"You said: {_prompt_of(body)}", model=body["model"])
        del document["usage"], document["system_fingerprint"], document["choices"][0]["logprobs"]
        return json_answer(document)
