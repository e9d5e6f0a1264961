"""Masking of known secrets, such as the key in use, in what is printed."""

from __future__ import annotations

from contextops.secrets import HIDDEN

# Shorter secrets are part of ordinary words.
_MIN_LENGTH = 6


class Redactor:
    """The secrets known so far, and their removal from text."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, secret: str) -> None:
        """Mask this secret from now on, unless it is shorter than 6 characters."""
        if len(secret) >= _MIN_LENGTH:
            self._secrets.add(secret)

    def redact(self, text: str) -> str:
        """Return the text with ``***`` in place of every secret."""
        # The longest first: one secret may contain another.
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
            if "…" in text:
                # A quotation may have been shortened in the middle of a secret.
                for length in range(len(secret) - 1, _MIN_LENGTH - 1, -1):
                    text = text.replace(f"{secret[:length]}…", f"{HIDDEN}…")
        return text
