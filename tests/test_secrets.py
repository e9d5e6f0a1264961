"""How secrets are masked and redacted."""

from __future__ import annotations

import pytest

from contextops.secrets import mask, redact


def test_mask_shows_at_most_four_characters():
    assert mask("sk-0123456789abcdef") == "***cdef"
    assert mask("short-key") == "***"
    assert mask("") == "***"


@pytest.mark.parametrize(
    "secret",
    [
        "sk-CANARY0123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "0123456789abcdef0123456789abcdef",
    ],
)
def test_text_of_key_shape_is_redacted(secret):
    redacted = redact(f"curl -H 'Authorization: Bearer {secret}' https://me:{secret}@a.example # x")
    assert secret not in redacted
    assert redacted.startswith("curl -H 'Authorization: Bearer")
    assert redacted.endswith("@a.example # x")


def test_ordinary_text_is_not_redacted():
    text = "pass show contextops/work # meta-llama-3.1-70b-instruct, internationalization"
    assert redact(text) == text
