"""Why nothing works: everything between a config file and a model, looked at in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from contextops import strict_json
from contextops.api import METADATA_MAX_TIME, exact_model, shortest_limit
from contextops.checks import network
from contextops.checks.models import combined_error, judge, with_hints
from contextops.config import (
    ExposedConfigError,
    config_path,
    ip_address,
    is_config_named,
    load_config,
)
from contextops.errors import (
    AuthError,
    BadResponseError,
    ConfigError,
    ContextopsError,
    ServerError,
    TlsError,
)

if TYPE_CHECKING:
    from contextops.api import Client
    from contextops.config import Profile

# What /health says where it is not well; a word that we do not know is shown as it is.
_UNWELL = (False, "error", "fail", "down", "unhealthy")
_MOST_SAID = 100

Check = Callable[[], str]
"""Examine one thing and return what is there; raises ``Skipped`` or a ``ContextopsError``."""


class Skipped(Exception):  # noqa: N818 - an outcome, as in unittest.SkipTest
    """Say why there is nothing to look at."""


class CheckResult(NamedTuple):
    """What was found of one thing: ``state`` is ``ok``, ``failed`` or ``skipped``."""

    check: str
    state: str
    detail: str = ""
    failure: ContextopsError | None = None


def examine(looks: dict[str, Check]) -> Iterator[CheckResult]:
    """Look at one thing after the other; what follows a failure is not looked at."""
    failed = ""
    for check, look in looks.items():
        if failed:
            yield CheckResult(check, "skipped", f"as {failed} failed")
            continue
        try:
            yield CheckResult(check, "ok", look())
        except Skipped as nothing:
            yield CheckResult(check, "skipped", str(nothing))
        except ContextopsError as failure:
            failed = check
            yield CheckResult(check, "failed", failure=failure)


class Examination:
    """Hold what is examined: a profile, and two clients of its server.

    ``anonymous`` gives the one that sends no key. All of it together has ``max_time``.
    """

    def __init__(
        self,
        profile: Callable[[], Profile],
        client: Callable[[], Client],
        anonymous: Callable[[], Client],
    ) -> None:
        self._profile = profile
        self._client = client
        self._anonymous = anonymous
        self._begun = time.monotonic()
        self._health: tuple[int, bytes] | ContextopsError | None = None
        self._listed: list[str] | ContextopsError = []

    def looks(self) -> dict[str, Check]:
        """Name all that there is to look at, in the order in which a request needs it."""
        return {
            "file": self._look_at_file,
            "permissions": self._look_at_permissions,
            "profile": self._look_at_profile,
            "dns": self._look_at_dns,
            "tcp": self._look_at_tcp,
            "tls": self._look_at_tls,
            "health": self._look_at_health,
            "version": self._look_at_version,
            "key": self._look_at_key,
            "models": self._look_at_models,
        }

    # Here ---------------------------------------------------------------------------------

    def _look_at_file(self) -> str:
        path = config_path()
        try:
            file = load_config(path, required=is_config_named())
        except ExposedConfigError:
            return str(path)
        if not file.exists:
            raise Skipped(f"none at {path}: all is built in or exported")
        return str(path)

    def _look_at_permissions(self) -> str:
        file = load_config(config_path())
        if not file.exists:
            raise Skipped("there is no file")
        return "no key in it is readable by others"

    def _look_at_profile(self) -> str:
        profile = self._profile()
        if profile.is_local:
            return f"{profile.name}: the embedded model"
        return f"{profile.name}: {profile.base_url}{profile.api_path}"

    def _left(self) -> float:
        """Give the seconds that are left of ``max_time``, 0 where there is no limit."""
        max_time = self._profile().max_time
        limit = METADATA_MAX_TIME if max_time is None else max_time
        return max(self._begun + limit - time.monotonic(), 0.001) if limit else 0.0

    # On the way ---------------------------------------------------------------------------

    def _look_at_dns(self) -> str:
        setting, host, port = self._next_host()
        if ip_address(host):
            raise Skipped(f"{host} is an address")
        found = network.addresses(host, port, self._time_to_connect(), setting)
        return f"{host} is {', '.join(found)}"

    def _look_at_tcp(self) -> str:
        setting, host, port = self._next_host()
        taken = network.connection(host, port, self._time_to_connect(), setting)
        return f"{taken} port {port}{' (the proxy)' if setting == 'proxy' else ''}"

    def _next_host(self) -> tuple[str, str, int]:
        """Name the host that is connected to, the server's or the proxy's, after its setting."""
        self._require_server()
        setting = "proxy" if self._profile().proxy else "base_url"
        parts = urlsplit(self._profile().proxy or self._profile().base_url)
        default = {"https": 443, "http": 80}.get(parts.scheme, 1080)
        return setting, parts.hostname or "", parts.port or default

    def _time_to_connect(self) -> float:
        return shortest_limit(self._profile().connect_timeout, self._left())

    def _require_server(self) -> None:
        if self._profile().is_local:
            raise Skipped("the embedded model is no server")

    # There --------------------------------------------------------------------------------

    def _look_at_tls(self) -> str:
        self._require_server()
        if not self._profile().base_url.startswith("https:"):
            raise Skipped("plain http")
        try:
            self._get_health()
        except (TlsError, ConfigError):
            raise
        except ContextopsError as failure:
            # It is the next one's to tell.
            if failure.http_status is None and not isinstance(failure, BadResponseError):
                raise Skipped("no answer came that would tell") from None
        return "not verified (insecure)" if self._profile().insecure else "verified"

    def _look_at_health(self) -> str:
        """Open WebUI answers ``{"status": true}``; other servers need not know the path."""
        self._require_server()
        status, body = self._get_health()
        said = _at(body, "status")
        if status != HTTPStatus.OK or said is None:
            raise Skipped(f"nothing of this kind there ({status})")
        told = strict_json.dumps(said)[:_MOST_SAID]
        if said in _UNWELL:
            raise ServerError("the server is not well", f"/health says {told}", "see its log")
        return f"the server says {told}"

    def _get_health(self) -> tuple[int, bytes]:
        if self._health is None:
            try:
                self._health = self._get("/health")
            except ContextopsError as failure:
                self._health = failure
        if isinstance(self._health, ContextopsError):
            raise self._health
        return self._health

    def _look_at_version(self) -> str:
        self._require_server()
        _status, body = self._get("/api/version")
        version = _at(body, "version")
        if not isinstance(version, str):
            raise Skipped("the server tells none: it is no Open WebUI")
        return version[:_MOST_SAID]

    def _get(self, path: str) -> tuple[int, bytes]:
        """Ask without the key; a server that is broken fails here, not one that knows less."""
        client = self._anonymous()
        client.begin(self._left())
        with client.call("GET", client.url_of(path)) as reply:
            if reply.error is not None and (reply.status >= 500 or 300 <= reply.status < 400):
                raise reply.error
            return reply.status, reply.body()

    def _look_at_key(self) -> str:
        """List the models: in every version of Open WebUI, that shows whether a key is good."""
        try:
            client = self._client()
            client.begin(self._left())
            self._listed = [str(model["id"]) for model in client.models()]
        except (AuthError, ConfigError) as failure:
            raise self._without_key(failure) from None
        except ContextopsError as failure:
            self._listed = failure
            raise Skipped("the server did not come so far as to judge it") from None
        self._require_server()
        if any(name.lower() == "authorization" for name in self._profile().headers):
            return "the server takes the header Authorization that is set"
        key = self._profile().key
        if key is None:
            raise Skipped("none is sent, and none was asked for")
        return f"the server lists models for that of {key.origin}"

    def _without_key(self, failure: ContextopsError) -> ContextopsError:
        if self._profile().key is None and isinstance(failure, AuthError):
            failure.why = f"no key is sent, and it says: {failure.why}"
            failure.remedy = "set one for this server with 'contextops config set api_key -'"
        return failure

    def _look_at_models(self) -> str:
        if isinstance(self._listed, ContextopsError):
            raise self._listed
        ids = self._listed
        model = self._profile().model
        if not model and ids:
            return f"{len(ids)}; none is chosen" if len(ids) > 1 else ids[0]
        verdicts = with_hints(judge([model] if model else [], lambda: ids, exact_model))
        if (failure := combined_error(verdicts)) is not None:
            raise failure
        return f"{len(ids)}, {model} among them"


def _at(body: bytes, name: str) -> Any:
    try:
        value = strict_json.loads(body)
    except ValueError:
        return None
    return value.get(name) if isinstance(value, dict) else None
