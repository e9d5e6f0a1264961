"""The client of a server: its models, and its answers piece by piece."""

from typing import TYPE_CHECKING

from contextops.lazy import lazy_names

if TYPE_CHECKING:
    from contextops.api.client import Client
    from contextops.api.completion import is_refusal, text_of_choice, tool_calls_of, usage_line
    from contextops.api.model_ids import (
        ACCESS_HINT,
        describe_offer,
        exact_model,
        match_models,
        save_model_ids,
        search_models,
        suggest_models,
    )
    from contextops.api.request import curl_command
    from contextops.api.responses import Reply
    from contextops.api.stream import Done, Piece, Reasoning, Text, ToolCall
    from contextops.api.timeouts import (
        METADATA_MAX_TIME,
        SHARE_OF_ONE_ADDRESS,
        shortest_limit,
        time_limit,
    )
    from contextops.api.transport import encode_multipart

__all__ = [
    "ACCESS_HINT",
    "METADATA_MAX_TIME",
    "SHARE_OF_ONE_ADDRESS",
    "Client",
    "Done",
    "Piece",
    "Reasoning",
    "Reply",
    "Text",
    "ToolCall",
    "curl_command",
    "describe_offer",
    "encode_multipart",
    "exact_model",
    "is_refusal",
    "match_models",
    "save_model_ids",
    "search_models",
    "shortest_limit",
    "suggest_models",
    "text_of_choice",
    "time_limit",
    "tool_calls_of",
    "usage_line",
]

__getattr__ = lazy_names(
    __name__,
    {
        "client": ("Client",),
        "completion": ("is_refusal", "text_of_choice", "tool_calls_of", "usage_line"),
        "model_ids": (
            "ACCESS_HINT",
            "describe_offer",
            "exact_model",
            "match_models",
            "save_model_ids",
            "search_models",
            "suggest_models",
        ),
        "request": ("curl_command",),
        "responses": ("Reply",),
        "stream": ("Done", "Piece", "Reasoning", "Text", "ToolCall"),
        "timeouts": (
            "METADATA_MAX_TIME",
            "SHARE_OF_ONE_ADDRESS",
            "shortest_limit",
            "time_limit",
        ),
        "transport": ("encode_multipart",),
    },
)
