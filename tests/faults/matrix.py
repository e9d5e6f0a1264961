"""What a row of the matrix is, in which modes it is run, and how an answer looks in each.

A row has cases: ways in which one thing goes wrong. A case says how the server is set up and what
must come of it (``Outcome``), once for an answer of a model and once for the list of models. A mode
says how the command is called and how an outcome looks in it, to the byte; a case is run in every
mode that asks for what it has an outcome for. To add a mode is to add a ``Mode``.
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

BOUND = 100 << 20
"""Bytes of memory that a run may take, where its case says nothing else."""

WORK = 5.0
"""Seconds of a processor that a run may take; what other work a machine has is not counted."""

SLACK = 2.0
"""Seconds that a run may take beyond its limit: half of one is promised, machines have other work.

What does not end at its limit would last ten seconds or for ever.
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run must come to: its status, what of an answer is shown, what is said.

    ``words`` is the model's text or, in a list, an id each; ``document`` what it is made from where
    the server gave a document, and ``about`` changes to that which is made from a stream. ``says``
    stands in the one error, if the status is not 0, and ``notes`` in a note each.
    """

    status: int = 0
    words: str | Sequence[str] = ""
    says: Sequence[str] = ()
    notes: Sequence[str] = ()
    document: Any = None
    about: Mapping[str, Any] = field(default_factory=dict)
    thought: str = ""
    finish: str | None = ""
    """What the document names; "stop" for a whole answer and None for a cut one unless said."""
    calls: Sequence[Mapping[str, Any]] = ()
    attempts: int = 1
    complete: bool | None = None
    """Whether the document says so; where the status is 0, if it is None."""
    entries: Sequence[Mapping[str, Any]] | None = None
    """Of the list of models; made from the ids where it is None."""
    masked: str | None = None
    """How it looks where a terminal must not obey it: a person's, or a list of ids."""


@dataclass(kw_only=True)
class Stage:
    """Where a case is set up: servers, files, and how the command is called."""

    stack: ExitStack
    folder: Path
    launcher: Launcher
    make_certificates: Callable[[], Certificates]
    argv: list[str] = field(default_factory=list)
    env: dict[str, str | None] = field(default_factory=dict)
    addresses: list[tuple[str, int]] = field(default_factory=list)
    servers: list[Server] = field(default_factory=list)

    def serve(self, answer: Callable[[Request], Answer] | Answer, **settings: Any) -> Server:
        """Start a server; the first that is started is the one that is asked."""
        server = self.stack.enter_context(Server(answer, **settings))
        self.servers.append(server)
        return server

    def refusing(self) -> str:
        """Give a URL that refuses connections."""
        return self.stack.enter_context(refusing())

    def deaf(self) -> str:
        """Give a URL that neither takes nor refuses them."""
        return self.stack.enter_context(deaf())

    def job(self, *argv: str, **how: Any) -> Job:
        """Describe a run with these words; its streams go to files here unless said otherwise."""
        env = {**os.environ, **self.env}
        streams = {name: str(self.folder / name) for name in ("stdout", "stderr")}
        given = {"addresses": self.addresses, "cwd": str(self.folder), **streams, **how}
        set_there = {name: value for name, value in env.items() if value is not None}
        return Job(argv=[*argv, *self.argv], env=set_there, **given)

    def read(self, name: str) -> bytes:
        """Read what a run left on a stream, and take it away."""
        path = self.folder / name
        left = path.read_bytes() if path.exists() else b""
        path.unlink(missing_ok=True)
        return left

    def ask(self, url: str) -> None:
        """Let what follows ask this server."""
        known = {"BASE_URL": url, "API_KEY": KEY, "MODEL": "ctx-small"}
        self.env = {**{f"CONTEXTOPS_{name}": value for name, value in known.items()}, **self.env}

    @property
    def certificates(self) -> Certificates:
        """Give certificates, and trust their authority."""
        made = self.make_certificates()
        self.env["CONTEXTOPS_CA_BUNDLE"] = str(made.authority)
        return made

    def file(self, name: str, content: str) -> str:
        """Write a file and give its path."""
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return str(path)


SetUp = Callable[[Stage], "str | Server"]
"""Set a case up, and give the base URL or the server that has it."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One way in which the row goes wrong.

    ``requests`` and ``least`` are how many requests there must be and how many seconds they must
    take; ``limit`` is when a run must be over whose point is that it waits.
    """

    name: str = field(kw_only=False)
    set_up: SetUp = field(kw_only=False)
    chat: Outcome | None = field(default=None, kw_only=False)
    models: Outcome | None = field(default=None, kw_only=False)
    argv: Sequence[str] = ()
    requests: int | None = None
    least: float = 0.0
    limit: float = 25.0
    peak: Mapping[str, int] = field(default_factory=dict)
    """The bound on memory by the mode's name, where it is another, with its reason in the row."""
    only: Sequence[str] = ()
    """The modes in which it is run, if not in all."""
    of_send: bool = False
    """Whether it is about an option that a conversation has not."""
    also: Sequence[str] = ()
    """Modes in which not every case is run, and this one is."""


@dataclass(frozen=True)
class Row:
    """One line of the matrix."""

    name: str
    what: str
    cases: Sequence[Case]


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One way to call the command, and how what comes of it looks on stdout."""

    name: str
    argv: Sequence[str]
    asks: Literal["chat", "models"]
    shows: Callable[[Outcome, bytes, Any], None]
    """Compare an outcome with what is on stdout, and the error on stderr with what is there."""
    meant: Callable[[Outcome], Outcome] = lambda outcome: outcome
    """What an outcome means where it is asked for otherwise."""
    given: str = ""
    """What is on standard input."""
    has_json_messages: bool = False
    on_terminal: bool = False
    is_chosen: bool = False
    """Whether only cases are run in it that name it (``also``)."""

    def outcome(self, case: Case) -> Outcome | None:
        """Give what a case must come to in this mode, None where it is not run."""
        if self.is_chosen and self.name not in case.also:
            return None
        if case.of_send and self.asks == "chat" and "send" not in self.argv:
            return None
        if case.only and self.name not in case.only:
            return None
        outcome = case.chat if self.asks == "chat" else case.models
        return outcome and self.meant(outcome)


# How an answer looks ----------------------------------------------------------------------------

_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def compact(value: Any) -> bytes:
    """Write a value as JSON on one line, without a character that a terminal obeys."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def without_times(response: dict[str, Any] | None) -> dict[str, Any] | None:
    """Mask in place what differs from run to run."""
    about = (response or {}).get("contextops", {})
    about.update({name: 0 for name in ("first_token_ms", "total_ms") if about.get(name)})
    return response


def line(text: str) -> bytes:
    """End a text with a line end, if it has none."""
    return (text if not text or text.endswith("\n") else f"{text}\n").encode()


def document(outcome: Outcome) -> dict[str, Any] | None:
    """Make the document that ``--json`` gives, times masked; none before the first word."""
    if outcome.status and not (outcome.words or outcome.thought or outcome.calls):
        return None
    known = {"requested_model": "ctx-small", "attempts": outcome.attempts}
    # Where nothing was said, there was no first word either.
    first = 0 if outcome.words or outcome.thought or outcome.calls else None
    complete = not outcome.status if outcome.complete is None else outcome.complete
    times = {"first_token_ms": first, "total_ms": 0, "complete": complete}
    made = outcome.document
    if made is None:
        message: dict[str, Any] = {"role": "assistant", "content": outcome.words}
        if outcome.thought:
            message["reasoning_content"] = outcome.thought
        if outcome.calls:
            message["content"] = outcome.words or None
            message["tool_calls"] = list(outcome.calls)
        finish = outcome.finish
        if finish == "":
            finish = None if outcome.status else "stop"
        head = {"id": "chatcmpl-fake1", "object": "chat.completion", "created": CREATED}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        made = {**head, "model": "ctx-small", "choices": [choice], **outcome.about}
    return {**made, "contextops": {**known, **times}}


def _as_text(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    shown = line(str(outcome.words))
    if outcome.calls and not outcome.status:
        shown = b"".join(compact(call) + b"\n" for call in outcome.calls)
    assert stdout == shown


def _as_document(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    whole = document(outcome)
    if whole is None:
        assert stdout == b""
        return
    told = json.loads(stdout)
    assert stdout == compact(told) + b"\n"
    assert without_times(told) == whole


def _as_lines(outcome: Outcome, stdout: bytes, error: Any) -> None:
    *pieces, last = stdout.splitlines()
    said = [json.loads(piece) for piece in pieces]
    # How the pieces are cut is the network's doing.
    assert [compact(piece) for piece in said] == pieces
    assert {piece["type"] for piece in said} <= {"delta", "reasoning", "tool_call"}
    assert any(piece["type"] == "tool_call" for piece in said) == bool(outcome.calls)
    assert _joined(said, "delta") == outcome.words
    assert _joined(said, "reasoning") == outcome.thought
    end = {"type": "error", "error": error} if error else {"type": "done"}
    told = json.loads(last)
    assert last == compact(told)
    response = without_times(told["response"])
    assert told == {**end, "response": response}
    assert response == document(outcome)
    assert stdout.endswith(b"}\n")


def _joined(said: Sequence[Mapping[str, Any]], kind: str) -> str:
    return "".join(piece["content"] for piece in said if piece["type"] == kind)


def _on_terminal(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    shown = outcome.words if outcome.masked is None else outcome.masked
    assert stdout.replace(b"\r\n", b"\n") == line(str(shown))


def _as_ids(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    shown = "".join(f"{name}\n" for name in outcome.words)
    assert stdout == (shown if outcome.masked is None else outcome.masked).encode()


def _as_array(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    if outcome.status:
        assert stdout == b""
        return
    unknown = {"object": None, "created": None, "owned_by": None}
    entries = outcome.entries
    if entries is None:
        entries = [{"id": name, **unknown} for name in outcome.words]
    assert stdout == compact(list(entries)) + b"\n"


_CODES = {kind.status: kind.code for kind in ContextopsError.__subclasses__()}


def _checked(outcome: Outcome) -> Outcome:
    """Say what a list without models is to whom asks for some."""
    if outcome.status or outcome.words:
        return outcome
    return replace(outcome, status=5, says=("it lists none", "private"), notes=())


def _as_verdicts(outcome: Outcome, stdout: bytes, _error: Any) -> None:
    if outcome.status == ConfigError.status:
        assert stdout == b""
    elif outcome.status == ModelNotFoundError.status:
        assert stdout == b"missing *\n"
    elif outcome.status:
        assert stdout == f"unknown * {_CODES[outcome.status]}\n".encode()
    else:
        listed = "".join(f"{name}\n" for name in outcome.words)
        shown = (listed if outcome.masked is None else outcome.masked).splitlines()
        assert stdout.decode().splitlines() == [f"ok {name}" for name in shown]


_CHAT = ("chat", "send", "-n")
MODES = (
    Mode(name="text", argv=(*_CHAT, "hi"), asks="chat", shows=_as_text),
    Mode(
        name="--json",
        argv=(*_CHAT, "--json", "hi"),
        asks="chat",
        shows=_as_document,
        has_json_messages=True,
    ),
    Mode(
        name="--jsonl",
        argv=(*_CHAT, "--jsonl", "hi"),
        asks="chat",
        shows=_as_lines,
        has_json_messages=True,
    ),
    Mode(
        name="terminal",
        argv=(*_CHAT, "--plain", "hi"),
        asks="chat",
        shows=_on_terminal,
        on_terminal=True,
        is_chosen=True,
    ),
    Mode(name="chat repl", argv=("chat", "repl"), asks="chat", shows=_as_text, given="hi\n"),
    Mode(name="models list", argv=("models", "list"), asks="models", shows=_as_ids),
    Mode(
        name="models check",
        argv=("models", "check", "*"),
        asks="models",
        shows=_as_verdicts,
        meant=_checked,
    ),
    Mode(
        name="models list --json",
        argv=("models", "list", "--json"),
        asks="models",
        shows=_as_array,
        has_json_messages=True,
        is_chosen=True,
    ),
)
