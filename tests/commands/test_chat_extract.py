"""``contextops chat send --extract``: the code block alone, and only of a complete answer."""

from __future__ import annotations

import pytest

from chat_answers import CODE_ANSWER, answer_with, truncated_after

pytestmark = pytest.mark.usefixtures("workdir")


@pytest.mark.parametrize(
    ("flags", "printed"),
    [
        (["-x"], "x = 1\n"),
        (["--extract-lang", "SH"], "ls\n"),
        (["-x", "--extract-lang", "sh"], "ls\n"),
        (["-x", "--no-stream"], "x = 1\n"),
    ],
)
def test_extract_prints_first_matching_code_block(run, serve, exported, flags, printed):
    exported(serve(answer_with(CODE_ANSWER)))
    result = run("chat", "send", *flags, "hi")
    assert (result.status, result.stdout, result.stderr) == (0, printed, "")


def test_extract_ends_unclosed_block_with_newline(run, serve, exported):
    exported(serve(answer_with("```\nx = 1")))
    assert run("chat", "send", "-x", "hi").stdout == "x = 1\n"


@pytest.mark.parametrize("flags", [["-x"], ["--extract-lang", "rust"]])
def test_extract_without_matching_block_is_status_12_without_output(
    run, serve, exported, workdir, flags
):
    exported(serve(answer_with(CODE_ANSWER if len(flags) == 2 else "no code")))
    (workdir / "f").write_text("old")
    for more in ([], ["-o", "f"]):
        result = run("chat", "send", *flags, *more, "hi")
        assert (result.status, result.stdout) == (12, "")
    assert [path.name for path in workdir.iterdir()] == ["f"]
    assert (workdir / "f").read_text() == "old"


@pytest.mark.parametrize("flags", [["-x"], ["-o", "f"], ["-x", "-o", "f"]])
@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (truncated_after(CODE_ANSWER), []),
        (answer_with(CODE_ANSWER, finish="length"), ["--max-tokens", "9"]),
        (answer_with(CODE_ANSWER, finish="length"), ["--allow-truncated"]),
        (answer_with(CODE_ANSWER, finish="content_filter"), ["--allow-truncated"]),
    ],
)
def test_truncated_answer_writes_no_code_and_no_file(
    run, serve, exported, workdir, flags, answer, more
):
    exported(serve(answer))
    result = run("chat", "send", *flags, *more, "hi")
    assert (result.status, result.stdout) == (18, "")
    assert not (workdir / "f").exists()


def test_allow_truncated_accepts_limit_and_filter_but_not_a_broken_stream(run, serve, exported):
    exported(serve(answer_with("part", finish="length")))
    assert run("chat", "send", "hi").status == 18
    result = run("chat", "send", "--allow-truncated", "hi")
    assert (result.status, result.stdout, result.stderr) == (0, "part\n", "")
    exported(serve(answer_with("part", finish="content_filter")))
    assert run("chat", "send", "--allow-truncated", "hi").status == 0
    exported(serve(truncated_after("part")))
    assert run("chat", "send", "--allow-truncated", "hi").status == 18
