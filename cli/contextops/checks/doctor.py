"""The checks of ``config check``: everything between the config file and a model, in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from contextops import strict_json
from contextops.api import METADATA_MAX_TIME, exact_model, shortest_limit
from contextops.checks import network
from contextops.checks.models import add_suggestions, check_listed, combined_error
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

# What /health reports; any other value passes and is shown.
_HEALTHY = (True, "ok", "healthy")
_UNHEALTHY = (False, "error", "fail", "down", "unhealthy")
# Characters of a server's text that are shown.
_MAX_SHOWN = 100

Check = Callable[[], str]
"""Check one thing and return a detail; raises ``Skipped``, or ``ContextopsError`` if it fails."""


class Skipped(Exception):  # noqa: N818 - an outcome, as in unittest.SkipTest
    """There is nothing to check, for the reason in its text."""


class CheckResult(NamedTuple):
    """The result of one check: ``state`` is ``ok``, ``failed`` or ``skipped``."""

    check: str
    state: str
    detail: str = ""
    error: ContextopsError | None = None


def run_checks(checks: dict[str, Check]) -> Iterator[CheckResult]:
    """Run checks in order and yield their results; all after a failed one are skipped."""
    failed = ""
    for name, check in checks.items():
        if failed:
            yield CheckResult(name, "skipped", f"because {failed} failed")
            continue
        try:
            yield CheckResult(name, "ok", check())
        except Skipped as skipped:
            yield CheckResult(name, "skipped", str(skipped))
        except ContextopsError as error:
            failed = name
            yield CheckResult(name, "failed", error=error)


def examine(
    profile: Callable[[], Profile], client: Callable[[], Client], anonymous: Callable[[], Client]
) -> Iterator[CheckResult]:
    """Check the setup, in the order in which a request needs its parts, and yield the results.

    The parameters return the profile, the client of its server, and a client of the same server
    that sends no key. They are called when a check needs them, since making them may fail. All
    checks together take ``max_time`` at most.
    """
    doctor = _Doctor(profile, client, anonymous)
    return run_checks(
        {
            "file": doctor.check_file,
            "permissions": doctor.check_permissions,
            "profile": doctor.check_profile,
            "dns": doctor.check_dns,
            "tcp": doctor.check_tcp,
            "tls": doctor.check_tls,
            "health": doctor.check_health,
            "version": doctor.check_version,
            "key": doctor.check_key,
            "models": doctor.check_models,
        }
    )


class _Doctor:
    """The checks, and the responses that more than one of them looks at."""

    def __init__(
        self,
        profile: Callable[[], Profile],
        client: Callable[[], Client],
        anonymous: Callable[[], Client],
    ) -> None:
        self._profile = profile
        self._client = client
        self._anonymous = anonymous
        self._start = time.monotonic()
        self._health: tuple[int, bytes] | ContextopsError | None = None
        self._model_ids: list[str] | ContextopsError = []

    # --- settings -----------------------------------------------------------------------------

    def check_file(self) -> str:
        path = config_path()
        try:
            file = load_config(path, required=is_config_named())
        except ExposedConfigError:
            # The next check reports this.
            return str(path)
        if not file.exists:
            raise Skipped(f"no file at {path}; defaults and the environment apply")
        return str(path)

    def check_permissions(self) -> str:
        if not load_config(config_path()).exists:
            raise Skipped("no config file")
        return "no key in it is readable by others"

    def check_profile(self) -> str:
        profile = self._profile()
        if profile.is_local:
            return f"{profile.name}: the embedded model"
        return f"{profile.name}: {profile.base_url}{profile.api_path}"

    def _time_left(self) -> float:
        """Return the seconds left of ``max_time``, or 0 if it sets no limit."""
        max_time = self._profile().max_time
        limit = METADATA_MAX_TIME if max_time is None else max_time
        return max(self._start + limit - time.monotonic(), 0.001) if limit else 0.0

    def _require_server(self) -> None:
        if self._profile().is_local:
            raise Skipped("the embedded model has no server")

    # --- network ------------------------------------------------------------------------------

    def check_dns(self) -> str:
        setting, host, port = self._next_host()
        if ip_address(host):
            raise Skipped(f"{host} is an IP address")
        addresses = network.resolve(host, port, self._connect_timeout(), setting)
        return f"{host} resolves to {', '.join(addresses)}"

    def check_tcp(self) -> str:
        setting, host, port = self._next_host()
        address = network.connect(host, port, self._connect_timeout(), setting)
        return f"{address} port {port}{' (the proxy)' if setting == 'proxy' else ''}"

    def _next_host(self) -> tuple[str, str, int]:
        """Return the host and port to connect to, after the setting that names them."""
        self._require_server()
        profile = self._profile()
        setting = "proxy" if profile.proxy else "base_url"
        parts = urlsplit(profile.proxy or profile.base_url)
        default_port = {"https": 443, "http": 80}.get(parts.scheme, 1080)
        return setting, parts.hostname or "", parts.port or default_port

    def _connect_timeout(self) -> float:
        return shortest_limit(self._profile().connect_timeout, self._time_left())

    def check_tls(self) -> str:
        self._require_server()
        if not self._profile().base_url.startswith("https:"):
            raise Skipped("plain http")
        try:
            self._get_health()
        except (TlsError, ConfigError):
            raise
        except ContextopsError as error:
            # A response of any kind proves the handshake; other errors are for the next check.
            if error.http_status is None and not isinstance(error, BadResponseError):
                raise Skipped("the server did not respond") from None
        return "not verified (insecure)" if self._profile().insecure else "verified"

    # --- server -------------------------------------------------------------------------------

    def check_health(self) -> str:
        # Open WebUI answers {"status": true}; other servers need not have the path.
        self._require_server()
        status, body = self._get_health()
        health = _member(body, "status")
        if status != HTTPStatus.OK or health is None:
            raise Skipped(f"the server has no /health ({status})")
        if health in _HEALTHY:
            return "healthy"
        report = f"/health reports {strict_json.dumps(health)[:_MAX_SHOWN]}"
        if health in _UNHEALTHY:
            raise ServerError("the server is unhealthy", report, "check the server's log")
        return report

    def _get_health(self) -> tuple[int, bytes]:
        """Return status and body of ``/health``, or raise the error, of a single request."""
        if self._health is None:
            try:
                self._health = self._get("/health")
            except ContextopsError as error:
                self._health = error
        if isinstance(self._health, ContextopsError):
            raise self._health
        return self._health

    def check_version(self) -> str:
        self._require_server()
        _status, body = self._get("/api/version")
        version = _member(body, "version")
        if not isinstance(version, str):
            raise Skipped("the server is not Open WebUI")
        return version[:_MAX_SHOWN]

    def _get(self, path: str) -> tuple[int, bytes]:
        """Request a path without the key and return status and body; 3xx and 5xx are raised."""
        client = self._anonymous()
        client.begin(self._time_left())
        with client.call("GET", client.url_of(path)) as reply:
            if reply.error is not None and (reply.status >= 500 or 300 <= reply.status < 400):
                raise reply.error
            return reply.status, reply.body()

    def check_key(self) -> str:
        # Listing the models shows in every version of Open WebUI whether the key is accepted.
        try:
            client = self._client()
            client.begin(self._time_left())
            self._model_ids = [str(model["id"]) for model in client.models()]
        except (AuthError, ConfigError) as error:
            if self._profile().key is None and isinstance(error, AuthError):
                error.why = f"no key was sent, and the server says: {error.why}"
                error.remedy = "set one for this server with 'contextops config set api_key -'"
            raise
        except ContextopsError as error:
            self._model_ids = error
            raise Skipped("the models could not be listed") from None
        self._require_server()
        profile = self._profile()
        if any(name.lower() == "authorization" for name in profile.headers):
            return "accepted (from the Authorization header)"
        if profile.key is None:
            raise Skipped("no key set; the server needs none")
        return f"accepted (from {profile.key.origin})"

    def check_models(self) -> str:
        ids = self._model_ids
        if isinstance(ids, ContextopsError):
            raise ids
        model = self._profile().model
        if not model and ids:
            return ids[0] if len(ids) == 1 else f"{len(ids)} available, none chosen"
        checks = check_listed([model] if model else [], lambda: ids, exact_model)
        if error := combined_error(add_suggestions(checks)):
            raise error
        return f"{len(ids)} available, including {model}"


def _member(body: bytes, name: str) -> Any:
    """Return a member of a JSON object; None if the body is not an object or has no such member."""
    try:
        value = strict_json.loads(body)
    except ValueError:
        return None
    return value.get(name) if isinstance(value, dict) else None
