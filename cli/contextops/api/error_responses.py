"""Error responses: the server's own message in them, and the error that each stands for.

Open WebUI sends ``{"detail": …}``, providers behind it ``{"error": {"message": …}}``, its plug-ins
``{"error": {"detail": …}}``, proxies HTML or plain text. Open WebUI 0.6.5 puts a provider's status
into the text of its own: ``400 {"detail": "429: …"}``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from contextops import strict_json
from contextops.errors import (
    AuthError,
    BadResponseError,
    ContextopsError,
    ModelNotFoundError,
    RateLimitedError,
    RejectedError,
    ServerError,
    UnreachableError,
)

MAX_MESSAGE = 500
"""Characters of a server's text that an error line may hold."""

USE_TLS = "use https:// in base_url"
"""The remedy where plain http was sent to a server that requires TLS."""

# Patterns that are not compiled here: only an error needs them, and start-up is a feature.
_FOLDED_STATUS = r"([45]\d\d): "
_NO_SUCH_MODEL = (
    r"(?is)\bmodel_not_found\b"
    r"|\bmodels?\b.{0,200}\b(not found|does ?n.t exist|does not exist|not exist|unknown)\b"
    r"|\b(unknown|invalid|no such|not a valid) model\b"
)
_REQUIRES_TLS = r"(?i)\bhttps (port|server|scheme)\b|\bssl-enabled\b|\brequires tls\b"
_TITLE = r"(?is)<(title|h1)[^>]*>(.*?)</\1>"
_DECIMAL = r"[0-9]+(\.[0-9]*)?"

# Characters of a page in which its title is searched: the pattern reads on to the end of the text
# from each tag that is never closed.
_PAGE_START = 4096

_CHECK_KEY = "check the key ('contextops config list --show-origin' shows where it is set)"
_CHECK_URL = "check base_url ('contextops config get base_url'): is it the server's root?"


class AmbiguousAuthError(AuthError):
    """A 401 in a provider's shape: about the caller's key, or about the server's own key.

    Open WebUI passes on what its providers answer, so the response does not say which.
    """

    def as_provider_error(self) -> ContextopsError:
        """Return the error to raise where the caller's key is known to be valid."""
        return _provider_auth_error(self.http_status or 401, self.why)


# The server's message -------------------------------------------------------------------------


def server_message(body: bytes) -> str:
    """Return the message in an error body on one line, at most ``MAX_MESSAGE`` characters of it."""
    text = body.decode("utf-8", "replace").strip()
    try:
        message = _message_in(strict_json.loads(text))
    except ValueError:
        title = re.search(_TITLE, text[:_PAGE_START]) if text.startswith("<") else None
        message = title[2] if title else text
    message = " ".join(message.split())
    return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…"


def _message_in(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        for name in ("error", "detail", "message"):
            if value.get(name):
                message, param = _message_in(value[name]), value.get("param")
                # The parameter in question, if the message does not name it.
                is_missing = isinstance(param, str) and param not in message
                return f"{message} ({param})" if is_missing else message
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return "; ".join(_validation_message(item) for item in value)
    return strict_json.dumps(value)


def _validation_message(item: Mapping[str, Any]) -> str:
    """Return one validation error (422) without its "input", which repeats the prompt."""
    location = item.get("loc")
    where = ".".join(str(step) for step in location) if isinstance(location, list) else ""
    message = str(item.get("msg", "not valid"))
    return f"{where}: {message}" if where else message


# Statuses and headers -------------------------------------------------------------------------


def effective_status(status: int, body: bytes) -> int:
    """Return the status that an error is about: a provider's may stand in the text of a 400."""
    if status == 400:
        folded = re.match(_FOLDED_STATUS, server_message(body))
        if folded:
            return int(folded[1])
    return status


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds after which the server allows another attempt, None if it does not say.

    Reads ``retry-after-ms`` and ``Retry-After`` (RFC 9110, section 10.2.3: seconds or a date).
    The result is never negative, NaN or infinite.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    seconds = _number(text)
    return seconds if seconds is not None else _seconds_until(text, now or datetime.now(UTC))


def _number(text: str) -> float | None:
    if not re.fullmatch(_DECIMAL, text.strip()):
        return None
    return min(float(text), sys.float_info.max)


def _seconds_until(text: str, now: datetime) -> float | None:
    # Importing this takes 19 ms, and the header is rarely a date.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return seconds if seconds >= 0 else None


# The errors -----------------------------------------------------------------------------------


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, url: str
) -> ContextopsError:
    """Return the error that a response with a status of 300 or more stands for."""
    effective = effective_status(status, body)
    message = server_message(body) or "no reason given"
    if effective in (401, 403):
        return _auth_error(status, effective, message, body)
    if effective >= 500:
        # What is not implemented (501) will not be implemented later either.
        remedy = "" if effective == 501 else "try later"
        return ServerError(f"the server failed ({status})", message, remedy, http_status=status)
    if 300 <= effective < 400:
        target = headers.get("location", "elsewhere")[:MAX_MESSAGE]
        to_tls = url.startswith("http:") and target.startswith("https:")
        remedy = USE_TLS if to_tls else _CHECK_URL
        return BadResponseError(
            f"{url} redirects", f"{status} to {target}", remedy, http_status=status
        )
    return _rejection(status, effective, headers, message, url)


def _auth_error(status: int, effective: int, message: str, body: bytes) -> ContextopsError:
    if effective != status:
        # Only a provider's status is put into the text of another.
        return _provider_auth_error(status, message)
    remedy = _CHECK_KEY
    if "api key is not enabled" in message.lower():
        remedy = (
            "ask an administrator to enable API keys (ENABLE_API_KEYS, and the permission "
            "features.api_keys)"
        )
    kind = AmbiguousAuthError if status == 401 and _has_provider_shape(body) else AuthError
    return kind(f"the server denied access ({status})", message, remedy, http_status=status)


def _has_provider_shape(body: bytes) -> bool:
    try:
        value = strict_json.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and "error" in value and "detail" not in value


def _provider_auth_error(status: int, message: str) -> ContextopsError:
    return ServerError(
        "the provider behind the server rejected the server's own key",
        message,
        "tell the server's administrator: your key is fine",
        http_status=status,
    )


def _rejection(
    status: int, effective: int, headers: Mapping[str, str], message: str, url: str
) -> ContextopsError:
    """Return the error for a status of 400 to 499, other than 401 and 403."""
    if effective == 429:
        return RateLimitedError(
            "too many requests",
            message,
            "wait, or allow more --retries",
            http_status=status,
            retry_after=retry_after(headers),
        )
    if effective == 407:
        return UnreachableError(
            "cannot reach the server",
            f"the proxy requires authentication: {message}",
            "check the proxy",
        )
    if effective in (400, 404) and re.search(_NO_SUCH_MODEL, message):
        return ModelNotFoundError("the server has no such model", message, http_status=status)
    if effective in (404, 405):
        return BadResponseError(
            f"{url} is unknown to the server",
            f"{status}: {message}",
            _CHECK_URL,
            http_status=status,
        )
    remedy = USE_TLS if re.search(_REQUIRES_TLS, message) else ""
    return RejectedError(
        f"the server rejected the request ({status})", message, remedy, http_status=status
    )


def error_in_document(document: Any, http_status: int = 200) -> ContextopsError:
    """Return the error for a JSON document of a successful response that is not an answer."""
    message = server_message(strict_json.dumps(document).encode())
    if isinstance(document, dict) and document.get("error"):
        return ServerError("the server failed", message, "try later", http_status=http_status)
    if isinstance(document, dict) and document.get("detail"):
        return RejectedError("the server rejected the request", message, http_status=http_status)
    if isinstance(document, dict) and "task_ids" in document:
        why = "it queued the request as a background task"
    elif document is None:
        why = "it answered null, as some versions of Open WebUI do for internal errors"
    elif isinstance(document, str):
        why = f"its provider sent broken JSON: {message}"
    else:
        why = f"it answered {message}"
    return BadResponseError(
        UNEXPECTED_RESPONSE, why, "check the server's log", http_status=http_status
    )


UNEXPECTED_RESPONSE = "the server sent an unexpected response"


def not_json_error(url: str, why: str) -> ContextopsError:
    """Return the error for a response that is not JSON."""
    return BadResponseError(f"{url} did not answer with JSON", why, _CHECK_URL)


def web_page_error(url: str) -> ContextopsError:
    """Return the error for a web page, with which Open WebUI answers every unknown path."""
    return BadResponseError(f"{url} answered with a web page", "it is not an API path", _CHECK_URL)
