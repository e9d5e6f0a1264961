"""Secrets: recognized by name or by shape, and masked."""

from __future__ import annotations

import re

HIDDEN = "***"
"""The text in place of a secret."""

_VISIBLE_END = 4
_MIN_LENGTH_TO_SHOW_END = 16


def mask(secret: str) -> str:
    """Return ``***`` and the last four characters of a secret, or only ``***`` if it is short."""
    secret = secret.strip()
    return HIDDEN + (secret[-_VISIBLE_END:] if len(secret) >= _MIN_LENGTH_TO_SHOW_END else "")


_KEY_NAME = r"(?:.*[-_])?(?:authorization|auth|cookie|password|secret|token|key|apikey)"


def is_secret_name(name: str) -> bool:
    """Return whether the value of a header or setting with this name is a secret."""
    return bool(re.fullmatch(_KEY_NAME, name, re.IGNORECASE))


_KEY_SHAPE = r"""(?ix)
        \b(?:sk|pk|ghp|gho|xox[abp])[-_][\w-]{4,}             # OpenAI, Open WebUI and similar
      | \beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?                      # a JSON web token
      | (?<=\bbearer\ )[^\s"']+ | (?<=\bbasic\ )[^\s"']+      # in a header
      | (?<=://)[^/\s"'@]+(?=@)                               # user and password in a URL
      | \b(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{20,}\b       # long and random
    """


def redact(text: str) -> str:
    """Return text with everything that looks like a key replaced by ``***``."""
    return re.sub(_KEY_SHAPE, HIDDEN, text)


def masked_header(name: str, value: str) -> str:
    """Return the value of a header, masked if ``is_secret_name`` is true for its name."""
    return mask(value) if is_secret_name(name) else value


_USERINFO = r"(?<=://)([^/\s]*)@"


def userinfo_of(url: str) -> str:
    """Return the user name and password of a URL, or the empty string."""
    match = re.search(_USERINFO, url)
    return match[1] if match else ""


def without_userinfo(url: str, instead: str = "") -> str:
    """Return a URL with ``instead`` in place of its user name and password."""
    return re.sub(_USERINFO, instead, url, count=1)
