"""``contextops serve``: a local deployment for trying things out, with the embedded demo model."""

import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

from contextops.commands.context import Context
from contextops.commands.options import command
from contextops.commands.parser import Command, standalone
from contextops.config import DEFAULT_PROFILE, LOCAL_PROFILE, Profile, collect_layers, resolve
from contextops.flags import Flag

if TYPE_CHECKING:
    from contextops.local import Engine

app = standalone()

_POLL = 0.2


@dataclass(kw_only=True)
class ServeOptions:
    """The options of ``serve``."""

    host: Annotated[
        str, Flag("--host", "Address to listen on; 0.0.0.0 means all interfaces.", "HOST")
    ] = "localhost"
    port: Annotated[
        int,
        Flag("--port", "Port to listen on; 0 picks a free one.", "PORT", minimum=0, maximum=65535),
    ] = 3000
    model_file: Annotated[
        Path | None,
        Flag(
            "--model-file",
            "GGUF file to use instead of the demo model.  [CONTEXTOPS_LOCAL_MODEL]",
            "PATH",
        ),
    ] = None


@command(app, "serve", Command)
def serve(context: Context, options: ServeOptions) -> None:
    """Run the demo model as a local server, until Ctrl-C.

    The model is embedded: fluent, and often wrong.

    The server listens on http://localhost:3000/api, like a local deployment of ContextOps.AI, and
    accepts the key that is set for that address. Without one, it makes a random key and prints
    the line that exports it in another shell.
    """
    from contextops.local import claim_listener, random_key, serving_engine

    listener = claim_listener(options.host, options.port)
    profile = _client_profile(context, listener.base_url)
    key = profile.key.read() if profile.key else random_key()
    weights = options.model_file or profile.local_model
    with serving_engine(weights, listener, api_key=key) as engine:
        context.printer.note(
            f"serving {engine.model} at {engine.base_url}/api until Ctrl-C: "
            "a demo model, fluent and often wrong"
        )
        if not listener.is_loopback:
            context.printer.note(
                "other machines can reach it, and the key crosses the network in clear text; "
                "without --host it is reachable from this machine only"
            )
        if not profile.key:
            context.printer.line(_export_line(engine))
        _wait(engine)


def _client_profile(context: Context, base_url: str) -> Profile:
    """Return the settings of a client of this server, whose key the server has to accept."""
    # The key is sent nowhere, so it does not matter whether plain http may carry it.
    flags = {**context.flags, "base_url": base_url, "allow_http": True}
    if collect_layers(context.flags).profile == LOCAL_PROFILE:
        # That profile is the embedded model, which has no server.
        flags["profile"] = DEFAULT_PROFILE
    return resolve(flags)


def _export_line(engine: "Engine") -> str:
    """Return the shell command that points clients at this server."""
    variables = {"CONTEXTOPS_BASE_URL": engine.base_url, "CONTEXTOPS_API_KEY": engine.api_key}
    if sys.platform == "win32":
        return "; ".join(f"$env:{name} = '{value}'" for name, value in variables.items())
    words = (f"{name}={shlex.quote(value)}" for name, value in variables.items())
    return f"export {' '.join(words)}"


def _wait(engine: "Engine") -> NoReturn:
    """Wait until a signal ends this process, or raise the error of an engine that ended."""
    while True:
        if error := engine.error():
            raise error
        time.sleep(_POLL)
