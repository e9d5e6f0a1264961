"""How values are read from text and from TOML."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextops.config.values import (
    check_headers,
    check_params,
    parse_boolean,
    parse_duration,
    parse_key,
    parse_parameter,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2", 2),
        ("0", 0),
        ("0.5", 0.5),
        ("500ms", 0.5),
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h1m1s1ms", 3661.001),
        (" 2m ", 120),
    ],
)
def test_duration_is_read_in_seconds(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "-1",
        "1d",
        "5M",
        "m5",
        "1m1h",
        "1 m",
        "nan",
        "inf",
        "1e3",
        "\N{FULLWIDTH DIGIT NINE}",
        "1h30",
        "9999h",
    ],
)
def test_invalid_duration_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 999), st.integers(0, 9999), st.integers(0, 9999))
def test_parts_of_duration_add_up(hours, minutes, seconds, milliseconds):
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"
    expected = hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("64K", 65536), ("64M", 64 * 2**20), ("1G", 2**30), ("8m", 8 * 2**20)],
)
def test_size_is_read_in_bytes(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5M", "64MB", "64MiB", "1T", "K", "9" * 5000])
def test_invalid_size_is_refused(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("False", False)])
def test_boolean_is_read(text, value):
    assert parse_boolean(text) is value


@pytest.mark.parametrize("text", ["yes", "on", "", "2"])
def test_invalid_boolean_is_refused(text):
    with pytest.raises(ValueError, match="true or false"):
        parse_boolean(text)


@pytest.mark.parametrize("text", [" sk-1\n", "\ufeffsk-1", "\ufeff sk-1\r\n", "sk-1\t"])
def test_key_is_stripped_of_white_space_and_bom(text):
    assert parse_key(text) == "sk-1"


@pytest.mark.parametrize("text", ["", " \n", "sk 1", "sk-1\nuser: me", "sk-\x00", "schlüssel"])
def test_key_not_allowed_in_header_is_refused_without_echo(text):
    with pytest.raises(ValueError, match="the key") as caught:
        parse_key(text)
    assert not text.strip() or text.strip() not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.2", 0.2),
        ("true", True),
        ('"5"', "5"),
        ('["a", 1]', ["a", 1]),
        ("null", None),
        ("hello", "hello"),
        ("NaN", "NaN"),
        ("1e400", "1e400"),
        ("01", "01"),
        ("{", "{"),
        ("", ""),
    ],
)
def test_parameter_is_json_or_text(text, value):
    assert parse_parameter(text) == value


def test_parameter_that_cannot_be_sent_is_refused():
    for name in ("model", "messages", "stream"):
        with pytest.raises(ValueError, match=name):
            check_params({name: 1})
    deep = value = {}
    for _ in range(100):
        value["x"] = value = {}
    for wrong in (float("inf"), 2**70, b"bytes", deep):
        with pytest.raises(ValueError, match="stop"):
            check_params({"stop": wrong})


@pytest.mark.parametrize(
    "headers",
    [{"X A": "1"}, {"X:": "1"}, {"": "1"}, {"X": "hunter2\r\nY: 2"}, {"X": 1}, {"X": "hünter2"}],
)
def test_header_that_would_break_request_is_refused(headers):
    with pytest.raises(ValueError, match=r"^(?!.*hunter2)"):
        check_headers(headers)


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "transfer-encoding", "CONNECTION", "Accept-Encoding", "TE", "Upgrade"],
)
def test_header_of_connection_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} .* connection"):
        check_headers({name: "1"})
