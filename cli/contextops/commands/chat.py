"""``contextops chat``: ask a model."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from contextops import delivery, prompt, schema, session, tools
from contextops.answer import Piece
from contextops.commands import SUMMARIES
from contextops.errors import ConfigFailure, UsageFailure
from contextops.options import AsJson, AsJsonLines, OnlineCommand, exclude, group, need
from contextops.profiles import state_folder
from contextops.runtime import Runtime
from contextops.sources import Sources
from contextops.template import Template

app = group("chat", SUMMARIES["chat"])


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
            "--model", "-m", metavar="ID", help="The model to ask.  [the only one offered]"
        ),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option("--system", "-s", metavar="TEXT", help="The system message, or @FILE."),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", "-t", metavar="NUMBER", help="How random; 0 is the least."),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", metavar="N", min=1, help="Stop after N tokens."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            metavar="NAME=VALUE",
            help="Any other parameter of the API, e.g. top_p=0.9; may be given again.",
        ),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="Add this file, in a frame; may be given again."
        ),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--image", "-i", metavar="FILE|URL", help="Add this image; may be given again."
        ),
    ] = None,
    messages: Annotated[
        str | None,
        typer.Option(
            "--messages",
            metavar="FILE",
            help="Send this JSON array of messages first; '-': standard input.",
        ),
    ] = None,
    session_name: Annotated[
        str | None,
        typer.Option(
            "--session",
            metavar="NAME",
            help="Go on with this conversation, and keep it; a path ends in .jsonl.",
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template",
            metavar="NAME",
            help="Fill this template of the config file with the prompt.",
        ),
    ] = None,
    variables: Annotated[
        list[str] | None,
        typer.Option(
            "--var",
            metavar="NAME=VALUE",
            help="What its field {NAME} becomes; may be given again.",
        ),
    ] = None,
    encoding: Annotated[
        str,
        typer.Option(
            "--encoding", metavar="NAME", help="The encoding of files and standard input."
        ),
    ] = "utf-8",
    no_stdin: Annotated[
        bool, typer.Option("--no-stdin", "-n", help="Leave standard input alone.")
    ] = False,
    stream: Annotated[
        bool, typer.Option("--stream/--no-stream", help="Have the answer word by word, or at once.")
    ] = True,
    extract: Annotated[
        bool, typer.Option("--extract", "-x", help="Print the first fenced block of code alone.")
    ] = False,
    extract_lang: Annotated[
        str | None,
        typer.Option("--extract-lang", metavar="LANG", help="The same, of this language."),
    ] = None,
    schema_file: Annotated[
        str | None,
        typer.Option(
            "--schema",
            metavar="FILE",
            help="Have JSON that fits this JSON Schema, or exit 12; '-': standard input.",
        ),
    ] = None,
    tools_file: Annotated[
        str | None,
        typer.Option(
            "--tools",
            metavar="FILE",
            help="Offer this JSON array of tools, and print the calls; '-': standard input.",
        ),
    ] = None,
    tool_choice: Annotated[
        str | None,
        typer.Option(
            "--tool-choice",
            metavar="auto|none|required|NAME",
            help="Which of them may or must be called.  [the server's own]",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to this file, once the answer is whole."
        ),
    ] = None,
    allow_truncated: Annotated[
        bool,
        typer.Option("--allow-truncated", help="Exit 0 also when a limit cut the answer."),
    ] = False,
    usage: Annotated[bool, typer.Option("--usage", help="Print token counts on stderr.")] = False,
    reasoning: Annotated[
        bool, typer.Option("--reasoning", help="Show on stderr what the model thinks first.")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Render no Markdown on a terminal.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Give a terminal the text unchanged, control codes too.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the request's body and send nothing.")
    ] = False,
    curl: Annotated[
        bool, typer.Option("--curl", help="With --dry-run: print a curl command instead.")
    ] = False,
    as_json: AsJson = False,
    as_json_lines: AsJsonLines = False,
) -> None:
    """Send one prompt and print the answer as it comes.

    \b
    contextops chat send "Why is the sky blue?"
    git diff --cached | contextops chat send "write a commit message"
    contextops chat send -f main.py -x "add type hints" -o typed.py
    contextops chat send --json hi | jq -r '.choices[0].message.content'

    Exits 0 only when the answer is proved complete; see 'contextops help exit-codes'.
    """
    runtime: Runtime = ctx.obj
    runtime.plain, runtime.raw, runtime.reasoning = plain, raw, reasoning
    code = extract or extract_lang is not None
    with ExitStack() as stack:
        if as_json_lines:
            stack.enter_context(delivery.ending_lines(runtime.printer))
        exclude(
            (code, "-x", as_json, "--json"),
            (code, "-x", as_json_lines, "--jsonl"),
            (output is not None, "-o", as_json_lines, "--jsonl"),
            (code, "-x", schema_file is not None, "--schema"),
            (code, "-x", tools_file is not None, "--tools"),
            (schema_file is not None, "--schema", as_json_lines, "--jsonl"),
            (messages is not None, "--messages", session_name is not None, "--session"),
            (dry_run, "--dry-run", output is not None, "-o"),
        )
        need(
            (curl, "--curl", dry_run, "--dry-run"),
            (tool_choice is not None, "--tool-choice", tools_file is not None, "--tools"),
        )
        named = (messages, schema_file, tools_file)
        claimed = prompt.claims(words or [], *named, *(files or []), *(images or []))
        if claimed and no_stdin:
            raise UsageFailure("'-' and -n exclude each other", remedy="leave one out")
        flags = {"temperature": temperature, "max_tokens": max_tokens}
        parameters = prompt.parameters(param or [], flags)
        prompt.require_once(
            parameters, response_format=schema_file, tools=tools_file, tool_choice=tool_choice
        )
        runtime.keep(model=model, system=system, params=parameters, session=session_name)
        runtime.keep(template=template)
        profile, printer = runtime.profile, runtime.printer
        values = _variables(variables or [], profile.template)
        schema_file = schema_file or _schema_of(profile.template)
        exclude(
            (code, "-x", schema_file is not None, "the template's schema"),
            (schema_file is not None, "the template's schema", as_json_lines, "--jsonl"),
        )
        prompt.require_once(parameters, response_format=schema_file)
        if output is None:
            printer.require_stdout()

        sources = Sources(limit=profile.max_prompt, note=printer.note, encoding=encoding)
        form = schema.read(schema_file, sources) if schema_file is not None else None
        asked = _asked(form, tools_file, tool_choice, sources)
        conversation = _conversation(runtime, messages, sources, typed_system=system is not None)
        text = prompt.gather(
            words or [],
            files or [],
            sources,
            stdin=not (no_stdin or claimed),
            has_more=_speaks(profile.template),
        )
        text = _filled(profile.template, values, text, has_images=bool(images))
        prompt.require(text, has_more=bool(images or conversation.stands_alone))
        if text or images:
            conversation.ask(prompt.content(text, images or [], sources))
        body = prompt.body(
            model=_offline_model(runtime) if dry_run else runtime.model,
            messages=conversation.messages(),
            params={**profile.params, **asked},
            stream=stream,
            shows_usage=usage or as_json or as_json_lines or conversation.is_kept,
        )
        if dry_run:
            _show_request(runtime, body, as_curl=curl)
            return

        deliver = delivery.form(
            as_json=as_json,
            as_json_lines=as_json_lines,
            code=code,
            language=extract_lang,
            schema=form,
            with_tools=tools_file is not None,
        )
        whole = code or output is not None or form is not None
        if output is not None:
            printer = stack.enter_context(delivery.to_file(printer, output))
        stack.enter_context(printer.waiting())
        ask = partial(runtime.client.chat, allow_truncated=allow_truncated, whole=whole)
        answer = schema.ask(ask, body, form, printer.note) if form else ask(body)
        pieces: Iterator[Piece] = stack.enter_context(
            closing(conversation.recorded(answer, body["model"]))
        )
        response = deliver(tools.checked(pieces) if tools_file is not None else pieces, printer)
        if usage:
            printer.usage(_tokens(response))


def _asked(
    form: schema.Schema | None, tools_file: str | None, tool_choice: str | None, sources: Sources
) -> dict[str, Any]:
    """Give the parameters that ask for a form and offer tools."""
    asked: dict[str, Any] = {}
    if form is not None:
        asked["response_format"] = form.response_format
    if tools_file is not None:
        asked["tools"] = tools.read(tools_file, sources)
    if tool_choice is not None:
        asked["tool_choice"] = tools.choice(tool_choice, asked["tools"])
    return asked


def _variables(typed: list[str], template: Template | None) -> dict[str, str]:
    """Read what fills the template, and see that it is all, before anything else is read."""
    if typed and template is None:
        raise UsageFailure("--var goes with --template", remedy="add --template NAME")
    values = prompt.variables(typed)
    if template:
        template.check(values)
    return values


def _schema_of(template: Template | None) -> str | None:
    return str(template.schema) if template and template.schema else None


def _speaks(template: Template | None) -> bool:
    """Tell whether a template is a prompt without any input."""
    return bool(template and template.prompt.strip() and not template.takes_input)


def _filled(
    template: Template | None, values: dict[str, str], text: str, *, has_images: bool
) -> str:
    if template is None:
        return text
    if template.takes_input:
        prompt.require(text, has_more=has_images)
    return template.fill(values, text)


def _conversation(
    runtime: Runtime, messages: str | None, sources: Sources, *, typed_system: bool
) -> session.Conversation:
    """Take up what comes before the prompt: messages of a file, a session, or nothing."""
    system = runtime.profile.system
    template = runtime.profile.template
    # A template is typed, and so is what it says.
    typed_system = typed_system or bool(template and template.says_system)
    if messages is not None:
        given = prompt.read_messages(messages, sources)
        return session.Conversation(given=given, system=system, typed_system=typed_system)
    name = runtime.profile.session
    if name is None:
        return session.Conversation(system=system, typed_system=typed_system)
    path = session.path_of(name, state_folder())
    return session.Conversation(path=path, system=system, typed_system=typed_system)


def _offline_model(runtime: Runtime) -> str:
    """Name the model without asking anybody."""
    if runtime.profile.model is None and not runtime.profile.is_local:
        raise ConfigFailure("no model chosen", "a dry run asks no server", "choose with -m ID")
    return runtime.profile.model or runtime.local_model()


def _show_request(runtime: Runtime, body: dict[str, Any], *, as_curl: bool) -> None:
    if not as_curl:
        runtime.printer.json(body)
        return
    from contextops.client import curl_command

    runtime.printer.write_text(curl_command(runtime.profile, body))


def _tokens(response: dict[str, Any]) -> str:
    """Say what an answer cost, as far as the server told."""
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return "usage: the server did not say"
    counts = ((name, usage.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    told = ", ".join(f"{name} {count}" for name, count in counts if count is not None)
    seconds = response["contextops"]["total_ms"] / 1000
    return f"usage: {told} tokens in {seconds:.1f} s"
