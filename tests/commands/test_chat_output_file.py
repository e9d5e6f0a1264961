"""``contextops chat send --output``: a file that changes only when the answer is complete."""

from __future__ import annotations

import errno
import json
import signal
import stat
import sys
import threading

import pytest

from chat_answers import CODE_ANSWER, answer_with
from server import HOLD
from shapes import chunk, reply, stream
from system_spy import patch_calls

pytestmark = pytest.mark.usefixtures("workdir")
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


def write_to_full_disk(_descriptor, _data):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize(
    ("flags", "content"), [(["-x"], "x = 1\n"), (["--color", "always"], CODE_ANSWER)]
)
def test_output_file_holds_answer_and_keeps_its_mode(
    run, serve, exported, workdir, existing, flags, content
):
    if existing:
        (workdir / "f").write_text("old")
        (workdir / "f").chmod(0o640)
    exported(serve(answer_with(CODE_ANSWER)))
    result = run("chat", "send", "-o", "f", *flags, "hi")
    assert (result.status, result.stdout, result.stderr) == (0, "", "")
    assert (workdir / "f").read_text() == content
    assert [path.name for path in workdir.iterdir()] == ["f"]
    if existing:
        assert stat.S_IMODE((workdir / "f").stat().st_mode) == 0o640


def test_output_file_holds_json_document(run, serve, exported, workdir):
    exported(serve(answer_with("ok")))
    assert run("chat", "send", "-o", "f", "--json", "hi").stdout == ""
    assert json.loads((workdir / "f").read_text())["choices"][0]["message"]["content"] == "ok"


@posix
def test_output_follows_symbolic_link_and_writes_device_directly(run, serve, exported, workdir):
    (workdir / "real").write_text("old")
    (workdir / "link").symlink_to("real")
    exported(serve(answer_with("new")))
    assert run("chat", "send", "-o", "link", "hi").status == 0
    assert (workdir / "link").is_symlink()
    assert (workdir / "real").read_text() == "new\n"
    assert run("chat", "send", "-o", "/dev/null", "hi").status == 0
    result = run("chat", "send", "-o", "/dev/full", "hi")
    assert (result.status, result.stdout) == (23, "")


def test_output_file_is_unchanged_until_answer_is_complete(command, serve, exported, workdir):
    go_on = threading.Event()
    (workdir / "f").write_text("old")
    exported(serve(lambda _: stream(chunk("part"), go_on, *reply(" and rest"))))
    process = command.start("chat", "send", "-n", "-o", "f", "hi")
    while not ((workdir / "f.part").exists() and (workdir / "f.part").read_text()):
        assert process.poll() is None
    assert ((workdir / "f").read_text(), (workdir / "f.part").read_text()) == ("old", "part")
    other = command("chat", "send", "-n", "-o", "f", "hi")
    assert other.status == 23
    assert "another process is writing" in other.stderr
    go_on.set()
    assert process.wait(10) == 0
    assert (workdir / "f").read_text() == "part and rest\n"
    assert [path.name for path in workdir.iterdir()] == ["f"]


@posix
def test_interrupted_answer_stays_in_part_file(command, serve, exported, workdir):
    (workdir / "f").write_text("old")
    exported(serve(lambda _: stream(chunk("a part"), HOLD)))
    process = command.start("chat", "send", "-n", "-o", "f", "hi")
    while not ((workdir / "f.part").exists() and (workdir / "f.part").read_text()):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert stdout == b""
    assert b"f.part" in stderr
    assert (workdir / "f").read_text() == "old"
    assert (workdir / "f.part").read_text().startswith("a part")


@pytest.mark.parametrize("path", ["missing/f", ".", "f"])
def test_output_file_that_cannot_be_written_is_status_23(
    run, serve, exported, workdir, monkeypatch, path
):
    (workdir / "f").write_text("old")
    if path == "f":
        patch_calls(monkeypatch, write=write_to_full_disk)
    exported(serve(answer_with("new"), may_be_idle=True))
    result = run("chat", "send", "-o", path, "hi")
    assert (result.status, result.stdout) == (23, "")
    assert path in result.stderr
    assert (workdir / "f").read_text() == "old"
