"""One question and its answer."""

from typing import TYPE_CHECKING

from contextops.lazy import lazy_names

if TYPE_CHECKING:
    from contextops.chat.inputs import STANDARD_INPUT, InputReader, StdinLines, read_argument
    from contextops.chat.render import (
        Renderer,
        choose_renderer,
        jsonl_errors,
        output_file,
        render_jsonl,
        render_text,
    )
    from contextops.chat.request import (
        claims_stdin,
        frame_file,
        gather_prompt,
        image_part,
        message_content,
        parse_params,
        parse_variables,
        read_messages,
        request_body,
        require_once,
        require_prompt,
        user_content,
    )
    from contextops.chat.schema import Schema, ask_with_schema, read_schema
    from contextops.chat.session import (
        Content,
        Conversation,
        Message,
        describe_session,
        load_records,
        message_text,
        remove_session,
        session_exists,
        session_files,
        session_path,
        split_content,
    )
    from contextops.chat.tools import called_names, check_calls, parse_tool_choice, read_tools

__all__ = [
    "STANDARD_INPUT",
    "Content",
    "Conversation",
    "InputReader",
    "Message",
    "Renderer",
    "Schema",
    "StdinLines",
    "ask_with_schema",
    "called_names",
    "check_calls",
    "choose_renderer",
    "claims_stdin",
    "describe_session",
    "frame_file",
    "gather_prompt",
    "image_part",
    "jsonl_errors",
    "load_records",
    "message_content",
    "message_text",
    "output_file",
    "parse_params",
    "parse_tool_choice",
    "parse_variables",
    "read_argument",
    "read_messages",
    "read_schema",
    "read_tools",
    "remove_session",
    "render_jsonl",
    "render_text",
    "request_body",
    "require_once",
    "require_prompt",
    "session_exists",
    "session_files",
    "session_path",
    "split_content",
    "user_content",
]

__getattr__ = lazy_names(
    __name__,
    {
        "inputs": (
            "InputReader",
            "STANDARD_INPUT",
            "StdinLines",
            "read_argument",
        ),
        "render": (
            "Renderer",
            "choose_renderer",
            "jsonl_errors",
            "output_file",
            "render_jsonl",
            "render_text",
        ),
        "request": (
            "claims_stdin",
            "frame_file",
            "gather_prompt",
            "image_part",
            "message_content",
            "parse_params",
            "parse_variables",
            "read_messages",
            "request_body",
            "require_once",
            "require_prompt",
            "user_content",
        ),
        "schema": (
            "Schema",
            "ask_with_schema",
            "read_schema",
        ),
        "session": (
            "Content",
            "Conversation",
            "Message",
            "describe_session",
            "load_records",
            "message_text",
            "remove_session",
            "session_exists",
            "session_files",
            "session_path",
            "split_content",
        ),
        "tools": (
            "called_names",
            "check_calls",
            "parse_tool_choice",
            "read_tools",
        ),
    },
)
