"""Writing of the user's files: locked, atomic, private, durable."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from contextops import files
from contextops.errors import ConfigError, OutputError
from system_spy import SystemSpy, patch_calls

posix = pytest.mark.skipif(sys.platform == "win32", reason="about POSIX files")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# --- replace ---


@posix
def test_replace_creates_private_file_in_private_folders(folder):
    before = os.umask(0)
    try:
        files.replace(folder / "a" / "b" / "file", b"text")
    finally:
        os.umask(before)
    assert (folder / "a/b/file").read_bytes() == b"text"
    assert mode(folder / "a") == mode(folder / "a/b") == 0o700
    assert mode(folder / "a/b/file") == 0o600
    assert names(folder / "a/b") == ["file"]


@posix
def test_replace_makes_existing_file_private_and_keeps_mode_of_folder(folder):
    folder.chmod(0o755)
    file = folder / "file"
    file.write_bytes(b"old")
    file.chmod(0o644)
    files.replace(file, b"new")
    assert (mode(file), mode(folder)) == (0o600, 0o755)


@posix
@pytest.mark.parametrize("target_exists", [True, False])
def test_replace_follows_symbolic_link(folder, target_exists):
    target = folder / "dotfiles" / "file"
    target.parent.mkdir()
    if target_exists:
        target.write_bytes(b"old")
    (folder / "hop").symlink_to("dotfiles/file")
    link = folder / "link"
    link.symlink_to("hop")
    files.replace(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["file"]


@posix
def test_replace_refuses_pipe_folder_and_link_loop(folder):
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    loop = folder / "loop"
    loop.symlink_to("loop")
    for special in (pipe, folder, loop):
        with pytest.raises(OutputError):
            files.replace(special, b"text")
    assert names(folder) == ["loop", "pipe"]


@posix
@pytest.mark.parametrize("kind", ["link", "pipe", "leftover"])
def test_replace_removes_whatever_has_the_name_of_its_temporary_file(folder, kind):
    precious = folder / "precious"
    precious.write_bytes(b"precious")
    temporary = folder / "file.tmp"
    if kind == "link":
        temporary.symlink_to(precious)
    elif kind == "pipe":
        os.mkfifo(temporary)
    else:
        temporary.write_bytes(b"half of an older text")
        temporary.chmod(0o644)
    files.replace(folder / "file", b"new")
    assert precious.read_bytes() == b"precious"
    assert (folder / "file").read_bytes() == b"new"
    assert mode(folder / "file") == 0o600
    assert names(folder) == ["file", "precious"]


def test_replace_syncs_content_before_rename_and_folder_after_it(folder, monkeypatch):
    spy = SystemSpy().install(monkeypatch)
    files.replace(folder / "new" / "file", b"text")
    write, rename = spy.names.index("write"), spy.names.index("replace")
    assert "fsync" in spy.names[write:rename]
    if sys.platform != "win32":
        assert "fchmod" in spy.names[:write]
        assert "fsync" in spy.names[spy.names.index("mkdir") : write]
        assert "fsync" in spy.names[rename:]


def test_replace_leaves_old_or_new_content_whichever_call_fails(folder, monkeypatch):
    spy = SystemSpy().install(monkeypatch)
    files.replace(folder / "0" / "new" / "file", b"old")
    files.replace(folder / "0" / "new" / "file", b"new")
    for k in range(len(spy.calls)):
        spy = SystemSpy(fail_at=k).install(monkeypatch)
        place = folder / str(k + 1)
        error = None
        for text in (b"old", b"new"):
            try:
                files.replace(place / "new" / "file", text)
            except OutputError as raised:
                error = raised
                break
        assert error is not None, f"the failure of call {k}, {spy.calls[k]}, was not reported"
        assert error.status == 23
        assert "no space left on device" in error.message
        paths = [*place.rglob("*.*"), *place.rglob("file")]
        assert all(path.name == "file" for path in paths)
        assert all(path.read_bytes() in (b"old", b"new") for path in paths)


def test_replace_completes_short_writes(folder, monkeypatch):
    patch_calls(monkeypatch, write=lambda descriptor, data: os.write(descriptor, data[:3]))
    files.replace(folder / "file", b"0123456789")
    assert (folder / "file").read_bytes() == b"0123456789"


def test_replace_removes_temporary_file_when_interrupted(folder, monkeypatch):
    (folder / "file").write_bytes(b"old")
    for k in range(6):
        SystemSpy(fail_at=k, error=KeyboardInterrupt()).install(monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            files.replace(folder / "file", b"new")
        assert (folder / "file").read_bytes() in (b"old", b"new")
        assert names(folder) == ["file"]


def test_replace_succeeds_where_folders_cannot_be_synced(folder, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("folders are not synced there")
    spy = SystemSpy().install(monkeypatch)
    files.replace(folder / "file", b"old")
    last = len(spy.names) - 1 - spy.names[::-1].index("fsync")
    SystemSpy(fail_at=last, error=OSError(errno.EINVAL, "Invalid argument")).install(monkeypatch)
    files.replace(folder / "file", b"new")
    assert (folder / "file").read_bytes() == b"new"


# --- lock ---


def test_locked_excludes_others_and_fails_after_wait(folder):
    file = folder / "file"
    with files.locked(file):
        started = time.monotonic()
        with (
            pytest.raises(ConfigError, match="another process") as caught,
            files.locked(file, 0.2),
        ):
            pytest.fail("both hold the lock")
        assert 0.2 <= time.monotonic() - started < 2
        assert caught.value.status == 3
    with files.locked(file, 0):
        pass


@posix
def test_lock_file_is_private_and_beside_target_of_link(folder):
    real = folder / "real" / "file"
    real.parent.mkdir()
    link = folder / "link"
    link.symlink_to(real)
    with files.locked(link):
        assert names(real.parent) == ["file.lock"]
        assert mode(real.parent / "file.lock") == 0o600


def test_locked_on_read_only_file_system_is_output_error(folder, monkeypatch):
    denied = OSError(errno.EROFS, "Read-only file system")
    SystemSpy(fail_at=0, error=denied).install(monkeypatch)
    with pytest.raises(OutputError, match="read-only file system"), files.locked(folder / "f"):
        pytest.fail("the file was locked")


def test_locked_retries_when_lock_file_was_deleted_meanwhile(folder, monkeypatch):
    file = folder / "file"

    try_lock = files._try_lock
    deletions = iter(range(2))

    def lock_and_delete(descriptor):
        is_locked = try_lock(descriptor)
        if next(deletions, None) is not None:
            (folder / "file.lock").unlink()
        return is_locked

    monkeypatch.setattr(files, "_try_lock", lock_and_delete)
    with files.locked(file):
        assert (folder / "file.lock").exists()
        with pytest.raises(ConfigError), files.locked(file, 0):
            pytest.fail("both hold the lock")


# --- append ---


@posix
def test_append_adds_lines_to_private_file(folder):
    before = os.umask(0)
    try:
        files.append(folder / "new" / "file", b"one\n")
    finally:
        os.umask(before)
    files.append(folder / "new" / "file", b"two\nthree\n")
    assert (folder / "new/file").read_bytes() == b"one\ntwo\nthree\n"
    assert (mode(folder / "new"), mode(folder / "new/file")) == (0o700, 0o600)


@pytest.mark.parametrize(
    ("before", "complete"),
    [
        (b"", b""),
        (b"torn", b""),
        (b"one\n", b"one\n"),
        (b"one\ntorn", b"one\n"),
        (b"one\n" + b"x" * 200_000, b"one\n"),
        (b"x" * 65_535 + b"\n" + b"y" * 65_536, b"x" * 65_535 + b"\n"),
        (b"x" * 200_000, b""),
    ],
)
def test_append_removes_torn_last_line(folder, before, complete):
    (folder / "file").write_bytes(before)
    files.append(folder / "file", b"new\n")
    assert (folder / "file").read_bytes() == complete + b"new\n"


@posix
def test_append_follows_symbolic_link(folder):
    (folder / "link").symlink_to("target")
    files.append(folder / "link", b"one\n")
    files.append(folder / "link", b"two\n")
    assert (folder / "link").is_symlink()
    assert (folder / "target").read_bytes() == b"one\ntwo\n"


@posix
def test_append_refuses_pipe_and_folder(folder):
    os.mkfifo(folder / "pipe")
    for special in (folder / "pipe", folder):
        with pytest.raises(OutputError) as caught:
            files.append(special, b"line\n")
        assert caught.value.status == 23


def test_append_syncs_lines_and_new_name(folder, monkeypatch):
    spy = SystemSpy().install(monkeypatch)
    files.append(folder / "new" / "file", b"line\n")
    calls = spy.names[spy.names.index("write") :]
    assert calls.count("fsync") == (1 if sys.platform == "win32" else 2)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("before", [None, b"old\n", b"old\ntorn"])
def test_append_adds_all_lines_or_none_whichever_call_fails(folder, monkeypatch, before, error):
    monkeypatch.setattr(files, "_LONGEST_PAUSE", 0)
    for k in range(100):
        place = folder / str(k) / "file"
        if before is not None:
            place.parent.mkdir()
            place.write_bytes(before)
        spy = SystemSpy(fail_at=k, error=error).install(monkeypatch)
        raised = None
        try:
            files.append(place, b"one\ntwo\n")
        except (OutputError, KeyboardInterrupt) as caught:
            raised = caught
        content = place.read_bytes() if place.exists() else None
        old = (before or b"").removesuffix(b"torn")
        if raised is None:
            assert content == old + b"one\ntwo\n"
        else:
            assert content in (before, old, old + b"one\ntwo\n") or (before is None and not content)
            assert isinstance(raised, KeyboardInterrupt) or raised.status == 23
        if len(spy.calls) <= k:
            break
        # A lock file that fails to close is not an error: its lock is released all the same.
        assert raised is not None or spy.calls[k][0] == "close", spy.calls[k]
    else:
        pytest.fail("append never ran without a failing call")
    assert k > 8


def test_append_undoes_write_that_fails_halfway(folder, monkeypatch):
    def write(descriptor, data):
        if os.fstat(descriptor).st_size >= 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        return os.write(descriptor, data[:3])

    (folder / "file").write_bytes(b"old\n")
    patch_calls(monkeypatch, write=write)
    for file in ("file", "new"):
        with pytest.raises(OutputError, match="no space left"):
            files.append(folder / file, b"a line that is too long\n")
    assert (folder / "file").read_bytes() == b"old\n"
    assert not (folder / "new").exists(), "an empty file would look like a saved one"


# --- remove ---


def test_remove_deletes_file_and_lock_file(folder):
    files.append(folder / "file", b"line\n")
    files.remove(folder / "file")
    assert names(folder) == []
    files.remove(folder / "file")
    assert names(folder) == []


def test_remove_fails_while_file_is_locked(folder):
    files.append(folder / "file", b"line\n")
    with files.locked(folder / "file"), pytest.raises(ConfigError):
        files.remove(folder / "file", timeout=0.05)
    assert (folder / "file").exists()


def test_remove_on_read_only_file_system_is_output_error(folder, monkeypatch):
    files.append(folder / "file", b"line\n")

    def unlink(_path):
        raise OSError(errno.EROFS, "Read-only file system")

    patch_calls(monkeypatch, unlink=unlink)
    with pytest.raises(OutputError, match="read-only") as caught:
        files.remove(folder / "file")
    assert caught.value.status == 23
    assert (folder / "file").exists()


# --- PartFile ---


def test_part_file_leaves_target_unchanged_until_commit(folder):
    file = folder / "file"
    file.write_bytes(b"old")
    part = files.PartFile(file)
    part.write(b"ne")
    assert (folder / "file.part").read_bytes() == b"ne"
    part.write(b"w")
    assert file.read_bytes() == b"old"
    part.commit()
    assert file.read_bytes() == b"new"
    assert names(folder) == ["file"]


@posix
def test_part_file_keeps_mode_of_existing_target_and_applies_umask_to_new_one(folder):
    (folder / "file").write_bytes(b"old")
    (folder / "file").chmod(0o751)
    before = os.umask(0o027)
    try:
        for name in ("file", "new"):
            part = files.PartFile(folder / name)
            part.write(b"new")
            part.commit()
    finally:
        os.umask(before)
    assert (mode(folder / "file"), mode(folder / "new")) == (0o751, 0o640)


def test_part_file_remains_after_abandon_only_if_not_empty(folder):
    (folder / "file").write_bytes(b"old")
    part = files.PartFile(folder / "file")
    assert part.abandon() is False
    assert names(folder) == ["file"]
    part = files.PartFile(folder / "file")
    part.write(b"half")
    assert part.abandon() is True
    assert (folder / "file").read_bytes() == b"old"
    assert (folder / "file.part").read_bytes() == b"half"
    part = files.PartFile(folder / "file")
    part.write(b"n")
    part.commit()
    assert (folder / "file").read_bytes() == b"n"
    assert names(folder) == ["file"]


@posix
def test_part_file_of_link_is_beside_its_target(folder):
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real/file")
    part = files.PartFile(folder / "link")
    part.write(b"new")
    assert names(folder / "real") == ["file.part"]
    part.commit()
    assert (folder / "link").is_symlink()
    assert (folder / "real/file").read_bytes() == b"new"


@posix
def test_part_file_does_not_follow_link_at_its_own_name(folder):
    (folder / "precious").write_bytes(b"precious")
    (folder / "file.part").symlink_to("precious")
    with pytest.raises(OutputError):
        files.PartFile(folder / "file")
    assert (folder / "precious").read_bytes() == b"precious"


@posix
def test_part_file_writes_unnamed_pipe_directly(folder):
    reader, writer = os.pipe()
    with open(reader, "rb") as read:  # noqa: PTH123 - a descriptor
        part = files.PartFile(files.Path(f"/dev/fd/{writer}"))
        os.close(writer)
        assert part.is_direct
        part.write(b"x")
        part.commit()
        assert read.read() == b"x"


def test_part_file_refuses_second_writer(folder):
    first = files.PartFile(folder / "file")
    first.write(b"first")
    with pytest.raises(OutputError, match="another process is writing") as caught:
        files.PartFile(folder / "file")
    assert caught.value.status == 23
    first.commit()
    assert (folder / "file").read_bytes() == b"first"


@posix
def test_part_file_does_not_empty_output_committed_meanwhile(folder, monkeypatch):
    try_lock = files._try_lock

    def commit_first_and_lock(descriptor):
        first.commit()
        return try_lock(descriptor)

    first = files.PartFile(folder / "file")
    first.write(b"first")
    monkeypatch.setattr(files, "_try_lock", commit_first_and_lock)
    with pytest.raises(OutputError):
        files.PartFile(folder / "file")
    assert (folder / "file").read_bytes() == b"first"
    assert names(folder) == ["file"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_part_file_leaves_old_or_new_content_whichever_call_fails(folder, monkeypatch, error):
    for k in range(100):
        place = folder / str(k)
        place.mkdir()
        (place / "file").write_bytes(b"old")
        spy = SystemSpy(fail_at=k, error=error).install(monkeypatch)
        part = raised = None
        try:
            part = files.PartFile(place / "file")
            part.write(b"new")
            part.commit()
        except (OutputError, KeyboardInterrupt) as caught:
            raised = caught
            remains = part is not None and part.abandon()
            assert remains is (place / "file.part").exists() or not part
        content = (place / "file").read_bytes()
        assert content == b"new" if raised is None else content in (b"old", b"new")
        assert not isinstance(raised, OutputError) or raised.status == 23
        if len(spy.calls) <= k:
            break
        assert raised is not None, f"the failure of call {k}, {spy.calls[k]}, was not reported"
    else:
        pytest.fail("the file was never written without a failing call")
    assert k > 6


# --- other processes ---

WRITER = """
import sys
from pathlib import Path
from contextops import files
path = Path(sys.argv[1])
number = int(path.read_bytes()[:8]) if path.exists() else 0
while True:
    number += 1
    with files.locked(path):
        files.replace(path, b"%08d" % number * 4096)
    print(number, flush=True)
"""


def start_writer(file):
    return subprocess.Popen([sys.executable, "-c", WRITER, file], stdout=subprocess.PIPE)


@posix
def test_killed_writer_loses_nothing_acknowledged(folder):
    file = folder / "file"
    for round_ in range(12):
        with start_writer(file) as writer:
            writer.stdout.readline()
            time.sleep(0.001 * round_)
            writer.send_signal(signal.SIGKILL)
            acknowledged = writer.stdout.read().split()
        content = file.read_bytes()
        assert content == content[:8] * 4096
        assert int(content[:8]) >= int((acknowledged or [b"1"])[-1])
        assert set(names(folder)) <= {"file", "file.lock", "file.tmp"}
    with files.locked(file, 1):
        files.replace(file, b"the system released the lock, and this write removes the leftovers")
    assert names(folder) == ["file", "file.lock"]
