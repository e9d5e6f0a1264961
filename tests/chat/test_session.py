"""Sessions: names and their files, damaged files, parallel writers."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contextops.chat.conversation import Conversation
from contextops.chat.records import message_text, messages_to_send
from contextops.chat.session import SessionStore
from contextops.errors import InputError, UsageError
from conversations import answer, assistant, sent_messages, take_turn, user

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX files")


def location(name: str, folder: Path) -> Path:
    return Path(SessionStore(folder).session(name).location)


# Names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "0", "review-2.1_b", "A" * 64, "console", "com10", "a..b"])
def test_name_is_file_in_folder(tmp_path, name):
    assert location(name, tmp_path) == tmp_path / f"{name}.jsonl"


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "/abs", "a/b", "a\\b", ".hidden", "-x", "_x", "A" * 65, "x" * 300),
        *("CON", "nul", "Com1", "lpt9", "con.txt", "aux.", "a b", "a\n", "ü", "a\0", "~", "~root"),
        *(".jsonl", "/.jsonl", "a/.jsonl", "a\0.jsonl", "a.JSONL/", "a/x.json"),
    ],
)
def test_invalid_name_is_usage_error(tmp_path, name):
    with pytest.raises(UsageError) as raised:
        location(name, tmp_path)
    assert raised.value.status == 2


@given(st.text(max_size=70))
@settings(max_examples=50)
def test_name_never_leads_out_of_folder(name: str):
    folder = Path("/state/contextops")
    try:
        path = location(name, folder)
    except UsageError:
        return
    assert path.parent == folder or name.endswith(".jsonl")
    assert path.suffix == ".jsonl"


def test_path_is_used_as_it_is(tmp_path, home):
    assert location("./talk.jsonl", tmp_path) == Path("talk.jsonl")
    assert location("/a/../b.jsonl", tmp_path) == Path("/a/../b.jsonl")
    assert location("~/talk.jsonl", tmp_path) == home / "talk.jsonl"


@posix
def test_home_of_unknown_user_is_usage_error(tmp_path):
    with pytest.raises(UsageError):
        location("~no-such-user/talk.jsonl", tmp_path)


# The file ---------------------------------------------------------------------------------------


@posix
def test_session_is_private_whatever_the_umask(session, path):
    before = os.umask(0)
    try:
        take_turn(session, "one", answer("1"))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_description_has_last_model_and_time(session, path):
    take_turn(session, "one", answer("1"))
    (description,) = SessionStore(path.parent).descriptions()
    assert (description["name"], description["messages"], description["model"]) == (
        *("review", 2, "m"),
    )
    assert description["last"] == json.loads(path.read_bytes().splitlines()[-1])["time"]


def test_only_files_are_listed(session, path):
    take_turn(session, "one", answer("1"))
    (path.parent / "a folder.jsonl").mkdir()
    (path.parent / "notes.txt").touch()
    assert SessionStore(path.parent).list() == ["review"]
    assert SessionStore(path.parent / "missing").list() == []


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (user("text"), "text"),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]},
            "a\n[image_url]",
        ),
        ({"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}, '[{"id":"c"}]'),
    ],
)
def test_message_text_names_other_parts(record, text):
    assert message_text(record) == text


# Damaged files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        *(b"{", b"[]", b"5", b"\xff", b"{}", b'{"role": "user"}', b'{"content": "x"}'),
        *(b'{"role": "cat", "content": "x"}', b'{"role": "system"}'),
    ],
)
def test_invalid_line_is_named_and_left_in_place(session, path, line):
    take_turn(session, "one", answer("1"))
    before = path.read_bytes() + line + b"\n"
    path.write_bytes(before)
    with pytest.raises(InputError, match="line 3 of session") as raised:
        Conversation(session=session)
    assert raised.value.status == 26
    assert path.read_bytes() == before


def test_blank_lines_and_windows_line_ends_are_accepted(session, path):
    take_turn(session, "one", answer("1"))
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\r\n") + b"\n")
    assert sent_messages(session) == [user("one"), assistant("1")]


TURNS = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=20)), min_size=1, max_size=4)


@given(TURNS, st.data())
@settings(max_examples=30)
def test_file_cut_at_any_byte_keeps_its_complete_lines(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[str, str]], data: st.DataObject
):
    folder = tmp_path_factory.mktemp("cut")
    path, session = folder / "s.jsonl", SessionStore(folder).session("s")
    for question, words in turns:
        take_turn(session, question, answer(words))
    original = path.read_bytes()
    cut = original[: data.draw(st.integers(0, len(original)))]
    path.write_bytes(cut)
    lines = cut.count(b"\n")
    answered = 2 * (lines // 2)
    expected = messages_to_send([json.loads(line) for line in original.split(b"\n")[:answered]])
    assert len(session.load()) == lines
    # A question whose answer was cut off is not asked again.
    assert take_turn(session, "next", answer("n")) == [*expected, user("next")]
    assert path.read_bytes().startswith(cut[: cut.rfind(b"\n") + 1])
    assert len(session.load()) == lines + 2
    assert sent_messages(session) == [*expected, user("next"), assistant("n")]


# Parallel writers -------------------------------------------------------------------------------


WRITER = """
import sys
from pathlib import Path
from contextops.chat.session import SessionStore
session, name = SessionStore(Path()).session(sys.argv[1]), sys.argv[2]
for number in range(int(sys.argv[3])):
    word = f"{name}-{number}"
    question = {"role": "user", "content": word}
    answer = {"role": "assistant", "content": word, "complete": True}
    session.append([question, answer])
    print(word, flush=True)
"""


def start_writer(path: Path, name: str, turns: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", WRITER, str(path), name, str(turns)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


def test_twenty_parallel_writers_lose_nothing(session, path):
    writers = [start_writer(path, f"w{number}", 2) for number in range(20)]
    printed = [process.communicate()[0].decode().split() for process in writers]
    assert all(process.returncode == 0 for process in writers)
    words = [message["content"] for message in sent_messages(session)]
    assert words[::2] == words[1::2], "no turn is between the lines of another"
    assert sorted(words[::2]) == sorted(word for words in printed for word in words)
    assert len(words) == 2 * 20 * 2


@posix
def test_killed_writer_loses_nothing_that_it_acknowledged(session, path):
    acknowledged: list[str] = []
    for round_ in range(20):
        with start_writer(path, f"r{round_}", 10_000) as process:
            first = process.stdout.readline()
            time.sleep(0.0007 * round_)
            process.send_signal(signal.SIGKILL)
            acknowledged += (first + process.stdout.read()).decode().split()
    words = [message["content"] for message in sent_messages(session)]
    assert words[::2] == words[1::2]
    assert set(acknowledged) <= set(words)
    assert {file.name for file in path.parent.iterdir()} == {"review.jsonl", "review.jsonl.lock"}
