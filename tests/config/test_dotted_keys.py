"""Dotted keys, and the values that are stored under them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextops.config.dotted_keys import parse_value, split_key
from contextops.config.settings import SETTINGS
from contextops.config.url import normalize_base_url


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("https://a.example/api/chat/completions", "https://a.example"),
        ("https://a.example/v1/", "https://a.example/v1"),
        ("https://a.example/api/api", "https://a.example/api/api"),
    ],
)
def test_base_url_is_stored_without_default_path(text, stored):
    assert parse_value(("base_url",), text) == stored


paths = st.lists(st.sampled_from(["api", "v1", "models", "chat", "completions", "x", ""]))


@given(paths)
def test_stored_base_url_means_the_same(parts):
    url = normalize_base_url("https://a.example/" + "/".join(parts))
    assert normalize_base_url(str(url)) == url
    stored = parse_value(("base_url",), str(url))
    again = normalize_base_url(stored)
    assert (again.url, again.api_path or "/api") == (url.url, url.api_path or "/api")
    assert parse_value(("base_url",), stored) == stored


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("model", ("model",)),
        ("params.temperature", ("params", "temperature")),
        ("params.logit_bias.50256", ("params", "logit_bias", "50256")),
        ("headers.X-Org.Unit", ("headers", "X-Org.Unit")),
    ],
)
def test_dotted_key_is_split(key, keys):
    assert split_key(key) == keys


@pytest.mark.parametrize("key", ["", "modle", "model.x", "params.", "params..x", ".model"])
def test_invalid_key_is_refused(key):
    with pytest.raises(ValueError, match=r"\w"):
        split_key(key)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("idle_timeout", "90s"),
        ("max_body", "8M"),
        ("retries", "3"),
        ("allow_http", "true"),
        ("base_url", "https://a.example/v1"),
        ("api_key_command", "pass show contextops"),
        ("system", "two\nlines "),
    ],
)
def test_stored_value_is_shown_as_it_was_set(name, text):
    stored = parse_value((name,), text)
    shown = SETTINGS[name].mask(stored)
    assert parse_value((name,), shown if isinstance(shown, str) else str(shown).lower()) == stored
