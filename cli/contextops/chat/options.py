"""The options of ``chat send``, and which of them exclude each other."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from contextops.chat.request import names_stdin, parse_params
from contextops.config import FLAGS
from contextops.errors import UsageError
from contextops.flags import Argument, Flag, exclude, require
from contextops.output import Format

Temperature = Annotated[
    float | None, Flag("--temperature -t", "Sampling temperature.", "NUMBER", group="answer")
]
Params = Annotated[list[str], FLAGS["params"]]


@dataclass(kw_only=True)
class SendOptions:
    """The options of ``chat send`` that are not settings."""

    words: Annotated[
        list[str],
        Argument(
            "[PROMPT]...", "The prompt; standard input follows it. '-' alone is standard input."
        ),
    ] = field(default_factory=list)
    files: Annotated[
        list[str],
        Flag(
            "--file -f",
            "Add this file to the prompt, in a frame; repeatable.",
            "FILE",
            group="prompt",
        ),
    ] = field(default_factory=list)
    images: Annotated[
        list[str], Flag("--image -i", "Add this image; repeatable.", "FILE|URL", group="prompt")
    ] = field(default_factory=list)
    messages: Annotated[
        str | None,
        Flag(
            "--messages",
            "Send this JSON array of messages first; '-' is standard input.",
            "FILE",
            group="prompt",
        ),
    ] = None
    variables: Annotated[
        list[str],
        Flag("--var", "Set a template variable; repeatable.", "NAME=VALUE", group="prompt"),
    ] = field(default_factory=list)
    encoding: Annotated[
        str, Flag("--encoding", "Encoding of files and standard input.", "NAME", group="prompt")
    ] = "utf-8"
    no_stdin: Annotated[bool, Flag("--no-stdin -n", "Ignore standard input.", group="prompt")] = (
        False
    )
    temperature: Temperature = None
    max_tokens: Annotated[
        int | None, Flag("--max-tokens", "Stop after N tokens.", "N", group="answer", minimum=1)
    ] = None
    params: Params = field(default_factory=list)
    schema_file: Annotated[
        str | None,
        Flag(
            "--schema",
            "Require JSON matching this JSON Schema, or exit 12; '-' is standard input.",
            "FILE",
            group="answer",
        ),
    ] = None
    tools_file: Annotated[
        str | None,
        Flag(
            "--tools",
            "Offer this JSON array of tools and print the calls; '-' is standard input.",
            "FILE",
            group="answer",
        ),
    ] = None
    tool_choice: Annotated[
        str | None,
        Flag(
            "--tool-choice",
            "Control whether and which tool is called.  [decided by the server]",
            "auto|none|required|NAME",
            group="answer",
        ),
    ] = None
    stream: Annotated[
        bool,
        Flag("--stream/--no-stream", "Print the answer as it arrives, or at once.", group="answer"),
    ] = True
    allow_truncated: Annotated[
        bool,
        Flag("--allow-truncated", "Exit 0 even if a limit truncated the answer.", group="answer"),
    ] = False
    extract: Annotated[
        bool, Flag("--extract -x", "Print only the first code block.", group="output")
    ] = False
    extract_lang: Annotated[
        str | None,
        Flag("--extract-lang", "Print the first code block in LANG.", "LANG", group="output"),
    ] = None
    output: Annotated[
        Path | None,
        Flag(
            "--output -o", "Write to this file once the answer is complete.", "FILE", group="output"
        ),
    ] = None
    usage: Annotated[bool, Flag("--usage", "Print token counts on stderr.", group="output")] = False
    dry_run: Annotated[
        bool, Flag("--dry-run", "Print the body of the request and send nothing.", group="output")
    ] = False
    curl: Annotated[
        bool, Flag("--curl", "With --dry-run: print a curl command instead.", group="output")
    ] = False

    @property
    def extracts_code(self) -> bool:
        """Whether only a code block is printed."""
        return self.extract or self.extract_lang is not None

    @property
    def names_stdin(self) -> bool:
        """Whether a ``-`` names standard input; raises ``UsageError`` if two do."""
        others = (self.messages, self.schema_file, self.tools_file)
        return names_stdin(self.words, *others, *self.files, *self.images)

    def validate(self, answer_format: Format, *, has_session_flag: bool = False) -> None:
        """Raise ``UsageError`` for options that exclude each other or lack the one they need."""
        as_json, as_json_lines = answer_format == "json", answer_format == "jsonl"
        has_output, has_schema = self.output is not None, self.schema_file is not None
        has_tools = self.tools_file is not None
        exclude(
            (self.messages is not None, "--messages", has_session_flag, "--session"),
            (self.dry_run, "--dry-run", has_output, "-o"),
            (self.extracts_code, "-x", as_json, "--json"),
            (self.extracts_code, "-x", as_json_lines, "--jsonl"),
            (has_output, "-o", as_json_lines, "--jsonl"),
            (self.extracts_code, "-x", has_schema, "--schema"),
            (self.extracts_code, "-x", has_tools, "--tools"),
            (has_schema, "--schema", as_json_lines, "--jsonl"),
            (self.names_stdin, "'-'", self.no_stdin, "-n"),
        )
        require(
            (self.curl, "--curl", self.dry_run, "--dry-run"),
            (self.tool_choice is not None, "--tool-choice", has_tools, "--tools"),
        )

    def request_params(self) -> dict[str, Any]:
        """Return the parameters of the request from the command line.

        Raises:
            UsageError: one is invalid, or is set by two options.
        """
        own = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        params = parse_params(self.params, own)
        set_later = {
            "response_format": self.schema_file,
            "tools": self.tools_file,
            "tool_choice": self.tool_choice,
        }
        for name, value in set_later.items():
            if value is not None and name in params:
                raise UsageError(f"{name} is set twice", "by two options", "leave one out")
        return params
