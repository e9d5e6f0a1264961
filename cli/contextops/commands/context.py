"""What the commands of one invocation share, made when it is first asked for."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contextops.config import Profile, resolve
from contextops.errors import ModelNotFoundError
from contextops.output import Printer

if TYPE_CHECKING:
    from contextops.api import Client
    from contextops.local import Engine


class Context:
    """Hold what was typed, and turn it into a profile, a client and a printer.

    ``typed`` has the flags' values by the name of their setting; the rest is how to print.
    """

    def __init__(self) -> None:
        self.typed: dict[str, Any] = {}
        self.color = "auto"
        self.quiet = False
        self.as_json = False
        self.as_json_lines = False
        self.plain = False
        self.raw = False
        self.reasoning = False
        self.verbose = False
        self._resources = ExitStack()

    def keep(self, **settings: Any) -> None:
        """Take what a command's own flags say of settings; None is not typed."""
        self.typed |= {name: value for name, value in settings.items() if value is not None}

    @cached_property
    def printer(self) -> Printer:
        """Make the printer; not before the command line is parsed."""
        return Printer(
            as_json=self.as_json or self.as_json_lines,
            quiet=self.quiet,
            color=self.color,
            plain=self.plain,
            raw=self.raw,
            reasoning=self.reasoning,
            verbose=self.verbose,
        )

    @cached_property
    def profile(self) -> Profile:
        """Resolve the settings in force and say what the user should know of them."""
        profile = resolve(self.typed)
        for note in profile.notes:
            self.printer.note(note)
        return profile

    @cached_property
    def client(self) -> Client:
        """Connect to the profile's server; the first import of httpx is here."""
        return self._local_client() if self.profile.is_local else self._client(self.profile)

    @cached_property
    def anonymous(self) -> Client:
        """Connect to the same server without a key."""
        return self._client(self.profile.without_key())

    def _client(self, profile: Profile) -> Client:
        from contextops.api import Client

        return Client(
            profile, note=self.printer.note, detail=self.printer.detail, hide=self.printer.hide
        )

    def _local_client(self) -> Client:
        # Started first: it loads while httpx does.
        engine = self._engine
        from contextops.api import Client

        return Client(
            self.profile,
            note=self.printer.note,
            detail=self.printer.detail,
            hide=self.printer.hide,
            unix_socket=str(engine.socket) if engine.socket else None,
            base_url=engine.base_url,
            key=engine.api_key,
        )

    @cached_property
    def model(self) -> str:
        """Name the model to ask: the one that was chosen, else the only one there is."""
        if self.profile.is_local:
            return self.local_model()
        return self.profile.model or self.client.only_model()

    @cached_property
    def _engine(self) -> Engine:
        """Start the embedded model, for this command only."""
        from contextops.local import running_engine

        engine = running_engine(
            self.profile.local_model,
            meanwhile=_import_client,
            max_time=self.profile.max_time or 0.0,
        )
        return self._resources.enter_context(engine)

    def local_model(self) -> str:
        """Check the model's name here, before the engine is started: it answers to any."""
        from contextops.local import default_model_file, model_id

        name = model_id(self.profile.local_model or default_model_file())
        chosen = self.profile.model
        if chosen not in (None, name):
            raise ModelNotFoundError(
                f"the embedded engine has no model {chosen}", f"it has {name}", "leave out -m"
            )
        return name

    def close(self) -> None:
        """Close the connection and end the embedded engine, if there were any."""
        self._resources.close()


def _import_client() -> None:
    from contextops.api import Client  # noqa: F401 - loading it takes 0.1 s
