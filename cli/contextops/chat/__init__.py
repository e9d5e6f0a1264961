"""One question and its answer, and the sessions that save them."""

from typing import TYPE_CHECKING

from contextops.lazy import lazy_names

if TYPE_CHECKING:
    from contextops.chat.conversation import Conversation
    from contextops.chat.inputs import (
        STANDARD_INPUT,
        InputReader,
        StdinLines,
        read_argument,
        stdin_is_terminal,
    )
    from contextops.chat.options import Params, SendOptions, Temperature
    from contextops.chat.records import Content, Record, message_text, split_content
    from contextops.chat.render import Renderer, jsonl_errors, render_jsonl, render_text
    from contextops.chat.request import (
        Message,
        frame_file,
        image_part,
        parse_params,
        request_body,
        user_content,
    )
    from contextops.chat.send import PreparedRequest, prepare, send_prompt
    from contextops.chat.session import Session, SessionStore
    from contextops.chat.tools import called_names

__all__ = [
    "STANDARD_INPUT",
    "Content",
    "Conversation",
    "InputReader",
    "Message",
    "Params",
    "PreparedRequest",
    "Record",
    "Renderer",
    "SendOptions",
    "Session",
    "SessionStore",
    "StdinLines",
    "Temperature",
    "called_names",
    "frame_file",
    "image_part",
    "jsonl_errors",
    "message_text",
    "parse_params",
    "prepare",
    "read_argument",
    "render_jsonl",
    "render_text",
    "request_body",
    "send_prompt",
    "split_content",
    "stdin_is_terminal",
    "user_content",
]

__getattr__ = lazy_names(
    __name__,
    {
        "conversation": ("Conversation",),
        "inputs": (
            "STANDARD_INPUT",
            "InputReader",
            "StdinLines",
            "read_argument",
            "stdin_is_terminal",
        ),
        "options": (
            "Params",
            "SendOptions",
            "Temperature",
        ),
        "records": (
            "Content",
            "Record",
            "message_text",
            "split_content",
        ),
        "render": (
            "Renderer",
            "jsonl_errors",
            "render_jsonl",
            "render_text",
        ),
        "request": (
            "Message",
            "frame_file",
            "image_part",
            "parse_params",
            "request_body",
            "user_content",
        ),
        "send": (
            "PreparedRequest",
            "prepare",
            "send_prompt",
        ),
        "session": (
            "Session",
            "SessionStore",
        ),
        "tools": ("called_names",),
    },
)
