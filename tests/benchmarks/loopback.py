"""The server of the benchmarks, whose answers are built before they are requested.

    python tests/benchmarks/loopback.py

It is a separate process, so that its CPU time and memory are not part of any measurement. It prints
its URL and ends at the end of its standard input. The first part of a path selects the answer, so
that it is independent of the API path of a program: ``/tokens-1000/v1/chat/completions``,
``/models-10000/api/models``. ``/sent`` returns the size of the last POST body in bytes, or -1 if
there was none since the last call.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

# The folder of the test server.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from server import Answer, Request, Server
from shapes import EVENT_STREAM, OpenWebUI, chunked, http, reply, sse

MODEL = "ctx-small"
LAST_WORD = "the-end"
_PIECE = 1000


@lru_cache(maxsize=3)
def chat(kind: str, number: int) -> list[bytes]:
    """Return a stream of ``number`` tokens, or of ``number`` bytes in events of 1,000 bytes."""
    if kind == "tokens":
        words = ["word"] * (number - 1)
    else:
        words = ["x" * (_PIECE - 1)] * (number // _PIECE)
    blocks = [chunked(sse(event), end=False) for event in reply(" ".join([*words, LAST_WORD]))]
    # Each event is an HTTP chunk, as servers send them, but all are sent at once, so that only the
    # reader is measured.
    return [http(200, EVENT_STREAM), b"".join(blocks) + chunked()]


@lru_cache(maxsize=3)
def models(number: int) -> OpenWebUI:
    """Return a server that lists ``number`` models."""
    ids = [f"provider-{each % 20}/model-{each}" for each in range(number - 1)]
    return OpenWebUI(key=None, models=[*ids, LAST_WORD])


@dataclass
class Answers:
    """The answer function: selects the answer by path and records the size of the request."""

    sent: int = -1
    recorded: list[Request] = field(default_factory=list)
    """The requests that the server records; cleared, since they would take gigabytes."""

    def __call__(self, request: Request) -> Answer:
        """Return the answer to a request."""
        self.recorded.clear()
        if request.path == "/sent":
            sent, self.sent = self.sent, -1
            return http(200, {}, str(sent))
        _, answer_name, _ = request.path.split("/", 2)
        kind, _, number = answer_name.partition("-")
        if request.method == "GET":
            count = int(number) if kind == "models" else 1
            return models(count)(replace(request, target="/api/models"))
        self.sent = len(request.body)
        return chat(kind, int(number))


def main() -> None:
    """Serve until standard input ends."""
    answers = Answers()
    with Server(answers, may_be_idle=True) as server:
        answers.recorded = server.requests
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
