"""``contextops chat send``: one prompt, one answer."""

from contextlib import ExitStack, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from contextops.api import usage_line
from contextops.chat import (
    Conversation,
    InputReader,
    check_calls,
    choose_renderer,
    claims_stdin,
    gather_prompt,
    jsonl_errors,
    message_content,
    output_file,
    parse_params,
    parse_tool_choice,
    parse_variables,
    read_messages,
    read_tools,
    request_body,
    require_once,
    require_prompt,
)
from contextops.commands.chat import (
    Model,
    Param,
    Plain,
    Raw,
    Reasoning,
    SessionName,
    System,
    Temperature,
    conversation,
)
from contextops.commands.context import Context
from contextops.commands.options import AsJson, AsJsonLines
from contextops.commands.parser import OnlineCommand, alone
from contextops.config import Template
from contextops.errors import ConfigError, UsageError
from contextops.flags import exclude, need

if TYPE_CHECKING:
    from contextops.chat import Schema

app = alone()


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
    model: Model = None,
    system: System = None,
    temperature: Temperature = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", metavar="N", min=1, help="Stop after N tokens."),
    ] = None,
    param: Param = None,
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
    session_name: SessionName = None,
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
    reasoning: Reasoning = False,
    plain: Plain = False,
    raw: Raw = False,
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

    Exits 0 only when the answer is complete; see 'contextops help exit-codes'.
    """
    runtime: Context = ctx.obj
    runtime.display.plain, runtime.display.raw = plain, raw
    runtime.display.reasoning = reasoning
    given = _Given(
        words or [], files or [], images or [], messages, variables or [], encoding, no_stdin
    )
    wanted = _Wanted(
        as_json=as_json,
        as_json_lines=as_json_lines,
        code=extract or extract_lang is not None,
        language=extract_lang,
        schema_file=schema_file,
        tools_file=tools_file,
        tool_choice=tool_choice,
        output=output,
    )
    with jsonl_errors(runtime.printer) if as_json_lines else nullcontext():
        exclude(
            (messages is not None, "--messages", session_name is not None, "--session"),
            (dry_run, "--dry-run", output is not None, "-o"),
        )
        need((curl, "--curl", dry_run, "--dry-run"))
        _check(given, wanted)
        typed = parse_params(param or [], {"temperature": temperature, "max_tokens": max_tokens})
        _require_once(typed, wanted)
        runtime.set_flags(
            model=model, system=system, params=typed, session=session_name, template=template
        )
        template_in_use = runtime.profile.template
        fields = _fields(given.variables, template_in_use)
        wanted = _with_schema_of(template_in_use, wanted)
        _require_once(typed, wanted)
        if output is None:
            runtime.printer.require_stdout()

        sources = _sources(runtime, encoding)
        form = _form(wanted, sources, runtime.profile.max_time)
        asked = _asked(form, wanted, sources)
        talk = _begun(runtime, messages, sources, typed_system=system is not None)
        _ask(talk, given, sources, template_in_use, fields)
        body = request_body(
            model=_offline_model(runtime) if dry_run else runtime.model,
            messages=talk.messages(),
            params={**runtime.profile.params, **asked},
            stream=stream,
            shows_usage=usage or as_json or as_json_lines or talk.is_kept,
        )
        if dry_run:
            _show_request(runtime, body, as_curl=curl)
            return
        response = _answer(runtime, talk, body, wanted, form, allow_truncated=allow_truncated)
        if usage:
            runtime.printer.usage(usage_line(response))


class _Given(NamedTuple):
    """What the prompt is made of."""

    words: list[str]
    files: list[str]
    images: list[str]
    messages: str | None
    variables: list[str]
    encoding: str
    no_stdin: bool

    def claims_stdin(self, *others: str | None) -> bool:
        """Tell whether one of these, or of the ``others``, is standard input by name."""
        return claims_stdin(self.words, self.messages, *others, *self.files, *self.images)


class _Wanted(NamedTuple):
    """What the answer is to be, and where it goes."""

    as_json: bool
    as_json_lines: bool
    code: bool
    language: str | None
    schema_file: str | None
    tools_file: str | None
    tool_choice: str | None
    output: Path | None

    @property
    def is_whole(self) -> bool:
        """Tell whether a part of it is of no use."""
        return self.code or self.output is not None or self.schema_file is not None


def _check(given: _Given, wanted: _Wanted) -> None:
    """Refuse what cannot be meant together."""
    code, has_schema = wanted.code, wanted.schema_file is not None
    exclude(
        (code, "-x", wanted.as_json, "--json"),
        (code, "-x", wanted.as_json_lines, "--jsonl"),
        (wanted.output is not None, "-o", wanted.as_json_lines, "--jsonl"),
        (code, "-x", has_schema, "--schema"),
        (code, "-x", wanted.tools_file is not None, "--tools"),
        (has_schema, "--schema", wanted.as_json_lines, "--jsonl"),
    )
    need(
        (wanted.tool_choice is not None, "--tool-choice", wanted.tools_file is not None, "--tools")
    )
    claimed = given.claims_stdin(wanted.schema_file, wanted.tools_file)
    exclude((claimed, "'-'", given.no_stdin, "-n"))


def _require_once(typed: dict[str, Any], wanted: _Wanted) -> None:
    """Refuse a parameter that two flags give."""
    require_once(
        typed,
        response_format=wanted.schema_file,
        tools=wanted.tools_file,
        tool_choice=wanted.tool_choice,
    )


def _with_schema_of(template: Template | None, wanted: _Wanted) -> _Wanted:
    """Take the template's schema where none is typed."""
    if wanted.schema_file is not None or not (template and template.schema):
        return wanted
    exclude(
        (wanted.code, "-x", True, "the template's schema"),
        (True, "the template's schema", wanted.as_json_lines, "--jsonl"),
    )
    return wanted._replace(schema_file=str(template.schema))


def _sources(runtime: Context, encoding: str) -> InputReader:
    return InputReader(
        limit=runtime.profile.max_prompt, note=runtime.printer.note, encoding=encoding
    )


def _form(wanted: _Wanted, sources: InputReader, max_time: float | None) -> "Schema | None":
    if wanted.schema_file is None:
        return None
    from contextops.chat import read_schema

    return read_schema(wanted.schema_file, sources, max_time)


def _ask(
    talk: Conversation,
    given: _Given,
    sources: InputReader,
    template: Template | None,
    fields: dict[str, str],
) -> None:
    """Gather the prompt and put it to the talk."""
    text = gather_prompt(
        given.words,
        given.files,
        sources,
        stdin=not (given.no_stdin or given.claims_stdin()),
        has_more=_speaks(template),
    )
    text = _filled(template, fields, text, has_images=bool(given.images))
    require_prompt(text, has_more=bool(given.images or talk.stands_alone))
    if text or given.images:
        talk.ask(message_content(text, given.images, sources))


def _answer(
    runtime: Context,
    talk: Conversation,
    body: dict[str, Any],
    wanted: _Wanted,
    form: "Schema | None",
    *,
    allow_truncated: bool,
) -> dict[str, Any]:
    """Send the request, keep what comes in the conversation, and show it."""
    deliver = choose_renderer(
        as_json=wanted.as_json,
        as_json_lines=wanted.as_json_lines,
        code=wanted.code,
        language=wanted.language,
        schema=form,
        with_tools=wanted.tools_file is not None,
    )
    printer = runtime.printer
    with ExitStack() as stack:
        if wanted.output is not None:
            printer = stack.enter_context(output_file(printer, wanted.output))
        stack.enter_context(printer.waiting())
        ask = partial(
            runtime.client.chat, allow_truncated=allow_truncated, require_complete=wanted.is_whole
        )
        if form is None:
            answer = ask(body)
        else:
            from contextops.chat import ask_with_schema

            answer = ask_with_schema(ask, body, form, printer.note)
        if talk.is_kept:
            # Else nobody goes on with it, and 64 MB of it need not be there twice.
            answer = talk.recorded(answer, body["model"])
        pieces = stack.enter_context(closing(answer))
        return deliver(check_calls(pieces) if wanted.tools_file is not None else pieces, printer)


def _asked(form: "Schema | None", wanted: _Wanted, sources: InputReader) -> dict[str, Any]:
    """Give the parameters that ask for a form and offer tools."""
    asked: dict[str, Any] = {}
    if form is not None:
        asked["response_format"] = form.response_format
    if wanted.tools_file is not None:
        asked["tools"] = read_tools(wanted.tools_file, sources)
    if wanted.tool_choice is not None:
        asked["tool_choice"] = parse_tool_choice(wanted.tool_choice, asked["tools"])
    return asked


def _fields(typed: list[str], template: Template | None) -> dict[str, str]:
    """Read what fills the template, and see that it is all, before anything else is read."""
    if typed and template is None:
        raise UsageError("--var goes with --template", remedy="add --template NAME")
    values = parse_variables(typed)
    if template:
        template.check(values)
    return values


def _speaks(template: Template | None) -> bool:
    """Tell whether a template is a prompt without any input."""
    return bool(template and template.prompt.strip() and not template.takes_input)


def _filled(
    template: Template | None, values: dict[str, str], text: str, *, has_images: bool
) -> str:
    if template is None:
        return text
    if template.takes_input:
        require_prompt(text, has_more=has_images)
    return template.fill(values, text)


def _begun(
    runtime: Context, messages: str | None, sources: InputReader, *, typed_system: bool
) -> Conversation:
    """Take up what comes before the prompt: messages of a file, a session, or nothing."""
    template = runtime.profile.template
    # A template is typed, and so is what it says.
    typed_system = typed_system or bool(template and template.says_system)
    if messages is not None:
        given = read_messages(messages, sources)
        system = runtime.profile.system
        return Conversation(given=given, system=system, typed_system=typed_system)
    return conversation(runtime, typed_system=typed_system)


def _offline_model(runtime: Context) -> str:
    """Name the model without asking anybody."""
    if runtime.profile.model is None and not runtime.profile.is_local:
        raise ConfigError("no model chosen", "a dry run asks no server", "choose with -m ID")
    return runtime.profile.model or runtime.local_model()


def _show_request(runtime: Context, body: dict[str, Any], *, as_curl: bool) -> None:
    if not as_curl:
        runtime.printer.json(body)
        return
    from contextops.api import curl_command

    runtime.printer.write_text(curl_command(runtime.profile, body))
