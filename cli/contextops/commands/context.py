"""What one invocation shares: the printer, the profile, the client; each made when first used."""

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
    from contextops.config import Profile
    from contextops.local import Engine


class Display:
    """How to print, as it was typed."""

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
        """The form of a command's result; ``None`` for text or a table."""
        if self.json:
            return "json"
        return "jsonl" if self.json_lines else self.report


class Context:
    """What the parts of one invocation share: what was typed, and what is made of it once.

    ``flags`` has the typed values of settings by their name; ``display`` says how to print.
    """

    def __init__(self) -> None:
        self.flags: dict[str, Any] = {}
        self.display = Display()
        self._resources = ExitStack()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run a command: with ``--jsonl`` an error is the last line of standard output."""
        display = self.display
        exclude((display.report is not None, "--format", display.json, "--json"))
        if not display.json_lines:
            yield
            return
        from contextops.chat import jsonl_errors

        with jsonl_errors(self.printer):
            yield

    def set_flags(self, **settings: Any) -> None:
        """Store what a command's own options say of settings; None was not typed."""
        self.flags |= {name: value for name, value in settings.items() if value is not None}

    def show(self, result: Result) -> None:
        """Print what a command found, in the form that was asked for."""
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
        """The settings in force; notes about them are printed once."""
        # A command without a profile, such as --version, does not load what resolves one.
        from contextops.config import resolve

        profile = resolve(self.flags)
        for note in profile.notes:
            self.printer.note(note)
        return profile

    @cached_property
    def client(self) -> Client:
        """A client of the profile's server; the first import of httpx is here."""
        return self._local_client() if self.profile.is_local else self._client(self.profile)

    @cached_property
    def anonymous(self) -> Client:
        """A client of the same server that sends no key."""
        return self._client(self.profile.without_key())

    def _client(self, profile: Profile, **engine: Any) -> Client:
        from contextops.api import Client

        printer = self.printer
        if self.display.verbose:
            engine["detail"] = printer.debug
        return Client(profile, note=printer.note, hide=printer.add_secret, **engine)

    def _local_client(self) -> Client:
        # Started first, so that it loads while httpx does.
        engine = self._engine
        return self._client(
            self.profile,
            unix_socket=str(engine.socket) if engine.socket else None,
            base_url=engine.base_url,
            key=engine.api_key,
        )

    @cached_property
    def model(self) -> str:
        """The model to ask: the chosen one, else the only one that the server lists."""
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
        """Return the embedded model's id; raises ``ModelNotFoundError`` for another chosen one.

        Checked before the engine starts: it would answer to any name.
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
