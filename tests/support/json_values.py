"""Hypothesis strategies for JSON values of every kind, such as a server may send."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | _NUMBERS | st.text(max_size=20)


def values(*names: str, texts: tuple[str, ...] = ()) -> st.SearchStrategy[Any]:
    """Return a strategy for any JSON value.

    ``names`` are keys and ``texts`` are values that the code under test treats specially; they
    are drawn more often.
    """
    keys = st.sampled_from(names) | st.text(max_size=3) if names else st.text(max_size=8)
    scalars = SCALARS | st.sampled_from(texts) if texts else SCALARS
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=8,
    )


VALUES = values()
