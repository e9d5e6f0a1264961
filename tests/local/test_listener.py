"""The address on which the embedded model is served."""

from __future__ import annotations

import socket

import pytest

from contextops.errors import ConfigError
from contextops.local import claim_listener


def test_localhost_is_claimed_on_both_loopback_addresses():
    listener = claim_listener("localhost", 0)

    assert listener.addresses[0] == "127.0.0.1"
    assert listener.addresses[1:] in (["::1"], [])
    assert listener.base_url == f"http://localhost:{listener.port}"
    assert listener.is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_taken_port_error_names_port_flag(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        taken = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with taken, pytest.raises(ConfigError, match=r"the port is taken.*--port") as caught:
        claim_listener("localhost", taken.getsockname()[1])

    assert caught.value.status == 3


def test_unspecified_address_gets_localhost_as_base_url():
    listener = claim_listener("0.0.0.0", 0)  # noqa: S104

    assert listener.addresses == ["0.0.0.0"]  # noqa: S104
    assert listener.base_url == f"http://localhost:{listener.port}"
    assert not listener.is_loopback


def test_host_of_another_machine_error_names_host_flag():
    with pytest.raises(ConfigError, match="--host") as caught:
        claim_listener("192.0.2.1", 0)

    assert "(" not in caught.value.why


def test_path_is_rejected_as_host():
    with pytest.raises(ConfigError, match="unknown host"):
        claim_listener("/run/any.sock", 0)
