"""What is secret, by its name or by its shape, and how it is shown."""

from __future__ import annotations

import re

HIDDEN = "***"
_SHOWN_OF_A_KEY = 4
_LONG_ENOUGH_TO_SHOW = 16


def mask(secret: str) -> str:
    """Show the last four characters of a secret at most, and of a short one none."""
    secret = secret.strip()
    return f"{HIDDEN}{secret[-_SHOWN_OF_A_KEY:] if len(secret) >= _LONG_ENOUGH_TO_SHOW else ''}"


_NAMES_A_KEY = r"(?:.*[-_])?(?:authorization|auth|cookie|password|secret|token|key|apikey)"


def is_secret_name(name: str) -> bool:
    """Tell by the name of a header or a key whether its value is a secret."""
    return bool(re.fullmatch(_NAMES_A_KEY, name, re.IGNORECASE))


_LOOKS_LIKE_A_KEY = r"""(?ix)
        \b(?:sk|pk|ghp|gho|xox[abp])[-_][\w-]{4,}             # OpenAI, Open WebUI and their like
      | \beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?                      # a JSON web token
      | (?<=\bbearer\ )[^\s"']+ | (?<=\bbasic\ )[^\s"']+      # as it stands in a header
      | (?<=://)[^/\s"'@]+(?=@)                               # user and password in a URL
      | \b(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{20,}\b       # long and random
    """


def redact(text: str) -> str:
    """Replace what has the shape of a key, in text where none should stand."""
    return re.sub(_LOOKS_LIKE_A_KEY, HIDDEN, text)


def masked_header(name: str, value: str) -> str:
    """Give a header's value, masked where its name says that it is secret."""
    return mask(value) if is_secret_name(name) else value


_USERINFO = r"(?<=://)([^/\s]*)@"


def userinfo_of(url: str) -> str:
    """Give the user name and password of a URL, or nothing."""
    match = re.search(_USERINFO, url)
    return match[1] if match else ""


def without_userinfo(url: str, instead: str = "") -> str:
    """Return a URL with ``instead`` in place of its user name and password."""
    return re.sub(_USERINFO, instead, url, count=1)
