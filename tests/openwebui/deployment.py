"""A deployment of Open WebUI: its provider, the server itself, its users and their keys."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import installation

MODEL = "smollm2-135m-instruct"
"""The id of the demo model on each of these servers."""

_START_SECONDS = 180.0
"""It takes 10 to 25 s on an idle machine."""
_POLL = 0.2

_SETTINGS = {
    # Only the environment counts, not settings that an earlier start has stored.
    "ENABLE_PERSISTENT_CONFIG": "false",
    "WEBUI_SECRET_KEY": "a secret for one deployment",
    # Keys are off by default, and need a permission too.
    "ENABLE_API_KEYS": "true",
    "USER_PERMISSIONS_FEATURES_API_KEYS": "true",
    # A model that answers as a random one; on by default before 0.12.
    "ENABLE_EVALUATION_ARENA_MODELS": "true",
    # Nothing is downloaded, and no model is loaded.
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "ENABLE_OLLAMA_API": "false",
    "RAG_EMBEDDING_ENGINE": "openai",
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
}


class Access(NamedTuple):
    """The base URL and the key of a client."""

    base_url: str
    api_key: str


class Service:
    """A server in a separate process, which tests can start and kill.

    Its URL stays the same. ``folder`` is its home folder, with its output in the file ``log``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._changes: Mapping[str, str] = {}

    @property
    def url(self) -> str:
        """The URL of its root."""
        return f"http://127.0.0.1:{self.port}"

    def argv(self) -> list[str]:
        """Return the command that runs it in the foreground."""
        raise NotImplementedError

    def settings(self) -> dict[str, str]:
        """Return the environment variables that it needs."""
        return {}

    def start(self, changes: Mapping[str, str] | None = None) -> None:
        """Start it with changed settings, without waiting until it is ready."""
        self._changes = changes or {}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self.argv(),
                cwd=self.folder,
                env=_environment(self.folder, {**self.settings(), **self._changes}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ready(self, changes: Mapping[str, str] | None = None) -> None:
        """Wait until it runs with these changes of its settings; restart it only if necessary."""
        if self._process is None or self._changes != (changes or {}):
            self.kill()
            self.start(changes)
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                log_text = (self.folder / "log").read_text("utf-8", "replace")
                raise RuntimeError(f"the server does not start:\n{log_text[-4000:]}")
            time.sleep(_POLL)

    def kill(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        """Return whether it is up; llama.cpp may answer 404 here, and 503 while it loads."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False


class DemoModel(Service):
    """The demo model, run by ``contextops serve``; the provider of Open WebUI."""

    api_key = "sk-demo-model"

    @property
    def access(self) -> Access:
        """The base URL and key for its clients."""
        return Access(f"{self.url}/api", self.api_key)

    def argv(self) -> list[str]:
        words = ["serve", "--host", "127.0.0.1", "--port", str(self.port)]
        return [sys.executable, "-m", "contextops", *words]

    def settings(self) -> dict[str, str]:
        return {"CONTEXTOPS_API_KEY": self.api_key}


class LlamaCpp(Service):
    """llama.cpp's own server with the demo model, its API under ``/v1``."""

    api_key = "sk-llama-cpp"

    @property
    def access(self) -> Access:
        """The base URL and key for its clients."""
        return Access(f"{self.url}/v1", self.api_key)

    def argv(self) -> list[str]:
        program = Path(__file__).with_name("llama_cpp.py")
        return [sys.executable, str(program), str(self.port), self.api_key]


class OpenWebUI(Service):
    """One version of Open WebUI with its own data folder."""

    def __init__(self, version: str, folder: Path, provider: Access) -> None:
        super().__init__(folder)
        self.version = version
        self._installed = installation.installed(version)
        self._provider = provider
        (folder / "data").mkdir()

    def argv(self) -> list[str]:
        program = installation.program(self._installed, "open-webui")
        return [str(program), "serve", "--host", "127.0.0.1", "--port", str(self.port)]

    def settings(self) -> dict[str, str]:
        return {
            **_SETTINGS,
            installation.SLIM: "true",
            "DATA_DIR": str(self.folder / "data"),
            "OPENAI_API_BASE_URL": self._provider.base_url,
            "OPENAI_API_KEY": self._provider.api_key,
        }

    def populate(self) -> None:
        """Sign up an administrator, and add a user without any access."""
        first, second = map(_person, ("admin", "user"))
        token = self._request("/api/v1/auths/signup", first)["token"]
        added = self._request("/api/v1/auths/add", {**second, "role": "user"}, token)
        self.admin, self.user = map(self._access, (token, added["token"]))

    def _access(self, token: str) -> Access:
        key = self._request("/api/v1/auths/api_key", {}, token)["api_key"]
        return Access(self.url, key)

    def _request(self, path: str, body: Any, token: str = "") -> Any:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(  # noqa: S310  loopback
            self.url + path, json.dumps(body).encode(), headers
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  same
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise RuntimeError(f"{path}: {error.code}: {text}") from None


def _person(name: str) -> dict[str, str]:
    return {"name": name, "email": f"{name}@example.com", "password": f"The-{name}-1s-here"}


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without settings of the user, except for paths of programs."""
    inherited = ("PATH", "PYTHONPATH", "LANG", "SYSTEMROOT")
    variables = {name: os.environ[name] for name in inherited if name in os.environ}
    return {**variables, "HOME": str(folder), "USERPROFILE": str(folder), **more}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
