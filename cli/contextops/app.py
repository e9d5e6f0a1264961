"""The command line: its groups, and the one boundary where failures become statuses."""

import io
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from contextops import __version__
from contextops.commands import SUMMARIES, Loading
from contextops.commands.context import Context
from contextops.commands.options import PROFILE
from contextops.errors import INTERNAL, ContextopsError, SignalInterrupt, UsageError
from contextops.output import Printer


class Root(Loading):
    """The top of the command tree; all that fails below passes its boundary.

    ``typer.testing.CliRunner`` passes it too, so that tests see the real statuses.
    """

    shown: ClassVar = PROFILE
    summaries: ClassVar = SUMMARIES

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Parse the flags before the subcommand."""
        runtime = Context()
        with _boundary(runtime):
            return super().make_context(info_name, args, parent, **{"obj": runtime, **extra})

    def invoke(self, ctx: Any) -> Any:
        """Parse the subcommand and run it."""
        with _boundary(ctx.obj):
            try:
                return super().invoke(ctx)
            finally:
                ctx.obj.close()


@contextmanager
def _boundary(runtime: Context) -> Iterator[None]:
    """Turn what was raised into a line on stderr and a status; the only place that does."""
    try:
        yield
    except SignalInterrupt as death:
        raise typer.Exit(death.status) from None
    except Exception as error:
        if isinstance(error, (typer.Exit, typer.Abort)):
            raise
        raise typer.Exit(_reported(error, runtime.printer)) from None


def _is_parsers(error: Exception) -> bool:
    """Tell a usage error, whose form is Typer's; its base class is public in none of 0.26-0.28."""
    return getattr(error, "exit_code", None) == UsageError.status


def _reported(error: Exception, printer: Printer) -> int:
    if _is_parsers(error):
        printer.parser_error(_as_typer_tells(error))
        return UsageError.status
    if isinstance(error, ContextopsError):
        printer.error(error)
        return error.status
    printer.internal_error(_where(error))
    return INTERNAL


def _as_typer_tells(error: Any) -> str:
    told = io.StringIO()
    error.show(file=told)
    return told.getvalue()


def _where(bug: Exception) -> str:
    """Name the kind of a bug and its place in our code; its text could hold a key."""
    frames = traceback.extract_tb(bug.__traceback__)
    ours = [frame for frame in frames if Path(__file__).parent in Path(frame.filename).parents]
    frame = (ours or frames)[-1]
    return f"{type(bug).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _print_version(ctx: typer.Context, value: bool) -> None:
    if value:
        ctx.obj.printer.line(f"contextops {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="contextops",
    cls=Root,
    # Plain help that greps, no Rich on the way, no locals (keys!) in a traceback.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
)


@app.callback()
def contextops(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """Ask the models of a ContextOps.AI server, or of any OpenAI-compatible one.

    \b
    contextops chat send --local "Why is the sky blue?"     try it without a server
    contextops config set base_url https://ai.example.com   name yours
    git diff | contextops chat send "review this"           use it in a pipe
    """


def run() -> int:
    """Run the command line of this process and give its exit status."""
    for name in ("SIGTERM", "SIGHUP"):
        _die_tidily(name)
    try:
        app(prog_name="contextops")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else INTERNAL
    return 0


def _die_tidily(name: str) -> None:
    """Let a signal unwind the stack, unless it is to be ignored (nohup)."""
    signum = getattr(signal, name, None)
    if signum is None or signal.getsignal(signum) is signal.SIG_IGN:
        return

    def unwind(received: int, _frame: Any) -> None:
        raise SignalInterrupt(signal.Signals(received))

    signal.signal(signum, unwind)
