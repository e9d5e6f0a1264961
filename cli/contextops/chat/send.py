"""The use case of ``chat send``: one question, and its answer.

It depends on neither the command line nor a terminal, so that other commands can use it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from contextops.api import Piece, usage_line
from contextops.chat.conversation import Conversation
from contextops.chat.inputs import InputReader
from contextops.chat.options import SendOptions
from contextops.chat.render import Response, choose_renderer, output_file
from contextops.chat.request import (
    gather_prompt,
    image_part,
    parse_variables,
    read_messages,
    request_body,
    require_prompt,
    user_content,
)
from contextops.chat.tools import check_calls, parse_tool_choice, read_tools
from contextops.config import Profile, Template
from contextops.errors import UsageError
from contextops.flags import exclude
from contextops.output import Format, Printer

if TYPE_CHECKING:
    from contextops.api import Client
    from contextops.chat.schema import Schema
    from contextops.chat.session import SessionStore


@dataclass(frozen=True)
class PreparedRequest:
    """A question that is ready to be sent."""

    options: SendOptions
    """The options of the command line, with the schema of the template."""

    body: dict[str, Any]
    conversation: Conversation
    schema: Schema | None


def send_prompt(
    options: SendOptions,
    profile: Profile,
    *,
    client: Callable[[], Client],
    model: Callable[[], str],
    sessions: SessionStore,
    printer: Printer,
    answer_format: Format = None,
    override_system: bool = False,
) -> Response | None:
    """Send a question, write the answer, and return it: a ``chat.completion`` object.

    A dry run writes the request and returns None. ``client`` is called when the request is ready,
    which a dry run does not reach; ``model`` and the other parameters are those of ``prepare``.

    Raises:
        ContextopsError: its ``response`` is the part of the answer that came.
    """
    request = prepare(
        options,
        profile,
        model=model,
        sessions=sessions,
        note=printer.note,
        answer_format=answer_format,
        override_system=override_system,
    )
    options = request.options
    if options.dry_run:
        _write_request(request.body, profile, printer, as_curl=options.curl)
        return None
    has_tools = options.tools_file is not None
    render = choose_renderer(
        answer_format,
        extract=options.extracts_code,
        language=options.extract_lang,
        schema=request.schema,
        with_tools=has_tools,
    )
    with ExitStack() as stack:
        output = printer
        if options.output is not None:
            output = stack.enter_context(output_file(printer, options.output))
        stack.enter_context(output.waiting())
        pieces = stack.enter_context(closing(_ask(request, client(), output)))
        response = render(check_calls(pieces) if has_tools else pieces, output)
    if options.usage:
        printer.usage(usage_line(response))
    return response


def _ask(
    request: PreparedRequest, client: Client, printer: Printer
) -> Generator[Piece, None, None]:
    """Send the request; return the pieces of the answer, which are saved with a session."""
    options, body = request.options, request.body
    needs_complete = options.extracts_code or options.output is not None or bool(request.schema)
    ask = partial(
        client.chat, allow_truncated=options.allow_truncated, require_complete=needs_complete
    )
    if request.schema is None:
        answer = ask(body)
    else:
        from contextops.chat.schema import ask_with_schema

        answer = ask_with_schema(ask, body, request.schema, printer.note)
    if not request.conversation.is_saved:
        # Recording would hold an answer of up to 64 MB a second time.
        return answer
    return request.conversation.record_answer(answer, body["model"])


def _write_request(
    body: dict[str, Any], profile: Profile, printer: Printer, *, as_curl: bool
) -> None:
    if as_curl:
        from contextops.api import curl_command

        printer.write_text(curl_command(profile, body))
    else:
        printer.json(body)


def prepare(
    options: SendOptions,
    profile: Profile,
    *,
    model: Callable[[], str],
    sessions: SessionStore,
    note: Callable[[str], None],
    answer_format: Format = None,
    override_system: bool = False,
) -> PreparedRequest:
    """Read the inputs of a question, and make its request.

    ``model`` is called last: it may ask the server. With ``override_system`` the system message of
    the profile replaces that of the session.

    Raises:
        UsageError: there is no prompt, or the options do not fit the template.
        InputError: a file or standard input cannot be read.
    """
    template = profile.template
    variables = _template_variables(options, template)
    options = _with_template_schema(options, template, answer_format)
    reader = InputReader(limit=profile.max_prompt, note=note, encoding=options.encoding)
    params = dict(profile.params)
    schema = None
    if options.schema_file is not None:
        from contextops.chat.schema import read_schema

        schema = read_schema(options.schema_file, reader, profile.max_time)
        params["response_format"] = schema.response_format
    if options.tools_file is not None:
        params["tools"] = read_tools(options.tools_file, reader)
    if options.tool_choice is not None:
        params["tool_choice"] = parse_tool_choice(options.tool_choice, params["tools"])

    # A template is named on the command line, so its system message overrides the session's.
    override_system = override_system or bool(template and template.says_system)
    if options.messages is not None:
        conversation = Conversation(
            messages=read_messages(options.messages, reader),
            system=profile.system,
            override_system=override_system,
        )
    else:
        conversation = sessions.open(
            profile.session, system=profile.system, override_system=override_system
        )
    prompt = _read_prompt(options, template, variables, reader)
    require_prompt(prompt, has_more=bool(options.images) or conversation.has_initial_messages)
    if prompt or options.images:
        images = [image_part(path, reader) for path in options.images]
        conversation.add_question(user_content(prompt, images))
    body = request_body(
        model=model(),
        messages=conversation.messages(),
        params=params,
        stream=options.stream,
        shows_usage=options.usage or answer_format is not None or conversation.is_saved,
    )
    return PreparedRequest(options, body, conversation, schema)


def _template_variables(options: SendOptions, template: Template | None) -> dict[str, str]:
    """Return the template's variables; checked before anything is read."""
    if options.variables and template is None:
        raise UsageError("--var requires --template", remedy="add --template NAME")
    variables = parse_variables(options.variables)
    if template:
        template.check(variables)
    return variables


def _with_template_schema(
    options: SendOptions, template: Template | None, answer_format: Format
) -> SendOptions:
    """Return the options with the template's schema, if there is no ``--schema``."""
    if options.schema_file is not None or not (template and template.schema):
        return options
    exclude(
        (options.extracts_code, "-x", True, "the template's schema"),
        (True, "the template's schema", answer_format == "jsonl", "--jsonl"),
    )
    options = replace(options, schema_file=str(template.schema))
    # Checked again, since --param may set response_format too.
    options.request_params()
    return options


def _read_prompt(
    options: SendOptions,
    template: Template | None,
    variables: dict[str, str],
    reader: InputReader,
) -> str:
    is_prompt = bool(template and template.prompt.strip() and not template.takes_input)
    text = gather_prompt(
        options.words,
        options.files,
        reader,
        stdin=not (options.no_stdin or options.names_stdin),
        has_more=is_prompt,
    )
    if template is None:
        return text
    if template.takes_input:
        require_prompt(text, has_more=bool(options.images))
    return template.fill(variables, text)
