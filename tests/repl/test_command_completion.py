"""Completion of slash commands and their arguments."""

from __future__ import annotations

import pytest

from contextops.chat import session
from contextops.errors import InputError
from contextops.repl import slash_commands
from repl_driver import ReplDriver


def completions(repl: ReplDriver, text: str) -> list[str]:
    return [each.text for each in slash_commands.complete_command(repl.context, text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/mo", ["/model ", "/models "]),
        ("/ex", ["/exit"]),
        ("/model ", ["small", "large"]),
        ("/model l", ["large"]),
        ("/template ", ["commit"]),
        ("/load r", ["review"]),
        ("/system l", []),
        ("/nothing l", []),
        ("//mo", []),
        ("mo", []),
        ("/mo\nl", []),
    ],
)
def test_commands_models_sessions_and_templates_are_completed(repl, tmp_path, text, expected):
    session.append_records(tmp_path / "review.jsonl", [{"role": "user", "content": "x"}])
    assert completions(repl, text) == expected


def test_paths_are_completed(repl, tmp_path):
    tmp_path = tmp_path / "here"
    tmp_path.mkdir()
    for name in ("one.py", "other.txt", ".hidden"):
        (tmp_path / name).touch()
    (tmp_path / "one more").mkdir()
    assert completions(repl, f"/file {tmp_path}/on") == [
        f"{tmp_path}/one more/",
        f"{tmp_path}/one.py",
    ]
    assert completions(repl, f"/image {tmp_path}/.h") == [f"{tmp_path}/.hidden"]
    assert len(completions(repl, f"/file {tmp_path}/")) == 3
    assert completions(repl, "/file /no/such/folder/") == []


def test_trailing_space_is_part_of_path(repl, tmp_path):
    (tmp_path / "my file.txt").touch()
    typed = f"{tmp_path}/my "
    (candidate,) = slash_commands.complete_command(repl.context, f"/file {typed}")
    assert candidate.text == f"{tmp_path}/my file.txt"
    assert candidate.replaces == len(typed)


@pytest.mark.parametrize("text", ["/file ~nosuch-user/x", "/file a\0b/", "/image \0"])
def test_invalid_path_completes_to_nothing(repl, text):
    assert completions(repl, text) == []


def test_error_while_completing_is_not_raised(repl):
    def template_names() -> list[str]:
        raise InputError("the config file is broken")

    repl.context.template_names = template_names
    assert completions(repl, "/template ") == []
