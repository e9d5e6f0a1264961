"""``contextops serve``: a local deployment to try things on, with the embedded demo model."""

import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from contextops.commands.context import Context
from contextops.commands.parser import Command, alone
from contextops.config import DEFAULT_PROFILE, LOCAL_PROFILE, Profile, collect_layers, resolve
from contextops.output import Printer

if TYPE_CHECKING:
    from contextops.local import Engine, Listener

app = alone()

_POLL = 0.2


@app.command("serve", cls=Command)
def serve(
    ctx: typer.Context,
    host: Annotated[
        str,
        typer.Option("--host", metavar="HOST", help="Listen there; 0.0.0.0 is the whole network."),
    ] = "localhost",
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65535, metavar="PORT", help="0 picks a free one."),
    ] = 3000,
    model_file: Annotated[
        Path | None,
        typer.Option(
            "--model-file",
            metavar="PATH",
            help="A GGUF file in place of the demo model.  [CONTEXTOPS_LOCAL_MODEL]",
        ),
    ] = None,
) -> None:
    """Run the demo model as a local server, until Ctrl-C.

    The model is embedded: fluent, and often wrong.

    It answers at http://localhost:3000/api like a local deployment of ContextOps.AI, to the key
    that a client would send there: the exported or stored one. Without one a random key is made
    and printed, as the line to paste into another shell.
    """
    from contextops.local import claim_listener, random_key, serving_engine

    runtime: Context = ctx.obj
    listener = claim_listener(host, port)
    profile = _client_profile(runtime, listener)
    key = profile.key.read() if profile.key else random_key()
    weights = model_file or profile.local_model
    with serving_engine(weights, listener, api_key=key) as engine:
        _introduce(engine, listener, runtime.printer)
        if not profile.key:
            runtime.printer.line(_export_line(engine))
        _wait(engine)


def _client_profile(runtime: Context, listener: "Listener") -> Profile:
    """Settle what a client that is sent to this server would use: its key is ours."""
    # We send the key nowhere, so it does not matter whether plain http may carry it.
    typed = {**runtime.flags, "base_url": listener.base_url, "allow_http": True}
    if collect_layers(runtime.flags).profile == LOCAL_PROFILE:
        # No client of a server: the embedded model itself was chosen.
        typed["profile"] = DEFAULT_PROFILE
    return resolve(typed)


def _introduce(engine: "Engine", listener: "Listener", printer: Printer) -> None:
    printer.note(
        f"serving {engine.model} at {engine.base_url}/api until Ctrl-C: "
        "a demo model, fluent and often wrong"
    )
    if not listener.is_loopback:
        printer.note(
            "other machines reach it too, and the key goes over the network in clear text; "
            "without --host it stays on this machine"
        )


def _export_line(engine: "Engine") -> str:
    variables = {"CONTEXTOPS_BASE_URL": engine.base_url, "CONTEXTOPS_API_KEY": engine.api_key}
    if sys.platform == "win32":
        return "; ".join(f"$env:{name} = '{value}'" for name, value in variables.items())
    words = (f"{name}={shlex.quote(value)}" for name, value in variables.items())
    return f"export {' '.join(words)}"


def _wait(engine: "Engine") -> NoReturn:
    """Sleep until a signal ends us, or the engine ends by itself."""
    while True:
        if failure := engine.failure():
            raise failure
        time.sleep(_POLL)
