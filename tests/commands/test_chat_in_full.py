"""``contextops chat send`` with all it takes and gives: files, sessions, forms, dry runs."""

from __future__ import annotations

import errno
import itertools
import json
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading

import pytest

from contextops.config.profile import state_folder
from server import HOLD
from shapes import (
    DONE,
    KEY,
    OpenWebUI,
    chunk,
    completion,
    detail,
    http,
    json_answer,
    reply,
    stream,
    upstream_error,
)
from system_spy import patch_calls

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX")
CODE = "Sure:\n\n```py\nx = 1\n```\n\n```sh\nls\n```\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Be in a folder of one's own."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def saying(text, **more):
    return lambda _: stream(*reply(text, **more))


def cut(text):
    return lambda _: stream(chunk(text))


def sent(server):
    return server.requests[-1].json()["messages"]


def said(*contents):
    """Build a conversation, the user's turn first."""
    roles = itertools.cycle(["user", "assistant"])
    return [{"role": role, "content": text} for role, text in zip(roles, contents, strict=False)]


@pytest.fixture
def kept():
    """Give what is kept of a session: role, content and whether the answer was complete."""

    def kept(name="s"):
        lines = (state_folder() / f"{name}.jsonl").read_bytes().splitlines()
        records = [json.loads(line) for line in lines]
        return [(line["role"], line["content"], line.get("complete")) for line in records]

    return kept


# What cannot be meant


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--json", "--jsonl"], "exclude"),
        (["-x", "--json"], "-x and --json exclude"),
        (["-x", "--jsonl"], "-x and --jsonl exclude"),
        (["--extract-lang", "py", "--json"], "-x and --json exclude"),
        (["-o", "f", "--jsonl"], "-o and --jsonl exclude"),
        (["--messages", "m.json", "--session", "s"], "--messages and --session exclude"),
        (["--dry-run", "-o", "f"], "--dry-run and -o exclude"),
        (["--curl"], "--curl goes with --dry-run"),
        (["-f", "-", "-f", "-"], "claimed twice"),
        (["-f", "-", "--messages", "-"], "claimed twice"),
        (["-f", "-", "-i", "-"], "claimed twice"),
        (["-n", "-f", "-"], "'-' and -n exclude"),
        (["--encoding", "klingon"], "no encoding is called klingon"),
        (["--session", "../x"], "is no session"),
        (["--session", "CON"], "is no session"),
        (["--session", "x" * 300], "is no session"),
        (["--session", ""], "must not be empty"),
        (["--dry-run", "--curl", "--local"], "no address for curl"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_sent(
    run, serve, exported, here, home, monkeypatch, flags, words
):
    # Nothing is asked of the demo model, whose weights may not be there.
    monkeypatch.setenv("CONTEXTOPS_LOCAL_MODEL", "demo.gguf")
    (here / "m.json").write_text("[]")
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", *flags, "hi", input="in")
    assert told.status == 2
    error = json.loads(told.stderr)["error"]["message"] if "{" in told.stderr else told.stderr
    assert words in error
    assert server.requests == []
    assert {path.name for path in here.iterdir()} == {"m.json"}
    assert not (home / ".local").exists()
    if "--jsonl" not in flags:
        assert told.stdout == ""


def test_a_dash_and_a_file_of_standard_input_are_two_claims(run, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", "-f", "-", "-", input="in")
    assert (told.status, told.stdout) == (2, "")
    assert "claimed twice" in told.stderr


@pytest.mark.parametrize("flags", [["-s", "terse"], ["--session", "s"], ["--session", "old"]])
def test_neither_rules_nor_what_was_said_before_are_a_prompt(run, serve, exported, flags):
    server = exported(serve(saying("ok")))
    run("chat", "send", "--session", "old", "before")
    told = run("chat", "send", "-n", *flags)
    assert (told.status, told.stdout) == (2, "")
    assert "no prompt" in told.stderr
    assert len(server.requests) == 1


# Files


def test_files_follow_words_and_standard_input_each_in_its_frame(run, serve, exported, here):
    (here / "a.py").write_text("x = 1\n")
    (here / "b <&> c").write_text("größer")
    server = exported(serve(OpenWebUI()))
    told = run("chat", "send", "-f", "a.py", "-f", "b <&> c", "compare", input="piped")
    assert told.status == 0
    assert sent(server)[0]["content"] == (
        'compare\n\npiped\n\n<document path="a.py">\nx = 1\n\n</document>\n\n'
        '<document path="b &lt;&amp;&gt; c">\ngrößer\n</document>'
    )


def test_a_file_alone_is_a_prompt_and_standard_input_can_be_framed(run, serve, exported, here):
    server = exported(serve(OpenWebUI()))
    assert run("chat", "send", "-f", "-", input="</document>").status == 0
    assert sent(server)[0]["content"] == '<document-2 path="-">\n</document>\n</document-2>'


def test_a_path_in_piped_text_is_not_read(run, serve, exported, here):
    (here / "secret").write_text("do not read me")
    server = exported(serve(OpenWebUI()))
    run("chat", "send", input="secret\n@secret\n-f secret\n")
    assert sent(server)[0]["content"] == "secret\n@secret\n-f secret\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "cannot read missing: no such file"),
        (".", "cannot read .: is a directory"),
        ("utf16", "utf16 is not UTF-8: byte 0xff at offset 0"),
        ("binary", "binary is not UTF-8: byte 0x89 at offset 3"),
        ("large", "large is too large: more than 1024 bytes"),
    ],
)
@pytest.mark.parametrize("flag", ["-f", "--messages"])
def test_a_file_that_is_no_text_is_status_26(run, serve, exported, here, flag, name, words):
    (here / "utf16").write_bytes("text".encode("utf-16"))
    (here / "binary").write_bytes(b"abc\x89PNG\0")
    (here / "large").write_bytes(b"x" * 1025)
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", "hi", flag, name, env={"CONTEXTOPS_MAX_PROMPT": "1K"})
    assert (told.status, told.stdout) == (26, "")
    assert words in told.stderr
    assert server.requests == []


def test_an_encoding_that_is_named_is_read_everywhere(run, serve, exported, here):
    (here / "f").write_bytes("ö".encode("utf-16"))
    server = exported(serve(OpenWebUI()))
    told = run("chat", "send", "--encoding", "utf-16", "-f", "f", input="ü".encode("utf-16"))
    assert told.status == 0
    assert sent(server)[0]["content"] == 'ü\n\n<document path="f">\nö\n</document>'


@posix
@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_a_substituted_process_is_a_file_to_read_and_one_to_write(serve, exported, here):
    server = exported(serve(saying("answered")))
    command = f"{shlex.quote(sys.executable)} -m contextops chat send -n"
    script = f"{command} -f <(printf 'a\\nb') -o >(cat > copy; echo done) compare | cat"
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (told.stdout, told.stderr) == ("done\n", "")
    assert (here / "copy").read_text() == "answered\n"
    assert sent(server)[0]["content"].endswith('">\na\nb\n</document>')


def test_images_are_parts_beside_the_text(run, serve, exported, here):
    (here / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nrest")
    server = exported(serve(saying("a picture")))
    argv = ("chat", "send", "-i", "a.png", "-i", "https://example.org/b.jpg")
    assert run(*argv, "what?").status == 0
    text, one, two = sent(server)[0]["content"]
    assert text == {"type": "text", "text": "what?"}
    assert one["image_url"]["url"].startswith("data:image/png;base64,iVBORw0K")
    assert two["image_url"]["url"] == "https://example.org/b.jpg"
    assert run(*argv).status == 0
    assert sent(server)[0]["content"] == [one, two]
    assert run("chat", "send", "-i", "-", input=b"GIF89a").status == 0
    assert sent(server)[0]["content"][0]["image_url"]["url"].startswith("data:image/gif;")


@pytest.mark.parametrize("name", ["missing.png", ".", "text.png"])
def test_what_is_no_image_is_status_26(run, serve, exported, here, name):
    (here / "text.png").write_text("<svg/>")
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", "-i", name, "what?")
    assert (told.status, told.stdout) == (26, "")
    assert server.requests == []


# Messages


def test_messages_come_first_and_the_prompt_may_be_missing(run, serve, exported, here):
    given = [{"role": "system", "content": "terse"}, *said("a", "b", "c")]
    (here / "m.json").write_text(json.dumps(given))
    server = exported(serve(saying("ok")))
    assert run("chat", "send", "--messages", "m.json").status == 0
    assert sent(server) == given
    assert run("chat", "send", "--messages", "-", input=json.dumps(given)).status == 0
    assert sent(server) == given
    assert run("chat", "send", "--messages", "m.json", "d", input="piped").status == 0
    assert sent(server) == [*given, {"role": "user", "content": "d\n\npiped"}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "standard input is no JSON"),
        ("{}", "no array of messages"),
        ('[{"role": "user", "content": "x"}, {"role": "cat"}]', "message 1 of standard input"),
    ],
)
def test_what_is_no_messages_is_status_26(run, serve, exported, text, words):
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", "--messages", "-", "hi", input=text)
    assert (told.status, told.stdout) == (26, "")
    assert words in told.stderr
    assert server.requests == []


def test_no_messages_and_no_prompt_are_no_request(run, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    assert run("chat", "send", "--messages", "-", input="[]").status == 2


# Sessions


def test_a_session_goes_on_and_nothing_else_is_kept(run, serve, exported, kept):
    server = exported(serve(saying("ok")))
    run("chat", "send", "unkept")
    assert not state_folder().exists()
    assert run("chat", "send", "--session", "s", "one").stdout == "ok\n"
    assert run("chat", "send", "--session", "s", "two").status == 0
    assert sent(server) == said("one", "ok", "two")
    assert kept() == [
        *(("user", "one", None), ("assistant", "ok", True)),
        *(("user", "two", None), ("assistant", "ok", True)),
    ]
    file = state_folder() / "s.jsonl"
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_session_can_be_a_path_or_a_setting(run, serve, exported, here):
    server = exported(serve(saying("ok")))
    run("chat", "send", "--session", "./talk.jsonl", "one")
    run("chat", "send", "two", env={"CONTEXTOPS_SESSION": "./talk.jsonl"})
    assert sent(server) == said("one", "ok", "two")
    assert (here / "talk.jsonl").read_bytes().count(b"\n") == 4


def test_a_session_keeps_messages_and_not_settings(run, serve, exported):
    server = exported(serve(saying("ok")))
    run("chat", "send", "--session", "s", "-t", "1", "-m", "ctx-large", "one")
    run("chat", "send", "--session", "s", "two")
    body = server.requests[-1].json()
    assert body["model"] == "ctx-small"
    assert "temperature" not in body


def test_a_typed_system_message_wins_and_a_stored_one_gives_way(run, serve, exported):
    server = exported(serve(saying("ok")))

    def system(*flags, **env):
        run("chat", "send", "--session", "s", "x", *flags, env=env)
        return [line["content"] for line in sent(server) if line["role"] == "system"]

    assert system("-s", "first") == ["first"]
    assert system(CONTEXTOPS_SYSTEM="stored") == ["first"]
    assert system("-s", "second", CONTEXTOPS_SYSTEM="stored") == ["second"]
    assert system() == ["second"]


@pytest.mark.parametrize("mode", [[], ["--json"], ["--jsonl", "--no-stream"], ["-x", "-o", "f"]])
@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (stream(chunk("part")), "part"),
        (stream(chunk("part"), chunk(finish="length"), DONE), "part"),
        (stream(chunk("part"), {"error": {"message": "x"}}), "part"),
        (detail("no", 422), ""),
    ],
    ids=["cut", "length", "error", "refused"],
)
def test_a_broken_turn_is_kept_marked_and_not_sent_again(
    run, serve, exported, kept, mode, answer, part
):
    turns = [saying(CODE)(None), answer, saying(CODE)(None)]
    server = exported(serve(lambda _: turns[len(server.requests) - 1]))
    statuses = [run("chat", "send", "--session", "s", *mode, word).status for word in "abc"]
    assert (statuses[0], statuses[2]) == (0, 0)
    assert statuses[1] in (18, 22, 50)
    assert sent(server) == said("a", CODE, "c")
    assert kept()[2:4] == [("user", "b", None), ("assistant", part, False)]


@posix
@pytest.mark.parametrize("mode", [[], ["--json"], ["-o", "f"]])
def test_an_interrupted_turn_is_kept_marked(command, serve, exported, kept, mode):
    begun = threading.Event()

    def mark(_):
        begun.set()

    exported(serve(lambda _: stream(chunk("a part"), mark, HOLD)))
    process = command.start("chat", "send", "-n", "--session", "s", *mode, "one")
    assert begun.wait(10)
    if not mode:
        process.stdout.read(3)
    else:
        threading.Event().wait(0.3)
    process.send_signal(signal.SIGINT)
    stdout, _ = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert kept() == [("user", "one", None), ("assistant", "a part", False)]
    if mode == ["--json"]:
        assert not stdout or json.loads(stdout)["contextops"]["complete"] is False


@posix
def test_a_reader_that_leaves_is_an_interruption(command, serve, exported, kept):
    more = threading.Event()
    exported(serve(lambda _: stream(chunk("one\n"), more, chunk("two\n"), *reply("three"))))
    process = command.start("chat", "send", "-n", "--session", "s", "x")
    assert process.stdout.readline() == b"one\n"
    process.stdout.close()
    more.set()
    assert process.wait(10) == -signal.SIGPIPE
    assert kept()[1][2] is False


def write_to_full_disk(_descriptor, _data):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ([], CODE),
        (["-x"], "x = 1\n"),
        (["--json"], CODE),
        (["--jsonl"], CODE),
    ],
)
def test_a_session_that_cannot_be_written_is_23_with_the_answer(
    run, serve, exported, kept, monkeypatch, mode, shown
):
    exported(serve(saying(CODE)))
    assert run("chat", "send", "--session", "s", "one").status == 0
    before = kept()
    patch_calls(monkeypatch, write=write_to_full_disk)
    told = run("chat", "send", "--session", "s", *mode, "two")
    assert told.status == 23
    assert "no space left on device" in told.stderr
    assert told.stderr.count("\n") == 1
    assert kept() == before
    if mode == ["--json"]:
        document = json.loads(told.stdout)
        assert document["choices"][0]["message"]["content"] == shown
        assert document["contextops"]["complete"] is True
    elif mode == ["--jsonl"]:
        last = json.loads(told.stdout.splitlines()[-1])
        assert (last["type"], last["error"]["exit"]) == ("error", 23)
        assert last["response"]["choices"][0]["message"]["content"] == shown
        assert '"done"' not in told.stdout
    else:
        assert told.stdout == shown


def test_a_folder_that_is_read_only(run, serve, exported, home, monkeypatch):
    def mkdir(_path, _mode):
        raise OSError(errno.EROFS, "Read-only file system")

    patch_calls(monkeypatch, mkdir=mkdir)
    exported(serve(saying("ok")))
    told = run("chat", "send", "--session", "s", "one")
    assert (told.status, told.stdout) == (23, "ok\n")
    assert "read-only file system" in told.stderr
    assert not (home / ".local").exists()


def test_a_broken_session_is_named_and_left(run, serve, exported, here):
    (here / "s.jsonl").write_bytes(b'{"role": "user", "content": "a"}\n{broken\n')
    server = exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", "--session", "./s.jsonl", "hi")
    assert (told.status, told.stdout) == (26, "")
    assert "line 2" in told.stderr
    assert (here / "s.jsonl").read_bytes().endswith(b"{broken\n")
    assert server.requests == []


def test_two_commands_on_one_session_lose_nothing(command, serve, exported, kept):
    exported(serve(lambda _: stream(chunk("ok"), 0.2, chunk(finish="stop"), DONE)))
    argv = ("chat", "send", "-n", "--session", "s")
    both = [command.start(*argv, word) for word in ("one", "two")]
    assert [process.wait(20) for process in both] == [0, 0]
    roles = [role for role, *_ in kept()]
    assert roles == ["user", "assistant"] * 2
    assert {content for role, content, _ in kept() if role == "user"} == {"one", "two"}


# A block of code


@pytest.mark.parametrize(
    ("flags", "printed"),
    [
        (["-x"], "x = 1\n"),
        (["--extract-lang", "SH"], "ls\n"),
        (["-x", "--extract-lang", "sh"], "ls\n"),
        (["-x", "--no-stream"], "x = 1\n"),
    ],
)
def test_the_first_block_of_code_alone(run, serve, exported, flags, printed):
    exported(serve(saying(CODE)))
    told = run("chat", "send", *flags, "hi")
    assert (told.status, told.stdout, told.stderr) == (0, printed, "")


def test_a_block_that_is_not_closed_ends_with_a_newline(run, serve, exported):
    exported(serve(saying("```\nx = 1")))
    assert run("chat", "send", "-x", "hi").stdout == "x = 1\n"


@pytest.mark.parametrize("flags", [["-x"], ["--extract-lang", "rust"]])
def test_no_block_of_code_is_12_with_nothing_printed(run, serve, exported, here, flags):
    exported(serve(saying(CODE if len(flags) == 2 else "no code")))
    (here / "f").write_text("old")
    for more in ([], ["-o", "f"]):
        told = run("chat", "send", *flags, *more, "hi")
        assert (told.status, told.stdout) == (12, "")
    assert [path.name for path in here.iterdir()] == ["f"]
    assert (here / "f").read_text() == "old"


@pytest.mark.parametrize("flags", [["-x"], ["-o", "f"], ["-x", "-o", "f"]])
@pytest.mark.parametrize(
    ("answer", "more"),
    [
        (cut(CODE), []),
        (saying(CODE, finish="length"), ["--max-tokens", "9"]),
        (saying(CODE, finish="length"), ["--allow-truncated"]),
        (saying(CODE, finish="content_filter"), ["--allow-truncated"]),
    ],
)
def test_a_cut_answer_gives_no_code_and_no_file(run, serve, exported, here, flags, answer, more):
    exported(serve(answer))
    told = run("chat", "send", *flags, *more, "hi")
    assert (told.status, told.stdout) == (18, "")
    assert not (here / "f").exists()


# A file for the answer


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize(("flags", "content"), [(["-x"], "x = 1\n"), (["--color", "always"], CODE)])
def test_the_answer_goes_to_a_file(run, serve, exported, here, existing, flags, content):
    if existing:
        (here / "f").write_text("old")
        (here / "f").chmod(0o640)
    exported(serve(saying(CODE)))
    told = run("chat", "send", "-o", "f", *flags, "hi")
    assert (told.status, told.stdout, told.stderr) == (0, "", "")
    assert (here / "f").read_text() == content
    assert [path.name for path in here.iterdir()] == ["f"]
    if existing:
        assert stat.S_IMODE((here / "f").stat().st_mode) == 0o640


def test_a_document_goes_to_a_file(run, serve, exported, here):
    exported(serve(saying("ok")))
    assert run("chat", "send", "-o", "f", "--json", "hi").stdout == ""
    assert json.loads((here / "f").read_text())["choices"][0]["message"]["content"] == "ok"


@posix
def test_a_link_is_followed_and_a_device_written(run, serve, exported, here):
    (here / "real").write_text("old")
    (here / "link").symlink_to("real")
    exported(serve(saying("new")))
    assert run("chat", "send", "-o", "link", "hi").status == 0
    assert (here / "link").is_symlink()
    assert (here / "real").read_text() == "new\n"
    assert run("chat", "send", "-o", "/dev/null", "hi").status == 0
    told = run("chat", "send", "-o", "/dev/full", "hi")
    assert (told.status, told.stdout) == (23, "")


def test_a_file_is_untouched_until_the_answer_is_proved(command, serve, exported, here):
    go_on = threading.Event()
    (here / "f").write_text("old")
    exported(serve(lambda _: stream(chunk("part"), go_on, *reply(" and rest"))))
    process = command.start("chat", "send", "-n", "-o", "f", "hi")
    while not ((here / "f.part").exists() and (here / "f.part").read_text()):
        assert process.poll() is None
    assert ((here / "f").read_text(), (here / "f.part").read_text()) == ("old", "part")
    other = command("chat", "send", "-n", "-o", "f", "hi")
    assert other.status == 23
    assert "another process is writing" in other.stderr
    go_on.set()
    assert process.wait(10) == 0
    assert (here / "f").read_text() == "part and rest\n"
    assert [path.name for path in here.iterdir()] == ["f"]


@posix
def test_an_interrupted_answer_stays_in_the_part(command, serve, exported, here):
    (here / "f").write_text("old")
    exported(serve(lambda _: stream(chunk("a part"), HOLD)))
    process = command.start("chat", "send", "-n", "-o", "f", "hi")
    while not ((here / "f.part").exists() and (here / "f.part").read_text()):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert stdout == b""
    assert b"f.part" in stderr
    assert (here / "f").read_text() == "old"
    assert (here / "f.part").read_text().startswith("a part")


@pytest.mark.parametrize("path", ["missing/f", ".", "f"])
def test_a_file_that_cannot_be_written_is_23(run, serve, exported, here, monkeypatch, path):
    (here / "f").write_text("old")
    if path == "f":
        patch_calls(monkeypatch, write=write_to_full_disk)
    exported(serve(saying("new"), may_be_idle=True))
    told = run("chat", "send", "-o", path, "hi")
    assert (told.status, told.stdout) == (23, "")
    assert path in told.stderr
    assert (here / "f").read_text() == "old"


# JSON lines


def lines_of(told):
    assert "\n\n" not in told.stdout
    assert told.stdout.endswith("\n")
    return [json.loads(line) for line in told.stdout.splitlines()]


def test_every_piece_is_a_line_and_the_whole_answer_the_last(run, serve, exported):
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    exported(
        serve(
            lambda _: stream(
                chunk(reasoning_content="hm\u2028"),
                chunk("one\x1b "),
                chunk("two"),
                chunk(tool_calls=[call]),
                chunk(finish="stop"),
                DONE,
            )
        )
    )
    told = run("chat", "send", "--jsonl", "hi")
    assert (told.status, told.stderr) == (0, "")
    assert told.stdout.isascii()
    *pieces, last = lines_of(told)
    assert pieces[0] == {"type": "reasoning", "content": "hm\u2028"}
    assert "".join(line["content"] for line in pieces if line["type"] == "delta") == "one\x1b two"
    assert pieces[-1] == {**call, "type": "tool_call"}
    assert last["type"] == "done"
    assert last["response"]["choices"][0]["message"]["content"] == "one\x1b two"
    assert last["response"]["contextops"]["complete"] is True


@pytest.mark.parametrize(
    ("answer", "status", "part"),
    [
        (stream(chunk("part")), 18, "part"),
        (stream(chunk("part"), {"error": {"message": "x"}}), 50, "part"),
        (detail("no", 422), 22, None),
        (http(200, {"content-type": "text/html"}, "<html>"), 8, None),
        (json_answer(upstream_error(429), 429), 29, None),
    ],
)
def test_a_failure_is_the_last_line_with_what_there_is(run, serve, exported, answer, status, part):
    exported(serve(lambda _: answer))
    told = run("chat", "send", "--jsonl", "hi")
    assert told.status == status
    *pieces, last = lines_of(told)
    assert last["type"] == "error"
    assert last["error"] == json.loads(told.stderr)["error"]
    assert last["error"]["exit"] == status
    if part is None:
        assert (pieces, last["response"]) == ([], None)
    else:
        assert last["response"]["choices"][0]["message"]["content"] == part
        assert last["response"]["contextops"]["complete"] is False


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["-f", "missing", "hi"], 26),
        (["-n"], 2),
        (["--profile", "nobody", "hi"], 3),
        (["--dry-run", "hi"], 3),
        (["--base-url", "http://127.0.0.1:1", "--retries", "0", "hi"], 7),
    ],
)
def test_a_failure_before_anything_is_sent_is_a_line_too(run, argv, status):
    told = run("chat", "send", "--jsonl", *argv)
    (last,) = lines_of(told)
    assert (last["type"], last["response"]) == ("error", None)
    assert told.status == last["error"]["exit"] == status


@posix
def test_lines_come_as_they_come_and_are_whole_when_interrupted(command, serve, exported):
    exported(serve(lambda _: stream(chunk("one"), HOLD)))
    process = command.start("chat", "send", "-n", "--jsonl", "hi")
    assert json.loads(process.stdout.readline()) == {"type": "delta", "content": "one"}
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=10)
    assert all(json.loads(line) for line in rest.splitlines())


# What is said beside the answer


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_reasoning_goes_to_stderr_and_ends_its_line(run, serve, exported, how):
    exported(serve(OpenWebUI()))
    told = run("chat", "send", how, "--reasoning", "a !reason")
    assert (told.stdout, told.stderr) == ("You said: a !reason\n", "thinking hard\n")
    told = run("chat", "send", how, "--reasoning", "--json", "a !reason")
    assert "".join(json.loads(line)["reasoning"] for line in told.stderr.splitlines()) == (
        "thinking hard"
    )


@pytest.mark.parametrize("mode", [[], ["-x"], ["-o", "f"]])
def test_an_error_after_reasoning_has_a_line_of_its_own(run, serve, exported, mode):
    exported(serve(lambda _: stream(chunk(reasoning_content="hm"))))
    told = run("chat", "send", "--reasoning", *mode, "hi")
    assert told.status == 18
    first, second = told.stderr.splitlines()
    assert first == "hm"
    assert second.startswith("contextops: ")


def test_allow_truncated_takes_what_a_limit_cut_and_no_more(run, serve, exported):
    exported(serve(saying("part", finish="length")))
    assert run("chat", "send", "hi").status == 18
    told = run("chat", "send", "--allow-truncated", "hi")
    assert (told.status, told.stdout, told.stderr) == (0, "part\n", "")
    exported(serve(saying("part", finish="content_filter")))
    assert run("chat", "send", "--allow-truncated", "hi").status == 0
    exported(serve(cut("part")))
    assert run("chat", "send", "--allow-truncated", "hi").status == 18


@pytest.mark.parametrize("place", [["-v", "chat", "send"], ["chat", "send", "-v"]])
def test_verbose_shows_what_passes_on_stderr_without_a_key(run, serve, exported, place):
    secret = "sk-CANARY0123456789"
    answer = json_answer(completion("ok"), 200, {"set-cookie": f"token={secret}"})
    server = exported(serve(lambda _: answer))
    told = run(
        *(*place, "-H", f"X-Api-Key: {secret}", "-H", "X-Team: red", "hi"),
    )
    assert (told.status, told.stdout) == (0, "ok\n")
    assert server.request.key == KEY
    assert f"> POST {server.url}/api/chat/completions" in told.stderr
    assert "> X-Team: red" in told.stderr
    assert "< 200 after" in told.stderr
    assert "authorization" in told.stderr.lower()
    for hidden in (KEY, KEY[:-4], secret, secret[:-4]):
        assert hidden not in told.stderr
    for line in run(*place, "--json", "hi").stderr.splitlines():
        assert set(json.loads(line)) == {"note"}


# A dry run


@pytest.mark.parametrize("more", [[], ["--session", "s"], ["-x"], ["--json"], ["--jsonl"]])
def test_a_dry_run_prints_the_body_that_would_be_sent(run, serve, exported, home, more):
    server = exported(serve(OpenWebUI()))
    argv = ("chat", "send", "-s", "terse", "-t", "0.5", *more, "größer\x1b")
    told = run(*argv, "--dry-run")
    assert (told.status, told.stderr) == (0, "")
    assert server.requests == []
    assert not (home / ".local").exists()
    run(*argv)
    assert json.loads(told.stdout) == server.request.json()
    assert "\x1b" not in told.stdout


def test_a_dry_run_wants_a_model_and_asks_nobody(run, serve, exported):
    server = exported(serve(OpenWebUI(), may_be_idle=True), model=None)
    told = run("chat", "send", "--dry-run", "hi")
    assert (told.status, told.stdout) == (3, "")
    assert "-m" in told.stderr
    assert server.requests == []


@posix
@pytest.mark.parametrize("more", [[], ["--curl"]])
def test_a_dry_run_does_not_ask_for_the_key(run, serve, home, here, more):
    config = home / ".config/contextops/config.toml"
    config.parent.mkdir(parents=True)
    asked = here / "asked"
    config.write_text(f'[profiles.default]\nmodel = "m"\napi_key_command = ["touch", "{asked}"]\n')
    told = run("chat", "send", "--dry-run", *more, "hi")
    assert told.status == 0
    assert not asked.exists()
    assert ("$CONTEXTOPS_API_KEY" in told.stdout) is bool(more)


@posix
@pytest.mark.skipif(
    not (shutil.which("bash") and shutil.which("curl")), reason="needs bash and curl"
)
def test_the_curl_command_works_when_pasted(run, serve, exported, here):
    server = exported(serve(OpenWebUI()))
    prompt = 'it\'s $HOME `ls` "größer" \\ !x\nEND_OF_BODY\n\x1b'
    argv = ("chat", "send", "-H", "X-Team: it's", "-H", "content-type: application/json", prompt)
    told = run(*argv, "--dry-run", "--curl")
    assert told.status == 0
    assert KEY not in told.stdout
    pasted = subprocess.run(["bash"], input=told.stdout_bytes, capture_output=True, check=False)
    assert (pasted.returncode, pasted.stderr) == (0, b"")
    assert b"data: [DONE]" in pasted.stdout
    run(*argv)
    curls, ours = server.requests
    assert curls.json() == ours.json()
    assert curls.target == ours.target
    for name in ("authorization", "content-type", "x-team"):
        assert curls.headers[name] == ours.headers[name]


def test_a_header_of_ones_own_takes_the_place_of_the_key(run, serve, exported):
    exported(serve(OpenWebUI(), may_be_idle=True))
    told = run("chat", "send", "--dry-run", "--curl", "-H", "authorization: Basic CANARY99", "hi")
    assert told.stdout.lower().count("authorization") == 1
    assert "CANARY" not in told.stdout


# A terminal


def shown_on(terminal, *argv):
    shown = terminal("chat", "send", "-n", *argv, "hi")
    shown.expect(__import__("pexpect").EOF)
    shown.close()
    assert shown.exitstatus == 0
    return shown.before


@posix
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--plain"], "**bold** ^[]0;owned^G\r\n```\r\ncode^[[2J\r\n```\r\n"),
        (["--raw"], "**bold** \x1b]0;owned\x07\r\n```\r\ncode\x1b[2J\r\n```\r\n"),
        (["-x"], "code^[[2J\r\n"),
        (["-x", "--raw"], "code\x1b[2J\r\n"),
    ],
)
def test_a_terminal_is_obeyed_by_the_flags(terminal, serve, exported, flags, expected):
    text = "**bold** \x1b]0;owned\x07\n```\ncode\x1b[2J\n```\n"
    exported(serve(lambda _: stream(chunk(text), chunk(finish="stop"), DONE)))
    assert shown_on(terminal, "--color", "never", *flags).endswith(expected)


@posix
@pytest.mark.parametrize("flags", [["--json"], ["--jsonl"]])
def test_no_form_lets_a_terminal_obey_the_model(terminal, serve, exported, flags):
    exported(serve(saying("\x1b]0;owned\x07")))
    assert "\x1b]0;" not in shown_on(terminal, "-q", "--color", "never", *flags)
