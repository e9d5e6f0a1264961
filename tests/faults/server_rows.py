"""What a server can do, and what must come of it."""

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
BOTH = Outcome(words="one two")
LISTED = Outcome(words=IDS)

ONCE = ("--retries", "0")
TWICE = ("--retries", "1")


def failed(status: int, *says: str, **more: Any) -> Outcome:
    return Outcome(status=status, says=says, **more)


def both(outcome: Outcome) -> dict[str, Any]:
    return {"chat": outcome, "models": outcome}


CUT = failed(18, "the answer is truncated", words="one ")


def by(chat: Answering, models: Answering | None = None, **settings: Any) -> SetUp:
    """Serve an answer, another one to who asks for the models where that is given."""

    def answer(request: Request) -> Answer:
        asked = chat if models is None or not request.path.endswith("/models") else models
        return asked(request) if callable(asked) else asked

    return lambda stage: stage.serve(answer, **settings)


def streamed(*steps: Event | Step, end: bool = True) -> SetUp:
    return by(stream(*steps, end=end))


def bytewise(*blocks: Any) -> list[Step]:
    return [bytes([byte]) for byte in b"".join(blocks)]


def for_ever(*steps: Step, start: bytes = b"", pause: float = 0.0) -> Callable[..., Iterator[Step]]:
    """Answer with these steps again and again."""

    def play(_: Request) -> Iterator[Step]:
        if start:
            yield start
        for step in itertools.cycle(steps):
            yield step
            if pause:
                yield pause

    return play


def framed(*events: Event, end: bool = False) -> bytes:
    return chunked(*(sse(event) for event in events), end=end)


def length(text: bytes, more: int = 0) -> bytes:
    head = {"content-type": "application/json", "content-length": str(len(text) + more)}
    return http(200, head, text)


# How an answer ends ------------------------------------------------------------------------------

_SSH = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
LIST_BODY = b'{"data": [{"id": "ctx-small"}, {"id": "ctx-large"}]}'
HALF_LIST = LIST_BODY[:30]

ENDS = [
    Row(
        "F01",
        "a good answer comes byte by byte: every line, character and frame is cut",
        [
            Case("", by(bytewise(*stream(*reply(TEXT))), bytewise(LIST)), ANSWERED, LISTED),
            Case(
                "each byte in a chunk",
                by([STREAM_HEAD, chunked(*bytewise(sse(*reply(TEXT))))]),
                ANSWERED,
            ),
        ],
    ),
    Row(
        "F02",
        "the stream ends as if nothing had happened, and nothing said that it was over",
        [
            Case(
                "", streamed(FIRST, SECOND), failed(18, "without a finish reason", words="one two")
            ),
            Case("after an event", streamed(FIRST, b"\n\n: x\n\n"), CUT),
        ],
    ),
    Row(
        "F03",
        "one proof of two: a finish_reason or [DONE], and no line end after that",
        [
            Case("finish_reason", streamed(FIRST, SECOND, STOP), BOTH),
            Case("[DONE]", streamed(FIRST, SECOND, DONE), Outcome(words="one two", finish=None)),
            Case(
                "[DONE] and no line end",
                streamed(FIRST, SECOND, STOP, b"data: [DONE]"),
                BOTH,
            ),
            Case(
                "[DONE], no line end, no last chunk",
                streamed(FIRST, SECOND, STOP, b"data: [DONE]", CLOSE, end=False),
                BOTH,
            ),
        ],
    ),
    Row(
        "F04",
        "it closes in the midst of a chunk",
        [
            Case(
                "",
                by(
                    [STREAM_HEAD, framed(FIRST), b"ff\r\ndata: {", CLOSE],
                    [http(200, CHUNKED_JSON), b"ff\r\n" + HALF_LIST, CLOSE],
                ),
                CUT,
                failed(18, "the answer is truncated"),
            ),
            Case(
                "without the last chunk",
                by(
                    [STREAM_HEAD, framed(FIRST), CLOSE],
                    [http(200, CHUNKED_JSON), chunked(LIST_BODY, end=False), CLOSE],
                ),
                CUT,
                failed(18, "the answer is truncated"),
            ),
        ],
    ),
    Row(
        "F05",
        "it closes in the midst of an event, where only its closing ends the answer",
        [
            Case(
                "",
                by([OPEN_STREAM, sse(FIRST), b"data: {", CLOSE], [OPEN_JSON, HALF_LIST, CLOSE]),
                CUT,
                failed(8, "did not answer with JSON"),
            ),
            Case("in a character", by([OPEN_STREAM, sse(FIRST, SECOND)[:-8], CLOSE]), CUT),
        ],
    ),
    Row(
        "F06",
        "its Content-Length is more than comes",
        [
            Case(
                "",
                by(
                    [
                        http(
                            200,
                            {**EVENT_STREAM, "transfer-encoding": None, "content-length": "999"},
                            sse(FIRST),
                        ),
                        CLOSE,
                    ],
                    [length(LIST_BODY, 9), CLOSE],
                ),
                CUT,
                failed(18, "the answer is truncated"),
            ),
        ],
    ),
    Row(
        "F07",
        "it resets the connection after the first words",
        [
            Case(
                "",
                by([STREAM_HEAD, framed(FIRST), 0.1, RESET], [length(HALF_LIST, 9), 0.1, RESET]),
                CUT,
                failed(18, "the answer is truncated"),
            ),
        ],
    ),
    Row(
        "F08",
        "it accepts the connection and closes it, every time",
        [
            Case(
                "",
                by(b"", greeting=[CLOSE]),
                failed(7, "no answer", notes=("trying again in ",)),
                failed(7, "no answer", notes=("trying again in ",)),
                argv=TWICE,
            ),
            Case(
                "after the request",
                by([CLOSE]),
                failed(7, "without a response", notes=("trying again in ",)),
                failed(7, "without a response", notes=("trying again in ",)),
                argv=TWICE,
                requests=2,
            ),
        ],
    ),
    Row(
        "F09",
        "another protocol answers",
        [
            Case(
                "SSH, which hangs up",
                by(b"", greeting=[_SSH, Connection.drain]),
                **both(failed(7, "no answer")),
                argv=ONCE,
            ),
            Case(
                "SMTP, and what it makes of the request",
                by([b"220 mail ESMTP\r\n500 unknown command\r\n\r\n", CLOSE]),
                **both(failed(8, "does not speak HTTP", "base_url")),
            ),
        ],
    ),
]

# What is there instead of an answer --------------------------------------------------------------

_ODD: list[tuple[str, Any, Outcome]] = [
    ("null", None, failed(8, "null")),
    ("a JSON string", '{"id": ', failed(8, "broken JSON")),
    ("a number", 7, failed(8, "7")),
    ("detail", {"detail": "not now"}, failed(22, "not now")),
    ("error.detail", {"error": {"detail": "not now"}}, failed(50, "not now")),
    ("choices is []", {"choices": []}, failed(8, "choices")),
    ("a choice without a message", {"choices": [{"index": 0}]}, failed(8, "choices")),
    ("task_ids", {"status": True, "task_ids": ["1"]}, failed(8, "background task")),
]

_TOLD = completion("one two")
_WHOLE = Outcome(words="one two", document=_TOLD)


def _unstreamed(stage: Stage) -> Server:
    stage.argv.append("--no-stream")
    return stage.serve(stream(FIRST, SECOND, STOP, DONE))


INSTEAD = [
    Row(
        "F10",
        "a web page with status 200: the base URL is wrong",
        [Case("", by(SPA), failed(8, "web page", "base_url"), failed(8, "web page", "base_url"))],
    ),
    Row(
        "F11",
        "the other form than the one that was asked for",
        [
            Case("a document to a streamed request", by(json_answer(_TOLD)), _WHOLE),
            Case("a stream to an unstreamed one", _unstreamed, BOTH, of_send=True),
            Case(
                "a document that is called a stream",
                by([STREAM_HEAD, chunked(json.dumps(_TOLD).encode())]),
                _WHOLE,
            ),
            Case(
                "a stream that is called a document",
                by([http(200, CHUNKED_JSON), framed(FIRST, SECOND, STOP, DONE, end=True)]),
                BOTH,
            ),
        ],
    ),
    Row(
        "F12",
        "status 200 and a document that is no answer",
        [Case(name, by(json_answer(value)), told, told) for name, value, told in _ODD],
    ),
    Row(
        "F13",
        "an error event in mid-stream",
        [
            Case(
                name,
                streamed(FIRST, {"error": {"message": "it broke"}}, *rest),
                failed(50, "it broke", words="one "),
            )
            for name, rest in (("", ()), ("[DONE] follows", (DONE,)), ("more follows", (SECOND,)))
        ],
    ),
]

# What it refuses ---------------------------------------------------------------------------------

_WORDS = "it is not to be"
_SHAPES: dict[str, Callable[[int], bytes]] = {
    "detail": lambda status: detail(_WORDS, status),
    "a list of details": lambda status: detail(
        [{"type": "missing", "loc": ["body", "model"], "msg": _WORDS, "input": "hi"}], status
    ),
    "error.message": lambda status: json_answer(
        {"error": {"message": _WORDS, "type": "invalid_request_error", "code": None}}, status
    ),
    "error.detail": lambda status: json_answer({"error": {"detail": _WORDS}}, status),
    "plain text": lambda status: http(status, {"content-type": "text/plain"}, _WORDS),
    "a page": lambda status: http(
        status, {"content-type": "text/html"}, f"<html><title>{_WORDS}</title></html>"
    ),
}
_OF_PROXIES = ("plain text", "a page")
_REFUSED = (
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
    return stage.serve(by_path(json_answer({"error": {"message": _WORDS}}, 401), LIST)).url + "/v1"


def by_path(chat: bytes, models: bytes) -> Answering:
    return lambda request: models if request.path.endswith("/models") else chat


REFUSALS = [
    *(
        Row(
            name,
            f"it refuses with {status}",
            [
                Case(
                    shape,
                    by(make(status)),
                    failed(ours, _WORDS, str(status)),
                    failed(ours, _WORDS, str(status)),
                )
                for shape, make in _SHAPES.items()
                if status == 400 or shape not in _OF_PROXIES
            ],
        )
        for name, status, ours in _REFUSED
    ),
    Row(
        "F14b",
        "it knows no such model",
        [
            Case(
                "400",
                by(detail("Model not found", 400), LIST),
                failed(5, "no model ctx-small", "Model not found", _OFFERED),
                requests=2,
            ),
            Case(
                "404 that names it",
                by(
                    json_answer({"error": {"message": "model 'ctx-small' not found"}}, 404),
                    json_answer({"data": [{"id": "qwen"}, {"id": "phi"}]}),
                ),
                failed(5, "model 'ctx-small' not found", "the server offers qwen, phi"),
            ),
            Case(
                "and lists none",
                by(detail("Model not found", 400), json_answer({"data": []})),
                failed(5, "lists no models"),
                Outcome(words=(), notes=("lists no models",)),
            ),
        ],
    ),
    Row(
        "F16b",
        "401 in the form of a provider's error: whose key is it about?",
        [
            Case(
                "the list takes the key",
                by(json_answer({"error": {"message": _WORDS}}, 401), LIST),
                failed(50, _WORDS, "your key is fine"),
            ),
            Case(
                "the list refuses it too",
                by(json_answer({"error": {"message": _WORDS}}, 401)),
                failed(4, _WORDS),
                failed(4, _WORDS),
            ),
            Case("under /v1", _under_v1, failed(4, _WORDS)),
        ],
    ),
]

# When it is busy ---------------------------------------------------------------------------------


def busy(*refusals: bytes) -> SetUp:
    """Refuse so, then answer well."""

    def set_up(stage: Stage) -> Server:
        good = by_path_of(stream(*reply(TEXT)), LIST)
        return stage.serve(in_turn(*refusals, good))

    return set_up


def by_path_of(chat: Answer, models: Answer) -> Callable[[Request], Answer]:
    return lambda request: models if request.path.endswith("/models") else chat


def _after(value: str, status: int = 429) -> bytes:
    return json_answer({"detail": "busy"}, status, {"retry-after": value})


def again(attempts: int, *notes: str) -> dict[str, Any]:
    """Expect a good answer after so many attempts, and a note for each wait."""
    notes = notes or ("trying again in ",) * (attempts - 1)
    return {
        "chat": Outcome(words=TEXT, attempts=attempts, notes=notes),
        "models": Outcome(words=IDS, notes=notes),
    }


_UNAVAILABLE = detail("busy", 503)

BUSY = [
    Row(
        "F21",
        "429 once, asking for a second's wait",
        [Case("", busy(_after("1")), **again(2, "in 1.0 s"), requests=2, least=1.0)],
    ),
    Row(
        "F22",
        "429 for ever",
        [
            Case(
                "",
                by(_after("0")),
                **both(failed(29, "busy", notes=("in 0.0 s",) * 2)),
                requests=3,
            )
        ],
    ),
    Row(
        "F23",
        "429 with a Retry-After of no use, or beyond two minutes",
        [
            *(
                Case(value, busy(_after(value)), **again(2), requests=2, least=0.3)
                for value in (
                    *("-5", "NaN", "1e400", "9e99", "soon", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    "Fri, 31 Dec 100000 23:59:59 GMT",
                )
            ),
            *(
                Case(value, by(_after(value)), **both(failed(29, "busy")), requests=1)
                for value in ("121", "9" * 400, "Fri, 31 Dec 2999 23:59:59 GMT")
            ),
        ],
    ),
    Row(
        "F24",
        "it fails with a status of its own",
        [
            Case("503 twice, then well", busy(_UNAVAILABLE, _UNAVAILABLE), **again(3), requests=3),
            Case("500", by(detail("it broke", 500)), **both(failed(50, "it broke")), requests=1),
            Case(
                "502 and a page",
                by(http(502, {"content-type": "text/html"}, "<h1>502 Bad Gateway</h1>")),
                **both(failed(50, "502 Bad Gateway", notes=("trying again in ",))),
                argv=TWICE,
                requests=2,
            ),
            Case(
                "504",
                by(detail("too slow", 504)),
                failed(50, "too slow"),
                requests=1,
            ),
            Case(
                "504 to who only reads",
                by(detail("too slow", 504)),
                models=failed(50, "too slow", notes=("trying again in ",)),
                argv=TWICE,
                requests=2,
            ),
            Case("522", by(detail("odd", 522)), **both(failed(50, "odd")), requests=1),
        ],
    ),
    Row(
        "F25",
        "it breaks after the first words, and is busy from then on",
        [
            Case(
                "",
                lambda stage: stage.serve(
                    in_turn([STREAM_HEAD, framed(FIRST), CLOSE], _UNAVAILABLE)
                ),
                CUT,
                requests=1,
            ),
            Case(
                "an event that says 503",
                streamed(FIRST, {"error": {"message": "overloaded", "code": 503}}, DONE),
                failed(50, "overloaded", words="one "),
                requests=1,
            ),
        ],
    ),
]

# When it is slow ---------------------------------------------------------------------------------

_LIMIT = 0.4
_PATIENCE = ("--first-token-timeout", str(_LIMIT), *ONCE)
_SLOW = {"least": _LIMIT, "limit": _LIMIT + 0.5}
_NO_WORD = failed(28, "no token of an answer within 0.4 s", "--first-token-timeout")
_SILENT = failed(28, "no further token within 0.4 s", "--idle-timeout", words="one ")
_PING = chunked(b": ping\n\n", end=False)

SLOW = [
    Row(
        "F26",
        "it says nothing more after the first words",
        [
            Case("", streamed(FIRST, HOLD), _SILENT, argv=("--idle-timeout", "0.4"), **_SLOW),
            Case(
                "in a list",
                by([length(HALF_LIST, 9), HOLD]),
                models=_NO_WORD,
                argv=_PATIENCE,
                **_SLOW,
            ),
        ],
    ),
    Row(
        "F27",
        "it never says a word",
        [Case("", by([HOLD]), _NO_WORD, _NO_WORD, argv=_PATIENCE, **_SLOW)],
    ),
    Row(
        "F28",
        "it sends comments for ever",
        [
            Case(
                "before a word",
                by(for_ever(_PING, start=STREAM_HEAD, pause=0.05)),
                _NO_WORD,
                argv=_PATIENCE,
                **_SLOW,
            ),
            Case(
                "after one",
                by(for_ever(_PING, start=STREAM_HEAD + framed(FIRST), pause=0.05)),
                _SILENT,
                argv=("--idle-timeout", "0.4"),
                **_SLOW,
            ),
            Case(
                "as fast as it can",
                by(for_ever(_PING * 1000, start=STREAM_HEAD + framed(FIRST))),
                _SILENT,
                argv=("--idle-timeout", "0.4"),
                **_SLOW,
            ),
        ],
    ),
    Row(
        "F29",
        "it drips, a byte at a time, for ever",
        [
            Case(
                "in an event",
                by(for_ever(b"1\r\nx\r\n", start=STREAM_HEAD + framed(FIRST), pause=0.05)),
                _SILENT,
                argv=("--idle-timeout", "0.4"),
                **_SLOW,
            ),
            Case(
                "in a header",
                by(for_ever(b"x", start=b"HTTP/1.1 200 OK\r\nx: ", pause=0.05)),
                _NO_WORD,
                _NO_WORD,
                argv=_PATIENCE,
                **_SLOW,
            ),
            Case(
                "in a document",
                by(for_ever(b" ", start=OPEN_JSON, pause=0.05)),
                _NO_WORD,
                _NO_WORD,
                argv=_PATIENCE,
                **_SLOW,
            ),
        ],
    ),
    Row(
        "F30",
        "it answers 102 for ever",
        [
            Case(
                "",
                by(for_ever(b"HTTP/1.1 102 Processing\r\n\r\n", pause=0.02)),
                _NO_WORD,
                _NO_WORD,
                argv=_PATIENCE,
                **_SLOW,
            ),
            Case(
                "as fast as it can",
                by(for_ever(b"HTTP/1.1 102 Processing\r\n\r\n" * 1000)),
                _NO_WORD,
                _NO_WORD,
                argv=_PATIENCE,
                **_SLOW,
            ),
            Case(
                "the whole has a limit too",
                by(for_ever(b"HTTP/1.1 102 Processing\r\n\r\n", pause=0.02)),
                **both(failed(28, "not done within 0.4 s", "--max-time")),
                argv=("--max-time", "0.4"),
                **_SLOW,
            ),
        ],
    ),
]

# When it is too much -----------------------------------------------------------------------------

_BLOCK = b"x" * 65536
_DATA_LINE = b"data: xxxxxxxxxx\n"


def _many(block: bytes, total: int, start: bytes) -> Callable[[Request], Iterator[Step]]:
    def play(_: Request) -> Iterator[Step]:
        yield start
        for _number in range(total // len(block)):
            yield block

    return play


def _less_than_4m(stage: Stage) -> Server:
    stage.env["CONTEXTOPS_MAX_ANSWER"] = "4M"
    return stage.serve(_many(_TEXT_OF_1K, 256 * _MB, OPEN_STREAM))


_TOO_LARGE = failed(63, "too large an event", "max_event")
_TEXT_OF_1K = sse(chunk("y" * 1000)) * 64
_LONG_BODY = failed(63, "more than 33554432 bytes", "max_body")
_MB = 1 << 20

MUCH = [
    Row(
        "F31",
        "a header line that does not end",
        [
            Case(
                "",
                by(for_ever(_BLOCK, start=b"HTTP/1.1 200 OK\r\nx: ")),
                **both(failed(8, "does not speak HTTP")),
            )
        ],
    ),
    Row(
        "F32",
        "ten million headers",
        [
            Case(
                "",
                by(_many(b"x: y\r\n" * 10_000, 60_000_000, b"HTTP/1.1 200 OK\r\n")),
                **both(failed(8, "does not speak HTTP")),
            )
        ],
    ),
    Row(
        "F33",
        "it holds the connection after [DONE]",
        [
            Case("", streamed(FIRST, SECOND, STOP, DONE, HOLD), BOTH, limit=1.0),
        ],
    ),
    Row(
        "F34",
        "junk after [DONE]",
        [
            Case(
                "junk",
                by([STREAM_HEAD, framed(FIRST, SECOND, STOP, DONE), b"\0junk"]),
                BOTH,
                limit=1.0,
            ),
            Case(
                "events",
                streamed(FIRST, SECOND, STOP, DONE, chunk("three"), HOLD),
                BOTH,
                limit=1.0,
            ),
            Case(
                "trailers for ever",
                by(
                    for_ever(
                        b"x: y\r\n" * 1000,
                        start=STREAM_HEAD + framed(FIRST, SECOND, STOP, DONE) + b"0\r\n",
                    )
                ),
                BOTH,
                limit=1.0,
            ),
        ],
    ),
    Row(
        "F35",
        "256 MB in one line",
        [
            Case(
                "",
                by(_many(_BLOCK, 256 * _MB, OPEN_STREAM + b"data: ")),
                _TOO_LARGE,
            ),
            Case(
                "after the first words",
                by(_many(_BLOCK, 256 * _MB, OPEN_STREAM + sse(FIRST) + b"data: ")),
                failed(63, "too large an event", words="one "),
            ),
            Case(
                "of a document",
                by(_many(_BLOCK, 256 * _MB, OPEN_JSON + b'{"data": "')),
                _LONG_BODY,
                _LONG_BODY,
            ),
        ],
    ),
    Row(
        "F36",
        "256 MB of lines in one event",
        [
            Case("", by(_many(_DATA_LINE * 4000, 256 * _MB, OPEN_STREAM)), _TOO_LARGE),
            Case(
                "without a word in them",
                by(_many(b"data:\n" * 11_000, 256 * _MB, OPEN_STREAM)),
                _TOO_LARGE,
            ),
        ],
    ),
    Row(
        "F37",
        "good events without end",
        [
            Case(
                "",
                by(_many(_TEXT_OF_1K, 256 * _MB, OPEN_STREAM)),
                failed(63, "the answer is too long", "max_answer", words="y" * 67_108_000),
                limit=25.0,
                only=("text", "--json"),
                # The text, and once more as the document's.
                peak={"--json": 180 * _MB},
            ),
            Case(
                "max_answer is 4M",
                _less_than_4m,
                failed(63, "the answer is too long", "max_answer", words="y" * 4_194_000),
            ),
            Case(
                "of what is no text",
                by(for_ever(sse({"event": {"type": "status"}}) * 1000, start=OPEN_STREAM)),
                _NO_WORD,
                argv=_PATIENCE,
                **_SLOW,
            ),
        ],
    ),
]

# What cannot be read -----------------------------------------------------------------------------

_ZIPPED = gzip.compress(json.dumps(_TOLD).encode())


def _bomb() -> bytes:
    return gzip.compress(bytes(64 * _MB))


def _compressed(name: str, encoding: str, make: Callable[[], bytes]) -> Case:
    head = {"content-type": "application/json", "content-encoding": encoding}
    return Case(
        name,
        by(lambda _: http(200, head, make())),
        **both(failed(8, f"{encoding} compression")),
    )


def _said(content: str) -> bytes:
    """Give an answer of which this is the content, as it stands."""
    return b'{"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "x": %b}' % (
        content.encode("latin-1")
    )


def _unreadable(name: str, value: str, why: str) -> Case:
    body = _said(value)
    listed = b'{"data": [{"id": "a", "x": %b}]}' % value.encode("latin-1")
    return Case(
        name,
        by(http(200, {"content-type": "application/json"}, body), length(listed)),
        **both(failed(8, "did not answer with JSON", why)),
    )


_UNREADABLE = (
    ("nested 100,000 deep", "[" * 100_000 + "]" * 100_000, "nested too deep"),
    ("nested 100,000 deep, not closed", "[" * 100_000, ""),
    ("a number of 5,000 digits", "1" * 5_000, "digits"),
    ("NaN", "NaN", "NaN is not JSON"),
    ("1e400", "1e400", "out of range"),
    ("not UTF-8", '"\xff"', "utf-8"),
    ("junk behind", "1} and more", ""),
    ("nothing behind a comma", "1,", ""),
)
_BOM = b"\xef\xbb\xbf"
_WITH_BOM = json.dumps(_TOLD).encode()

UNREADABLE = [
    Row(
        "F38",
        "a small answer that would be large: gzip, although none was asked for",
        [
            _compressed("", "gzip", _bomb),
            _compressed("a bomb of bombs", "gzip, gzip", lambda: gzip.compress(_bomb())),
        ],
    ),
    Row(
        "F39",
        "gzip that was cut",
        [
            _compressed("", "gzip", lambda: _ZIPPED[: len(_ZIPPED) // 2]),
            Case(
                "in a stream",
                by(
                    [http(200, {**EVENT_STREAM, "content-encoding": "gzip"}), chunked(_ZIPPED[:40])]
                ),
                failed(8, "gzip compression"),
            ),
        ],
    ),
    Row(
        "F40",
        "a compression that nobody knows",
        [_compressed(name, name, lambda: b"\x00\x01\x02") for name in ("br", "zstd", "x-secret")],
    ),
    Row(
        "F41",
        "JSON that is none, or that cannot be held",
        [
            *(_unreadable(*oddity) for oddity in _UNREADABLE),
            *(
                Case(
                    f"{name}, in an event",
                    streamed(FIRST, sse(value), DONE),
                    failed(8, "not JSON", why, words="one "),
                )
                for name, value, why in _UNREADABLE
                if name != "not UTF-8"
            ),
            Case(
                "a BOM",
                by(length(_BOM + _WITH_BOM), length(_BOM + LIST_BODY)),
                _WHOLE,
                LISTED,
            ),
            Case(
                "a BOM before a stream",
                by([OPEN_STREAM, _BOM + sse(FIRST, SECOND, STOP, DONE)]),
                BOTH,
            ),
        ],
    ),
    Row(
        "F42",
        "half of a surrogate pair in the text",
        [
            Case(
                "",
                streamed(b'data: {"choices": [{"delta": {"content": "a\\ud83d"}}]}\n\n', STOP),
                Outcome(words="a\ufffd"),
            ),
            Case(
                "a pair in two events",
                streamed(
                    b'data: {"choices": [{"delta": {"content": "\\ud83d"}}]}\n\n',
                    b'data: {"choices": [{"delta": {"content": "\\ude00"}}]}\n\n',
                    STOP,
                ),
                Outcome(words="\ufffd\ufffd"),
            ),
            Case(
                "in an id",
                by(length(b'{"data": [{"id": "a\\ud83d"}]}')),
                models=Outcome(words=["a\ufffd"]),
            ),
        ],
    ),
]

# Text that a terminal obeys ----------------------------------------------------------------------

_OBEYED = {
    "a color": ("\x1b[31mred", "^[[31mred"),
    "OSC 52": ("\x1b]52;c;aGk=\x07", "^[]52;c;aGk=^G"),
    "OSC 8": ("\x1b]8;;http://x\x1b\\y", "^[]8;;http://x^[\\y"),
    "a title": ("\x1b]0;owned\x07", "^[]0;owned^G"),
    "C1": ("\x9b31m\x85\x9d0;x\x9c", "\\u{9b}31m\\u{85}\\u{9d}0;x\\u{9c}"),
    "bidi": ("a\u202eb\u2066c\u2069", "a\\u{202e}b\\u{2066}c\\u{2069}"),
    "a lone CR": ("safe\rrm -rf", "safe^Mrm -rf"),
    "DEL and NUL": ("a\x7f\x00b", "a^?^@b"),
}


def _letters(text: str) -> SetUp:
    """Stream a text character by character."""
    return by(
        stream(*(chunk(letter) for letter in text), STOP, DONE),
        json_answer({"data": [{"id": text}]}),
    )


TERMINAL = [
    Row(
        "F43",
        "what a terminal would obey, in events of a character each",
        [
            Case(
                name,
                _letters(text),
                Outcome(words=text, masked=shown),
                Outcome(words=[text], masked=f"{shown}\n"),
                also=("terminal", "models list --json"),
            )
            for name, (text, shown) in _OBEYED.items()
        ],
    ),
]

# Events of every kind ----------------------------------------------------------------------------


def _among(*events: Event) -> SetUp:
    """Put events between two good ones."""
    return streamed(FIRST, *events, SECOND, STOP, DONE)


def _delta(value: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": value}]}


_ODD_EVENTS: dict[str, Event] = {
    "choices null": {"choices": None},
    "choices no array": {"choices": {"0": "x"}},
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
    "an object without anything": {},
    "error null": {"error": None},
    "event": {"event": {"type": "status", "data": {"done": True}}},
    "event: ping": b'event: ping\ndata: {"type": "ping"}\n\n',
}
_SENT = sse(FIRST, SECOND, STOP, DONE)
_FORMS: dict[str, bytes] = {
    "a BOM": _BOM + _SENT,
    "CR": _SENT.replace(b"\n", b"\r"),
    "CRLF": _SENT.replace(b"\n", b"\r\n"),
    "empty events": b"\n\n\n" + _SENT.replace(b"\n\n", b"\n\n\n\n\n"),
    "comments": b": hello\n:\n\n" + _SENT.replace(b"\n\n", b"\n: between\n\n"),
    "id and retry": _SENT.replace(b"data: ", b"id: 7\nretry: 1\nretry: x\nid\ndata: "),
    "no space after the colon": _SENT.replace(b"data: ", b"data:"),
    "names of events": _SENT.replace(b"data: ", b"event: message\ndata: "),
    "unknown fields": _SENT.replace(b"data: ", b"x: y\nData: 1\ndata : 2\ndata: "),
    "lines of one event": sse(FIRST).replace(b'"choices"', b'\ndata: "choices"')
    + sse(SECOND, STOP, DONE),
}
_ENDS_OF_LINES = "a\u2028b\u0085c\u2029d\x0be\x0cf"

EVENTS = [
    Row(
        "F44",
        "an event that is no JSON between good ones",
        [Case("", _among("{not json}"), failed(8, "not JSON", words="one "))],
    ),
    Row(
        "F45",
        "events of odd shapes, and unknown ones, between good ones",
        [
            *(Case(name, _among(odd), BOTH) for name, odd in _ODD_EVENTS.items()),
            Case(
                "sources",
                streamed({"sources": [{"source": {"id": "1"}}]}, FIRST, SECOND, STOP, DONE),
                Outcome(words="one two", about={"sources": [{"source": {"id": "1"}}]}),
            ),
            Case(
                "selected_model_id",
                streamed({"selected_model_id": "b"}, FIRST, SECOND, STOP, DONE),
                Outcome(words="one two", about={"selected_model_id": "b"}),
            ),
        ],
    ),
    Row(
        "F46",
        "events in every form that the standard allows",
        [
            *(
                Case(name, by([OPEN_STREAM, *bytewise(block)]), BOTH)
                for name, block in _FORMS.items()
            ),
            Case(
                "ends of lines that are none",
                streamed(chunk(_ENDS_OF_LINES), STOP),
                Outcome(words=_ENDS_OF_LINES),
            ),
        ],
    ),
]

# Elsewhere ---------------------------------------------------------------------------------------


def _led_to_another(status: int) -> SetUp:
    """Lead to another server, which must see nothing of it."""

    def set_up(stage: Stage) -> Server:
        other = Server(LIST, may_be_idle=True)
        stage.stack.callback(lambda: _require_untouched(other))
        stage.stack.enter_context(other)
        target = {"location": f"{other.url}/api/models"}
        return stage.serve(http(status, target))

    return set_up


def _require_untouched(server: Server) -> None:
    assert not server.connections


def _led_on(request: Request) -> Answer:
    if request.target.endswith("?moved"):
        return LIST
    return http(301, {"location": "/elsewhere/models?moved"})


def _downgrade(stage: Stage) -> Server:
    other = Server(LIST, may_be_idle=True)
    stage.stack.callback(lambda: _require_untouched(other))
    stage.stack.enter_context(other)
    return stage.serve(
        http(302, {"location": f"{other.url}/api/models"}), tls=stage.certificates.server()
    )


ELSEWHERE = [
    Row(
        "F48",
        "it leads to another origin",
        [
            Case(
                str(status),
                _led_to_another(status),
                **both(failed(8, "redirects", str(status))),
                requests=1,
            )
            for status in (301, 302, 303, 307, 308)
        ],
    ),
    Row(
        "F49",
        "it leads on within its origin",
        [
            Case("", by(_led_on), failed(8, "redirects"), LISTED),
            Case(
                "for ever",
                by(http(302, {"location": "/api/models"})),
                models=failed(8, "redirects"),
                requests=6,
            ),
            Case("nowhere", by(http(302)), **both(failed(8, "redirects")), requests=1),
        ],
    ),
    Row(
        "F50",
        "it leads to what is no server",
        [
            Case(target, by(http(302, {"location": target})), **both(failed(8, "redirects")))
            for target in ("file:///etc/passwd", "javascript:alert(1)", "http://[", "//")
        ],
    ),
    Row(
        "F51",
        "it leads from https to http",
        [Case("", _downgrade, **both(failed(8, "redirects")))],
    ),
]

# What is no HTTP ---------------------------------------------------------------------------------


def _with(head: str, body: bytes = b"{}") -> SetUp:
    return by(
        [
            f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{head}\r\n\r\n".encode() + body,
            CLOSE,
        ]
    )


_NO_HTTP = failed(8, "does not speak HTTP")
_BAD_CHUNKS = {
    "no number": b"zz\r\n{}\r\n0\r\n\r\n",
    "negative": b"-5\r\n{}\r\n0\r\n\r\n",
    "of 200 digits": b"f" * 200 + b"\r\n{}\r\n0\r\n\r\n",
    "too small": b'2\r\n{"data": []}\r\n0\r\n\r\n',
    "another answer": b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
}

NO_HTTP = [
    Row(
        "F52",
        "sizes of chunks that are none",
        [
            *(
                Case(
                    name,
                    _with("transfer-encoding: chunked", block),
                    **both(failed(8, "not valid HTTP")),
                )
                for name, block in _BAD_CHUNKS.items()
            ),
            *(
                Case(
                    f"{name}, after the first words",
                    by([STREAM_HEAD + framed(FIRST), 0.1, block]),
                    failed(8, "not valid HTTP", words="one "),
                )
                for name, block in _BAD_CHUNKS.items()
            ),
        ],
    ),
    Row(
        "F53",
        "lengths that cannot be",
        [
            Case(name, _with(head), **both(_NO_HTTP))
            for name, head in (
                ("two", "content-length: 2\r\ncontent-length: 3"),
                ("negative", "content-length: -2"),
                ("no number", "content-length: two"),
                ("an unknown encoding", "transfer-encoding: sideways"),
            )
        ],
    ),
    Row(
        "F54",
        "an answer without a body",
        [
            Case("204", by(http(204)), **both(failed(8))),
            Case("304", by(http(304)), **both(failed(8))),
            Case(
                "200, empty", by(http(200, {"content-type": "application/json"})), **both(failed(8))
            ),
            Case(
                "a stream, empty", by([STREAM_HEAD, chunked()]), failed(8, "answered with nothing")
            ),
            Case(
                "a stream of white space",
                by([OPEN_STREAM, b"\n \n\n", CLOSE]),
                failed(8, "answered with nothing"),
            ),
        ],
    ),
]

# TLS, names, proxies -----------------------------------------------------------------------------


def _secure(which: Any, *, trusted: bool = True) -> SetUp:
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


def _dead_then_good(stage: Stage) -> str:
    """Give a name whose first address takes no connections."""
    dead = int(stage.deaf().rpartition(":")[2])
    good = stage.serve(by_path_of(stream(*reply(TEXT)), LIST))
    stage.addresses = [("127.0.0.1", dead), ("127.0.0.1", good.port)]
    stage.argv += ["--connect-timeout", "1"]
    return "http://two.example.internal"


def _dead(stage: Stage) -> str:
    stage.argv += ["--connect-timeout", "0.4", *ONCE]
    return stage.deaf()


def _behind(answer: Answering, *, url: str = "http://there.internal") -> SetUp:
    """Reach a server through a proxy that answers so."""

    def set_up(stage: Stage) -> str:
        stage.env["CONTEXTOPS_PROXY"] = stage.serve(answer).url
        return url

    return set_up


def _proxy(proxy: str) -> SetUp:
    def set_up(stage: Stage) -> str:
        stage.env["CONTEXTOPS_PROXY"] = proxy
        return "http://there.internal"

    return set_up


def _refusing_proxy(stage: Stage) -> str:
    stage.env["CONTEXTOPS_PROXY"] = stage.refusing()
    return "http://there.internal"


_NO_TLS = failed(60, "no TLS with")
_NGINX = http(
    400,
    {"content-type": "text/html", "connection": "close"},
    "<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>",
)
_GO = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"

REACHED = [
    Row(
        "F55",
        "TLS that cannot be, or is spoken on one side only",
        [
            Case("unknown authority", _secure("good", trusted=False), **both(_NO_TLS), argv=ONCE),
            Case("expired", _secure("expired"), **both(failed(60, "expired")), argv=ONCE),
            Case(
                "another's name",
                _secure("misnamed"),
                **both(failed(60, "not valid for")),
                argv=ONCE,
            ),
            Case("http to https", _plain_to_tls, **both(failed(8, "https")), argv=ONCE),
            Case(
                "http to https, as OpenSSL answers",
                by([_ALERT, CLOSE]),
                **both(failed(8, "https")),
                argv=ONCE,
            ),
            Case(
                "http to https, as nginx answers",
                by(_NGINX),
                **both(failed(22, "https")),
                argv=ONCE,
            ),
            Case(
                "http to https, as Go answers",
                by([_GO, CLOSE]),
                **both(failed(22, "https")),
                argv=ONCE,
            ),
            Case("https to http", _tls_to_plain, **both(failed(60, "http://")), argv=ONCE),
        ],
    ),
    Row(
        "F56",
        "a server that is not there",
        [
            Case("unknown name", _unknown_host, **both(failed(7, "cannot be resolved")), argv=ONCE),
            Case("refused", Stage.refusing, **both(failed(7, "refused")), argv=ONCE),
            Case("no answer", _dead, **both(failed(28, "--connect-timeout")), limit=0.9),
            Case("the first address is dead", _dead_then_good, ANSWERED, LISTED),
        ],
    ),
    Row(
        "F57",
        "a proxy that does not lead there",
        [
            Case(
                "407", _behind(http(407, {}, "who are you?")), **both(failed(7, "proxy")), argv=ONCE
            ),
            Case(
                "407 to CONNECT",
                _behind(http(407), url="https://there.internal"),
                **both(failed(7, "proxy")),
                argv=ONCE,
            ),
            Case(
                "502 to CONNECT",
                _behind(http(502), url="https://there.internal"),
                **both(failed(7, "proxy")),
                argv=ONCE,
            ),
            Case("refused", _refusing_proxy, **both(failed(7, "proxy")), argv=ONCE),
            Case("unusable", _proxy("nonsense://x"), **both(failed(3))),
            Case("no host", _proxy("http://"), **both(failed(3))),
            Case(
                "socks, and no package for it",
                _proxy("socks5://127.0.0.1:1"),
                **both(failed(3, "socks")),
            ),
        ],
    ),
]

# Lists -------------------------------------------------------------------------------------------


def _entry(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "openai"}


_HUNDRED_THOUSAND = [_entry(f"model-{number}") for number in range(100_000)]
_ARRAY = ("models list --json",)
_DOUBLE = [_entry(name) for name in ("a", "b", "a", "c", "b")]


def _list(entries: Sequence[dict[str, Any]]) -> Outcome:
    return Outcome(words=[entry["id"] for entry in entries], entries=entries)


LISTS = [
    Row(
        "F58",
        "lists of models that are long, double, odd or none",
        [
            Case(
                "100,000",
                by(lambda _: json_answer({"data": _HUNDRED_THOUSAND})),
                models=_list(_HUNDRED_THOUSAND),
                also=_ARRAY,
            ),
            Case(
                "100,000, bare",
                by(lambda _: json_answer(_HUNDRED_THOUSAND)),
                models=_list(_HUNDRED_THOUSAND),
                also=_ARRAY,
            ),
            Case(
                "double",
                by(json_answer({"data": _DOUBLE})),
                models=_list([*_DOUBLE[:2], _DOUBLE[3]]),
                also=_ARRAY,
            ),
            Case(
                "line ends in an id",
                by(json_answer({"data": [_entry("a\nb\tc")]})),
                models=Outcome(words=["a\nb\tc"], masked="a^Jb^Ic\n", entries=[_entry("a\nb\tc")]),
                also=_ARRAY,
            ),
            Case(
                "data: null",
                by(json_answer({"data": None})),
                models=failed(8, "unexpected response"),
            ),
            Case(
                "no ids",
                by(json_answer({"data": [{"name": "a"}]})),
                models=failed(8, "without an id"),
            ),
            Case(
                "40 MB",
                by(_many(_BLOCK, 40 * _MB, OPEN_JSON + b'{"data": ["')),
                models=_LONG_BODY,
                also=_ARRAY,
            ),
        ],
    ),
]

# Requests, tools, turns --------------------------------------------------------------------------

_TOOLS = '[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]'


def _large_prompt(stage: Stage) -> Server:
    stage.argv += ["-f", stage.file("large.txt", "x" * 30_000_000)]
    return stage.serve(http(413, {"connection": "close"}, "the body is too large"), early=True)


def _call(
    index: int | None, name: str | None = None, arguments: str | None = None, **more: Any
) -> Event:
    function = {"name": name, "arguments": arguments}
    known = {key: value for key, value in function.items() if value is not None}
    return chunk(tool_calls=[{"index": index, **more, "function": known}])


def _called(name: str, arguments: str, number: str) -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


_CALLS_END = chunk(finish="tool_calls")
_PIECES = (
    _call(0, "f", "", id="1"),
    _call(0, None, '{"a"'),
    _call(0, None, ": 1}"),
)
_CALL = _called("f", '{"a": 1}', "1")
_THOUSAND = [_called("f", f'{{"a": {number}}}', str(number)) for number in range(1000)]


def _tools(*events: Event) -> SetUp:
    def set_up(stage: Stage) -> Server:
        stage.argv += ["--tools", stage.file("tools.json", _TOOLS)]
        return stage.serve(stream(*events))

    return set_up


def _two_requests(stage: Stage) -> Server:
    """Have the command ask for the models first, and close what it could use again."""
    stage.env["CONTEXTOPS_MODEL"] = None
    models = json_answer({"data": [{"id": "ctx-small"}]}, 200, {"connection": "keep-alive"})
    return stage.serve(in_turn(models, stream(*reply(TEXT))), idle=0)


TURNS = [
    Row(
        "F59",
        "413 while a prompt of 30 MB goes up",
        [Case("", _large_prompt, failed(22, "the body is too large"), of_send=True)],
    ),
    Row(
        "F60",
        "calls of tools",
        [
            Case(
                "in pieces",
                _tools(*_PIECES, _CALLS_END, DONE),
                Outcome(calls=[_CALL], finish="tool_calls"),
                of_send=True,
            ),
            Case(
                "cut",
                _tools(*_PIECES[:2]),
                failed(18, "truncated", calls=[_called("f", '{"a"', "1")]),
                of_send=True,
            ),
            Case(
                "no JSON",
                _tools(*_PIECES[:2], _CALLS_END, DONE),
                failed(12, calls=[_called("f", '{"a"', "1")], finish="tool_calls", complete=True),
                of_send=True,
            ),
            Case(
                "two under one index",
                _tools(*_PIECES, _call(0, "f", "{}", id="2"), _CALLS_END, DONE),
                Outcome(calls=[_CALL, _called("f", "{}", "2")], finish="tool_calls"),
                of_send=True,
            ),
            Case(
                "a thousand",
                _tools(
                    *(
                        _call(number, "f", f'{{"a": {number}}}', id=str(number))
                        for number in range(1000)
                    ),
                    _CALLS_END,
                    DONE,
                ),
                Outcome(calls=_THOUSAND, finish="tool_calls"),
                of_send=True,
            ),
        ],
    ),
    Row(
        "F61",
        "what comes beside the words",
        [
            Case(
                "usage, and no choices",
                streamed(FIRST, SECOND, STOP, usage_chunk(), DONE),
                Outcome(words="one two", about={"usage": USAGE}),
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
                Outcome(words="one two", thought="hm so"),
            ),
            Case(
                "a role alone", streamed(chunk(role="assistant"), FIRST, SECOND, STOP, DONE), BOTH
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
                    about={
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
        "it closes a connection that could be used again, before the next request",
        [Case("", _two_requests, ANSWERED, requests=2)],
    ),
]

ROWS = (
    *(*ENDS, *INSTEAD, *REFUSALS, *BUSY, *SLOW, *MUCH, *UNREADABLE, *TERMINAL),
    *(*EVENTS, *ELSEWHERE, *NO_HTTP, *REACHED, *LISTS, *TURNS),
)
