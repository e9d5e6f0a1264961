"""Base URLs, origins, private hosts and NO_PROXY."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contextops.config.url import is_private_host, needs_no_proxy, normalize_base_url, origin_of


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
def test_base_url_is_normalized(text, url, api_path):
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
def test_invalid_base_url_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        normalize_base_url(text)
    assert "hunter2" not in str(caught.value)


def test_origin_is_scheme_host_and_port():
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
def test_private_host_is_recognized(host):
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
def test_public_host_is_not_private(host):
    assert not is_private_host(host)


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
def test_no_proxy_list_exempts_host(url, exempt, expected):
    assert needs_no_proxy(origin_of(url), exempt) is expected


@given(st.text(max_size=40), st.sampled_from(["https://a.example", "https://10.0.0.1"]))
def test_any_no_proxy_list_is_accepted(exempt, url):
    needs_no_proxy(origin_of(url), exempt)
