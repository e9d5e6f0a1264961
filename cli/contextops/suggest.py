"""Suggestions for a misspelled name."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

# Comparing two names of 30 characters in full takes up to 0.4 ms, and a server can list 100,000
# models. Counting common bigrams takes 2 µs a name and picks those that are compared in full.
_COMPARED = 300


def closest(word: str, known: Iterable[str], *, n: int = 1, ignore_case: bool = False) -> list[str]:
    """Return up to ``n`` known names that look like ``word``, the most similar first.

    ``word`` itself is not returned. With ``ignore_case``, only the first of several names that
    differ in case alone is.
    """
    import difflib
    import heapq

    names: dict[str, str] = {}
    for name in known:
        if name != word:
            names.setdefault(name.lower() if ignore_case else name, name)
    word = word.lower() if ignore_case else word
    candidates: Iterable[str] = names
    if len(names) > _COMPARED:
        bigrams = set(pairwise(word))
        candidates = heapq.nlargest(
            _COMPARED, names, key=lambda name: len(bigrams.intersection(pairwise(name)))
        )
    return [names[match] for match in difflib.get_close_matches(word, candidates, n=n)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean NAME?`` with the most similar known name, or an empty string."""
    names = closest(word, known)
    return f"did you mean {names[0]}?" if names else ""
