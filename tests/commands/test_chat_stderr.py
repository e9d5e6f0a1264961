"""What ``contextops chat send`` writes to standard error: reasoning and verbose output."""

from __future__ import annotations

import json

import pytest

from shapes import KEY, OpenWebUI, chunk, completion, json_answer, stream

pytestmark = pytest.mark.usefixtures("workdir")


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_reasoning_is_written_to_stderr_with_final_newline(run, serve, exported, how):
    exported(serve(OpenWebUI()))
    result = run("chat", "send", how, "--reasoning", "a !reason")
    assert (result.stdout, result.stderr) == ("You said: a !reason\n", "thinking hard\n")
    result = run("chat", "send", how, "--reasoning", "--json", "a !reason")
    assert "".join(json.loads(line)["reasoning"] for line in result.stderr.splitlines()) == (
        "thinking hard"
    )


@pytest.mark.parametrize("mode", [[], ["-x"], ["-o", "f"]])
def test_error_after_reasoning_starts_on_its_own_line(run, serve, exported, mode):
    exported(serve(lambda _: stream(chunk(reasoning_content="hm"))))
    result = run("chat", "send", "--reasoning", *mode, "hi")
    assert result.status == 18
    first, second = result.stderr.splitlines()
    assert first == "hm"
    assert second.startswith("contextops: ")


@pytest.mark.parametrize("place", [["-v", "chat", "send"], ["chat", "send", "-v"]])
def test_verbose_shows_request_and_response_without_secrets(run, serve, exported, place):
    secret = "sk-CANARY0123456789"
    answer = json_answer(completion("ok"), 200, {"set-cookie": f"token={secret}"})
    server = exported(serve(lambda _: answer))
    result = run(
        *(*place, "-H", f"X-Api-Key: {secret}", "-H", "X-Team: red", "hi"),
    )
    assert (result.status, result.stdout) == (0, "ok\n")
    assert server.request.key == KEY
    assert f"> POST {server.url}/api/chat/completions" in result.stderr
    assert "> X-Team: red" in result.stderr
    assert "< 200 after" in result.stderr
    assert "authorization" in result.stderr.lower()
    for hidden in (KEY, KEY[:-4], secret, secret[:-4]):
        assert hidden not in result.stderr
    for line in run(*place, "--json", "hi").stderr.splitlines():
        assert set(json.loads(line)) == {"note"}
