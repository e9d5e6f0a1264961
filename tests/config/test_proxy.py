"""The proxy that the environment names."""

from __future__ import annotations

import sys

import pytest

from contextops.config.profile import resolve
from contextops.errors import ConfigError

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX")


def proxy_for(url, environ, **exported):
    return resolve({"base_url": url}, {**environ, **exported}).proxy


@pytest.mark.parametrize(
    ("exported", "expected"),
    [
        ({"https_proxy": "http://a:1", "HTTPS_PROXY": "http://b:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "http://b:1", "all_proxy": "http://c:1"}, "http://b:1"),
        ({"all_proxy": "socks5h://c:1", "ALL_PROXY": "http://d:1"}, "socks5h://c:1"),
        ({"ALL_PROXY": "http://d:1"}, "http://d:1"),
        ({"https_proxy": " ", "HTTPS_PROXY": "me:pw@b:1"}, "http://me:pw@b:1"),
        ({"HTTPS_PROXY": "http://b:1", "REQUEST_METHOD": "GET"}, "http://b:1"),
        ({"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:1"}, None),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_proxy_of_environment_is_default(environ, exported, expected):
    assert proxy_for("https://ai.example.com", environ, **exported) == expected


@posix
def test_http_proxy_is_ignored_in_cgi_program(environ):
    exported = {"HTTP_PROXY": "http://b:1"}
    assert proxy_for("http://ai.lan", environ, **exported) == "http://b:1"
    assert proxy_for("http://ai.lan", environ, **exported, REQUEST_METHOD="GET") is None
    exported["http_proxy"] = "http://a:1"
    assert proxy_for("http://ai.lan", environ, **exported, REQUEST_METHOD="GET") == "http://a:1"


def test_proxy_setting_beats_proxy_of_environment(stored, environ):
    environ |= {"HTTPS_PROXY": "http://environment:1", "NO_PROXY": "nobody"}
    stored('[profiles.default]\nbase_url = "https://a.example"\nproxy = "http://stored:1"\n')
    assert resolve({}, environ).proxy == "http://stored:1"
    assert resolve({"profile": "default"}, environ).proxy == "http://stored:1"
    environ["CONTEXTOPS_PROXY"] = "http://exported:1"
    assert resolve({}, environ).proxy == "http://exported:1"
    environ["NO_PROXY"] = "*"
    assert resolve({}, environ).proxy == "http://exported:1", "the setting is for this program only"


@pytest.mark.parametrize(
    "url", ["http://localhost:3000", "http://127.8.9.1", "http://[::1]:80", "https://a.localhost"]
)
def test_loopback_address_needs_no_proxy(environ, url):
    assert proxy_for(url, environ, ALL_PROXY="http://a:1") is None


def test_local_profile_needs_no_proxy(environ):
    assert resolve({"profile": "local"}, {**environ, "ALL_PROXY": "nonsense://"}).proxy is None


def test_invalid_proxy_is_named_by_its_variable(environ):
    for text in ("ftp://me:CANARY@proxy", "http://", "http://a:port", "://"):
        with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
            proxy_for("https://a.example", environ, HTTPS_PROXY=text)
        assert "CANARY" not in caught.value.message
