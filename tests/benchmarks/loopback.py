"""The server of the benchmark: answers that were made before they are asked for.

    python tests/benchmarks/loopback.py

A process of its own, so that its CPU and memory are nobody else's. It prints its address, and ends
with its standard input. The first part of a path says what is answered, under whatever address a
program asks: ``/tokens-1000/v1/chat/completions``, ``/models-10000/api/models``. ``/sent`` tells
how many bytes the last POST brought, -1 when there was none since it was asked.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

# The tests' server is there.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from server import Answer, Request, Server
from shapes import EVENT_STREAM, OpenWebUI, chunked, http, reply, sse

MODEL = "ctx-small"
LAST_WORD = "the-end"
_PIECE = 1000


@lru_cache(maxsize=3)
def chat(kind: str, number: int) -> list[bytes]:
    """Stream ``number`` tokens, or a text of so many bytes in events of a thousand."""
    if kind == "tokens":
        words = ["word"] * (number - 1)
    else:
        words = ["x" * (_PIECE - 1)] * (number // _PIECE)
    blocks = [chunked(sse(event), end=False) for event in reply(" ".join([*words, LAST_WORD]))]
    # One block of HTTP for every event, as servers send them, but all of them at once: what is
    # measured is the reader.
    return [http(200, EVENT_STREAM), b"".join(blocks) + chunked()]


@lru_cache(maxsize=3)
def models(number: int) -> OpenWebUI:
    """List so many models."""
    ids = [f"provider-{each % 20}/model-{each}" for each in range(number - 1)]
    return OpenWebUI(key=None, models=[*ids, LAST_WORD])


@dataclass
class Answers:
    """Answer by the path, and remember how much was sent."""

    sent: int = -1
    kept: list[Request] = field(default_factory=list)
    """What the server keeps for tests; here that would be gigabytes."""

    def __call__(self, request: Request) -> Answer:
        """Answer one request."""
        self.kept.clear()
        if request.path == "/sent":
            sent, self.sent = self.sent, -1
            return http(200, {}, str(sent))
        _, what, _ = request.path.split("/", 2)
        kind, _, number = what.partition("-")
        if request.method == "GET":
            count = int(number) if kind == "models" else 1
            return models(count)(replace(request, target="/api/models"))
        self.sent = len(request.body)
        return chat(kind, int(number))


def main() -> None:
    """Serve until standard input ends."""
    answers = Answers()
    with Server(answers, may_be_idle=True) as server:
        answers.kept = server.requests
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
