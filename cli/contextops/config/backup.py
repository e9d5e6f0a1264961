"""The copy of a config file that preserves what an edit loses: comments and order, but no keys."""

from __future__ import annotations

import re
import tomllib

from contextops import files
from contextops.config.file import ConfigFile, secrets_in
from contextops.config.locate import Statement, statements
from contextops.secrets import HIDDEN, redact

_MIN_SECRET_LENGTH = 6
_IN_COMMENT = (
    r"""(?i)(\#.*?(?:key|token|secret|password|cookie|authorization)\b["']?\s*[:=]\s*).+"""
)


def back_up(file: ConfigFile) -> str:
    """Copy a config file without its keys, and return the note that says so."""
    copy = file.path.with_name(f"{file.path.name}.bak")
    files.replace(copy, without_keys(file.text).encode())
    return f"the comments and the order of {file.path} are saved, without keys, in {copy}"


def without_keys(text: str) -> str:
    """Return valid TOML with every key replaced by ``***``, in values and in comments."""
    secrets = sorted(set(secrets_in(tomllib.loads(text))), key=len, reverse=True)
    text = "".join(_without_keys(statement) for statement in statements(text))
    for secret in secrets:
        # A shorter one may be part of ordinary words.
        if len(secret) >= _MIN_SECRET_LENGTH:
            text = text.replace(secret, HIDDEN)
    return redact(re.sub(_IN_COMMENT, rf"\1{HIDDEN}", text))


def _without_keys(statement: Statement) -> str:
    secrets = set(secrets_in(statement.data))
    if not secrets:
        return statement.text
    text = statement.text
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    try:
        is_clean = set(secrets_in(tomllib.loads(text))) == {HIDDEN}
    except ValueError:
        is_clean = False
    # The text of a key with escapes, or on several lines, differs from its value.
    return text if is_clean else f"# {HIDDEN}\n"
