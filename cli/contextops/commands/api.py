"""``contextops api``: any other endpoint of the server, with the same key and statuses."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from contextops import strict_json
from contextops.chat import InputReader, read_argument
from contextops.commands.context import Context
from contextops.commands.parser import OnlineCommand, alone
from contextops.errors import BadResponseError, ContextopsError, UsageError
from contextops.output import Printer, sanitize_text

if TYPE_CHECKING:
    from contextops.api import Reply


app = alone()


@app.command("api", cls=OnlineCommand)
def api(
    ctx: typer.Context,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, DELETE …")],
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="/x is below the server's root, x below its API: 'models' is /api/models.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            metavar="JSON|@FILE|-",
            help="Send this body; from a file with '@', from standard input with '-'.",
        ),
    ] = None,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form",
            "-F",
            metavar="NAME=@FILE",
            help="Upload a file, or send a field as NAME=VALUE; may be given again.",
        ),
    ] = None,
    include: Annotated[
        bool, typer.Option("--include", "-i", help="Print the answer's status and headers first.")
    ] = False,
) -> None:
    """Call any endpoint of the server.

    The body of the answer is printed as it comes.

    \b
    contextops api GET /api/version
    contextops api POST /api/v1/files/ -F file=@notes.txt
    """
    runtime: Context = ctx.obj
    runtime.printer.require_stdout()
    body, content_type = _body(data, form or [], InputReader(limit=None, note=runtime.printer.note))
    client = runtime.client
    url = client.url_of(_checked_path(path))
    typed = _checked_method(method)
    with client.call(typed, url, body=body, content_type=content_type) as reply:
        if include:
            runtime.printer.lines(_head(reply))
        if reply.refusal is not None:
            if include:
                _show(reply, runtime.printer)
            raise _with_advice(reply.refusal)
        if _is_web_page(reply) and not _wants_html(runtime):
            raise BadResponseError(
                f"{url} answered with a web page",
                "an unknown path does",
                "check PATH, or ask for HTML with -H 'Accept: text/html'",
            )
        _show(reply, runtime.printer)


def _with_advice(failure: ContextopsError) -> ContextopsError:
    """Advise on what was typed here: the path, not the server's address."""
    if isinstance(failure, BadResponseError) and failure.http_status in (404, 405):
        failure.remedy = "check METHOD and PATH"
    return failure


def _checked_method(method: str) -> str:
    if not (method.isascii() and method.isalpha()):
        raise UsageError("METHOD is no HTTP method", method, "try: contextops api GET models")
    return method.upper()


def _checked_path(path: str) -> str:
    if not path.isascii() or not path.isprintable() or any(sign in path for sign in " #\\"):
        raise UsageError("PATH has signs that no URL has", path, "write them as %XX")
    if any(step in (".", "..") for step in path.partition("?")[0].split("/")):
        raise UsageError("PATH leads elsewhere", path, "write it without '.' and '..'")
    if "://" in path.partition("?")[0]:
        raise UsageError("PATH is a URL", path, "give the path alone; --base-url has the server")
    return path


def _body(data: str | None, form: Sequence[str], sources: InputReader) -> tuple[bytes | None, str]:
    if data is not None and form:
        raise UsageError("-d and -F exclude each other", remedy="leave one out")
    if form:
        from contextops.api import encode_multipart

        return encode_multipart([_part(field, sources) for field in form])
    return (None if data is None else read_argument(data, sources)), "application/json"


def _part(field: str, sources: InputReader) -> tuple[str, str | None, bytes]:
    name, equals, value = field.partition("=")
    if not equals or not name:
        raise UsageError("-F is not NAME=VALUE", field, "try: -F file=@notes.txt")
    if value.startswith("@"):
        file_name = value[1:].replace("\\", "/").rpartition("/")[2]
        return name, file_name, sources.bytes_of(value[1:])
    return name, None, value.encode("utf-8", "surrogateescape")


def _head(reply: "Reply") -> list[str]:
    from http import HTTPStatus

    with suppress(ValueError):
        return [f"HTTP {reply.status} {HTTPStatus(reply.status).phrase}", *_fields(reply), ""]
    return [f"HTTP {reply.status}", *_fields(reply), ""]


def _fields(reply: "Reply") -> list[str]:
    return [f"{name}: {value}" for name, value in reply.headers.items()]


def _is_web_page(reply: "Reply") -> bool:
    return reply.headers.get("content-type", "").startswith("text/html")


def _wants_html(runtime: Context) -> bool:
    headers = runtime.profile.headers.items()
    return any(name.lower() == "accept" and "text/html" in value for name, value in headers)


def _show(reply: "Reply", printer: Printer) -> None:
    """Print the body: as it comes in a pipe, fit to be read on a terminal."""
    if not printer.stdout_is_terminal:
        for block in reply.blocks():
            printer.write(block)
        return
    body = reply.body()
    try:
        printer.json(strict_json.loads(body))
    except ValueError:
        text = sanitize_text(body.decode("utf-8", "replace"))
        printer.write_text(text if text.endswith("\n") or not text else f"{text}\n")
