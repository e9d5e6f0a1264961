"""The table of settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextops.config.settings import SETTINGS


@given(st.sampled_from(list(SETTINGS.values())), st.text(min_size=12))
def test_any_text_gives_value_or_reason_without_the_text(setting, text):
    try:
        setting.parse(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017  both outcomes are right
        assert text not in str(error)  # noqa: PT017  same


@pytest.mark.parametrize("text", ["http://me:hunter2@proxy:3128", "socks5://proxy", "https://p"])
def test_proxy_is_read_and_its_password_masked(text):
    assert SETTINGS["proxy"].parse(text) == text
    assert "hunter2" not in SETTINGS["proxy"].mask(text)


@pytest.mark.parametrize("text", ["proxy:3128", "ftp://proxy", "http://:hunter2@"])
def test_invalid_proxy_is_refused_without_its_password(text):
    with pytest.raises(ValueError, match=r"^(?!.*hunter2)"):
        SETTINGS["proxy"].parse(text)


def test_only_secret_headers_are_masked():
    headers = {"X-Org": "acme", "Authorization": "Bearer 0123456789", "CF-Access-Token": "x"}
    assert SETTINGS["headers"].mask(headers) == {
        "X-Org": "acme",
        "Authorization": "***6789",
        "CF-Access-Token": "***",
    }


def test_default_equals_its_text_when_set():
    for setting in SETTINGS.values():
        if setting.default is not None:
            text = str(setting.default).lower() if setting.default is False else setting.default
            assert setting.kind.check(setting.default) == setting.parse(str(text))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retries", "2"),
        ("retries", True),
        ("retries", -1),
        ("retries", 2**70),
        ("allow_http", 1),
        ("allow_http", "true"),
        ("model", 3),
        ("model", ""),
        ("model", "a\0b"),
        ("idle_timeout", True),
        ("idle_timeout", float("nan")),
        ("idle_timeout", 10**400),
        ("max_body", 1.5),
        ("max_body", 0),
        ("api_path", "v1"),
        ("api_path", "/"),
        ("api_key_command", []),
        ("api_key_command", ["pass", 1]),
        ("api_key_command", "pass 'show"),
        ("headers", "X: y"),
        ("params", ["x"]),
    ],
)
def test_wrong_type_in_file_is_refused(name, value):
    with pytest.raises(ValueError, match=r"\w"):
        SETTINGS[name].kind.check(value)


@pytest.mark.parametrize(
    "text", ["pass show contextops", '["pass", "show", "contextops"]', "pass 'show' contextops"]
)
def test_command_is_split_into_words_without_shell(text):
    assert SETTINGS["api_key_command"].parse(text) == ("pass", "show", "contextops")
