"""Print a table of each program's exit status for answers that are truncated or not valid.

The programs are those that ``compare.py`` has installed, called in the same way.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.loopback import MODEL  # noqa: E402 - needs the path above
from benchmarks.programs import Contextops, Curl, Llm, OpenWebUICli, Place, ShellGpt  # noqa: E402
from server import CLOSE, RESET, Answer, Request, Server  # noqa: E402 - same
from shapes import (  # noqa: E402 - same
    DONE,
    EVENT_STREAM,
    chunk,
    chunked,
    completion,
    detail,
    http,
    json_answer,
    sse,
    stream,
)

ENVIRONMENTS = HERE.parents[1] / "build" / "benchmarks"
PROGRAMS = (Contextops, Llm, ShellGpt, OpenWebUICli, Curl)
WORDS = [chunk("one "), chunk("two")]
BLOCK = chunked(sse(*WORDS), end=False)
ANSWERS: dict[str, Answer] = {
    "a complete answer": stream(*WORDS, chunk(finish="stop"), DONE),
    "the stream ends without a finish reason": stream(*WORDS),
    "the connection is closed inside a chunk": [http(200, EVENT_STREAM), BLOCK[:-8], CLOSE],
    "the connection is reset": [http(200, EVENT_STREAM), BLOCK, RESET],
    "an error in the stream": stream(*WORDS, {"error": {"message": "lost"}}, DONE),
    "truncated at a token limit": stream(*WORDS, chunk(finish="length"), DONE),
    "a web page (wrong URL)": http(200, {"content-type": "text/html"}, "<html>hello"),
    "JSON in response to a streamed request": json_answer(completion("one two")),
    "401": detail("Not authenticated", 401),
    "500": detail("lost", 500),
}


def cells(answer: Answer) -> Iterator[str]:
    """Yield the status of each program, and whether it printed nothing."""

    def serve(request: Request) -> Answer:
        if request.path.endswith("/models"):
            return json_answer({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        return answer

    for kind in PROGRAMS:
        program = kind(ENVIRONMENTS)
        with Server(serve, may_be_idle=True) as server, tempfile.TemporaryDirectory() as home:
            place = Place(Path(home), server.url)
            program.configure(place)
            argv = program.ask(place)
            assert argv
            run = subprocess.run(
                argv,
                env={"PATH": os.environ["PATH"], "HOME": home, **program.environment(place)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=60,
            )
        yield f"{run.returncode}{'' if run.stdout.strip() else ', no output'}"


def main() -> None:
    """Print the table in Markdown."""
    print("| the server's answer |", *(f"{kind(ENVIRONMENTS).version()} |" for kind in PROGRAMS))
    print("|---|" + "---|" * len(PROGRAMS))
    for name, answer in ANSWERS.items():
        print(f"| {name} |", *(f"{cell} |" for cell in cells(answer)))


if __name__ == "__main__":
    main()
