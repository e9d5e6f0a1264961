"""The table of settings: each is declared here, and only here.

The fields of ``Profile``, the options of the command line, the environment variables, ``contextops
config``, the help topic ``environment`` and the completions are made from it. A flag of the group
``connection`` is accepted by every command that may reach a server, any other by the commands that
list it (see ``contextops.commands.options``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, Never, Self, TypeVar, overload

from contextops.config import values
from contextops.config.values import Kind
from contextops.flags import Flag

T = TypeVar("T")

CONFIG_VARIABLE = "CONTEXTOPS_CONFIG"
PROFILE_VARIABLE = "CONTEXTOPS_PROFILE"
LOCAL_MODEL_VARIABLE = "CONTEXTOPS_LOCAL_MODEL"

TEMPLATES = "templates"
"""The table of the config file that holds the templates, by name."""

KEY_SOURCES = ("api_key", "api_key_file", "api_key_command")
"""The settings that a key can come from; they count as one setting."""


class Setting(Generic[T]):
    """One setting, declared as a class attribute; ``T`` is the type of its value in a profile.

    ``description`` may be left out if ``flag`` has a help. ``default`` is written as in the config
    file, and the flag's help shows it. ``of_server`` is true if the setting describes a server, so
    that the embedded model has no use for it.
    """

    def __init__(
        self,
        kind: Kind,
        description: str = "",
        *,
        flag: Flag | None = None,
        default: Any = None,
        of_server: bool = False,
    ) -> None:
        self.kind = kind
        self.help = description or (flag.help if flag else "")
        if flag and default not in (None, False):
            flag = flag._replace(help=f"{flag.help}  [{default}]")
        self.flag = flag
        self.default = default
        self.default_value: Any = None if default is None else kind.check(default)
        self.of_server = of_server

    def __set_name__(self, _owner: type, name: str) -> None:
        self.name = name
        self.variable = f"CONTEXTOPS_{name.upper()}"

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        """Return the declaration; the value of an instance is found in its ``__dict__`` before."""
        if instance is None:
            return self
        raise AttributeError(f"{owner.__name__} has no value for {self.name}")

    @property
    def flag_name(self) -> str:
        """The first name of the flag, such as ``--model``, or the empty string."""
        return self.flag.names.split()[0] if self.flag else ""

    @property
    def is_table(self) -> bool:
        """Whether dotted keys reach into the value, and levels merge name by name."""
        return self.kind in (values.PARAMS, values.HEADERS)

    def parse(self, text: str) -> Any:
        """Return the value of text from a flag or an environment variable."""
        return self.kind.check(self.kind.parse(text))

    def mask(self, stored: Any) -> Any:
        """Return a stored value without its secrets; one without secrets is returned unchanged."""
        return self.kind.mask(stored)

    def to_json(self, stored: Any) -> Any:
        """Return a stored value for programs: seconds and bytes as numbers, secrets masked."""
        return (self.kind.to_json or self.kind.mask)(stored)


class Settings:
    """The settings of a profile, in the order in which they are listed."""

    base_url: Setting[str] = Setting(
        values.URL,
        flag=Flag(
            "--base-url", "Address of the server, e.g. https://ai.example.com.", "URL", "connection"
        ),
        default="http://localhost:3000",
        of_server=True,
    )
    api_path: Setting[str] = Setting(
        values.API_PATH, "Path of the API: /api, or /v1.", default="/api", of_server=True
    )
    # A profile has one ``key`` in place of these three.
    api_key: Setting[Never] = Setting(values.KEY, "API key.", of_server=True)
    api_key_file: Setting[Never] = Setting(
        values.FILE,
        "File that contains the API key.",
        flag=Flag(
            "--api-key-file",
            "Read the API key from this file. (A key is never a flag: use CONTEXTOPS_API_KEY.)",
            "PATH",
            "connection",
        ),
        of_server=True,
    )
    api_key_command: Setting[Never] = Setting(
        values.COMMAND, "Command that prints the API key; no shell runs it.", of_server=True
    )
    model: Setting[str | None] = Setting(
        values.TEXT,
        flag=Flag("--model -m", "Model to use.  [the only one offered]", "ID", "prompt"),
    )
    system: Setting[str | None] = Setting(
        values.PROMPT, flag=Flag("--system -s", "System message, or @FILE.", "TEXT", "prompt")
    )
    params: Setting[Mapping[str, Any]] = Setting(
        values.PARAMS,
        "Request parameters by name, as a JSON object.",
        flag=Flag(
            "--param",
            "Set any other parameter of the API, e.g. top_p=0.9; repeatable.",
            "NAME=VALUE",
            "answer",
        ),
    )
    headers: Setting[Mapping[str, str]] = Setting(
        values.HEADERS,
        "Request headers by name, as a JSON object.",
        flag=Flag(
            "--header -H",
            "Send this header; repeatable.",
            "'NAME: VALUE'",
            "connection",
            parse=values.parse_header,
        ),
        of_server=True,
    )
    connect_timeout: Setting[float] = Setting(
        values.DURATION,
        flag=Flag("--connect-timeout", "Time limit for connecting.", "DURATION", "connection"),
        default="10s",
    )
    first_token_timeout: Setting[float] = Setting(
        values.DURATION,
        flag=Flag(
            "--first-token-timeout",
            "Time limit from the request to the first token.",
            "DURATION",
            "connection",
        ),
        default="5m",
    )
    idle_timeout: Setting[float] = Setting(
        values.DURATION,
        flag=Flag("--idle-timeout", "Time limit between two tokens.", "DURATION", "connection"),
        default="2m",
    )
    max_time: Setting[float | None] = Setting(
        values.DURATION,
        flag=Flag(
            "--max-time",
            "Time limit for the command; 0 is none.  [none; 30s for models and config check]",
            "DURATION",
            "connection",
        ),
    )
    retries: Setting[int] = Setting(
        values.COUNT,
        flag=Flag(
            "--retries", "Retry at most N times, before the answer begins.", "N", "connection"
        ),
        default=2,
    )
    allow_http: Setting[bool] = Setting(
        values.BOOLEAN,
        flag=Flag(
            "--allow-http",
            "Send the key over plain http to a public address too.",
            group="connection",
        ),
        default=False,
        of_server=True,
    )
    ca_bundle: Setting[Path | None] = Setting(
        values.FILE, "Trusted certificates, in PEM.", of_server=True
    )
    client_cert: Setting[Path | None] = Setting(
        values.FILE, "Client certificate and its key, in PEM.", of_server=True
    )
    proxy: Setting[str | None] = Setting(
        values.PROXY, "Proxy, in place of the environment's.", of_server=True
    )
    insecure: Setting[bool] = Setting(
        values.BOOLEAN, "Do not verify the server's certificate.", default=False, of_server=True
    )
    session: Setting[str | None] = Setting(
        values.TEXT,
        flag=Flag(
            "--session",
            "Continue and save conversation NAME; a path ends in .jsonl.",
            "NAME",
            "conversation",
        ),
    )
    max_answer: Setting[int] = Setting(
        values.SIZE, "Size limit for the text of an answer.", default="64M"
    )
    max_event: Setting[int] = Setting(
        values.SIZE, "Size limit for one server-sent event.", default="8M"
    )
    max_body: Setting[int] = Setting(values.SIZE, "Size limit for a JSON response.", default="32M")
    max_prompt: Setting[int] = Setting(
        values.SIZE, "Size limit for the text of a request.", default="32M"
    )


class TemplateSettings:
    """What a template of the config file can set."""

    prompt: Setting[str] = Setting(values.PROSE, "Prompt, with {input} and other {fields}.")
    system = Settings.system
    model = Settings.model
    params = Settings.params
    schema: Setting[Path | None] = Setting(values.FILE, "JSON Schema that the answer must match.")


def _declared_in(owner: type) -> dict[str, Setting[Any]]:
    return {name: each for name, each in vars(owner).items() if isinstance(each, Setting)}


SETTINGS: Mapping[str, Setting[Any]] = _declared_in(Settings)
TEMPLATE_SETTINGS: Mapping[str, Setting[Any]] = _declared_in(TemplateSettings)

PROFILE_FLAG = Flag("--profile", "Use this profile of the config file.", "NAME")
LOCAL_FLAG = Flag("--local", "Use the embedded demo model: fluent, offline, often wrong.")
TEMPLATE_FLAG = Flag(
    "--template", "Fill this template of the config file with the prompt.", "NAME", "prompt"
)

FLAGS: Mapping[str, Flag] = {
    "profile": PROFILE_FLAG,
    "template": TEMPLATE_FLAG,
    **{name: setting.flag for name, setting in SETTINGS.items() if setting.flag},
}
"""The flags that ``resolve`` knows, by the name under which it takes their values."""
