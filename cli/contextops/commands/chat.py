"""``contextops chat``: ask a model."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from contextops import prompt
from contextops.answer import Done, Piece, Text
from contextops.errors import Failure
from contextops.options import AsJson, OnlineCommand, group
from contextops.output import Printer
from contextops.runtime import Runtime

app = group("chat", "Ask a model.")


@app.command("send", cls=OnlineCommand)
def send(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PROMPT]...",
            help="The prompt; standard input follows it. '-' alone is standard input.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="ID", help="Ask this model.  [the only one there is]"
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option("--system", "-s", metavar="TEXT", help="The system message, or @FILE."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", "-t", metavar="NUMBER", help="0 is the least random."),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", metavar="N", min=1, help="Let the answer be so long at most."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="NAME=VALUE",
            help="Any other parameter of the API, e.g. top_p=0.9; may be given again.",
        ),
    ] = None,
    no_stdin: Annotated[
        bool, typer.Option("--no-stdin", "-n", help="Leave standard input alone.")
    ] = False,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Ask for the answer word by word.")
    ] = True,
    usage: Annotated[
        bool, typer.Option("--usage", help="Say on stderr how many tokens it took.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send one prompt and print the answer as it comes.

    \b
    contextops chat send "Why is the sky blue?"
    git diff --cached | contextops chat send "write a commit message"
    contextops chat send --json hi | jq -r '.choices[0].message.content'

    Exits 0 only when the answer is proved complete; see 'contextops help exit-codes'.
    """
    runtime: Runtime = ctx.obj
    runtime.printer.require_stdout()
    flags = {"temperature": temperature, "max_tokens": max_tokens}
    runtime.keep(model=model, system=system, params=prompt.parameters(param or [], flags))
    profile = runtime.profile
    text = prompt.gather(
        words or [],
        reads_stdin=not no_stdin,
        max_prompt=profile.max_prompt,
        note=runtime.printer.note,
    )
    body = prompt.body(
        model=runtime.model,
        system=profile.system,
        prompt=text,
        params=profile.params,
        stream=stream,
        shows_usage=usage or as_json,
    )
    with runtime.printer.waiting():
        pieces = runtime.client.chat(body)
        response = (_show_json if as_json else _show_text)(runtime.printer, pieces)
    if usage:
        runtime.printer.usage(_tokens(response))


def _show_text(printer: Printer, pieces: Iterator[Piece]) -> dict[str, Any]:
    """Print the text as it comes and give the whole answer."""
    response: dict[str, Any] = {}
    writer = printer.answer()
    try:
        for piece in pieces:
            if isinstance(piece, Text):
                writer.write(piece.content)
            elif isinstance(piece, Done):
                response = piece.response
    finally:
        writer.end()
    return response


def _show_json(printer: Printer, pieces: Iterator[Piece]) -> dict[str, Any]:
    """Print the whole answer once it is there, or what there is of it when it breaks off."""
    response: dict[str, Any] = {}
    try:
        for piece in pieces:
            if isinstance(piece, Done):
                response = piece.response
    except Failure as failure:
        if failure.response is not None:
            printer.json(failure.response)
        raise
    printer.json(response)
    return response


def _tokens(response: dict[str, Any]) -> str:
    """Say what an answer cost, as far as the server told."""
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return "usage: the server did not say"
    counts = ((name, usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    told = ", ".join(f"{name} {count}" for name, count in counts if count is not None)
    seconds = response["contextops"]["total_ms"] / 1000
    return f"usage: {told} tokens in {seconds:.1f} s"
