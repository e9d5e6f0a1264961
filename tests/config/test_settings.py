"""How the text of a setting is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextops.config.settings import (
    SETTINGS,
    check_headers,
    check_params,
    is_private_host,
    needs_no_proxy,
    normalize_base_url,
    origin_of,
    parse_boolean,
    parse_duration,
    parse_key,
    parse_parameter,
    parse_size,
    parse_value,
    split_key,
)
from contextops.secrets import mask, redact

# --- durations, sizes, booleans ---


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
def test_durations(text, seconds):
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
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.integers(0, 99), st.integers(0, 999), st.integers(0, 9999), st.integers(0, 9999))
def test_the_parts_of_a_duration_add_up(hours, minutes, seconds, milliseconds):
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"
    expected = hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
    assert parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("64K", 65536), ("64M", 64 * 2**20), ("1G", 2**30), ("8m", 8 * 2**20)],
)
def test_sizes(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5M", "64MB", "64MiB", "1T", "K", "9" * 5000])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@given(st.sampled_from(list(SETTINGS.values())), st.text(min_size=12))
def test_any_text_is_a_value_or_a_reason_that_does_not_repeat_it(setting, text):
    try:
        setting.parse(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017  both outcomes are right
        assert text not in str(error)  # noqa: PT017  same


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("False", False)])
def test_booleans(text, value):
    assert parse_boolean(text) is value


@pytest.mark.parametrize("text", ["yes", "on", "", "2"])
def test_what_is_no_boolean(text):
    with pytest.raises(ValueError, match="true or false"):
        parse_boolean(text)


# --- addresses ---


@pytest.mark.parametrize(
    ("text", "url", "api_path"),
    [
        ("http://localhost:3000", "http://localhost:3000", None),
        ("http://localhost:3000/", "http://localhost:3000", None),
        ("HTTP://LocalHost:3000//", "http://localhost:3000", None),
        ("https://a.example:443", "https://a.example", None),
        ("http://a.example:80/x", "http://a.example/x", None),
        ("https://a.example:80", "https://a.example:80", None),
        ("https://a.example/api", "https://a.example", "/api"),
        ("https://a.example/api/", "https://a.example", "/api"),
        ("https://a.example/api/models", "https://a.example", "/api"),
        ("https://a.example/api/chat/completions", "https://a.example", "/api"),
        ("https://a.example/team/api/models/", "https://a.example/team", "/api"),
        ("https://a.example/team", "https://a.example/team", None),
        ("https://a.example/v1", "https://a.example", "/v1"),
        ("https://a.example/v1/chat/completions", "https://a.example", "/v1"),
        ("https://a.example/openai/v1/models", "https://a.example/openai", "/v1"),
        ("https://a.example/api/v1", "https://a.example", "/api/v1"),
        ("https://a.example/api/v1/models", "https://a.example", "/api/v1"),
        ("https://a.example/api//v1", "https://a.example", "/api/v1"),
        ("https://a.example/apis", "https://a.example/apis", None),
        ("http://[::1]:3000/api", "http://[::1]:3000", "/api"),
        ("http://[0:0::1]", "http://[::1]", None),
        ("http://[fe80::1%25eth0]:3000", "http://[fe80::1%25eth0]:3000", None),
        ("  https://a.example  ", "https://a.example", None),
    ],
)
def test_base_urls_are_normalized(text, url, api_path):
    assert normalize_base_url(text) == (url, api_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "begin with"),
        ("a.example", "begin with"),
        ("localhost:3000", "begin with"),
        ("ftp://a.example", "begin with"),
        ("file:///etc/passwd", "begin with"),
        ("http://", "missing"),
        ("http:///api", "missing"),
        ("http://me:hunter2@a.example", "user name or password"),
        ("http://hunter2@a.example", "user name or password"),
        ("http://a.example:0", "port"),
        ("http://a.example:65536", "port"),
        ("http://a.example:hunter2", "port"),
        ("http://a.example:٣", "port"),
        ("http://a.example:80:80", "HOST:PORT"),
        ("http://a.example?x=1", "query"),
        ("http://a.example/#x", "fragment"),
        ("http://a b.example", "blanks"),
        ("http://a.example/\nHost: b", "blanks"),
        ("http://a.example\\@b.example", "backslashes"),
        ("http://[::1", "HOST:PORT"),
        ("http://[127.0.0.1]", "IPv6"),
        ("http://[hunter2]", "IPv6"),
        ("http://a..example", "host name"),
        ("http://evil。example", "ASCII"),
    ],
)
def test_unusable_base_urls(text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        normalize_base_url(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://a.example/api/chat/completions", "https://a.example"),
        ("https://a.example/v1/", "https://a.example/v1"),
        ("https://a.example/api/api", "https://a.example/api/api"),
    ],
)
def test_a_base_url_is_kept_without_its_tail(text, kept):
    assert parse_value(("base_url",), text) == kept


paths = st.lists(st.sampled_from(["api", "v1", "models", "chat", "completions", "x", ""]))


@given(paths)
def test_what_is_kept_of_a_base_url_means_the_same(parts):
    url = normalize_base_url("https://a.example/" + "/".join(parts))
    assert normalize_base_url(str(url)) == url
    kept = parse_value(("base_url",), str(url))
    again = normalize_base_url(kept)
    assert (again.url, again.api_path or "/api") == (url.url, url.api_path or "/api")
    assert parse_value(("base_url",), kept) == kept


def test_an_origin_is_scheme_host_and_port():
    assert origin_of("https://A.example/x") == origin_of("https://a.example:443")
    assert origin_of("http://a.example") != origin_of("https://a.example")
    assert origin_of("http://a.example:81") != origin_of("http://a.example")
    assert str(origin_of("https://a.example:444/x?y")) == "https://a.example:444"


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "127.0.0.1", "127.9.9.9", "[::1]", "::1"),
        *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1"),
        *("100.64.0.1", "100.127.255.255", "fd00::1", "[fe80::1%25eth0]", "::ffff:10.0.0.1"),
        *("ollama", "gpu-box", "nas.local", "x.internal", "x.lan", "x.home.arpa", "a.localhost"),
        *("webui.ai.svc", "box.tail1234.ts.net", "NAS.LOCAL", "nas.local."),
    ],
)
def test_hosts_that_may_get_a_key_unencrypted(host):
    assert is_private_host(host)


@pytest.mark.parametrize(
    "host",
    [
        *("example.com", "8.8.8.8", "172.32.0.1", "100.128.0.1", "192.169.0.1", "11.0.0.1"),
        *("2001:db8::1", "[2606:4700::1]", "::ffff:8.8.8.8", "local.example", "xlocal.com"),
        # What a resolver would take for a number is none of our names.
        *("134744072", "0x08080808", "0x7f.1", "127.1", "8.8", "ai.", "localhost.evil.com"),
    ],
)
def test_hosts_that_may_not(host):
    assert not is_private_host(host)


@pytest.mark.parametrize("text", ["http://me:hunter2@proxy:3128", "socks5://proxy", "https://p"])
def test_proxies(text):
    assert SETTINGS["proxy"].parse(text) == text
    assert "hunter2" not in SETTINGS["proxy"].masked(text)


@pytest.mark.parametrize("text", ["proxy:3128", "ftp://proxy", "http://:hunter2@"])
def test_unusable_proxies(text):
    with pytest.raises(ValueError, match=r"^(?!.*hunter2)"):
        SETTINGS["proxy"].parse(text)


# --- keys ---


@pytest.mark.parametrize("text", [" sk-1\n", "\ufeffsk-1", "\ufeff sk-1\r\n", "sk-1\t"])
def test_a_key_is_stripped(text):
    assert parse_key(text) == "sk-1"


@pytest.mark.parametrize("text", ["", " \n", "sk 1", "sk-1\nuser: me", "sk-\x00", "schlüssel"])
def test_a_key_that_cannot_stand_in_a_header(text):
    with pytest.raises(ValueError, match="the key") as caught:
        parse_key(text)
    assert not text.strip() or text.strip() not in str(caught.value)


def test_a_mask_shows_four_characters_at_most():
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
def test_what_looks_like_a_key_is_redacted(secret):
    told = redact(f"curl -H 'Authorization: Bearer {secret}' https://me:{secret}@a.example # x")
    assert secret not in told
    assert told.startswith("curl -H 'Authorization: Bearer")
    assert told.endswith("@a.example # x")


def test_what_does_not_look_like_a_key_is_not():
    text = "pass show contextops/work # meta-llama-3.1-70b-instruct, internationalization"
    assert redact(text) == text


# --- tables ---


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
def test_a_parameter_is_json_where_it_is_json(text, value):
    assert parse_parameter(text) == value


def test_parameters_that_are_refused():
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
def test_headers_that_would_break_a_request(headers):
    with pytest.raises(ValueError, match=r"^(?!.*hunter2)"):
        check_headers(headers)


def test_only_secret_headers_are_masked():
    headers = {"X-Org": "acme", "Authorization": "Bearer 0123456789", "CF-Access-Token": "x"}
    assert SETTINGS["headers"].masked(headers) == {
        "X-Org": "acme",
        "Authorization": "***6789",
        "CF-Access-Token": "***",
    }


# --- the table of settings ---


def test_every_default_can_be_set():
    for setting in SETTINGS.values():
        if setting.default is not None:
            text = str(setting.default).lower() if setting.default is False else setting.default
            assert setting.check(setting.default) == setting.parse(str(text))


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
def test_wrong_types(name, value):
    with pytest.raises(ValueError, match=r"\w"):
        SETTINGS[name].check(value)


@pytest.mark.parametrize(
    "text", ["pass show contextops", '["pass", "show", "contextops"]', "pass 'show' contextops"]
)
def test_a_command_is_words_and_no_shell(text):
    assert SETTINGS["api_key_command"].parse(text) == ("pass", "show", "contextops")


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        ("model", ("model",)),
        ("params.temperature", ("params", "temperature")),
        ("params.logit_bias.50256", ("params", "logit_bias", "50256")),
        ("headers.X-Org.Unit", ("headers", "X-Org.Unit")),
    ],
)
def test_dotted_keys(key, keys):
    assert split_key(key) == keys


@pytest.mark.parametrize("key", ["", "modle", "model.x", "params.", "params..x", ".model"])
def test_what_is_no_key(key):
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
def test_what_is_kept_is_shown_as_it_was_given(name, text):
    kept = parse_value((name,), text)
    shown = SETTINGS[name].masked(kept)
    assert parse_value((name,), shown if isinstance(shown, str) else str(shown).lower()) == kept


# --- who needs no proxy, and which headers nobody chooses ---


@pytest.mark.parametrize(
    ("url", "exempt", "expected"),
    [
        ("https://ai.example.com", "*", True),
        ("https://ai.example.com", "other, .example.com", True),
        ("https://ai.example.com", "EXAMPLE.com.", True),
        ("https://ai.example.com", "*.example.com", True),
        ("https://ai.example.com.", "ai.example.com", True),
        ("https://ai.example.com", "ample.com", False),
        ("https://ai.example.com", "x.ai.example.com", False),
        ("https://ai.example.com", "example.com:443", True),
        ("https://ai.example.com", "example.com:8443", False),
        ("https://ai.example.com:8443", "example.com:8443", True),
        ("https://ai.example.com", "com\tother example.com", True),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "11.0.0.0/8,1.2.3,2.3", False),
        ("https://10.1.2.3", "10.1.2.3:443", True),
        ("https://[fd00::1]:8443", "[fd00::1]:8443", True),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://[fd00::1]", "FD00:0:0::1", True),
        ("https://[fd00::1]", "10.0.0.0/8,[fd00::2],fe80::1%eth0", False),
        ("https://ai.example.com", "", False),
        ("https://ai.example.com", ",,., :,[,]:,[]:1,10.0.0.0/99,::/x,**,%,\udcff,\u0661", False),
        ("https://10.1.2.3", ",,., :,[,]:,[]:1,10.0.0.0/99,::/x,**,%,\udcff,\u0661", False),
        ("http://localhost:3000", "", True),
        ("http://LOCALHOST.", "", True),
        ("http://notlocalhost", "", False),
        ("http://127.1.2.3", "", True),
        ("http://[::1]", "", True),
        ("http://128.0.0.1", "", False),
    ],
)
def test_who_needs_no_proxy(url, exempt, expected):
    assert needs_no_proxy(origin_of(url), exempt) is expected


@given(st.text(max_size=40), st.sampled_from(["https://a.example", "https://10.0.0.1"]))
def test_no_list_of_exempt_hosts_is_a_failure(exempt, url):
    needs_no_proxy(origin_of(url), exempt)


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "transfer-encoding", "CONNECTION", "Accept-Encoding", "TE", "Upgrade"],
)
def test_a_header_of_the_connection_is_not_chosen(name):
    with pytest.raises(ValueError, match=f"{name} .* connection"):
        check_headers({name: "1"})
