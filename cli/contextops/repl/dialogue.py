"""A conversation that is going on: what the next message is made of, and one turn of it.

Knows neither HTTP nor the command line: it is given a function from messages to pieces.
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

Ask = Callable[[Sequence[Message], str, Mapping[str, Any]], Iterator[Piece]]
"""Put messages to a model with parameters; the pieces of the answer come, ``Done`` last."""


_LINE = 60
"""Characters of a message that tell which it is."""
_PART_WAIT = 0.3
"""Seconds in which a part is kept that was broken off: Ctrl-C is to be heard within half a one."""


class TemplateRequest(NamedTuple):
    """A template that the next message fills, and what it asks with for that message alone."""

    template: Template
    variables: Mapping[str, str]
    model: str | None
    system: str | None
    params: Mapping[str, Any]

    @property
    def is_whole(self) -> bool:
        """Tell whether it says something without any more words."""
        return bool(self.template.prompt.strip()) and not self.template.takes_input


class Question(NamedTuple):
    """What is asked in one turn; it can be asked again."""

    content: Content
    form: TemplateRequest | None = None


class Added(NamedTuple):
    """A file or an image that goes with the next message."""

    name: str
    text: str = ""
    image: Message | None = None


class Dialogue:
    """Hold the conversation, the model and the parameters in force, and what is said next.

    ``deliver`` shows an answer with ``printer`` and gives the whole of it.
    """

    def __init__(
        self,
        ask: Ask,
        conversation: Conversation,
        *,
        model: str | None,
        params: Mapping[str, Any],
        printer: Printer,
        deliver: Renderer,
        tells_cost: bool = False,
    ) -> None:
        self.conversation = conversation
        self.model = model
        self.params = dict(params)
        self.printer = printer
        self.added: list[Added] = []
        self.form: TemplateRequest | None = None
        self.last: Question | None = None
        """What was asked last, whatever became of it."""
        self.is_answered = True
        """Whether the answer to that is a part of the conversation."""
        self.failure: ContextopsError | None = None
        """What broke the last answer off, if anything did but its reader."""
        self.tells_cost = tells_cost
        """Whether what it cost is told after each answer."""
        self.responses: list[Mapping[str, Any]] = []
        """About each answer, what it cost."""
        self._ask = ask
        self._deliver = deliver

    def say(self, words: str, parts: Sequence[Message] = ()) -> None:
        """Send a message: the words and parts that are none, and what was added to it before."""
        texts = [text for text in (words, *(added.text for added in self.added)) if text.strip()]
        text = "\n\n".join(texts)
        images = [*parts, *(added.image for added in self.added if added.image)]
        if self.form is not None:
            text = self.form.template.fill(self.form.variables, text)
        question = Question(user_content(text, images), self.form)
        self.added, self.form = [], None
        self.put(question)

    def put(self, question: Question) -> None:
        """Ask a question; what broke its answer off is raised, and the turn is no part of the talk.

        Raises ``ConfigError`` where no model is chosen.
        """
        self.last, self.is_answered = question, False
        self.conversation.ask(question.content)
        try:
            response = self._answer_to(question)
        except ContextopsError as failure:
            self.failure = failure
            raise
        finally:
            # An answer that is whole is a part of it even where it could not be kept.
            self.is_answered = self.conversation.is_answered
        # Not the answer itself: the conversation has that.
        about = {name: response.get(name) for name in ("usage", "contextops")}
        self.responses.append(about)
        self._tell_calls(response)
        if self.tells_cost:
            self.printer.usage(usage_line(about))

    def _tell_calls(self, response: Mapping[str, Any]) -> None:
        called = called_names(dict(response))
        if called:
            why = "nothing here can answer that, and the turn is no part of the conversation"
            self.printer.note(f"the model called {called}: {why}; /retry asks again")

    def _answer_to(self, question: Question) -> Mapping[str, Any]:
        form = question.form
        model = (form and form.model) or self.model
        if model is None:
            raise ConfigError("no model chosen", "", "choose with /model ID")
        params = {**self.params, **(form.params if form else {})}
        answer = self._ask(self._messages(form), model, params)
        with (
            self.printer.waiting(),
            closing(
                self.conversation.recorded(
                    answer, model, when_whole=self.printer.end_answer, part_wait=_PART_WAIT
                )
            ) as pieces,
        ):
            return self._deliver(pieces, self.printer)

    def _messages(self, form: TemplateRequest | None) -> list[Message]:
        messages = self.conversation.messages()
        if form is None or form.system is None:
            return messages
        others = [said for said in messages if said["role"] != "system"]
        return [{"role": "system", "content": form.system}, *others]

    def retry(self) -> bool:
        """Ask the last question again, in the place of its answer; tell whether there was one."""
        if self.is_answered:
            asked = self.conversation.undo()
            if asked is None:
                return False
            self.last = self.last if self.last and self.last.content == asked else Question(asked)
        if self.last is None:
            return False
        self.put(self.last)
        return True

    def undo(self) -> str:
        """Take back what was added to the next message, else the last turn; say which it was."""
        if self.added or self.form:
            self.added, self.form = [], None
            return "taken back: what was added to the next message"
        self.last = None
        if not self.is_answered:
            self.is_answered = True
            return "the last turn was taken back when it broke off"
        asked = self.conversation.undo()
        if asked is None:
            return "there is no turn to take back"
        return f"taken back: {first_words(message_text({'content': asked}))}"

    def words_of_last(self) -> tuple[str, list[Message]]:
        """Give the words of what was asked last, and the parts of it that have none."""
        return split_content(self.last.content) if self.last else ("", [])

    def leave(self) -> None:
        """Keep what could not be kept when it was said; raises the ``ContextopsError`` of that."""
        if self.conversation.has_unkept_turn:
            self.conversation.keep()

    def take_up(self, conversation: Conversation) -> None:
        """Go on with another conversation; raises as ``leave`` does, once that is done."""
        try:
            self.leave()
        finally:
            self._begin(conversation)

    def _begin(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.added, self.form = [], None
        self.last, self.is_answered = None, True
        self.responses = []


def first_words(text: str) -> str:
    """Cut a text to what tells on one line which it is."""
    line = " ".join(text.split())
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"
