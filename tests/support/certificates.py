"""Certificates for the loopback address, made with the ``openssl`` command."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Literal

_EXTENSIONS = """\
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[good]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
[misnamed]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:elsewhere.example
"""


class Certificates:
    """A certificate authority and what it has signed, as PEM files with key and certificate.

    ``authority`` is the file that a client trusts; ``good`` is valid for the loopback address, for
    servers and clients; ``expired`` ended yesterday; ``misnamed`` is for another host.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "extensions").write_text(_EXTENSIONS)
        self._issue("authority", "authority", days=2)
        self.authority = folder / "authority.crt"
        self.good = self._issue("good", "good", days=1)
        self.expired = self._issue("expired", "good", days=-1)
        self.misnamed = self._issue("misnamed", "misnamed", days=1)

    def server(
        self,
        which: Literal["good", "expired", "misnamed"] = "good",
        *,
        ask_client: bool = False,
    ) -> ssl.SSLContext:
        """Return a server's TLS context; ``ask_client`` requires a certificate of the client."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / f"{which}.pem")
        if ask_client:
            context.load_verify_locations(self.authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _issue(self, name: str, extensions: str, *, days: int) -> Path:
        key, certificate = self._folder / f"{name}.key", self._folder / f"{name}.crt"
        request = self._folder / f"{name}.csr"
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        _openssl(
            "req", "-new", "-key", key, "-subj", f"/CN=contextops test {name}", "-out", request
        )
        signer = ["-signkey", key]
        if name != "authority":
            authority = self._folder / "authority.crt"
            signer = ["-CA", authority, "-CAkey", self._folder / "authority.key", "-CAcreateserial"]
        file = ["-extfile", self._folder / "extensions", "-extensions", extensions]
        options = [*signer, *file, "-days", days, "-out", certificate]
        _openssl("x509", "-req", "-sha256", "-in", request, *options)
        combined = self._folder / f"{name}.pem"
        combined.write_bytes(key.read_bytes() + certificate.read_bytes())
        return combined


def openssl_is_missing() -> bool:
    """Return whether the ``openssl`` command is not installed."""
    return shutil.which("openssl") is None


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
