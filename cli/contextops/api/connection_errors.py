"""The errors of a connection: what failed before, or in the middle of, a response."""

from __future__ import annotations

import socket
import ssl
from typing import TypeVar

from contextops.api.error_responses import MAX_MESSAGE
from contextops.errors import (
    BadResponseError,
    ContextopsError,
    TlsError,
    TruncatedError,
    UnreachableError,
)

ErrorType = TypeVar("ErrorType", bound=BaseException)


def connect_error(error: BaseException, host: str, setting: str) -> ContextopsError:
    """Return the error for a connection to ``host``, which ``setting`` names, that failed."""
    remedy = f"{setting} ('contextops config get {setting}')"
    if cause(error, socket.gaierror) is not None:
        return UnreachableError(
            f"cannot reach {host}", "its name cannot be resolved", f"check {remedy}"
        )
    return UnreachableError(
        f"cannot reach {host}", system_reason(error), f"check that it runs, and {remedy}"
    )


def handshake_error(error: ssl.SSLError, host: str) -> ContextopsError:
    """Return the error for a handshake with ``host`` that failed."""
    what, text = f"no TLS with {host}", str(error)
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER" in text:
        return TlsError(what, "it seems to speak plain http", "use http:// in base_url")
    if "CERTIFICATE_REQUIRED" in text:
        return TlsError(what, "it requires a client certificate", "set client_cert")
    reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or text
    remedy = "check the certificate, or set ca_bundle to its authority"
    return TlsError(what, str(reason).lower(), remedy)


def protocol_error(text: str, host: str, *, has_head: bool) -> ContextopsError:
    """Return the error for what httpx's ``RemoteProtocolError`` says of a response.

    httpx has one type for a body that ends early and one with malformed chunks; only the texts
    differ.
    """
    # It may quote a header line of any length.
    text = text[:MAX_MESSAGE]
    if has_head:
        if "without sending complete" in text or "unexpectedly closed" in text:
            return truncated_error()
        return BadResponseError(
            "the response is not valid HTTP", text, "check the proxies between you and the server"
        )
    if "disconnected without" in text:
        return no_response_error(host, "it closed the connection without a response")
    return BadResponseError(
        f"{host} does not speak HTTP",
        text,
        "check scheme (http or https) and port of base_url ('contextops config get base_url')",
    )


def no_response_error(host: str, why: str) -> ContextopsError:
    """Return the error for a connection that ended before the head of a response."""
    return UnreachableError(f"no answer from {host}", why, "try again")


def truncated_error() -> ContextopsError:
    """Return the error for a connection that ended in the middle of a response."""
    return TruncatedError(
        "the answer is truncated", "the connection broke before its end", "try again"
    )


def system_reason(error: BaseException) -> str:
    """Return the operating system's reason for an error, in lower case."""
    os_error = cause(error, OSError)
    return ((os_error.strerror if os_error else None) or str(error)).lower()


def cause(error: BaseException | None, kind: type[ErrorType]) -> ErrorType | None:
    """Return the first error of this kind among an error and its causes."""
    while error is not None:
        if isinstance(error, kind):
            return error
        error = error.__cause__ or error.__context__
    return None
