"""``contextops chat``: ask a model, once or in a conversation."""

from typing import ClassVar

from contextops.commands import SUMMARIES, SUMMARIES_OF_CHAT, LazyGroup
from contextops.commands.parser import group


class _Chat(LazyGroup):
    """The commands of ``chat``, each loaded only when it is named."""

    summaries: ClassVar = SUMMARIES_OF_CHAT
    prefix: ClassVar = "chat_"


app = group("chat", SUMMARIES["chat"], cls=_Chat)
