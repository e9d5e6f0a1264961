"""What a server means when it does not answer: its words, and the failure they stand for.

Open WebUI says ``{"detail": …}``, providers behind it ``{"error": {"message": …}}``, its plug-ins
``{"error": {"detail": …}}``, proxies HTML or plain text; 0.6.5 folds a provider's status into
``400 {"detail": "429: …"}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from contextops import strict_json
from contextops.api.retry import asked_delay
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

MAX_WORDS = 500
"""Characters of a server's text that an error line may hold."""

USE_TLS = "use https:// in base_url"
"""The remedy where plain http was sent to a server that has TLS."""

# Patterns, not compiled ones: only an error needs them, and start-up is a feature.
_FOLDED = r"([45]\d\d): "
_NO_SUCH_MODEL = (
    r"(?is)\bmodel_not_found\b"
    r"|\bmodels?\b.{0,200}\b(not found|does ?n.t exist|does not exist|not exist|unknown)\b"
    r"|\b(unknown|invalid|no such|not a valid) model\b"
)
_WANTS_TLS = r"(?i)\bhttps (port|server|scheme)\b|\bssl-enabled\b|\brequires tls\b"
_TITLE = r"(?is)<(title|h1)[^>]*>(.*?)</\1>"

_PAGE_START = 4096

_CHECK_KEY = "check the key ('contextops config list --show-origin' says where it is from)"
_CHECK_URL = "check base_url ('contextops config get base_url'): is it the server's root?"


def error_words(body: bytes) -> str:
    """Give what an error body says in words, at most ``MAX_WORDS`` characters of it."""
    text = body.decode("utf-8", "replace").strip()
    try:
        said = _said(strict_json.loads(text))
    except ValueError:
        # A page's start: for each tag that is never closed, all that follows is looked through.
        title = re.search(_TITLE, text[:_PAGE_START]) if text.startswith("<") else None
        said = title[2] if title else text
    said = " ".join(said.split())
    return said if len(said) <= MAX_WORDS else f"{said[:MAX_WORDS]}…"


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        for name in ("error", "detail", "message"):
            if value.get(name):
                said, param = _said(value[name]), value.get("param")
                # The parameter that it is about, where the words do not name it.
                is_news = isinstance(param, str) and param not in said
                return f"{said} ({param})" if is_news else said
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        # Validation errors (422); their "input" repeats the prompt, so it is left out.
        return "; ".join(_complaint(item) for item in value)
    return strict_json.dumps(value)


def _complaint(item: Mapping[str, Any]) -> str:
    place = item.get("loc")
    where = ".".join(str(step) for step in place) if isinstance(place, list) else ""
    told = str(item.get("msg", "not valid"))
    return f"{where}: {told}" if where else told


class AmbiguousAuthError(AuthError):
    """A 401 in a provider's shape: our key's fault, or that of the server's own at its provider."""

    def as_providers(self) -> ContextopsError:
        """Say that it is not about the caller's key."""
        return _provider_failure(self.http_status or 401, self.why)


def status_meant(status: int, body: bytes) -> int:
    """Give the status that a server meant: a provider's may be folded into a 400's text."""
    if status == 400:
        folded = re.match(_FOLDED, error_words(body))
        if folded:
            return int(folded[1])
    return status


def _is_providers(body: bytes) -> bool:
    try:
        value = strict_json.loads(body)
    except ValueError:
        return False
    return isinstance(value, dict) and "error" in value and "detail" not in value


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, where: str
) -> ContextopsError:
    """Name the failure that an answer with a status of 300 or more stands for."""
    meant = status_meant(status, body)
    said = error_words(body) or "it gave no reason"
    if meant != status and meant in (401, 403):
        return _provider_failure(status, said)
    return _failure(meant, headers, said, where, status, is_providers=_is_providers(body))


def _failure(
    meant: int,
    headers: Mapping[str, str],
    said: str,
    where: str,
    status: int,
    *,
    is_providers: bool,
) -> ContextopsError:
    if meant >= 500:
        # What is not implemented will not be later.
        remedy = "" if meant == 501 else "try later"
        return ServerError(f"the server failed ({status})", said, remedy, http_status=status)
    if 300 <= meant < 400:
        target = headers.get("location", "elsewhere")[:MAX_WORDS]
        to_tls = where.startswith("http:") and target.startswith("https:")
        remedy = USE_TLS if to_tls else _CHECK_URL
        return BadResponseError(
            f"{where} redirects", f"{status} to {target}", remedy, http_status=status
        )
    if meant == 429:
        return RateLimitedError(
            "too many requests",
            said,
            "wait, or allow more --retries",
            http_status=status,
            retry_after=asked_delay(headers),
        )
    if meant in (401, 403):
        return _auth_failure(status, said, is_providers=is_providers)
    if meant == 407:
        return UnreachableError(
            "cannot reach the server", f"the proxy wants a login: {said}", "check the proxy"
        )
    if re.search(_NO_SUCH_MODEL, said) and meant in (400, 404):
        return ModelNotFoundError("the server has no such model", said, http_status=status)
    if meant in (404, 405):
        return BadResponseError(
            f"{where} is unknown to the server", f"{status}: {said}", _CHECK_URL, http_status=status
        )
    remedy = USE_TLS if re.search(_WANTS_TLS, said) else ""
    return RejectedError(
        f"the server rejected the request ({status})", said, remedy, http_status=status
    )


def _auth_failure(status: int, said: str, *, is_providers: bool) -> ContextopsError:
    if "api key is not enabled" in said.lower():
        remedy = (
            "ask an administrator to enable API keys (ENABLE_API_KEYS, and the permission "
            "features.api_keys)"
        )
    else:
        remedy = _CHECK_KEY
    kind = AmbiguousAuthError if is_providers and status == 401 else AuthError
    return kind(f"the server refuses access ({status})", said, remedy, http_status=status)


def _provider_failure(status: int, said: str) -> ContextopsError:
    return ServerError(
        "the provider behind the server refuses the server's own key",
        said,
        "tell its administrator: your key is fine",
        http_status=status,
    )


def error_in_document(document: Any, http_status: int = 200) -> ContextopsError:
    """Name the failure that a JSON document stands for which came as a success but is no answer."""
    said = error_words(strict_json.dumps(document).encode())
    if isinstance(document, dict) and document.get("error"):
        return ServerError("the server failed", said, "try later", http_status=http_status)
    if isinstance(document, dict) and document.get("detail"):
        return RejectedError("the server rejected the request", said, http_status=http_status)
    if isinstance(document, dict) and "task_ids" in document:
        why = "it took the request as a background task"
    elif document is None:
        why = "it answered null, as some versions of Open WebUI do for errors of their own"
    elif isinstance(document, str):
        why = f"its provider sent broken JSON: {said}"
    else:
        why = f"it answered {said}"
    return BadResponseError(
        "the server gave no answer of this API",
        why,
        "see the server's log",
        http_status=http_status,
    )


def not_json_error(where: str, why: str) -> ContextopsError:
    """Say that an answer is not JSON, which it must be."""
    return BadResponseError(f"{where} did not answer with JSON", why, _CHECK_URL)


def web_page_error(where: str) -> ContextopsError:
    """Say that a web page came: Open WebUI answers every path it does not know with one."""
    return BadResponseError(f"{where} answered with a web page", "no API is there", _CHECK_URL)
