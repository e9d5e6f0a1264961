"""A request as it goes out: its URL, headers and body, and the same as a curl command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from contextops import strict_json
from contextops.config import SETTINGS, Profile
from contextops.errors import UsageError
from contextops.secrets import masked_header

CHAT = "chat/completions"
"""The path of chat completions, below the API."""

# Bytes that are sent at once: httpcore copies what is left of a block each time the network takes
# some of it.
_BLOCK = 1 << 16


class Blocks(Protocol):
    """A body in blocks, which are made anew for each attempt."""

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the blocks."""

    def __len__(self) -> int:
        """Return the bytes of all blocks together."""


Body = bytes | Blocks


class Request(NamedTuple):
    """A request to send as it is. ``url`` is absolute."""

    method: str
    url: str
    headers: Mapping[str, str] = MappingProxyType({})
    body: Body | None = None


class JsonBody:
    """A body of JSON that is encoded while it is sent, so that 30 MB are in memory only once."""

    def __init__(self, value: Mapping[str, Any]) -> None:
        self._value = dict(value)
        self._size = sum(map(len, self))

    def __iter__(self) -> Iterator[bytes]:
        """Encode the value block by block."""
        return strict_json.iterencode(self._value)

    def __len__(self) -> int:
        """Return the bytes of the encoded value."""
        return self._size


def blocks_of(body: Body) -> Iterator[bytes]:
    """Return an iterator over the blocks of a body."""
    if not isinstance(body, bytes):
        return iter(body)
    return (body[start : start + _BLOCK] for start in range(0, len(body), _BLOCK))


def url_of(root: str, api_path: str, path: str) -> str:
    """Return the URL of a path: below the root if it begins with ``/``, else below the API."""
    return f"{root}{path}" if path.startswith("/") else f"{root}{api_path}/{path}"


def merge_headers(defaults: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, str]:
    """Return ``headers`` after those ``defaults`` that they do not replace, in any case."""
    replaced = {name.lower() for name in headers}
    remaining = {name: value for name, value in defaults.items() if name.lower() not in replaced}
    return {**remaining, **headers}


def curl_command(profile: Profile, body: Mapping[str, Any]) -> str:
    """Return the request of ``Client.chat`` as a curl command, ready to be pasted into a shell.

    The key is ``$CONTEXTOPS_API_KEY`` in it; other secret headers are masked.

    Raises:
        UsageError: The profile is the embedded model, which has no URL.
    """
    import shlex

    if profile.is_local:
        raise UsageError(
            "the embedded model has no address for curl",
            "it runs only while a command does",
            "start it with: contextops serve",
        )
    lines = [f"curl -sSN {shlex.quote(url_of(profile.base_url, profile.api_path, CHAT))}"]
    if profile.key is not None and "authorization" not in map(str.lower, profile.headers):
        lines.append('-H "Authorization: Bearer $CONTEXTOPS_API_KEY"')
    headers = merge_headers({"Content-Type": "application/json"}, profile.headers)
    for name, value in headers.items():
        lines.append(f"-H {shlex.quote(f'{name}: {masked_header(name, value)}')}")
    if profile.proxy:
        lines.append(f"--proxy {shlex.quote(SETTINGS['proxy'].mask(profile.proxy))}")
    if profile.insecure:
        lines.append("--insecure")
    if profile.ca_bundle:
        lines.append(f"--cacert {shlex.quote(str(profile.ca_bundle))}")
    if profile.client_cert:
        lines.append(f"--cert {shlex.quote(str(profile.client_cert))}")
    # On standard input, because systems limit the length of a command line.
    lines.append("--data-binary @- <<'END_OF_BODY'")
    return " \\\n  ".join(lines) + f"\n{strict_json.dumps(body)}\nEND_OF_BODY\n"
