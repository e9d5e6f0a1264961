"""Answers and messages for the tests of ``contextops chat send``."""

from __future__ import annotations

import itertools

from shapes import chunk, reply, stream

CODE_ANSWER = "Sure:\n\n```py\nx = 1\n```\n\n```sh\nls\n```\n"
"""An answer with two code blocks in different languages."""


def answer_with(text, **options):
    """Return an answer function that streams ``text``; ``options`` are those of ``reply``."""
    return lambda _: stream(*reply(text, **options))


def truncated_after(text):
    """Return an answer function whose stream ends after ``text`` without a finish reason."""
    return lambda _: stream(chunk(text))


def sent_messages(server):
    """Return the messages of the last request."""
    return server.requests[-1].json()["messages"]


def alternating_messages(*contents):
    """Return the messages of a conversation, the user's first."""
    roles = itertools.cycle(["user", "assistant"])
    return [{"role": role, "content": text} for role, text in zip(roles, contents, strict=False)]
