"""A deployment of Open WebUI: its provider, the server itself, its people and their keys."""

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
"""The demo model, as each of these servers names it."""

_START_SECONDS = 180.0
"""10 to 25 s on an idle machine."""
_POLL = 0.2

_SETTINGS = {
    # Only what the environment says counts, not what an earlier start has stored.
    "ENABLE_PERSISTENT_CONFIG": "false",
    "WEBUI_SECRET_KEY": "a secret for one deployment",
    # Keys are off by default, and a permission of their own besides.
    "ENABLE_API_KEYS": "true",
    "USER_PERMISSIONS_FEATURES_API_KEYS": "true",
    # A model that is another one each time; on by default before 0.12.
    "ENABLE_EVALUATION_ARENA_MODELS": "true",
    # Nothing is fetched from anywhere, no model loaded.
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "ENABLE_OLLAMA_API": "false",
    "RAG_EMBEDDING_ENGINE": "openai",
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
}


class Access(NamedTuple):
    """What a client needs: an address, and a key for it."""

    base_url: str
    api_key: str


class Service:
    """A server in a process of its own, which is started and killed as often as a test wants it.

    Its address stays the same. ``folder`` is its home, with what it says in a file ``log``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._changes: Mapping[str, str] = {}

    @property
    def url(self) -> str:
        """Give the address of its root."""
        return f"http://127.0.0.1:{self.port}"

    def argv(self) -> list[str]:
        """Give the command that runs it in the foreground."""
        raise NotImplementedError

    def settings(self) -> dict[str, str]:
        """Give the variables that it needs."""
        return {}

    def start(self, changes: Mapping[str, str] | None = None) -> None:
        """Start it with these changes of its settings, and do not wait for it."""
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
        """Have it run with exactly these changes, in a new process only where need be."""
        if self._process is None or self._changes != (changes or {}):
            self.kill()
            self.start(changes)
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                said = (self.folder / "log").read_text("utf-8", "replace")
                raise RuntimeError(f"it does not start:\n{said[-4000:]}")
            time.sleep(_POLL)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        """Tell whether it is up; llama.cpp may say 404 here, and 503 while it loads."""
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5):  # noqa: S310
                return True
        except urllib.error.HTTPError as error:
            return error.code < 500
        except OSError:
            return False


class DemoModel(Service):
    """The demo model as ``contextops serve`` has it; a provider for Open WebUI."""

    api_key = "sk-demo-model"

    @property
    def access(self) -> Access:
        """Give what a client of it needs."""
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
        """Give what a client of it needs."""
        return Access(f"{self.url}/v1", self.api_key)

    def argv(self) -> list[str]:
        program = Path(__file__).with_name("llama_cpp.py")
        return [sys.executable, str(program), str(self.port), self.api_key]


class OpenWebUI(Service):
    """Open WebUI of one version with data of its own."""

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
        """Sign up the first user, who administers it, and add a second, who is granted nothing."""
        first, second = map(_person, ("admin", "user"))
        token = self._ask("/api/v1/auths/signup", first)["token"]
        added = self._ask("/api/v1/auths/add", {**second, "role": "user"}, token)
        self.admin, self.user = map(self._access, (token, added["token"]))

    def _access(self, token: str) -> Access:
        key = self._ask("/api/v1/auths/api_key", {}, token)["api_key"]
        return Access(self.url, key)

    def _ask(self, path: str, body: Any, token: str = "") -> Any:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(  # noqa: S310  the address is our own
            self.url + path, json.dumps(body).encode(), headers
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  same
                return json.load(answer)
        except urllib.error.HTTPError as error:
            told = error.read().decode(errors="replace")
            raise RuntimeError(f"{path}: {error.code}: {told}") from None


def _person(name: str) -> dict[str, str]:
    return {"name": name, "email": f"{name}@example.com", "password": f"The-{name}-1s-here"}


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Give an environment that nobody has set anything in but where programs are."""
    kept = ("PATH", "PYTHONPATH", "LANG", "SYSTEMROOT")
    ours = {name: os.environ[name] for name in kept if name in os.environ}
    return {**ours, "HOME": str(folder), "USERPROFILE": str(folder), **more}


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
