"""Renderers: an answer's pieces in, text, a JSON document, JSON lines or code out.

A renderer writes as early as its format allows, and returns the complete answer, a
``chat.completion`` object. If the answer ends early, text and JSON lines have been written as far
as it came, a document is written with ``complete`` false, and code and schema answers are not.
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
from contextops.output import Format, Printer

if TYPE_CHECKING:
    from contextops.chat.schema import Schema

Pieces = Iterator[Piece]
Response = dict[str, Any]
Renderer = Callable[[Pieces, Printer], Response]


def choose_renderer(
    answer_format: Format,
    *,
    extract: bool = False,
    language: str | None = None,
    schema: Schema | None = None,
    with_tools: bool = False,
) -> Renderer:
    """Return the renderer of an answer: JSON, JSON lines, or text for None.

    With ``extract`` it is the first code block, of ``language`` if that is not None. An answer to
    a ``schema`` is checked, and may be tool calls only where tools were offered.
    """
    if extract:
        return code_renderer(language)
    if schema is not None:
        return schema_renderer(schema, as_json=answer_format == "json", with_tools=with_tools)
    if answer_format == "jsonl":
        return render_jsonl
    if answer_format == "json":
        return render_json
    return render_tool_calls if with_tools else render_answer


def render_answer(pieces: Pieces, printer: Printer) -> Response:
    """Write the text as it comes, and note that there are tool calls beside it."""
    response = render_text(pieces, printer)
    names = tools.called_names(response)
    if names:
        printer.note(f"the model called {names}; use --tools FILE or --json to print the calls")
    return response


def render_text(pieces: Pieces, printer: Printer) -> Response:
    """Write the text as it comes, and the reasoning on stderr where it is wanted."""
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
    """Write the answer as one document at its end, or the part of it that came."""
    try:
        response = _read_all(pieces, printer)
    except (ContextopsError, SignalInterrupt) as error:
        if error.response is not None:
            printer.json(error.response)
        raise
    printer.json(response)
    return response


def render_jsonl(pieces: Pieces, printer: Printer) -> Response:
    """Write each piece as a line when it comes, and the complete answer as the last."""
    response: Response = {}
    for piece in pieces:
        if isinstance(piece, Done):
            response = piece.response
        printer.json_lines([_event(piece)])
    return response


def _event(piece: Piece) -> dict[str, Any]:
    if isinstance(piece, Text):
        return {"type": "delta", "content": piece.content}
    if isinstance(piece, Reasoning):
        return {"type": "reasoning", "content": piece.content}
    if isinstance(piece, ToolCall):
        return {**piece.delta, "type": "tool_call"}
    return {"type": "done", "response": piece.response}


@contextmanager
def jsonl_errors(printer: Printer) -> Iterator[None]:
    """Write an error that is raised within as the last line of JSON lines."""
    try:
        yield
    except ContextopsError as error:
        document = printer.error_object(error)
        printer.json_lines([{"type": "error", "error": document, "response": error.response}])
        raise


def render_tool_calls(pieces: Pieces, printer: Printer) -> Response:
    """Write tool calls, one a line, and the text beside them on stderr; without calls, the text.

    The text is held until the end, since a call may still follow it.
    """
    texts: list[str] = []
    has_calls = False
    response: Response = {}
    try:
        for piece in pieces:
            if isinstance(piece, Text):
                texts.append(piece.content)
            elif isinstance(piece, Reasoning):
                printer.reasoning(piece.content)
            elif isinstance(piece, ToolCall):
                has_calls = True
            else:
                response = piece.response
    except OutputError as error:
        # The session could not be written; the answer may be complete all the same.
        if _is_complete(error.response):
            tools.require_json_arguments(error.response)
            response = error.response
        raise
    finally:
        printer.end_reasoning()
        text = "".join(texts)
        if has_calls:
            printer.stderr_text(text)
            if response:
                printer.json_lines(tool_calls_of(_first_choice(response)))
        elif text or response:
            writer = printer.answer_writer()
            writer.write(text)
            writer.end()
    return response


def code_renderer(language: str | None) -> Renderer:
    """Return a renderer that writes only the first code block of a complete answer."""

    def write(response: Response, printer: Printer) -> None:
        from contextops.output import first_code_block

        code = first_code_block(text_of_choice(_first_choice(response)), language)
        if code is None:
            what = f"{language} code block" if language else "code block"
            raise NoMatchError(
                f"the answer has no {what}", "", "ask for one in the prompt", response=response
            )
        _write_plain(code, printer)

    return _when_complete(write)


def schema_renderer(schema: Schema, *, as_json: bool, with_tools: bool) -> Renderer:
    """Return a renderer that writes a complete answer once it matches the schema."""

    def write(response: Response, printer: Printer) -> None:
        text = text_of_choice(_first_choice(response))
        try:
            if not with_tools:
                tools.require_no_calls(response)
            schema.require(response)
        except NoMatchError:
            printer.debug(f"* the answer: {text}")
            raise
        calls = tool_calls_of(_first_choice(response))
        if as_json:
            printer.json(response)
        elif calls:
            printer.stderr_text(text)
            printer.json_lines(calls)
        else:
            _write_plain(text, printer)

    return _when_complete(write)


def _when_complete(write: Callable[[Response, Printer], None]) -> Renderer:
    """Return a renderer that writes nothing before the answer is complete."""

    def render(pieces: Pieces, printer: Printer) -> Response:
        try:
            response = _read_all(pieces, printer)
        except OutputError as error:
            # The session could not be written; the answer may be complete all the same.
            if _is_complete(error.response):
                write(error.response, printer)
            raise
        write(response, printer)
        return response

    return render


def _read_all(pieces: Pieces, printer: Printer) -> Response:
    """Return the complete answer; reasoning is written as it comes, where it is wanted."""
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


def _first_choice(response: Response) -> dict[str, Any]:
    return response["choices"][0] if response["choices"] else {}


def _is_complete(response: Response | None) -> TypeGuard[Response]:
    return response is not None and bool(response["contextops"]["complete"])


def _write_plain(text: str, printer: Printer) -> None:
    writer = printer.plain_writer()
    writer.write(text)
    writer.end()


@contextmanager
def output_file(printer: Printer, path: Path) -> Iterator[Printer]:
    """Yield a printer whose standard output is a file, which appears once all is written.

    If the answer ends early, what was written stays in ``FILE.part``, which a note names.
    """
    file = PartFile(path)
    redirected = printer.redirected(file.write)
    try:
        yield redirected
        file.commit()
    except BaseException as error:
        partial = getattr(error, "response", None)
        if partial and file.is_empty and not (file.is_direct or _is_complete(partial)):
            # A renderer that waits for a complete answer has written nothing. An error of this
            # write would hide what broke the answer off.
            with suppress(ContextopsError):
                redirected.write_text(text_of_choice(_first_choice(partial)))
        if file.abandon():
            printer.note(f"the partial answer is in {file.part_path}")
        raise
