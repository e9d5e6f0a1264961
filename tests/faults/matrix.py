"""The rows and modes of the fault matrix, and how an answer looks in each mode.

A row is one kind of fault, and its cases are the ways in which it occurs. A case sets up a server
and has the expected outcome (``Outcome``), one for a chat and one for the list of models. A mode is
one way to call the command, and compares its output with the outcome, byte for byte. A case runs in
every mode whose endpoint it has an outcome for. To add a mode, add a ``Mode``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from certificates import Certificates
from contextops.errors import ConfigError, ContextopsError, ModelNotFoundError
from faults.launcher import Job, Launcher
from server import Answer, Request, Server, deaf, refusing
from shapes import CREATED, KEY

MAX_MEMORY = 100 << 20
"""The memory in bytes that a run may use, unless its case sets another limit."""

MAX_CPU_SECONDS = 5.0
"""The CPU seconds that a run may use; other work of the machine does not count."""

SLACK = 2.0
"""Seconds that a run may take beyond its time limit.

Half a second is promised, but the machine may be busy. A run that does not end at its limit would
last ten seconds or without end.
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The expected outcome of a run: its status, the printed answer, the error and the notes.

    ``words`` is the model's text, or the model ids. ``document`` is the answer where the server
    sent a document, and ``changes`` are additions to the document that is built from a stream. The
    error, if the status is not 0, contains each of ``error_words``; each of ``notes`` is part of
    one note, in order.
    """

    status: int = 0
    words: str | Sequence[str] = ""
    error_words: Sequence[str] = ()
    notes: Sequence[str] = ()
    document: Any = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    reasoning: str = ""
    finish: str | None = ""
    """The finish reason; empty for the default: "stop" if complete, None if truncated."""
    calls: Sequence[Mapping[str, Any]] = ()
    attempts: int = 1
    complete: bool | None = None
    """What the document says; None for the default: whether the status is 0."""
    entries: Sequence[Mapping[str, Any]] | None = None
    """The printed list of models; None if it follows from the ids."""
    masked: str | None = None
    """The text with control characters made visible, for terminals and lists of ids."""


@dataclass(kw_only=True)
class Stage:
    """The environment of a case: servers, files, flags and variables of the command."""

    stack: ExitStack
    folder: Path
    launcher: Launcher
    make_certificates: Callable[[], Certificates]
    argv: list[str] = field(default_factory=list)
    env: dict[str, str | None] = field(default_factory=dict)
    addresses: list[tuple[str, int]] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)

    def serve(self, answer: Callable[[Request], Answer] | Answer, **settings: Any) -> Server:
        """Start a server; the number of requests to the first one is checked."""
        server = self.stack.enter_context(Server(answer, **settings))
        self.servers.append(server)
        return server

    def refusing(self) -> str:
        """Return a URL that refuses connections."""
        return self.stack.enter_context(refusing())

    def deaf(self) -> str:
        """Return a URL that neither accepts nor refuses connections."""
        return self.stack.enter_context(deaf())

    def job(self, *argv: str, **options: Any) -> Job:
        """Return a job that runs the command; its output goes to files of the folder by default."""
        env = {**os.environ, **self.env}
        streams = {name: str(self.folder / name) for name in ("stdout", "stderr")}
        fields = {"addresses": self.addresses, "cwd": str(self.folder), **streams, **options}
        variables = {name: value for name, value in env.items() if value is not None}
        return Job(argv=[*argv, *self.argv], env=variables, **fields)

    def read(self, name: str) -> bytes:
        """Return what a run wrote to a stream, and delete the file."""
        path = self.folder / name
        content = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        return content

    def use_server(self, url: str) -> None:
        """Point the command at a server."""
        known = {"BASE_URL": url, "API_KEY": KEY, "MODEL": "ctx-small"}
        self.env = {**{f"CONTEXTOPS_{name}": value for name, value in known.items()}, **self.env}

    @property
    def certificates(self) -> Certificates:
        """The certificates; from now on, the command trusts their authority."""
        made = self.make_certificates()
        self.env["CONTEXTOPS_CA_BUNDLE"] = str(made.authority)
        return made

    def file(self, name: str, content: str) -> str:
        """Write a file and return its path."""
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return str(path)


SetUp = Callable[[Stage], "str | Server"]
"""A function that sets up a case and returns its server or base URL."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way in which the fault of a row occurs.

    ``requests`` is the expected number of requests. The run must take at least ``min_seconds``, and
    at most ``max_seconds`` (plus ``SLACK``).
    """

    name: str = field(kw_only=False)
    set_up: SetUp = field(kw_only=False)
    chat: Outcome | None = field(default=None, kw_only=False)
    models: Outcome | None = field(default=None, kw_only=False)
    argv: Sequence[str] = ()
    requests: int | None = None
    min_seconds: float = 0.0
    max_seconds: float = 25.0
    peak: Mapping[str, int] = field(default_factory=dict)
    """Other limits on memory, by mode; the reason is a comment in the row."""
    modes: Sequence[str] = ()
    """The modes in which the case runs; empty for all."""
    send_only: bool = False
    """Whether the case needs an option that only ``chat send`` has."""
    extra_modes: Sequence[str] = ()
    """The opt-in modes in which the case runs too."""


@dataclass(frozen=True)
class Row:
    """One kind of fault, with its cases."""

    name: str
    title: str
    cases: Sequence[Case]


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One way to call the command, and the comparison of its output with an outcome."""

    name: str
    argv: Sequence[str]
    endpoint: Literal["chat", "models"]
    compare: Callable[[Outcome, bytes, Any], None]
    """Assert that stdout is as the outcome says; the last argument is the error on stderr."""
    adapt: Callable[[Outcome], Outcome] = lambda outcome: outcome
    """Return the outcome as this mode shows it."""
    stdin: str = ""
    """The text of standard input."""
    has_json_messages: bool = False
    on_terminal: bool = False
    is_opt_in: bool = False
    """Whether only cases that name the mode (``extra_modes``) run in it."""

    def outcome(self, case: Case) -> Outcome | None:
        """Return the expected outcome of a case, None if the case does not run in this mode."""
        if self.is_opt_in and self.name not in case.extra_modes:
            return None
        if case.send_only and self.endpoint == "chat" and "send" not in self.argv:
            return None
        if case.modes and self.name not in case.modes:
            return None
        outcome = case.chat if self.endpoint == "chat" else case.models
        return outcome and self.adapt(outcome)


# Output in each mode ------------------------------------------------------------------------------

_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def compact(value: Any) -> bytes:
    """Return a value as JSON on one line, with control characters escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def without_times(response: dict[str, Any] | None) -> dict[str, Any] | None:
    """Set the times in a response to 0, in place, and return it."""
    metadata = (response or {}).get("contextops", {})
    metadata.update({name: 0 for name in ("first_token_ms", "total_ms") if metadata.get(name)})
    return response


def line(text: str) -> bytes:
    """Return a text with a final newline, encoded; an empty text stays empty."""
    return (text if not text or text.endswith("\n") else f"{text}\n").encode()


def document(outcome: Outcome) -> dict[str, Any] | None:
    """Return the document of ``--json`` with times set to 0, None if no text had arrived."""
    if outcome.status and not (outcome.words or outcome.reasoning or outcome.calls):
        return None
    known = {"requested_model": "ctx-small", "attempts": outcome.attempts}
    # An answer without text has no time of the first token.
    first = 0 if outcome.words or outcome.reasoning or outcome.calls else None
    complete = not outcome.status if outcome.complete is None else outcome.complete
    times = {"first_token_ms": first, "total_ms": 0, "complete": complete}
    made = outcome.document
    if made is None:
        message: dict[str, Any] = {"role": "assistant", "content": outcome.words}
        if outcome.reasoning:
            message["reasoning_content"] = outcome.reasoning
        if outcome.calls:
            message["content"] = outcome.words or None
            message["tool_calls"] = list(outcome.calls)
        finish = outcome.finish
        if finish == "":
            finish = None if outcome.status else "stop"
        head = {"id": "chatcmpl-fake1", "object": "chat.completion", "created": CREATED}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        made = {**head, "model": "ctx-small", "choices": [choice], **outcome.changes}
    return {**made, "contextops": {**known, **times}}


def _compare_text(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    expected = line(str(outcome.words))
    if outcome.calls and not outcome.status:
        expected = b"".join(compact(call) + b"\n" for call in outcome.calls)
    assert stdout == expected


def _compare_document(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    expected = document(outcome)
    if expected is None:
        assert stdout == b""
        return
    parsed = json.loads(stdout)
    assert stdout == compact(parsed) + b"\n"
    assert without_times(parsed) == expected


def _compare_lines(outcome: Outcome, stdout: bytes, error: Any) -> None:
    *lines, last = stdout.splitlines()
    pieces = [json.loads(line) for line in lines]
    # How the text is divided into pieces depends on the network.
    assert [compact(piece) for piece in pieces] == lines
    assert {piece["type"] for piece in pieces} <= {"delta", "reasoning", "tool_call"}
    assert any(piece["type"] == "tool_call" for piece in pieces) == bool(outcome.calls)
    assert _joined(pieces, "delta") == outcome.words
    assert _joined(pieces, "reasoning") == outcome.reasoning
    end = {"type": "error", "error": error} if error else {"type": "done"}
    parsed = json.loads(last)
    assert last == compact(parsed)
    response = without_times(parsed["response"])
    assert parsed == {**end, "response": response}
    assert response == document(outcome)
    assert stdout.endswith(b"}\n")


def _joined(pieces: Sequence[Mapping[str, Any]], kind: str) -> str:
    return "".join(piece["content"] for piece in pieces if piece["type"] == kind)


def _compare_terminal(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    expected = outcome.words if outcome.masked is None else outcome.masked
    assert stdout.replace(b"\r\n", b"\n") == line(str(expected))


def _compare_ids(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    expected = "".join(f"{name}\n" for name in outcome.words)
    assert stdout == (expected if outcome.masked is None else outcome.masked).encode()


def _compare_array(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    if outcome.status:
        assert stdout == b""
        return
    unknown = {"object": None, "created": None, "owned_by": None}
    entries = outcome.entries
    if entries is None:
        entries = [{"id": name, **unknown} for name in outcome.words]
    assert stdout == compact(list(entries)) + b"\n"


_CODES = {kind.status: kind.code for kind in ContextopsError.__subclasses__()}


def _adapt_to_check(outcome: Outcome) -> Outcome:
    """Return the outcome of ``models check`` for an empty list: status 5."""
    if outcome.status or outcome.words:
        return outcome
    return replace(outcome, status=5, error_words=("it lists none", "private"), notes=())


def _compare_checks(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    if outcome.status == ConfigError.status:
        assert stdout == b""
    elif outcome.status == ModelNotFoundError.status:
        assert stdout == b"missing *\n"
    elif outcome.status:
        assert stdout == f"unknown * {_CODES[outcome.status]}\n".encode()
    else:
        listed = "".join(f"{name}\n" for name in outcome.words)
        expected = (listed if outcome.masked is None else outcome.masked).splitlines()
        assert stdout.decode().splitlines() == [f"ok {name}" for name in expected]


_CHAT = ("chat", "send", "-n")
MODES = (
    Mode(name="text", argv=(*_CHAT, "hi"), endpoint="chat", compare=_compare_text),
    Mode(
        name="--json",
        argv=(*_CHAT, "--json", "hi"),
        endpoint="chat",
        compare=_compare_document,
        has_json_messages=True,
    ),
    Mode(
        name="--jsonl",
        argv=(*_CHAT, "--jsonl", "hi"),
        endpoint="chat",
        compare=_compare_lines,
        has_json_messages=True,
    ),
    Mode(
        name="terminal",
        argv=(*_CHAT, "--plain", "hi"),
        endpoint="chat",
        compare=_compare_terminal,
        on_terminal=True,
        is_opt_in=True,
    ),
    Mode(
        name="chat repl",
        argv=("chat", "repl"),
        endpoint="chat",
        compare=_compare_text,
        stdin="hi\n",
    ),
    Mode(name="models list", argv=("models", "list"), endpoint="models", compare=_compare_ids),
    Mode(
        name="models check",
        argv=("models", "check", "*"),
        endpoint="models",
        compare=_compare_checks,
        adapt=_adapt_to_check,
    ),
    Mode(
        name="models list --json",
        argv=("models", "list", "--json"),
        endpoint="models",
        compare=_compare_array,
        has_json_messages=True,
        is_opt_in=True,
    ),
)
