"""Pieces of an answer in, what was asked for out: text, one document, JSON lines, a code block.

Each function takes the pieces as they come, shows what may be shown, and gives the whole answer,
a ``chat.completion`` object. What breaks off has been shown as far as its form allows: text and
lines to the last word, a document whole with ``complete`` false, a code block not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from contextops.api import Done, Piece, Reasoning, Text, ToolCall, text_of_choice, tool_calls_of
from contextops.chat import tools
from contextops.errors import ContextopsError, NoMatchError, OutputError, SignalInterrupt
from contextops.files import PartFile
from contextops.output import Printer

if TYPE_CHECKING:
    from contextops.chat.schema import Schema

Pieces = Iterator[Piece]
Response = dict[str, Any]
Renderer = Callable[[Pieces, Printer], Response]


def choose_renderer(
    *,
    as_json: bool,
    as_json_lines: bool,
    code: bool,
    language: str | None,
    schema: Schema | None = None,
    with_tools: bool = False,
) -> Renderer:
    """Choose how to deliver an answer."""
    if code:
        return first_code(language)
    if schema is not None:
        return fitting(schema, as_json=as_json, may_call=with_tools)
    if as_json_lines:
        return render_jsonl
    if as_json:
        return render_json
    return render_tool_calls if with_tools else render_answer


def render_answer(pieces: Pieces, printer: Printer) -> Response:
    """Show the words of an answer, and say what else there is in it."""
    response = render_text(pieces, printer)
    called = tools.called_names(response)
    if called:
        printer.note(f"the model called {called}; --tools FILE or --json has the calls printed")
    return response


def render_text(pieces: Pieces, printer: Printer) -> Response:
    """Show the text as it comes, and what the model thought where that is wanted."""
    response: Response = {}
    writer = printer.answer_writer()
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


def render_json(pieces: Pieces, printer: Printer) -> Response:
    """Show the whole answer as one document once it is there, or what there is of it."""
    try:
        response = _last(pieces, printer)
    except (ContextopsError, SignalInterrupt) as ended:
        if ended.response is not None:
            printer.json(ended.response)
        raise
    printer.json(response)
    return response


def render_jsonl(pieces: Pieces, printer: Printer) -> Response:
    """Show every piece as a line when it comes, and the whole answer as the last."""
    response: Response = {}
    for piece in pieces:
        if isinstance(piece, Done):
            response = piece.response
        printer.json_lines([_event(piece)])
    return response


@contextmanager
def jsonl_errors(printer: Printer) -> Iterator[None]:
    """Let a failure, wherever it comes from, be the last line."""
    try:
        yield
    except ContextopsError as failure:
        error = printer.error_object(failure)
        printer.json_lines([{"type": "error", "error": error, "response": failure.response}])
        raise


def render_tool_calls(pieces: Pieces, printer: Printer) -> Response:
    """Show the tool calls, one a line, and the text beside them on stderr; else the text.

    The text is held back until then: only the end tells that no call follows.
    """
    said: list[str] = []
    is_called = False
    response: Response = {}
    try:
        for piece in pieces:
            if isinstance(piece, Text):
                said.append(piece.content)
            elif isinstance(piece, Reasoning):
                printer.reasoning(piece.content)
            elif isinstance(piece, ToolCall):
                is_called = True
            else:
                response = piece.response
    except OutputError as failure:
        # Only that it could not be kept: the answer itself is complete.
        if _is_complete(failure.response):
            tools.require_json_arguments(failure.response)
            response = failure.response
        raise
    finally:
        printer.end_reasoning()
        _show_calls(response, "".join(said), printer, is_called=is_called)
    return response


def _show_calls(response: Response, said: str, printer: Printer, *, is_called: bool) -> None:
    if is_called:
        printer.stderr_text(said)
        if response:
            printer.json_lines(tool_calls_of(_first(response)))
    elif said or response:
        writer = printer.answer_writer()
        writer.write(said)
        writer.end()


def first_code(language: str | None) -> Renderer:
    """Show nothing but the first fenced block of code, once the answer is whole."""

    def show(response: Response, printer: Printer) -> None:
        from contextops.output import first_code_block

        found = first_code_block(text_of_choice(_first(response)), language)
        if found is None:
            kind = f"{language} block" if language else "block of code"
            raise NoMatchError(
                f"the answer has no {kind}",
                "nothing was fenced so",
                "ask for it",
                response=response,
            )
        _print(found, printer)

    return _once_whole(show)


def fitting(schema: Schema, *, as_json: bool, may_call: bool) -> Renderer:
    """Show the answer once it is whole and has been checked; calls are one where they may be."""

    def show(response: Response, printer: Printer) -> None:
        try:
            if not may_call:
                tools.require_no_calls(response)
            schema.require(response)
        except NoMatchError:
            printer.debug(f"* the answer: {text_of_choice(_first(response))}")
            raise
        made = tool_calls_of(_first(response))
        if as_json:
            printer.json(response)
        elif made:
            printer.stderr_text(text_of_choice(_first(response)))
            printer.json_lines(made)
        else:
            _print(text_of_choice(_first(response)), printer)

    return _once_whole(show)


def _once_whole(show: Callable[[Response, Printer], None]) -> Renderer:
    """Show nothing of an answer before all of it is there, and complete."""

    def deliver(pieces: Pieces, printer: Printer) -> Response:
        try:
            response = _last(pieces, printer)
        except OutputError as failure:
            # Only that it could not be kept: the answer itself is complete.
            if _is_complete(failure.response):
                show(failure.response, printer)
            raise
        show(response, printer)
        return response

    return deliver


def _first(response: Response) -> dict[str, Any]:
    return response["choices"][0] if response["choices"] else {}


def _print(text: str, printer: Printer) -> None:
    writer = printer.plain_writer()
    writer.write(text)
    writer.end()


@contextmanager
def output_file(printer: Printer, path: Path) -> Iterator[Printer]:
    """Let what is printed on stdout go to a file, which is there only when all of it is."""
    file = PartFile(path)
    writer = printer.redirected(file.write)
    try:
        yield writer
        file.commit()
    except BaseException as ended:
        part = getattr(ended, "response", None)
        if part and file.is_empty and not (file.is_direct or _is_complete(part)):
            # What is shown only when it is whole has not been; what broke it off is what is told.
            with suppress(ContextopsError):
                writer.write_text(text_of_choice(_first(part)))
        if file.abandon():
            printer.note(f"what came of the answer is in {file.part_path}")
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


def _is_complete(response: Response | None) -> TypeGuard[Response]:
    return response is not None and bool(response["contextops"]["complete"])
