"""``contextops chat``: ask a model."""

from typing import ClassVar

from contextops.commands import SUMMARIES, SUMMARIES_OF_CHAT, Loading
from contextops.options import group


class _Chat(Loading):
    """The two ways to ask: what the one needs is not loaded for the other."""

    summaries: ClassVar = SUMMARIES_OF_CHAT


app = group("chat", SUMMARIES["chat"], cls=_Chat)
