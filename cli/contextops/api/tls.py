"""TLS: the settings of a connection, and whether a server speaks it."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

# Seconds for each step of the handshake of ``speaks_tls``.
_PROBE_TIMEOUT = 2.0


def client_context(
    ca_bundle: Path | None, client_cert: Path | None, *, insecure: bool
) -> ssl.SSLContext:
    """Return the context for connections to a server; raises ``OSError`` or ``ValueError``.

    Reading the system's store of certificates takes 50 ms.
    """
    context = ssl.create_default_context(cafile=str(ca_bundle) if ca_bundle else None)
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert:
        context.load_cert_chain(str(client_cert), password=_refuse_passphrase)
    return context


def _refuse_passphrase() -> str:
    """Prevent OpenSSL from asking for one at the terminal, where a script would wait forever."""
    raise ValueError("client_cert is protected by a passphrase; use one without")


def speaks_tls(host: str, port: int) -> bool:
    """Return whether a server answers a TLS handshake.

    Most servers with TLS close a connection of plain http without a byte that says why (OpenSSL's
    own, Python's, Node's). Nothing of the request is sent.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=_PROBE_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except (OSError, ValueError):
        return False
