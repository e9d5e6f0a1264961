"""Print what each program's exit status says of answers that are none, as a table.

The programs are those of ``compare.py``, installed by it, and asked as it asks them.
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

from benchmarks.loopback import MODEL  # noqa: E402 - found by the line above
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
SAID = [chunk("one "), chunk("two")]
BEGUN = chunked(sse(*SAID), end=False)
ANSWERS: dict[str, Answer] = {
    "a whole answer": stream(*SAID, chunk(finish="stop"), DONE),
    "the stream ends, and nothing said that it was over": stream(*SAID),
    "the connection is closed in mid-chunk": [http(200, EVENT_STREAM), BEGUN[:-8], CLOSE],
    "the connection is reset": [http(200, EVENT_STREAM), BEGUN, RESET],
    "an error in the stream": stream(*SAID, {"error": {"message": "lost"}}, DONE),
    "a limit of tokens cut it": stream(*SAID, chunk(finish="length"), DONE),
    "a web page (a wrong address)": http(200, {"content-type": "text/html"}, "<html>hello"),
    "JSON, where a stream was asked for": json_answer(completion("one two")),
    "401": detail("Not authenticated", 401),
    "500": detail("lost", 500),
}


def told(answer: Answer) -> Iterator[str]:
    """Give for each program its status, and whether the words came out."""

    def serve(request: Request) -> Answer:
        if request.path.endswith("/models"):
            return json_answer({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
        return answer

    for kind in PROGRAMS:
        program = kind(ENVIRONMENTS)
        with Server(serve, may_be_idle=True) as server, tempfile.TemporaryDirectory() as home:
            place = Place(Path(home), server.url)
            program.settle(place)
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
        yield f"{run.returncode}{'' if run.stdout.strip() else ', nothing'}"


def main() -> None:
    """Print the table in Markdown."""
    print("| the server's answer |", *(f"{kind(ENVIRONMENTS).version()} |" for kind in PROGRAMS))
    print("|---|" + "---|" * len(PROGRAMS))
    for name, answer in ANSWERS.items():
        print(f"| {name} |", *(f"{cell} |" for cell in told(answer)))


if __name__ == "__main__":
    main()
