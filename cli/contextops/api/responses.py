"""Response bodies: read within limits, checked to be of this API, and parsed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from contextops import strict_json
from contextops.api.error_responses import error_in_document, not_json_error, web_page_error
from contextops.errors import (
    BadResponseError,
    ContextopsError,
    TimedOutError,
    TooLargeError,
    TruncatedError,
)

if TYPE_CHECKING:
    # Loads httpx.
    from contextops.api.timeouts import Deadlines
    from contextops.api.transport import Response

MAX_ERROR_BODY = 64 << 10
"""Bytes of an error's body that are read; what follows adds nothing to the message."""


class FinalResponse(NamedTuple):
    """The response to the last attempt, which began at ``started`` on the monotonic clock.

    If its status is not a success, ``error`` is what it stands for, and ``body`` has been read.
    """

    response: Response
    attempts: int
    started: float
    error: ContextopsError | None = None
    body: bytes = b""


class Reply:
    """The response to a request of any kind, an error response included.

    ``error`` is what the response stands for if its status is not a success.
    """

    def __init__(self, final: FinalResponse, deadlines: Deadlines, max_body: int) -> None:
        self.status = final.response.status
        self.headers = final.response.headers
        self.error = final.error
        self._final = final
        self._deadlines = deadlines
        self._max_body = max_body

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it comes. Each block restarts the idle timeout."""
        if self.error is not None:
            yield self._final.body
            return
        for block in self._final.response.blocks():
            yield block
            self._deadlines.token()

    def body(self) -> bytes:
        """Return the complete body; raises ``TooLargeError`` beyond ``max_body``."""
        if self.error is not None:
            return self._final.body
        return read_body(self._final.response, self._max_body)


def read_body(response: Response, limit: int, start: bytes = b"") -> bytes:
    """Return a complete body, of which ``start`` has been read already.

    Raises:
        TooLargeError: It is larger than ``limit`` bytes.
    """
    body = bytearray()
    for block in chain([start], response.blocks()):
        body += block
        if len(body) > limit:
            raise TooLargeError(
                "the response is too large", f"more than {limit} bytes", "raise max_body"
            )
    return bytes(body)


def read_error_body(response: Response) -> bytes:
    """Return what can be read of an error's body, at most ``MAX_ERROR_BODY`` bytes of it."""
    body = bytearray()
    try:
        for block in response.blocks():
            body += block
            if len(body) > MAX_ERROR_BODY:
                break
    except (TruncatedError, TimedOutError, BadResponseError):
        # The status says enough.
        pass
    return bytes(body[:MAX_ERROR_BODY])


def content_type_of(response: Response) -> str:
    """Return the content type without its parameters, in lower case."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def require_uncompressed(response: Response, url: str) -> None:
    """Raise ``BadResponseError`` for a compressed body, which was not asked for."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise BadResponseError(
            f"{url} answered with {encoding} compression",
            "it was not requested",
            "check the proxies between you and the server",
        )


def require_api_response(response: Response, url: str) -> None:
    """Raise ``BadResponseError`` for a compressed body or a web page."""
    require_uncompressed(response, url)
    if content_type_of(response) == "text/html":
        raise web_page_error(url)


def parse_json(body: bytes, url: str) -> Any:
    """Return the JSON value of a body; raises ``BadResponseError`` if it is not JSON."""
    try:
        return strict_json.loads(body)
    except ValueError as error:
        raise not_json_error(url, str(error)) from None


def parse_models(document: Any, url: str) -> list[dict[str, Any]]:
    """Return the models of a list, in its order, each once.

    Every recorded server sends ``{"data": […]}``; the reference documents a bare array. The keys
    that the reference documents are in each model, None where the server sent none.

    Raises:
        ContextopsError: What the document stands for if it is not a list of models.
    """
    entries = document.get("data") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise error_in_document(document)
    models: dict[str, dict[str, Any]] = {}
    entries.reverse()
    while entries:
        # Taken out of the list, so that 100,000 models are not in memory twice.
        entry = entries.pop()
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise BadResponseError(
                f"{url} lists a model without an id", strict_json.dumps(entry)[:80]
            )
        documented = {name: entry.get(name) for name in ("id", "object", "created", "owned_by")}
        models.setdefault(entry["id"], {**documented, **entry})
    return list(models.values())
