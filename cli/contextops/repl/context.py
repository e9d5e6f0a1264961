"""What a conversation needs beyond its messages: server, config file, sessions and editor."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from contextops.api import Piece
from contextops.chat import (
    Conversation,
    InputReader,
    Message,
    SessionStore,
    request_body,
    stdin_is_terminal,
)
from contextops.config import (
    Profile,
    Template,
    collect_layers,
    resolve,
)
from contextops.editor import editor_command, run_editor
from contextops.errors import ConfigError, ContextopsError, ModelNotFoundError
from contextops.output import Printer
from contextops.repl.dialogue import TemplateRequest

if TYPE_CHECKING:
    from contextops.api import Client

_SET_BY_TEMPLATES = ("model", "system", "params")
_BACKGROUND_TIMEOUT = 5.0
"""Seconds for a list of models that is requested in the background."""
_KEYSTROKE_DELAY = 0.2
"""Seconds for which a keystroke may wait for that list."""


class Services(Protocol):
    """What the command line provides: flags, and objects that are made on first use."""

    flags: dict[str, Any]
    """The values of typed flags, by the name of their setting."""

    @property
    def printer(self) -> Printer:
        """The printer of this invocation."""

    @property
    def profile(self) -> Profile:
        """The settings in effect."""

    @property
    def client(self) -> Client:
        """The client of the profile's server, or of the embedded engine."""

    @property
    def model(self) -> str:
        """The model to use; raises ``ContextopsError`` if none can be chosen."""

    @property
    def sessions(self) -> SessionStore:
        """The saved conversations."""


class ReplContext:
    """Server, config file, sessions and editor, for the loop and its slash commands.

    Every method may raise a ``ContextopsError``, unless its docstring says that it raises nothing.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._models: list[str] = []
        self._listing: threading.Thread | None = None
        self.sessions = services.sessions
        self.inputs = InputReader(limit=services.profile.max_prompt, note=services.printer.note)

    # The server -----------------------------------------------------------------------------

    def ask(
        self, messages: Sequence[Message], model: str, params: Mapping[str, Any]
    ) -> Iterator[Piece]:
        """Send messages to a model and return the pieces of its answer."""
        if self._services.profile.is_local and model != self._services.model:
            # The embedded engine answers to any name.
            raise ModelNotFoundError(
                f"the embedded engine has no model {model}",
                f"it has {self._services.model}",
                "choose with /model",
            )
        client = self._services.client
        client.begin()
        body = request_body(
            model=model, messages=messages, params=params, stream=True, shows_usage=True
        )
        return client.chat(body)

    def models(self) -> list[str]:
        """Request the ids of the models from the server."""
        if self._services.profile.is_local:
            return [self._services.model]
        client = self._services.client
        client.begin()
        self._models = [str(model["id"]) for model in client.models()]
        return self._models

    def known_models(self) -> list[str]:
        """Return the ids that are known by now, and request them in the background if none are.

        Takes at most 0.2 s and raises nothing: it is called for each keystroke.
        """
        if self._models or self._services.profile.is_local:
            return self._models or [self._services.model]
        if self._listing is None or not self._listing.is_alive():
            self._listing = threading.Thread(target=self._list_in_background, daemon=True)
            self._listing.start()
            # Only the keystroke that starts the request waits for it.
            self._listing.join(_KEYSTROKE_DELAY)
        return self._models

    def _list_in_background(self) -> None:
        # The user did not request this list, so an error is not shown.
        with suppress(ContextopsError):
            client = self._services.client.background(_BACKGROUND_TIMEOUT)
            self._models = [str(model["id"]) for model in client.models()]

    def default_model(self, *, can_choose: bool) -> str | None:
        """Return the model at the start.

        If the user ``can_choose`` one later, an error is printed and None is returned.
        """
        try:
            return self._services.model
        except ContextopsError as error:
            if not can_choose or self._services.profile.is_local:
                raise
            self._services.printer.error(error)
            return None

    # The key --------------------------------------------------------------------------------

    def load_key(self) -> None:
        """Read the key, unless a command prints it, so that entries with it are not saved."""
        key = self._services.profile.key
        if key is not None and not key.runs_command:
            # A key that cannot be read is an error in each turn.
            with suppress(ContextopsError):
                self._services.printer.add_secret(key.read())

    def knows_key(self) -> bool:
        """Return whether the key is known, or there is none; raises nothing."""
        key = self._services.profile.key
        return key is None or not key.runs_command or key.is_read

    # The config file, the sessions and the editor -------------------------------------------

    def template_names(self) -> list[str]:
        """Return the names of the templates in the config file."""
        return list(collect_layers(self._services.flags).file.templates)

    def template(self, name: str) -> TemplateRequest:
        """Return a template, its fields still empty."""
        # The template is chosen after the flags, so it overrides them.
        flags = {k: v for k, v in self._services.flags.items() if k not in _SET_BY_TEMPLATES}
        profile = resolve({**flags, "template": name})
        template = cast("Template", profile.template)
        return TemplateRequest(
            template,
            variables={},
            model=template.model,
            system=profile.system if template.says_system else None,
            params=template.params,
        )

    def open_conversation(self) -> Conversation:
        """Return the conversation of the profile's session, or a new one that is not saved."""
        profile = self._services.profile
        return self.sessions.open(
            profile.session,
            system=profile.system,
            override_system="system" in self._services.flags,
        )

    def edit_text(self, text: str) -> str:
        """Return a text as the user changed it in an editor."""
        on_terminal = stdin_is_terminal() and self._services.printer.stdout_is_terminal
        editor = editor_command(on_terminal=on_terminal)
        if not on_terminal:
            raise ConfigError("cannot edit", "not at a terminal", "send lines instead")
        import tempfile

        # Only the user can read this folder.
        with tempfile.TemporaryDirectory(prefix="contextops-") as folder:
            path = Path(folder, "message.md")
            path.write_bytes(text.encode())
            run_editor(editor, path)
            return self.inputs.read_text(str(path))
