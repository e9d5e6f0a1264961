"""Faults of a server, and their expected outcomes."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from faults.matrix import Case, Outcome, Row, SetUp, Stage
from server import CLOSE, HOLD, RESET, Answer, Connection, Request, Server, Step
from shapes import (
    DONE,
    EVENT_STREAM,
    SPA,
    USAGE,
    Event,
    chunk,
    chunked,
    completion,
    detail,
    http,
    in_turn,
    json_answer,
    reply,
    sse,
    stream,
    usage_chunk,
)

Answering = Callable[[Request], Answer] | Answer

TEXT = "Größer: 日本語 and a 🦜."
IDS = ("ctx-small", "ctx-large")
LIST = json_answer({"data": [{"id": name} for name in IDS]})
STREAM_HEAD = http(200, EVENT_STREAM)
OPEN_STREAM = http(200, {**EVENT_STREAM, "transfer-encoding": None, "content-length": None})
OPEN_JSON = http(200, {"content-type": "application/json", "content-length": None})
CHUNKED_JSON = {"content-type": "application/json", "transfer-encoding": "chunked"}

FIRST, SECOND, STOP = chunk("one "), chunk("two"), chunk(finish="stop")

ANSWERED = Outcome(words=TEXT)
ONE_TWO = Outcome(words="one two")
LISTED = Outcome(words=IDS)

ONCE = ("--retries", "0")
TWICE = ("--retries", "1")


def failed(status: int, *error_words: str, **more: Any) -> Outcome:
    return Outcome(status=status, error_words=error_words, **more)


def chat_and_models(outcome: Outcome) -> dict[str, Any]:
    return {"chat": outcome, "models": outcome}


TRUNCATED = failed(18, "the answer is truncated", words="one ")


def serve(chat: Answering, models: Answering | None = None, **settings: Any) -> SetUp:
    """Return a set-up that serves ``chat``, or ``models`` (if set) to requests for the list."""

    def answer(request: Request) -> Answer:
        is_chat = models is None or not request.path.endswith("/models")
        chosen = chat if is_chat else models
        return chosen(request) if callable(chosen) else chosen

    return lambda stage: stage.serve(answer, **settings)


def streamed(*steps: Event | Step, end: bool = True) -> SetUp:
    return serve(stream(*steps, end=end))


def split_into_bytes(*blocks: Any) -> list[Step]:
    return [bytes([byte]) for byte in b"".join(blocks)]


def endless(*steps: Step, start: bytes = b"", pause: float = 0.0) -> Callable[..., Iterator[Step]]:
    """Return an answer function that repeats these steps without end."""

    def play(_: Request) -> Iterator[Step]:
        if start:
            yield start
        for step in itertools.cycle(steps):
            yield step
            if pause:
                yield pause

    return play


def chunked_events(*events: Event, end: bool = False) -> bytes:
    return chunked(*(sse(event) for event in events), end=end)


def json_with_length(text: bytes, more: int = 0) -> bytes:
    head = {"content-type": "application/json", "content-length": str(len(text) + more)}
    return http(200, head, text)


# Ends of an answer --------------------------------------------------------------------------------

_SSH = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
LIST_BODY = b'{"data": [{"id": "ctx-small"}, {"id": "ctx-large"}]}'
HALF_LIST = LIST_BODY[:30]

ENDS = [
    Row(
        "F01",
        "valid answer sent byte by byte, so that lines, characters and chunks are split",
        [
            Case(
                "",
                serve(split_into_bytes(*stream(*reply(TEXT))), split_into_bytes(LIST)),
                ANSWERED,
                LISTED,
            ),
            Case(
                "each byte in its own chunk",
                serve([STREAM_HEAD, chunked(*split_into_bytes(sse(*reply(TEXT))))]),
                ANSWERED,
            ),
        ],
    ),
    Row(
        "F02",
        "stream ends without finish reason and without [DONE]",
        [
            Case(
                "", streamed(FIRST, SECOND), failed(18, "without a finish reason", words="one two")
            ),
            Case("after a complete event", streamed(FIRST, b"\n\n: x\n\n"), TRUNCATED),
        ],
    ),
    Row(
        "F03",
        "finish reason or [DONE] alone, or no line end after [DONE]",
        [
            Case("finish_reason", streamed(FIRST, SECOND, STOP), ONE_TWO),
            Case("[DONE]", streamed(FIRST, SECOND, DONE), Outcome(words="one two", finish=None)),
            Case(
                "[DONE] without line end",
                streamed(FIRST, SECOND, STOP, b"data: [DONE]"),
                ONE_TWO,
            ),
            Case(
                "[DONE] without line end and without the last chunk",
                streamed(FIRST, SECOND, STOP, b"data: [DONE]", CLOSE, end=False),
                ONE_TWO,
            ),
        ],
    ),
    Row(
        "F04",
        "connection closed inside a chunk",
        [
            Case(
                "",
                serve(
                    [STREAM_HEAD, chunked_events(FIRST), b"ff\r\ndata: {", CLOSE],
                    [http(200, CHUNKED_JSON), b"ff\r\n" + HALF_LIST, CLOSE],
                ),
                TRUNCATED,
                failed(18, "the answer is truncated"),
            ),
            Case(
                "before the last chunk",
                serve(
                    [STREAM_HEAD, chunked_events(FIRST), CLOSE],
                    [http(200, CHUNKED_JSON), chunked(LIST_BODY, end=False), CLOSE],
                ),
                TRUNCATED,
                failed(18, "the answer is truncated"),
            ),
        ],
    ),
    Row(
        "F05",
        "connection closed inside an event, in a response without length",
        [
            Case(
                "",
                serve([OPEN_STREAM, sse(FIRST), b"data: {", CLOSE], [OPEN_JSON, HALF_LIST, CLOSE]),
                TRUNCATED,
                failed(8, "did not answer with JSON"),
            ),
            Case(
                "inside a character",
                serve([OPEN_STREAM, sse(FIRST, SECOND)[:-8], CLOSE]),
                TRUNCATED,
            ),
        ],
    ),
    Row(
        "F06",
        "Content-Length larger than the body",
        [
            Case(
                "",
                serve(
                    [
                        http(
                            200,
                            {**EVENT_STREAM, "transfer-encoding": None, "content-length": "999"},
                            sse(FIRST),
                        ),
                        CLOSE,
                    ],
                    [json_with_length(LIST_BODY, 9), CLOSE],
                ),
                TRUNCATED,
                failed(18, "the answer is truncated"),
            ),
        ],
    ),
    Row(
        "F07",
        "connection reset after the first words",
        [
            Case(
                "",
                serve(
                    [STREAM_HEAD, chunked_events(FIRST), 0.1, RESET],
                    [json_with_length(HALF_LIST, 9), 0.1, RESET],
                ),
                TRUNCATED,
                failed(18, "the answer is truncated"),
            ),
        ],
    ),
    Row(
        "F08",
        "connection accepted and closed, every time",
        [
            Case(
                "",
                serve(b"", greeting=[CLOSE]),
                failed(7, "no answer", notes=("trying again in ",)),
                failed(7, "no answer", notes=("trying again in ",)),
                argv=TWICE,
            ),
            Case(
                "after the request",
                serve([CLOSE]),
                failed(7, "without a response", notes=("trying again in ",)),
                failed(7, "without a response", notes=("trying again in ",)),
                argv=TWICE,
                requests=2,
            ),
        ],
    ),
    Row(
        "F09",
        "another protocol",
        [
            Case(
                "SSH, which closes the connection",
                serve(b"", greeting=[_SSH, Connection.drain]),
                **chat_and_models(failed(7, "no answer")),
                argv=ONCE,
            ),
            Case(
                "SMTP, which answers the request with an error",
                serve([b"220 mail ESMTP\r\n500 unknown command\r\n\r\n", CLOSE]),
                **chat_and_models(failed(8, "does not speak HTTP", "base_url")),
            ),
        ],
    ),
]

# Answers in other formats -------------------------------------------------------------------------

_NOT_ANSWERS: list[tuple[str, Any, Outcome]] = [
    ("null", None, failed(8, "null")),
    ("a JSON string", '{"id": ', failed(8, "broken JSON")),
    ("a number", 7, failed(8, "7")),
    ("detail", {"detail": "not now"}, failed(22, "not now")),
    ("error.detail", {"error": {"detail": "not now"}}, failed(50, "not now")),
    ("choices is []", {"choices": []}, failed(8, "choices")),
    ("a choice without a message", {"choices": [{"index": 0}]}, failed(8, "choices")),
    ("task_ids", {"status": True, "task_ids": ["1"]}, failed(8, "background task")),
]

_DOCUMENT = completion("one two")
_COMPLETE = Outcome(words="one two", document=_DOCUMENT)


def _unstreamed(stage: Stage) -> Server:
    stage.argv.append("--no-stream")
    return stage.serve(stream(FIRST, SECOND, STOP, DONE))


OTHER_FORMATS = [
    Row(
        "F10",
        "web page with status 200, as for a wrong base URL",
        [
            Case(
                "", serve(SPA), failed(8, "web page", "base_url"), failed(8, "web page", "base_url")
            )
        ],
    ),
    Row(
        "F11",
        "streamed and unstreamed answers mixed up",
        [
            Case(
                "document in response to a streamed request",
                serve(json_answer(_DOCUMENT)),
                _COMPLETE,
            ),
            Case(
                "stream in response to an unstreamed request", _unstreamed, ONE_TWO, send_only=True
            ),
            Case(
                "document with the content type of a stream",
                serve([STREAM_HEAD, chunked(json.dumps(_DOCUMENT).encode())]),
                _COMPLETE,
            ),
            Case(
                "stream with the content type of a document",
                serve(
                    [http(200, CHUNKED_JSON), chunked_events(FIRST, SECOND, STOP, DONE, end=True)]
                ),
                ONE_TWO,
            ),
        ],
    ),
    Row(
        "F12",
        "status 200 with a document that is not an answer",
        [
            Case(name, serve(json_answer(value)), outcome, outcome)
            for name, value, outcome in _NOT_ANSWERS
        ],
    ),
    Row(
        "F13",
        "error event in the stream",
        [
            Case(
                name,
                streamed(FIRST, {"error": {"message": "it broke"}}, *rest),
                failed(50, "it broke", words="one "),
            )
            for name, rest in (
                ("", ()),
                ("followed by [DONE]", (DONE,)),
                ("followed by text", (SECOND,)),
            )
        ],
    ),
]

# Rejected requests --------------------------------------------------------------------------------

_ERROR_TEXT = "rejected by the test"
_SHAPES: dict[str, Callable[[int], bytes]] = {
    "detail": lambda status: detail(_ERROR_TEXT, status),
    "a list of details": lambda status: detail(
        [{"type": "missing", "loc": ["body", "model"], "msg": _ERROR_TEXT, "input": "hi"}], status
    ),
    "error.message": lambda status: json_answer(
        {"error": {"message": _ERROR_TEXT, "type": "invalid_request_error", "code": None}}, status
    ),
    "error.detail": lambda status: json_answer({"error": {"detail": _ERROR_TEXT}}, status),
    "plain text": lambda status: http(status, {"content-type": "text/plain"}, _ERROR_TEXT),
    "a page": lambda status: http(
        status, {"content-type": "text/html"}, f"<html><title>{_ERROR_TEXT}</title></html>"
    ),
}
_FROM_PROXIES = ("plain text", "a page")
_REJECTED = (
    ("F14", 400, 22),
    ("F15", 401, 4),
    ("F16", 403, 4),
    ("F17", 404, 8),
    ("F18", 405, 8),
    ("F19", 413, 22),
    ("F20", 422, 22),
)
_OFFERED = "the server offers ctx-small, ctx-large"


def _under_v1(stage: Stage) -> str:
    return (
        stage.serve(by_endpoint(json_answer({"error": {"message": _ERROR_TEXT}}, 401), LIST)).url
        + "/v1"
    )


def by_endpoint(chat: Answer, models: Answer) -> Callable[[Request], Answer]:
    """Return an answer function with one answer for chats and one for the list of models."""
    return lambda request: models if request.path.endswith("/models") else chat


REJECTIONS = [
    *(
        Row(
            name,
            f"status {status}",
            [
                Case(
                    shape,
                    serve(make(status)),
                    failed(exit_status, _ERROR_TEXT, str(status)),
                    failed(exit_status, _ERROR_TEXT, str(status)),
                )
                for shape, make in _SHAPES.items()
                if status == 400 or shape not in _FROM_PROXIES
            ],
        )
        for name, status, exit_status in _REJECTED
    ),
    Row(
        "F14b",
        "unknown model",
        [
            Case(
                "400",
                serve(detail("Model not found", 400), LIST),
                failed(5, "no model ctx-small", "Model not found", _OFFERED),
                requests=2,
            ),
            Case(
                "404 that names the model",
                serve(
                    json_answer({"error": {"message": "model 'ctx-small' not found"}}, 404),
                    json_answer({"data": [{"id": "qwen"}, {"id": "phi"}]}),
                ),
                failed(5, "model 'ctx-small' not found", "the server offers qwen, phi"),
            ),
            Case(
                "the list is empty",
                serve(detail("Model not found", 400), json_answer({"data": []})),
                failed(5, "lists no models"),
                Outcome(words=(), notes=("lists no models",)),
            ),
        ],
    ),
    Row(
        "F16b",
        "401 in the format of a provider's error",
        [
            Case(
                "the list of models accepts the key",
                serve(json_answer({"error": {"message": _ERROR_TEXT}}, 401), LIST),
                failed(50, _ERROR_TEXT, "your key is fine"),
            ),
            Case(
                "the list of models rejects the key too",
                serve(json_answer({"error": {"message": _ERROR_TEXT}}, 401)),
                failed(4, _ERROR_TEXT),
                failed(4, _ERROR_TEXT),
            ),
            Case("under /v1", _under_v1, failed(4, _ERROR_TEXT)),
        ],
    ),
]

# Retries ------------------------------------------------------------------------------------------


def answer_after(*rejections: bytes) -> SetUp:
    """Return a set-up that first answers with ``rejections``, then with a valid answer."""

    def set_up(stage: Stage) -> Server:
        valid = by_endpoint(stream(*reply(TEXT)), LIST)
        return stage.serve(in_turn(*rejections, valid))

    return set_up


def _retry_after(value: str, status: int = 429) -> bytes:
    return json_answer({"detail": "busy"}, status, {"retry-after": value})


def answered_after(attempts: int, *notes: str) -> dict[str, Any]:
    """Return the outcome of a valid answer after ``attempts`` attempts, with a note per retry."""
    notes = notes or ("trying again in ",) * (attempts - 1)
    return {
        "chat": Outcome(words=TEXT, attempts=attempts, notes=notes),
        "models": Outcome(words=IDS, notes=notes),
    }


_UNAVAILABLE = detail("busy", 503)

BUSY = [
    Row(
        "F21",
        "429 once, with Retry-After of 1 s",
        [
            Case(
                "",
                answer_after(_retry_after("1")),
                **answered_after(2, "in 1.0 s"),
                requests=2,
                min_seconds=1.0,
            )
        ],
    ),
    Row(
        "F22",
        "429 every time",
        [
            Case(
                "",
                serve(_retry_after("0")),
                **chat_and_models(failed(29, "busy", notes=("in 0.0 s",) * 2)),
                requests=3,
            )
        ],
    ),
    Row(
        "F23",
        "429 with an invalid Retry-After, or one above two minutes",
        [
            *(
                Case(
                    value,
                    answer_after(_retry_after(value)),
                    **answered_after(2),
                    requests=2,
                    min_seconds=0.3,
                )
                for value in (
                    *("-5", "NaN", "1e400", "9e99", "soon", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    "Fri, 31 Dec 100000 23:59:59 GMT",
                )
            ),
            *(
                Case(
                    value,
                    serve(_retry_after(value)),
                    **chat_and_models(failed(29, "busy")),
                    requests=1,
                )
                for value in ("121", "9" * 400, "Fri, 31 Dec 2999 23:59:59 GMT")
            ),
        ],
    ),
    Row(
        "F24",
        "5xx status",
        [
            Case(
                "503 twice, then an answer",
                answer_after(_UNAVAILABLE, _UNAVAILABLE),
                **answered_after(3),
                requests=3,
            ),
            Case(
                "500",
                serve(detail("it broke", 500)),
                **chat_and_models(failed(50, "it broke")),
                requests=1,
            ),
            Case(
                "502 with a web page",
                serve(http(502, {"content-type": "text/html"}, "<h1>502 Bad Gateway</h1>")),
                **chat_and_models(failed(50, "502 Bad Gateway", notes=("trying again in ",))),
                argv=TWICE,
                requests=2,
            ),
            Case(
                "504",
                serve(detail("too slow", 504)),
                failed(50, "too slow"),
                requests=1,
            ),
            Case(
                "504 to a GET request",
                serve(detail("too slow", 504)),
                models=failed(50, "too slow", notes=("trying again in ",)),
                argv=TWICE,
                requests=2,
            ),
            Case(
                "522", serve(detail("odd", 522)), **chat_and_models(failed(50, "odd")), requests=1
            ),
        ],
    ),
    Row(
        "F25",
        "connection closed after the first words, then 503",
        [
            Case(
                "",
                lambda stage: stage.serve(
                    in_turn([STREAM_HEAD, chunked_events(FIRST), CLOSE], _UNAVAILABLE)
                ),
                TRUNCATED,
                requests=1,
            ),
            Case(
                "error event with code 503",
                streamed(FIRST, {"error": {"message": "overloaded", "code": 503}}, DONE),
                failed(50, "overloaded", words="one "),
                requests=1,
            ),
        ],
    ),
]

# Time limits --------------------------------------------------------------------------------------

_LIMIT = 0.4
_FIRST_TOKEN_FLAGS = ("--first-token-timeout", str(_LIMIT), *ONCE)
_TIMING = {"min_seconds": _LIMIT, "max_seconds": _LIMIT + 0.5}
_NO_WORD = failed(28, "no token of an answer within 0.4 s", "--first-token-timeout")
_IDLE = failed(28, "no further token within 0.4 s", "--idle-timeout", words="one ")
_PING = chunked(b": ping\n\n", end=False)

SLOW = [
    Row(
        "F26",
        "silence after the first words",
        [
            Case("", streamed(FIRST, HOLD), _IDLE, argv=("--idle-timeout", "0.4"), **_TIMING),
            Case(
                "in the list of models",
                serve([json_with_length(HALF_LIST, 9), HOLD]),
                models=_NO_WORD,
                argv=_FIRST_TOKEN_FLAGS,
                **_TIMING,
            ),
        ],
    ),
    Row(
        "F27",
        "no response at all",
        [Case("", serve([HOLD]), _NO_WORD, _NO_WORD, argv=_FIRST_TOKEN_FLAGS, **_TIMING)],
    ),
    Row(
        "F28",
        "endless comments",
        [
            Case(
                "before the first words",
                serve(endless(_PING, start=STREAM_HEAD, pause=0.05)),
                _NO_WORD,
                argv=_FIRST_TOKEN_FLAGS,
                **_TIMING,
            ),
            Case(
                "after the first words",
                serve(endless(_PING, start=STREAM_HEAD + chunked_events(FIRST), pause=0.05)),
                _IDLE,
                argv=("--idle-timeout", "0.4"),
                **_TIMING,
            ),
            Case(
                "at full speed",
                serve(endless(_PING * 1000, start=STREAM_HEAD + chunked_events(FIRST))),
                _IDLE,
                argv=("--idle-timeout", "0.4"),
                **_TIMING,
            ),
        ],
    ),
    Row(
        "F29",
        "endless answer, one byte at a time",
        [
            Case(
                "in an event",
                serve(
                    endless(b"1\r\nx\r\n", start=STREAM_HEAD + chunked_events(FIRST), pause=0.05)
                ),
                _IDLE,
                argv=("--idle-timeout", "0.4"),
                **_TIMING,
            ),
            Case(
                "inside a header",
                serve(endless(b"x", start=b"HTTP/1.1 200 OK\r\nx: ", pause=0.05)),
                _NO_WORD,
                _NO_WORD,
                argv=_FIRST_TOKEN_FLAGS,
                **_TIMING,
            ),
            Case(
                "inside a document",
                serve(endless(b" ", start=OPEN_JSON, pause=0.05)),
                _NO_WORD,
                _NO_WORD,
                argv=_FIRST_TOKEN_FLAGS,
                **_TIMING,
            ),
        ],
    ),
    Row(
        "F30",
        "endless 102 responses",
        [
            Case(
                "",
                serve(endless(b"HTTP/1.1 102 Processing\r\n\r\n", pause=0.02)),
                _NO_WORD,
                _NO_WORD,
                argv=_FIRST_TOKEN_FLAGS,
                **_TIMING,
            ),
            Case(
                "at full speed",
                serve(endless(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)),
                _NO_WORD,
                _NO_WORD,
                argv=_FIRST_TOKEN_FLAGS,
                **_TIMING,
            ),
            Case(
                "with a limit on the total time",
                serve(endless(b"HTTP/1.1 102 Processing\r\n\r\n", pause=0.02)),
                **chat_and_models(failed(28, "not done within 0.4 s", "--max-time")),
                argv=("--max-time", "0.4"),
                **_TIMING,
            ),
        ],
    ),
]

# Size limits --------------------------------------------------------------------------------------

_BLOCK = b"x" * 65536
_DATA_LINE = b"data: xxxxxxxxxx\n"


def _repeat(block: bytes, total: int, start: bytes) -> Callable[[Request], Iterator[Step]]:
    def play(_: Request) -> Iterator[Step]:
        yield start
        for _number in range(total // len(block)):
            yield block

    return play


def _max_answer_of_4m(stage: Stage) -> Server:
    stage.env["CONTEXTOPS_MAX_ANSWER"] = "4M"
    return stage.serve(_repeat(_TEXT_OF_1K, 256 * _MB, OPEN_STREAM))


_TOO_LARGE = failed(63, "too large an event", "max_event")
_TEXT_OF_1K = sse(chunk("y" * 1000)) * 64
_BODY_TOO_LARGE = failed(63, "more than 33554432 bytes", "max_body")
_MB = 1 << 20

TOO_LARGE = [
    Row(
        "F31",
        "endless header line",
        [
            Case(
                "",
                serve(endless(_BLOCK, start=b"HTTP/1.1 200 OK\r\nx: ")),
                **chat_and_models(failed(8, "does not speak HTTP")),
            )
        ],
    ),
    Row(
        "F32",
        "ten million headers",
        [
            Case(
                "",
                serve(_repeat(b"x: y\r\n" * 10_000, 60_000_000, b"HTTP/1.1 200 OK\r\n")),
                **chat_and_models(failed(8, "does not speak HTTP")),
            )
        ],
    ),
    Row(
        "F33",
        "connection kept open after [DONE]",
        [
            Case("", streamed(FIRST, SECOND, STOP, DONE, HOLD), ONE_TWO, max_seconds=1.0),
        ],
    ),
    Row(
        "F34",
        "data after [DONE]",
        [
            Case(
                "bytes that are not an event",
                serve([STREAM_HEAD, chunked_events(FIRST, SECOND, STOP, DONE), b"\0junk"]),
                ONE_TWO,
                max_seconds=1.0,
            ),
            Case(
                "further events",
                streamed(FIRST, SECOND, STOP, DONE, chunk("three"), HOLD),
                ONE_TWO,
                max_seconds=1.0,
            ),
            Case(
                "endless trailers",
                serve(
                    endless(
                        b"x: y\r\n" * 1000,
                        start=STREAM_HEAD + chunked_events(FIRST, SECOND, STOP, DONE) + b"0\r\n",
                    )
                ),
                ONE_TWO,
                max_seconds=1.0,
            ),
        ],
    ),
    Row(
        "F35",
        "line of 256 MB",
        [
            Case(
                "",
                serve(_repeat(_BLOCK, 256 * _MB, OPEN_STREAM + b"data: ")),
                _TOO_LARGE,
            ),
            Case(
                "after the first words",
                serve(_repeat(_BLOCK, 256 * _MB, OPEN_STREAM + sse(FIRST) + b"data: ")),
                failed(63, "too large an event", words="one "),
            ),
            Case(
                "in a document",
                serve(_repeat(_BLOCK, 256 * _MB, OPEN_JSON + b'{"data": "')),
                _BODY_TOO_LARGE,
                _BODY_TOO_LARGE,
            ),
        ],
    ),
    Row(
        "F36",
        "event of 256 MB in many lines",
        [
            Case("", serve(_repeat(_DATA_LINE * 4000, 256 * _MB, OPEN_STREAM)), _TOO_LARGE),
            Case(
                "empty data lines",
                serve(_repeat(b"data:\n" * 11_000, 256 * _MB, OPEN_STREAM)),
                _TOO_LARGE,
            ),
        ],
    ),
    Row(
        "F37",
        "endless valid events",
        [
            Case(
                "",
                serve(_repeat(_TEXT_OF_1K, 256 * _MB, OPEN_STREAM)),
                failed(63, "the answer is too long", "max_answer", words="y" * 67_108_000),
                max_seconds=25.0,
                modes=("text", "--json"),
                # The text is in memory twice: as received, and in the document.
                peak={"--json": 180 * _MB},
            ),
            Case(
                "max_answer is 4M",
                _max_answer_of_4m,
                failed(63, "the answer is too long", "max_answer", words="y" * 4_194_000),
            ),
            Case(
                "events without text",
                serve(endless(sse({"event": {"type": "status"}}) * 1000, start=OPEN_STREAM)),
                _NO_WORD,
                argv=_FIRST_TOKEN_FLAGS,
                **_TIMING,
            ),
        ],
    ),
]

# Unreadable answers -------------------------------------------------------------------------------

_ZIPPED = gzip.compress(json.dumps(_DOCUMENT).encode())


def _bomb() -> bytes:
    return gzip.compress(bytes(64 * _MB))


def _compressed(name: str, encoding: str, make: Callable[[], bytes]) -> Case:
    head = {"content-type": "application/json", "content-encoding": encoding}
    return Case(
        name,
        serve(lambda _: http(200, head, make())),
        **chat_and_models(failed(8, f"{encoding} compression")),
    )


def _document_with(content: str) -> bytes:
    """Return a completion with ``content`` as the raw value of a field."""
    return b'{"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "x": %b}' % (
        content.encode("latin-1")
    )


def _unreadable(name: str, value: str, reason: str) -> Case:
    body = _document_with(value)
    list_body = b'{"data": [{"id": "a", "x": %b}]}' % value.encode("latin-1")
    return Case(
        name,
        serve(http(200, {"content-type": "application/json"}, body), json_with_length(list_body)),
        **chat_and_models(failed(8, "did not answer with JSON", reason)),
    )


_UNREADABLE = (
    ("nested 100,000 deep", "[" * 100_000 + "]" * 100_000, "nested too deep"),
    ("nested 100,000 deep, unclosed", "[" * 100_000, ""),
    ("a number of 5,000 digits", "1" * 5_000, "digits"),
    ("NaN", "NaN", "NaN is not JSON"),
    ("1e400", "1e400", "out of range"),
    ("not UTF-8", '"\xff"', "utf-8"),
    ("text after the value", "1} and more", ""),
    ("trailing comma", "1,", ""),
)
_BOM = b"\xef\xbb\xbf"
_WITH_BOM = json.dumps(_DOCUMENT).encode()

UNREADABLE = [
    Row(
        "F38",
        "decompression bomb: gzip that was not requested",
        [
            _compressed("", "gzip", _bomb),
            _compressed("compressed twice", "gzip, gzip", lambda: gzip.compress(_bomb())),
        ],
    ),
    Row(
        "F39",
        "truncated gzip",
        [
            _compressed("", "gzip", lambda: _ZIPPED[: len(_ZIPPED) // 2]),
            Case(
                "in a stream",
                serve(
                    [http(200, {**EVENT_STREAM, "content-encoding": "gzip"}), chunked(_ZIPPED[:40])]
                ),
                failed(8, "gzip compression"),
            ),
        ],
    ),
    Row(
        "F40",
        "unknown compression",
        [_compressed(name, name, lambda: b"\x00\x01\x02") for name in ("br", "zstd", "x-secret")],
    ),
    Row(
        "F41",
        "invalid JSON, or values out of range",
        [
            *(_unreadable(*oddity) for oddity in _UNREADABLE),
            *(
                Case(
                    f"{name}, in an event",
                    streamed(FIRST, sse(value), DONE),
                    failed(8, "not JSON", reason, words="one "),
                )
                for name, value, reason in _UNREADABLE
                if name != "not UTF-8"
            ),
            Case(
                "a BOM",
                serve(json_with_length(_BOM + _WITH_BOM), json_with_length(_BOM + LIST_BODY)),
                _COMPLETE,
                LISTED,
            ),
            Case(
                "a BOM before a stream",
                serve([OPEN_STREAM, _BOM + sse(FIRST, SECOND, STOP, DONE)]),
                ONE_TWO,
            ),
        ],
    ),
    Row(
        "F42",
        "lone surrogate in the text",
        [
            Case(
                "",
                streamed(b'data: {"choices": [{"delta": {"content": "a\\ud83d"}}]}\n\n', STOP),
                Outcome(words="a\ufffd"),
            ),
            Case(
                "surrogate pair split over two events",
                streamed(
                    b'data: {"choices": [{"delta": {"content": "\\ud83d"}}]}\n\n',
                    b'data: {"choices": [{"delta": {"content": "\\ude00"}}]}\n\n',
                    STOP,
                ),
                Outcome(words="\ufffd\ufffd"),
            ),
            Case(
                "in a model id",
                serve(json_with_length(b'{"data": [{"id": "a\\ud83d"}]}')),
                models=Outcome(words=["a\ufffd"]),
            ),
        ],
    ),
]

# Control sequences --------------------------------------------------------------------------------

_CONTROL_SEQUENCES = {
    "a color": ("\x1b[31mred", "^[[31mred"),
    "OSC 52": ("\x1b]52;c;aGk=\x07", "^[]52;c;aGk=^G"),
    "OSC 8": ("\x1b]8;;http://x\x1b\\y", "^[]8;;http://x^[\\y"),
    "a title": ("\x1b]0;owned\x07", "^[]0;owned^G"),
    "C1": ("\x9b31m\x85\x9d0;x\x9c", "\\u{9b}31m\\u{85}\\u{9d}0;x\\u{9c}"),
    "bidi": ("a\u202eb\u2066c\u2069", "a\\u{202e}b\\u{2066}c\\u{2069}"),
    "a lone CR": ("safe\rrm -rf", "safe^Mrm -rf"),
    "DEL and NUL": ("a\x7f\x00b", "a^?^@b"),
}


def _by_character(text: str) -> SetUp:
    """Return a set-up that streams a text character by character."""
    return serve(
        stream(*(chunk(letter) for letter in text), STOP, DONE),
        json_answer({"data": [{"id": text}]}),
    )


TERMINAL = [
    Row(
        "F43",
        "control sequences, one character per event",
        [
            Case(
                name,
                _by_character(text),
                Outcome(words=text, masked=masked),
                Outcome(words=[text], masked=f"{masked}\n"),
                extra_modes=("terminal", "models list --json"),
            )
            for name, (text, masked) in _CONTROL_SEQUENCES.items()
        ],
    ),
]

# Events -------------------------------------------------------------------------------------------


def _between_valid_events(*events: Event) -> SetUp:
    """Return a set-up that streams ``events`` between two valid events."""
    return streamed(FIRST, *events, SECOND, STOP, DONE)


def _delta(value: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": value}]}


_UNEXPECTED_EVENTS: dict[str, Event] = {
    "choices null": {"choices": None},
    "choices is an object": {"choices": {"0": "x"}},
    "choices of numbers": {"choices": [1, None, "x"]},
    "delta null": _delta(None),
    "delta text": _delta("x"),
    "content null": _delta({"content": None}),
    "content a number": _delta({"content": 7}),
    "content an object": _delta({"content": {"text": "x"}}),
    "role a number": _delta({"role": 7}),
    "tool_calls null": _delta({"tool_calls": None}),
    "tool_calls of numbers": _delta({"tool_calls": [1]}),
    "index text": {"choices": [{"index": "0", "delta": {}}]},
    "finish_reason a number": {"choices": [{"index": 0, "delta": {}, "finish_reason": 1}]},
    "an array": "[1, 2]",
    "a number": "7",
    "a string": '"x"',
    "null": "null",
    "an empty object": {},
    "error null": {"error": None},
    "event": {"event": {"type": "status", "data": {"done": True}}},
    "event: ping": b'event: ping\ndata: {"type": "ping"}\n\n',
}
_EVENTS = sse(FIRST, SECOND, STOP, DONE)
_VARIANTS: dict[str, bytes] = {
    "a BOM": _BOM + _EVENTS,
    "CR": _EVENTS.replace(b"\n", b"\r"),
    "CRLF": _EVENTS.replace(b"\n", b"\r\n"),
    "empty events": b"\n\n\n" + _EVENTS.replace(b"\n\n", b"\n\n\n\n\n"),
    "comments": b": hello\n:\n\n" + _EVENTS.replace(b"\n\n", b"\n: between\n\n"),
    "id and retry": _EVENTS.replace(b"data: ", b"id: 7\nretry: 1\nretry: x\nid\ndata: "),
    "no space after the colon": _EVENTS.replace(b"data: ", b"data:"),
    "event field": _EVENTS.replace(b"data: ", b"event: message\ndata: "),
    "unknown fields": _EVENTS.replace(b"data: ", b"x: y\nData: 1\ndata : 2\ndata: "),
    "several data lines in one event": sse(FIRST).replace(b'"choices"', b'\ndata: "choices"')
    + sse(SECOND, STOP, DONE),
}
_SEPARATORS = "a\u2028b\u0085c\u2029d\x0be\x0cf"

EVENTS = [
    Row(
        "F44",
        "event that is not JSON between valid events",
        [Case("", _between_valid_events("{not json}"), failed(8, "not JSON", words="one "))],
    ),
    Row(
        "F45",
        "events of unexpected shape between valid events",
        [
            *(
                Case(name, _between_valid_events(event), ONE_TWO)
                for name, event in _UNEXPECTED_EVENTS.items()
            ),
            Case(
                "sources",
                streamed({"sources": [{"source": {"id": "1"}}]}, FIRST, SECOND, STOP, DONE),
                Outcome(words="one two", changes={"sources": [{"source": {"id": "1"}}]}),
            ),
            Case(
                "selected_model_id",
                streamed({"selected_model_id": "b"}, FIRST, SECOND, STOP, DONE),
                Outcome(words="one two", changes={"selected_model_id": "b"}),
            ),
        ],
    ),
    Row(
        "F46",
        "valid variants of the event stream format",
        [
            *(
                Case(name, serve([OPEN_STREAM, *split_into_bytes(block)]), ONE_TWO)
                for name, block in _VARIANTS.items()
            ),
            Case(
                "Unicode line separators in the text",
                streamed(chunk(_SEPARATORS), STOP),
                Outcome(words=_SEPARATORS),
            ),
        ],
    ),
]

# Redirects ----------------------------------------------------------------------------------------


def _redirect_to_another_server(status: int) -> SetUp:
    """Return a set-up that redirects to another server, which must not be contacted."""

    def set_up(stage: Stage) -> Server:
        other = Server(LIST, may_be_idle=True)
        stage.stack.callback(lambda: _assert_no_connection(other))
        stage.stack.enter_context(other)
        target = {"location": f"{other.url}/api/models"}
        return stage.serve(http(status, target))

    return set_up


def _assert_no_connection(server: Server) -> None:
    assert not server.connections


def _redirect_once(request: Request) -> Answer:
    if request.target.endswith("?moved"):
        return LIST
    return http(301, {"location": "/elsewhere/models?moved"})


def _downgrade(stage: Stage) -> Server:
    other = Server(LIST, may_be_idle=True)
    stage.stack.callback(lambda: _assert_no_connection(other))
    stage.stack.enter_context(other)
    return stage.serve(
        http(302, {"location": f"{other.url}/api/models"}), tls=stage.certificates.server()
    )


REDIRECTS = [
    Row(
        "F48",
        "redirect to another origin",
        [
            Case(
                str(status),
                _redirect_to_another_server(status),
                **chat_and_models(failed(8, "redirects", str(status))),
                requests=1,
            )
            for status in (301, 302, 303, 307, 308)
        ],
    ),
    Row(
        "F49",
        "redirect within the origin",
        [
            Case("", serve(_redirect_once), failed(8, "redirects"), LISTED),
            Case(
                "endless",
                serve(http(302, {"location": "/api/models"})),
                models=failed(8, "redirects"),
                requests=6,
            ),
            Case(
                "without Location",
                serve(http(302)),
                **chat_and_models(failed(8, "redirects")),
                requests=1,
            ),
        ],
    ),
    Row(
        "F50",
        "redirect to an unusable URL",
        [
            Case(
                target,
                serve(http(302, {"location": target})),
                **chat_and_models(failed(8, "redirects")),
            )
            for target in ("file:///etc/passwd", "javascript:alert(1)", "http://[", "//")
        ],
    ),
    Row(
        "F51",
        "redirect from https to http",
        [Case("", _downgrade, **chat_and_models(failed(8, "redirects")))],
    ),
]

# Invalid HTTP -------------------------------------------------------------------------------------


def _response_with(head: str, body: bytes = b"{}") -> SetUp:
    return serve(
        [
            f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n\r\n".encode() + body,
            CLOSE,
        ]
    )


_NOT_HTTP = failed(8, "does not speak HTTP")
_BAD_CHUNKS = {
    "not a number": b"zz\r\n{}\r\n0\r\n\r\n",
    "negative": b"-5\r\n{}\r\n0\r\n\r\n",
    "200 digits": b"f" * 200 + b"\r\n{}\r\n0\r\n\r\n",
    "smaller than the chunk": b'2\r\n{"data": []}\r\n0\r\n\r\n',
    "another response": b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
}

INVALID_HTTP = [
    Row(
        "F52",
        "invalid chunk sizes",
        [
            *(
                Case(
                    name,
                    _response_with("transfer-encoding: chunked", block),
                    **chat_and_models(failed(8, "not valid HTTP")),
                )
                for name, block in _BAD_CHUNKS.items()
            ),
            *(
                Case(
                    f"{name}, after the first words",
                    serve([STREAM_HEAD + chunked_events(FIRST), 0.1, block]),
                    failed(8, "not valid HTTP", words="one "),
                )
                for name, block in _BAD_CHUNKS.items()
            ),
        ],
    ),
    Row(
        "F53",
        "invalid lengths",
        [
            Case(name, _response_with(head), **chat_and_models(_NOT_HTTP))
            for name, head in (
                ("two different", "content-length: 2\r\ncontent-length: 3"),
                ("negative", "content-length: -2"),
                ("not a number", "content-length: two"),
                ("unknown transfer encoding", "transfer-encoding: sideways"),
            )
        ],
    ),
    Row(
        "F54",
        "response without a body",
        [
            Case("204", serve(http(204)), **chat_and_models(failed(8))),
            Case("304", serve(http(304)), **chat_and_models(failed(8))),
            Case(
                "200 with an empty body",
                serve(http(200, {"content-type": "application/json"})),
                **chat_and_models(failed(8)),
            ),
            Case(
                "empty stream", serve([STREAM_HEAD, chunked()]), failed(8, "answered with nothing")
            ),
            Case(
                "stream of white space",
                serve([OPEN_STREAM, b"\n \n\n", CLOSE]),
                failed(8, "answered with nothing"),
            ),
        ],
    ),
]

# TLS, hosts, proxies ------------------------------------------------------------------------------


def _tls_server(which: Any, *, trusted: bool = True) -> SetUp:
    def set_up(stage: Stage) -> Server:
        tls = stage.certificates.server(which)
        if not trusted:
            del stage.env["CONTEXTOPS_CA_BUNDLE"]
        return stage.serve(stream(*reply(TEXT)), tls=tls)

    return set_up


def _plain_to_tls(stage: Stage) -> str:
    server = stage.serve(LIST, tls=stage.certificates.server())
    return server.url.replace("https:", "http:")


def _tls_to_plain(stage: Stage) -> str:
    trusted = stage.certificates
    assert trusted
    return stage.serve(LIST).url.replace("http:", "https:")


def _unknown_host(_: Stage) -> str:
    return "http://nowhere.internal"


def _unresponsive_then_good_address(stage: Stage) -> str:
    """Return a URL whose host has two addresses, the first of which accepts no connections."""
    unresponsive = int(stage.deaf().rpartition(":")[2])
    valid = stage.serve(by_endpoint(stream(*reply(TEXT)), LIST))
    stage.addresses = [("127.0.0.1", unresponsive), ("127.0.0.1", valid.port)]
    stage.argv += ["--connect-timeout", "1"]
    return "http://two.example.internal"


def _unresponsive_address(stage: Stage) -> str:
    stage.argv += ["--connect-timeout", "0.4", *ONCE]
    return stage.deaf()


def _through_proxy(answer: Answering, *, url: str = "http://there.internal") -> SetUp:
    """Return a set-up that uses a proxy with this answer."""

    def set_up(stage: Stage) -> str:
        stage.env["CONTEXTOPS_PROXY"] = stage.serve(answer).url
        return url

    return set_up


def _with_proxy(proxy: str) -> SetUp:
    def set_up(stage: Stage) -> str:
        stage.env["CONTEXTOPS_PROXY"] = proxy
        return "http://there.internal"

    return set_up


def _unreachable_proxy(stage: Stage) -> str:
    stage.env["CONTEXTOPS_PROXY"] = stage.refusing()
    return "http://there.internal"


_NO_TLS = failed(60, "no TLS with")
_NGINX_ANSWER = http(
    400,
    {"content-type": "text/html", "connection": "close"},
    "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
)
_GO_ANSWER = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"

REACHABILITY = [
    Row(
        "F55",
        "TLS errors, or TLS on one side only",
        [
            Case(
                "unknown authority",
                _tls_server("good", trusted=False),
                **chat_and_models(_NO_TLS),
                argv=ONCE,
            ),
            Case(
                "expired",
                _tls_server("expired"),
                **chat_and_models(failed(60, "expired")),
                argv=ONCE,
            ),
            Case(
                "certificate of another host",
                _tls_server("misnamed"),
                **chat_and_models(failed(60, "not valid for")),
                argv=ONCE,
            ),
            Case(
                "plain http to a TLS server",
                _plain_to_tls,
                **chat_and_models(failed(8, "https")),
                argv=ONCE,
            ),
            Case(
                "plain http to a TLS server: answer of OpenSSL",
                serve([_ALERT, CLOSE]),
                **chat_and_models(failed(8, "https")),
                argv=ONCE,
            ),
            Case(
                "plain http to a TLS server: answer of nginx",
                serve(_NGINX_ANSWER),
                **chat_and_models(failed(22, "https")),
                argv=ONCE,
            ),
            Case(
                "plain http to a TLS server: answer of Go",
                serve([_GO_ANSWER, CLOSE]),
                **chat_and_models(failed(22, "https")),
                argv=ONCE,
            ),
            Case(
                "TLS to a plain http server",
                _tls_to_plain,
                **chat_and_models(failed(60, "http://")),
                argv=ONCE,
            ),
        ],
    ),
    Row(
        "F56",
        "unreachable server",
        [
            Case(
                "unknown host name",
                _unknown_host,
                **chat_and_models(failed(7, "cannot be resolved")),
                argv=ONCE,
            ),
            Case("refused", Stage.refusing, **chat_and_models(failed(7, "refused")), argv=ONCE),
            Case(
                "connection not accepted",
                _unresponsive_address,
                **chat_and_models(failed(28, "--connect-timeout")),
                max_seconds=0.9,
            ),
            Case(
                "first address of two does not accept connections",
                _unresponsive_then_good_address,
                ANSWERED,
                LISTED,
            ),
        ],
    ),
    Row(
        "F57",
        "proxy errors",
        [
            Case(
                "407",
                _through_proxy(http(407, {}, "who are you?")),
                **chat_and_models(failed(7, "proxy")),
                argv=ONCE,
            ),
            Case(
                "407 to CONNECT",
                _through_proxy(http(407), url="https://there.internal"),
                **chat_and_models(failed(7, "proxy")),
                argv=ONCE,
            ),
            Case(
                "502 to CONNECT",
                _through_proxy(http(502), url="https://there.internal"),
                **chat_and_models(failed(7, "proxy")),
                argv=ONCE,
            ),
            Case("refused", _unreachable_proxy, **chat_and_models(failed(7, "proxy")), argv=ONCE),
            Case("unsupported scheme", _with_proxy("nonsense://x"), **chat_and_models(failed(3))),
            Case("URL without a host", _with_proxy("http://"), **chat_and_models(failed(3))),
            Case(
                "socks, without its package",
                _with_proxy("socks5://127.0.0.1:1"),
                **chat_and_models(failed(3, "socks")),
            ),
        ],
    ),
]

# Lists --------------------------------------------------------------------------------------------


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "openai"}


_HUNDRED_THOUSAND = [_entry(f"model-{number}") for number in range(100_000)]
_ARRAY = ("models list --json",)
_DUPLICATES = [_entry(name) for name in ("a", "b", "a", "c", "b")]


def _list(entries: Sequence[dict[str, Any]]) -> Outcome:
    return Outcome(words=[entry["id"] for entry in entries], entries=entries)


LISTS = [
    Row(
        "F58",
        "model lists: long, duplicates, unexpected values",
        [
            Case(
                "100,000",
                serve(lambda _: json_answer({"data": _HUNDRED_THOUSAND})),
                models=_list(_HUNDRED_THOUSAND),
                extra_modes=_ARRAY,
            ),
            Case(
                "100,000, as an array",
                serve(lambda _: json_answer(_HUNDRED_THOUSAND)),
                models=_list(_HUNDRED_THOUSAND),
                extra_modes=_ARRAY,
            ),
            Case(
                "duplicates",
                serve(json_answer({"data": _DUPLICATES})),
                models=_list([*_DUPLICATES[:2], _DUPLICATES[3]]),
                extra_modes=_ARRAY,
            ),
            Case(
                "line ends in an id",
                serve(json_answer({"data": [_entry("a\nb\tc")]})),
                models=Outcome(words=["a\nb\tc"], masked="a^Jb^Ic\n", entries=[_entry("a\nb\tc")]),
                extra_modes=_ARRAY,
            ),
            Case(
                "data: null",
                serve(json_answer({"data": None})),
                models=failed(8, "unexpected response"),
            ),
            Case(
                "entries without id",
                serve(json_answer({"data": [{"name": "a"}]})),
                models=failed(8, "without an id"),
            ),
            Case(
                "40 MB",
                serve(_repeat(_BLOCK, 40 * _MB, OPEN_JSON + b'{"data": ["')),
                models=_BODY_TOO_LARGE,
                extra_modes=_ARRAY,
            ),
        ],
    ),
]

# Requests, tools, turns ---------------------------------------------------------------------------

_TOOLS = '[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]'


def _large_prompt(stage: Stage) -> Server:
    stage.argv += ["-f", stage.file("large.txt", "x" * 30_000_000)]
    return stage.serve(http(413, {"connection": "close"}, "the body is too large"), early=True)


def _call_chunk(
    index: int | None, name: str | None = None, arguments: str | None = None, **more: Any
) -> Event:
    function = {"name": name, "arguments": arguments}
    known = {key: value for key, value in function.items() if value is not None}
    return chunk(tool_calls=[{"index": index, **more, "function": known}])


def _tool_call(name: str, arguments: str, number: str) -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


_CALLS_END = chunk(finish="tool_calls")
_PIECES = (
    _call_chunk(0, "f", "", id="1"),
    _call_chunk(0, None, '{"a"'),
    _call_chunk(0, None, ": 1}"),
)
_COMPLETE_CALL = _tool_call("f", '{"a": 1}', "1")
_THOUSAND_CALLS = [_tool_call("f", f'{{"a": {number}}}', str(number)) for number in range(1000)]


def _stream_with_tools(*events: Event) -> SetUp:
    def set_up(stage: Stage) -> Server:
        stage.argv += ["--tools", stage.file("tools.json", _TOOLS)]
        return stage.serve(stream(*events))

    return set_up


def _close_between_requests(stage: Stage) -> Server:
    """Make the command request the models first, and close that connection."""
    stage.env["CONTEXTOPS_MODEL"] = None
    models = json_answer({"data": [{"id": "ctx-small"}]}, 200, {"connection": "keep-alive"})
    return stage.serve(in_turn(models, stream(*reply(TEXT))), idle=0)


TURNS = [
    Row(
        "F59",
        "413 while a prompt of 30 MB is being sent",
        [Case("", _large_prompt, failed(22, "the body is too large"), send_only=True)],
    ),
    Row(
        "F60",
        "tool calls",
        [
            Case(
                "in several chunks",
                _stream_with_tools(*_PIECES, _CALLS_END, DONE),
                Outcome(calls=[_COMPLETE_CALL], finish="tool_calls"),
                send_only=True,
            ),
            Case(
                "truncated",
                _stream_with_tools(*_PIECES[:2]),
                failed(18, "truncated", calls=[_tool_call("f", '{"a"', "1")]),
                send_only=True,
            ),
            Case(
                "arguments that are not JSON",
                _stream_with_tools(*_PIECES[:2], _CALLS_END, DONE),
                failed(
                    12, calls=[_tool_call("f", '{"a"', "1")], finish="tool_calls", complete=True
                ),
                send_only=True,
            ),
            Case(
                "two with the same index",
                _stream_with_tools(*_PIECES, _call_chunk(0, "f", "{}", id="2"), _CALLS_END, DONE),
                Outcome(calls=[_COMPLETE_CALL, _tool_call("f", "{}", "2")], finish="tool_calls"),
                send_only=True,
            ),
            Case(
                "1,000",
                _stream_with_tools(
                    *(
                        _call_chunk(number, "f", f'{{"a": {number}}}', id=str(number))
                        for number in range(1000)
                    ),
                    _CALLS_END,
                    DONE,
                ),
                Outcome(calls=_THOUSAND_CALLS, finish="tool_calls"),
                send_only=True,
            ),
        ],
    ),
    Row(
        "F61",
        "usage, reasoning, roles and choices",
        [
            Case(
                "usage without choices",
                streamed(FIRST, SECOND, STOP, usage_chunk(), DONE),
                Outcome(words="one two", changes={"usage": USAGE}),
            ),
            Case(
                "reasoning",
                streamed(
                    chunk(reasoning_content="hm "),
                    chunk(reasoning_content="so"),
                    FIRST,
                    SECOND,
                    STOP,
                ),
                Outcome(words="one two", reasoning="hm so"),
            ),
            Case(
                "role only", streamed(chunk(role="assistant"), FIRST, SECOND, STOP, DONE), ONE_TWO
            ),
            Case(
                "two choices",
                streamed(
                    FIRST,
                    {
                        "choices": [
                            {"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}
                        ]
                    },
                    SECOND,
                    STOP,
                    DONE,
                ),
                Outcome(
                    words="one two",
                    changes={
                        "choices": [
                            {
                                "index": 0,
                                "message": {"role": "assistant", "content": "one two"},
                                "finish_reason": "stop",
                            },
                            {
                                "index": 1,
                                "message": {"role": "assistant", "content": "other"},
                                "finish_reason": "stop",
                            },
                        ]
                    },
                ),
            ),
        ],
    ),
    Row(
        "F62",
        "idle connection closed before the next request",
        [Case("", _close_between_requests, ANSWERED, requests=2)],
    ),
]

ROWS = (
    *(*ENDS, *OTHER_FORMATS, *REJECTIONS, *BUSY, *SLOW, *TOO_LARGE, *UNREADABLE, *TERMINAL),
    *(*EVENTS, *REDIRECTS, *INVALID_HTTP, *REACHABILITY, *LISTS, *TURNS),
)
