"""Pieces of an answer in, what was asked for out: text, one document, JSON lines, a code block.

Each function takes the pieces as they come, shows what may be shown, and gives the whole answer,
a ``chat.completion`` object. What breaks off has been shown as far as its form allows: text and
lines to the last word, a document whole with ``complete`` false, a code block not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

from contextops import markdown
from contextops.answer import Done, Piece, Reasoning, Text, ToolCall
from contextops.errors import Failure, NoMatch, OutputFailure, Signalled
from contextops.output import Printer
from contextops.store import PartFile

Pieces = Iterator[Piece]
Response = dict[str, Any]
Deliver = Callable[[Pieces, Printer], Response]


def form(*, as_json: bool, as_json_lines: bool, code: bool, language: str | None) -> Deliver:
    """Choose how to deliver an answer."""
    if code:
        return first_code(language)
    if as_json_lines:
        return lines
    return document if as_json else text


def text(pieces: Pieces, printer: Printer) -> Response:
    """Show the text as it comes, and what the model thought where that is wanted."""
    response: Response = {}
    writer = printer.answer()
    try:
        for piece in pieces:
            if isinstance(piece, Text):
                printer.end_reasoning()
                writer.write(piece.content)
            elif isinstance(piece, Reasoning):
                printer.reasoning(piece.content)
            elif isinstance(piece, Done):
                response = piece.response
    finally:
        printer.end_reasoning()
        writer.end()
    return response


def document(pieces: Pieces, printer: Printer) -> Response:
    """Show the whole answer as one document once it is there, or what there is of it."""
    try:
        response = _last(pieces, printer)
    except (Failure, Signalled) as ended:
        if ended.response is not None:
            printer.json(ended.response)
        raise
    printer.json(response)
    return response


def lines(pieces: Pieces, printer: Printer) -> Response:
    """Show every piece as a line when it comes, and the whole answer as the last."""
    response: Response = {}
    for piece in pieces:
        if isinstance(piece, Done):
            response = piece.response
        printer.json_lines([_event(piece)])
    return response


@contextmanager
def ending_lines(printer: Printer) -> Iterator[None]:
    """Let a failure, wherever it comes from, be the last line."""
    try:
        yield
    except Failure as failure:
        error = printer.error_object(failure)
        printer.json_lines([{"type": "error", "error": error, "response": failure.response}])
        raise


def first_code(language: str | None) -> Deliver:
    """Show nothing but the first fenced block of code, once the answer is whole."""

    def deliver(pieces: Pieces, printer: Printer) -> Response:
        try:
            response = _last(pieces, printer)
        except OutputFailure as failure:
            # Only that it could not be kept: the answer itself is proved.
            if _is_proved(failure.response):
                show(failure.response, printer)
            raise
        show(response, printer)
        return response

    def show(response: Response, printer: Printer) -> None:
        answer = response["choices"][0]["message"].get("content") if response["choices"] else ""
        found = markdown.first_code(answer or "", language)
        if found is None:
            kind = f"{language} block" if language else "block of code"
            raise NoMatch(
                f"the answer has no {kind}",
                "nothing was fenced so",
                "ask for it",
                response=response,
            )
        writer = printer.unrendered()
        writer.write(found)
        writer.end()

    return deliver


@contextmanager
def to_file(printer: Printer, path: Path) -> Iterator[Printer]:
    """Let what is printed on stdout go to a file, which is there only when all of it is."""
    file = PartFile(path)
    try:
        yield printer.writing_to(file.write)
        file.keep()
    except BaseException:
        if file.leave():
            printer.note(f"what came of the answer is in {file.part}")
        raise


def _last(pieces: Pieces, printer: Printer) -> Response:
    response: Response = {}
    try:
        for piece in pieces:
            if isinstance(piece, Reasoning):
                printer.reasoning(piece.content)
            elif isinstance(piece, Done):
                response = piece.response
    finally:
        printer.end_reasoning()
    return response


def _event(piece: Piece) -> dict[str, Any]:
    if isinstance(piece, Text):
        return {"type": "delta", "content": piece.content}
    if isinstance(piece, Reasoning):
        return {"type": "reasoning", "content": piece.content}
    if isinstance(piece, ToolCall):
        return {**piece.delta, "type": "tool_call"}
    return {"type": "done", "response": piece.response}


def _is_proved(response: Response | None) -> TypeGuard[Response]:
    return response is not None and bool(response["contextops"]["complete"])
