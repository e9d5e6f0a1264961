"""A conversation without a server: the model is a function, and the entries are a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from contextops.api.stream import Done, Text
from contextops.chat import render
from contextops.chat.inputs import InputReader
from contextops.chat.session import Conversation
from contextops.config.template import Template
from contextops.output import Printer
from contextops.repl.dialogue import Dialogue, TemplateRequest
from contextops.repl.loop import Repl

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def response(text: str) -> dict[str, Any]:
    """Return a complete response with this text."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    about = {"complete": True, "total_ms": 100}
    return {"choices": [choice], "usage": USAGE, "contextops": about}


def answer(*texts: str) -> Iterator[Any]:
    """Yield the pieces of a complete answer."""
    yield from map(Text, texts)
    yield Done(response("".join(texts)))


def failing(error: BaseException, *texts: str) -> Callable[..., Iterator[Any]]:
    """Return a model whose answer ends with an error after these texts."""

    def ask(*_: Any) -> Iterator[Any]:
        yield from map(Text, texts)
        raise error

    return ask


class FakeContext:
    """A ``ReplContext`` in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inputs = InputReader(limit=1000, note=print)
        self.listed = ["small", "large"]
        self.request = TemplateRequest(
            Template("none", "", None, says_system=False), {}, None, None, {}
        )

    def models(self) -> list[str]:
        return self.listed

    def known_models(self) -> list[str]:
        return self.listed

    def template_names(self) -> list[str]:
        return ["commit"]

    def template(self, _name: str) -> TemplateRequest:
        return self.request

    def edit_text(self, text: str) -> str:
        return f"{text}, edited\n"


class ScriptedReader:
    """A reader that returns the given entries, and raises those that are exceptions."""

    def __init__(self, entries: tuple[Any, ...], *, is_person: bool) -> None:
        self._entries = iter(entries)
        self.is_person = is_person
        self.prompts: list[str] = []

    def read(self, prompt: str) -> str:
        self.prompts.append(prompt)
        entry = next(self._entries, EOFError())
        if isinstance(entry, BaseException):
            raise entry
        return str(entry)


class Request(NamedTuple):
    """What the model was asked."""

    messages: list[Any]
    model: str
    params: dict[str, Any]


class ReplDriver:
    """A conversation that is called with entries, and records what the model is asked.

    ``model`` is the function that answers; by default it echoes the last message.
    """

    def __init__(self, folder: Path) -> None:
        self.requests: list[Request] = []
        self.model: Any = lambda messages, *_: answer("echo ", messages[-1]["content"])
        self.context = FakeContext(folder)
        self.dialogue = Dialogue(
            self._ask,
            Conversation(),
            model="small",
            params={},
            printer=Printer(),
            render=render.render_text,
        )

    def _ask(self, messages: Any, model: str, params: Any) -> Iterator[Any]:
        self.requests.append(Request(list(messages), model, dict(params)))
        pieces: Iterator[Any] = self.model(messages, model, params)
        return pieces

    def __call__(self, *entries: Any, is_person: bool = True, fail_fast: bool = False) -> int:
        self.reader = ScriptedReader(entries, is_person=is_person)
        loop = Repl(self.dialogue, self.context, self.reader, profile="work", fail_fast=fail_fast)
        return loop.run()

    @property
    def questions(self) -> list[str]:
        """The contents of the user's messages in the last request."""
        messages = self.requests[-1].messages
        return [message["content"] for message in messages if message["role"] == "user"]
