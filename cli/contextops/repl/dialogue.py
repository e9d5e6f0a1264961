"""The state of a conversation, and its turns.

It depends on neither HTTP nor the command line: a function sends the messages and returns the
pieces of the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from contextops.api import Piece, usage_line
from contextops.chat import (
    Content,
    Conversation,
    Message,
    Renderer,
    called_names,
    message_text,
    split_content,
    user_content,
)
from contextops.config import Template
from contextops.errors import ConfigError, ContextopsError
from contextops.output import Printer

AskModel = Callable[[Sequence[Message], str, Mapping[str, Any]], Iterator[Piece]]
"""A function from messages, a model and parameters to the pieces of the answer, ``Done`` last."""

_MAX_EXCERPT = 60
"""Characters of a message that identify it."""
_SHOWN_TURNS = 2
"""Turns of a session that are shown when it is continued."""
_PARTIAL_LOCK_TIMEOUT = 0.3
"""Seconds in which an interrupted answer is saved: Ctrl-C must take effect within half a second."""


class TemplateRequest(NamedTuple):
    """A template that the next message fills, and what it sets for that message only."""

    template: Template
    variables: Mapping[str, str]
    model: str | None
    system: str | None
    params: Mapping[str, Any]

    @property
    def is_complete(self) -> bool:
        """Whether it can be sent without any more text."""
        return bool(self.template.prompt.strip()) and not self.template.takes_input


class Question(NamedTuple):
    """The question of one turn, which can be sent again."""

    content: Content
    template: TemplateRequest | None = None


class Attachment(NamedTuple):
    """A file or an image that is sent with the next message."""

    name: str
    text: str = ""
    image: Message | None = None


class Dialogue:
    """A conversation, the model and parameters in use, and the parts of the next message.

    ``render`` shows an answer with ``printer`` and returns the response.
    """

    def __init__(
        self,
        ask_model: AskModel,
        conversation: Conversation,
        *,
        model: str | None,
        params: Mapping[str, Any],
        printer: Printer,
        render: Renderer,
        shows_usage: bool = False,
    ) -> None:
        self.conversation = conversation
        self.model = model
        self.params = dict(params)
        self.printer = printer
        self.attachments: list[Attachment] = []
        self.template: TemplateRequest | None = None
        self.last_question: Question | None = None
        """The last question, answered or not."""
        self.is_answered = True
        """Whether the answer to it is part of the conversation."""
        self.error: ContextopsError | None = None
        """The error that ended the last incomplete answer."""
        self.shows_usage = shows_usage
        """Whether token counts are printed after each answer."""
        self.responses: list[Mapping[str, Any]] = []
        """The ``usage`` and ``contextops`` objects of each answer."""
        self._ask_model = ask_model
        self._render = render

    def send(self, text: str, parts: Sequence[Message] = ()) -> None:
        """Send a message: text, parts that are not text, and the attachments."""
        texts = [text, *(attachment.text for attachment in self.attachments)]
        text = "\n\n".join(each for each in texts if each.strip())
        images = [*parts, *(each.image for each in self.attachments if each.image)]
        if self.template is not None:
            text = self.template.template.fill(self.template.variables, text)
        question = Question(user_content(text, images), self.template)
        self.attachments, self.template = [], None
        self.ask(question)

    def ask(self, question: Question) -> None:
        """Ask a question and show the answer.

        Raises:
            ConfigError: no model is chosen.
            ContextopsError: the answer is not complete; it is not part of the conversation.
        """
        self.last_question, self.is_answered = question, False
        self.conversation.add_question(question.content)
        try:
            response = self._answer(question)
        except ContextopsError as error:
            self.error = error
            raise
        finally:
            # A complete answer is part of the conversation even if it could not be saved.
            self.is_answered = self.conversation.is_answered
        # Without the answer itself, which the conversation holds.
        summary = {name: response.get(name) for name in ("usage", "contextops")}
        self.responses.append(summary)
        called = called_names(dict(response))
        if called:
            why = "tool calls cannot be answered here, and the turn is not part of the conversation"
            self.printer.note(f"the model called {called}: {why}; /retry asks again")
        if self.shows_usage:
            self.printer.usage(usage_line(summary))

    def _answer(self, question: Question) -> Mapping[str, Any]:
        model, params, messages = self.model, self.params, self.conversation.messages()
        template = question.template
        if template is not None:
            model = template.model or model
            params = {**params, **template.params}
            if template.system is not None:
                system = {"role": "system", "content": template.system}
                messages = [system, *(each for each in messages if each["role"] != "system")]
        if model is None:
            raise ConfigError("no model chosen", "", "choose with /model ID")
        pieces = self.conversation.record_answer(
            self._ask_model(messages, model, params),
            model,
            on_complete=self.printer.end_answer,
            partial_lock_timeout=_PARTIAL_LOCK_TIMEOUT,
        )
        with self.printer.waiting(), closing(pieces):
            return self._render(pieces, self.printer)

    def retry(self) -> bool:
        """Ask the last question again, replacing its answer; return whether there was one."""
        if self.is_answered:
            content = self.conversation.undo_turn()
            if content is None:
                return False
            if self.last_question is None or self.last_question.content != content:
                self.last_question = Question(content)
        if self.last_question is None:
            return False
        self.ask(self.last_question)
        return True

    def undo(self) -> str:
        """Remove the attachments and the template, or else the last turn; describe the result."""
        if self.attachments or self.template:
            self.attachments, self.template = [], None
            return "undone: attachments and template of the next message"
        self.last_question = None
        if not self.is_answered:
            self.is_answered = True
            return "the last turn was not completed and is already undone"
        content = self.conversation.undo_turn()
        if content is None:
            return "there is no turn to undo"
        return f"undone: {shorten(message_text({'content': content}))}"

    def last_question_parts(self) -> tuple[str, list[Message]]:
        """Return the text of the last question and its parts that are not text."""
        return split_content(self.last_question.content) if self.last_question else ("", [])

    def save_pending(self) -> None:
        """Save what could not be saved before; raises ``ContextopsError`` if that fails again."""
        if self.conversation.has_unsaved_turn:
            self.conversation.save()

    def switch_to(self, conversation: Conversation) -> None:
        """Continue another conversation, even if ``save_pending`` raises an error for this one."""
        try:
            self.save_pending()
        finally:
            self.conversation = conversation
            self.attachments, self.template = [], None
            self.last_question, self.is_answered = None, True
            self.responses = []

    def show_last_turns(self) -> None:
        """Show the last turns of a continued conversation: on a terminal, else on stderr."""
        printer, turns = self.printer, self.conversation.turns()
        if len(turns) > _SHOWN_TURNS:
            printer.info([f"({len(turns)} turns; the last {_SHOWN_TURNS}:)"])
        for message in (message for turn in turns[-_SHOWN_TURNS:] for message in turn):
            text = message_text(message)
            if message["role"] == "user":
                printer.info([f"> {line}" for line in text.splitlines()])
            elif message["role"] == "assistant" and not printer.is_for_person:
                printer.info(text.splitlines())
            elif message["role"] == "assistant":
                writer = printer.answer_writer()
                writer.write(text)
                writer.end()


def shorten(text: str) -> str:
    """Return a text on one line, cut to the characters that identify it."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_EXCERPT else f"{line[:_MAX_EXCERPT]}…"
