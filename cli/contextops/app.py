"""The root command, and the one boundary where errors become exit statuses."""

import io
import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from contextops import __version__
from contextops.commands import SUMMARIES, LazyGroup
from contextops.commands.context import Context
from contextops.commands.options import PROFILE
from contextops.errors import INTERNAL, ContextopsError, SignalInterrupt, UsageError
from contextops.output import Printer


class Root(LazyGroup):
    """The root of the command tree, where every error becomes an exit status.

    ``typer.testing.CliRunner`` runs through it too, so that tests see the real statuses.
    """

    shown: ClassVar = PROFILE
    summaries: ClassVar = SUMMARIES

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Parse the options before the subcommand."""
        context = Context()
        with _boundary(context):
            return super().make_context(info_name, args, parent, **{"obj": context, **extra})

    def invoke(self, ctx: Any) -> Any:
        """Parse the subcommand and run it."""
        with _boundary(ctx.obj):
            try:
                return super().invoke(ctx)
            finally:
                ctx.obj.close()


@contextmanager
def _boundary(context: Context) -> Iterator[None]:
    """Print an error as one line and exit with its status; no other place does."""
    try:
        yield
    except SignalInterrupt as interrupt:
        raise typer.Exit(interrupt.status) from None
    except Exception as error:
        if isinstance(error, (typer.Exit, typer.Abort)):
            raise
        raise typer.Exit(_report(error, context.printer)) from None


def _report(error: Exception, printer: Printer) -> int:
    """Print an error and return its status."""
    if isinstance(error, ContextopsError):
        printer.error(error)
        return error.status
    # Typer's own usage errors; their base class is not public in Typer 0.26 to 0.28.
    if getattr(error, "exit_code", None) == UsageError.status:
        text = io.StringIO()
        error.show(file=text)  # type: ignore[attr-defined]
        printer.parser_error(text.getvalue())
        return UsageError.status
    printer.internal_error(_location(error))
    return INTERNAL


def _location(bug: Exception) -> str:
    """Return the type of a bug's exception and where it was raised.

    The text of the exception is left out, since it could contain a key.
    """
    frames = traceback.extract_tb(bug.__traceback__)
    package = Path(__file__).parent
    own = [frame for frame in frames if package in Path(frame.filename).parents]
    frame = (own or frames)[-1]
    return f"{type(bug).__name__} at {Path(frame.filename).name}:{frame.lineno}"


def _print_version(ctx: typer.Context, value: bool) -> None:
    if value:
        ctx.obj.printer.line(f"contextops {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="contextops",
    cls=Root,
    # Plain help that can be grepped, no import of Rich, no locals (keys!) in a traceback.
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
    contextops config set base_url https://ai.example.com   set your server
    git diff | contextops chat send "review this"           use it in a pipe
    """


def run() -> int:
    """Run the command line of this process and return its exit status."""
    for name in ("SIGTERM", "SIGHUP"):
        _raise_on_signal(name)
    try:
        app(prog_name="contextops")
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else INTERNAL
    return 0


def _raise_on_signal(name: str) -> None:
    """Raise ``SignalInterrupt`` for a signal, unless it is ignored (nohup)."""
    signum = getattr(signal, name, None)
    if signum is None or signal.getsignal(signum) is signal.SIG_IGN:
        return

    def unwind(received: int, _frame: Any) -> None:
        raise SignalInterrupt(signal.Signals(received))

    signal.signal(signum, unwind)
