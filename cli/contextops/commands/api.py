"""``contextops api``: any other endpoint of the server, with the same key and statuses."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from contextops import strict_json
from contextops.chat import InputReader, read_argument
from contextops.commands.context import Context
from contextops.commands.options import command
from contextops.commands.parser import OnlineCommand, standalone
from contextops.errors import BadResponseError, UsageError
from contextops.flags import Argument, Flag, exclude
from contextops.output import Printer, sanitize_text

if TYPE_CHECKING:
    from contextops.api import Reply


app = standalone()


@dataclass(kw_only=True)
class ApiOptions:
    """The options of ``api``."""

    method: Annotated[str, Argument("METHOD", "HTTP method: GET, POST, DELETE …")]
    path: Annotated[
        str,
        Argument(
            "PATH",
            "'/x' is relative to the server's root, 'x' to its API: 'models' is /api/models.",
        ),
    ]
    data: Annotated[
        str | None,
        Flag(
            "--data -d",
            "Request body; '@' reads it from a file, '-' from standard input.",
            "JSON|@FILE|-",
        ),
    ] = None
    form: Annotated[
        list[str],
        Flag(
            "--form -F",
            "Upload a file, or send a field as NAME=VALUE; repeatable.",
            "NAME=@FILE",
        ),
    ] = field(default_factory=list)
    include: Annotated[
        bool, Flag("--include -i", "Print the response's status and headers before its body.")
    ] = False


@command(app, "api", OnlineCommand)
def api(context: Context, options: ApiOptions) -> None:
    """Call any endpoint of the server.

    The body of the response is printed: in a pipe as it arrives, on a terminal at its end, JSON
    indented.

    \b
    contextops api GET /api/version
    contextops api POST /api/v1/files/ -F file=@notes.txt
    """
    printer = context.printer
    printer.require_stdout()
    exclude((options.data is not None, "-d", bool(options.form), "-F"))
    body, content_type = _request_body(options, InputReader(limit=None, note=printer.note))
    client = context.client
    url = client.url_of(_checked_path(options.path))
    method = _checked_method(options.method)
    with client.call(method, url, body=body, content_type=content_type) as reply:
        if options.include:
            printer.lines(_head(reply))
        if error := reply.error:
            if options.include:
                _print_body(reply, printer)
            if isinstance(error, BadResponseError) and error.http_status in (404, 405):
                # The path was typed here, and is more likely wrong than the server's address.
                error.remedy = "check METHOD and PATH"
            raise error
        is_web_page = reply.headers.get("content-type", "").startswith("text/html")
        if is_web_page and not _accepts_html(context.profile.headers):
            raise BadResponseError(
                f"{url} answered with a web page",
                "servers do that for an unknown path",
                "check PATH, or request HTML with -H 'Accept: text/html'",
            )
        _print_body(reply, printer)


def _checked_method(method: str) -> str:
    if not (method.isascii() and method.isalpha()):
        raise UsageError("invalid HTTP method", method, "try: contextops api GET models")
    return method.upper()


def _checked_path(path: str) -> str:
    if not path.isascii() or not path.isprintable() or any(char in path for char in " #\\"):
        raise UsageError(
            "PATH contains characters not allowed in a URL", path, "percent-encode them (%XX)"
        )
    location = path.partition("?")[0]
    if any(segment in (".", "..") for segment in location.split("/")):
        raise UsageError("PATH contains '.' or '..'", path, "write it without them")
    if "://" in location:
        raise UsageError("PATH is a URL", path, "give the path only; --base-url names the server")
    return path


def _request_body(options: ApiOptions, reader: InputReader) -> tuple[bytes | None, str]:
    """Return the request's body and its content type."""
    if options.form:
        from contextops.api import encode_multipart

        return encode_multipart([_form_field(text, reader) for text in options.form])
    body = None if options.data is None else read_argument(options.data, reader)
    return body, "application/json"


def _form_field(text: str, reader: InputReader) -> tuple[str, str | None, bytes]:
    """Return the name, the file name and the content of ``NAME=VALUE`` or ``NAME=@FILE``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError("-F is not NAME=VALUE", text, "try: -F file=@notes.txt")
    if value.startswith("@"):
        file_name = value[1:].replace("\\", "/").rpartition("/")[2]
        return name, file_name, reader.read_bytes(value[1:])
    return name, None, value.encode("utf-8", "surrogateescape")


def _head(reply: "Reply") -> list[str]:
    """Return the status line, the headers and an empty line."""
    from http import HTTPStatus

    phrase = ""
    with suppress(ValueError):  # a status that the standard library does not know
        phrase = f" {HTTPStatus(reply.status).phrase}"
    headers = (f"{name}: {value}" for name, value in reply.headers.items())
    return [f"HTTP {reply.status}{phrase}", *headers, ""]


def _accepts_html(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == "accept" and "text/html" in value for name, value in headers.items())


def _print_body(reply: "Reply", printer: Printer) -> None:
    """Print the body: in a pipe as it arrives, on a terminal indented and sanitized."""
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
