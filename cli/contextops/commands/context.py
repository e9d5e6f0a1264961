"""The state of one invocation: flags, printer, profile, client; each made on first use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from contextops.errors import ModelNotFoundError
from contextops.flags import exclude
from contextops.output import Format, Printer, Result

if TYPE_CHECKING:
    from contextops.api import Client
    from contextops.chat import SessionStore
    from contextops.config import Profile
    from contextops.local import Engine


class Display:
    """The options that say how to print."""

    def __init__(self) -> None:
        self.json = False
        self.json_lines = False
        self.report: str | None = None
        self.color = "auto"
        self.quiet = False
        self.verbose = False
        self.plain = False
        self.raw = False
        self.reasoning = False

    @property
    def format(self) -> Format:
        """The format of a command's result; ``None`` for text or a table."""
        if self.json:
            return "json"
        return "jsonl" if self.json_lines else self.report


class Context:
    """The state of one invocation: its options, and the objects that are made from them once.

    ``flags`` has the values of settings from the command line, by the name of the setting.
    """

    def __init__(self) -> None:
        self.flags: dict[str, Any] = {}
        self.display = Display()
        self._resources = ExitStack()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run a command in this block: with ``--jsonl``, its error is the last line of stdout."""
        display = self.display
        exclude((display.report is not None, "--format", display.json, "--json"))
        if not display.json_lines:
            yield
            return
        from contextops.chat import jsonl_errors

        with jsonl_errors(self.printer):
            yield

    def set_flags(self, **settings: Any) -> None:
        """Store values of settings that a command's own options set; None is left out."""
        self.flags |= {name: value for name, value in settings.items() if value is not None}

    def show(self, result: Result) -> None:
        """Print the result of a command in the requested format."""
        self.printer.result(result, self.display.format)

    @cached_property
    def printer(self) -> Printer:
        """The printer; not to be used before the command line is parsed."""
        display = self.display
        return Printer(
            as_json=display.json or display.json_lines,
            quiet=display.quiet,
            color=display.color,
            plain=display.plain,
            raw=display.raw,
            reasoning=display.reasoning,
            verbose=display.verbose,
        )

    @cached_property
    def profile(self) -> Profile:
        """The settings in effect; notes about them are printed once."""
        # A command without a profile, such as --version, does not load what resolves one.
        from contextops.config import resolve

        profile = resolve(self.flags)
        for note in profile.notes:
            self.printer.note(note)
        return profile

    @cached_property
    def sessions(self) -> SessionStore:
        """The saved conversations."""
        from contextops.chat import SessionStore
        from contextops.config import state_folder

        return SessionStore(state_folder())

    @cached_property
    def client(self) -> Client:
        """A client of the profile's server; the first import of httpx is here."""
        if not self.profile.is_local:
            return self._make_client(self.profile)
        # The engine is started before httpx is imported, so that both load at the same time.
        engine = self._engine
        return self._make_client(self.profile, engine)

    @cached_property
    def anonymous(self) -> Client:
        """A client of the same server that sends no key."""
        return self._make_client(self.profile.without_key())

    def _make_client(self, profile: Profile, engine: Engine | None = None) -> Client:
        from contextops.api import Client

        return Client(
            profile,
            note=self.printer.note,
            detail=self.printer.debug if self.display.verbose else None,
            hide=self.printer.add_secret,
            unix_socket=str(engine.socket) if engine and engine.socket else None,
            base_url=engine.base_url if engine else None,
            key=engine.api_key if engine else None,
        )

    @cached_property
    def model(self) -> str:
        """The model to use: the chosen one, else the only one that the server lists."""
        if self.profile.is_local:
            return self.local_model()
        return self.profile.model or self.client.only_model()

    @cached_property
    def _engine(self) -> Engine:
        """The embedded model, started for this command only."""
        from contextops.local import running_engine

        engine = running_engine(
            self.profile.local_model,
            meanwhile=_import_client,
            max_time=self.profile.max_time or 0.0,
        )
        return self._resources.enter_context(engine)

    def local_model(self) -> str:
        """Return the id of the embedded model.

        Raises:
            ModelNotFoundError: another model is chosen. The engine would answer to any name.
        """
        from contextops.local import default_model_file, model_id

        name = model_id(self.profile.local_model or default_model_file())
        chosen = self.profile.model
        if chosen not in (None, name):
            raise ModelNotFoundError(
                f"the embedded engine has no model {chosen}", f"it has {name}", "leave out -m"
            )
        return name

    def close(self) -> None:
        """Stop the embedded engine, if one was started."""
        self._resources.close()


def _import_client() -> None:
    from contextops.api import Client  # noqa: F401 - loading it takes 0.1 s
