"""How the user's files are written: locked, whole, private, durable."""

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
from system_spy import Spy

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
def test_a_file_is_made_private_in_private_folders(folder):
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
def test_a_file_becomes_private_and_a_folder_that_was_there_stays_as_it_is(folder):
    folder.chmod(0o755)
    file = folder / "file"
    file.write_bytes(b"old")
    file.chmod(0o644)
    files.replace(file, b"new")
    assert (mode(file), mode(folder)) == (0o600, 0o755)


@posix
@pytest.mark.parametrize("target_exists", [True, False])
def test_a_symbolic_link_is_followed_and_kept(folder, target_exists):
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
def test_what_is_no_file_is_not_replaced_by_one(folder):
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
def test_what_lies_where_the_temporary_file_goes_is_removed_and_not_used(folder, kind):
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


def test_the_text_is_on_the_disk_before_its_name_and_the_name_before_the_end(folder, monkeypatch):
    spy = Spy()
    monkeypatch.setattr(files, "system", spy)
    files.replace(folder / "new" / "file", b"text")
    written, renamed = spy.verbs.index("write"), spy.verbs.index("replace")
    assert "chmod" in spy.verbs[:written]
    assert "fsync" in spy.verbs[written:renamed]
    if sys.platform != "win32":
        assert "fsync" in spy.verbs[spy.verbs.index("mkdir") : written]
        assert "fsync" in spy.verbs[renamed:]


def test_whatever_fails_the_file_is_whole_and_nothing_is_left_behind(folder, monkeypatch):
    spy = Spy()
    monkeypatch.setattr(files, "system", spy)
    files.replace(folder / "0" / "new" / "file", b"old")
    files.replace(folder / "0" / "new" / "file", b"new")
    for k in range(len(spy.calls)):
        failing = Spy(fail_at=k)
        monkeypatch.setattr(files, "system", failing)
        place = folder / str(k + 1)
        told = None
        for text in (b"old", b"new"):
            try:
                files.replace(place / "new" / "file", text)
            except OutputError as failure:
                told = failure
                break
        # To close what was only read, or to remove what is not there, may fail unheard.
        assert told is not None, f"call {k}, {failing.calls[k]}, failed in silence"
        assert told.status == 23
        assert "no space left on device" in told.message
        found = [*place.rglob("*.*"), *place.rglob("file")]
        assert all(path.name == "file" for path in found)
        assert all(path.read_bytes() in (b"old", b"new") for path in found)


def test_a_system_that_writes_in_small_bites(folder, monkeypatch):
    monkeypatch.setattr(
        files.System, "write", staticmethod(lambda fd, data: os.write(fd, data[:3]))
    )
    files.replace(folder / "file", b"0123456789")
    assert (folder / "file").read_bytes() == b"0123456789"


def test_an_interrupted_write_leaves_nothing_behind(folder, monkeypatch):
    (folder / "file").write_bytes(b"old")
    for k in range(6):
        monkeypatch.setattr(files, "system", Spy(fail_at=k, error=KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            files.replace(folder / "file", b"new")
        assert (folder / "file").read_bytes() in (b"old", b"new")
        assert names(folder) == ["file"]


def test_a_folder_that_cannot_be_synced_is_no_failure(folder, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("folders are not synced there")
    probe = Spy()
    monkeypatch.setattr(files, "system", probe)
    files.replace(folder / "file", b"old")
    last = len(probe.verbs) - 1 - probe.verbs[::-1].index("fsync")
    unable = OSError(errno.EINVAL, "Invalid argument")
    monkeypatch.setattr(files, "system", Spy(fail_at=last, error=unable))
    files.replace(folder / "file", b"new")
    assert (folder / "file").read_bytes() == b"new"


# --- lock ---


def test_a_lock_keeps_others_out_and_says_so_in_time(folder):
    file = folder / "file"
    with files.locked(file):
        started = time.monotonic()
        with (
            pytest.raises(ConfigError, match="another process") as caught,
            files.locked(file, 0.2),
        ):
            pytest.fail("both have the lock")
        assert 0.2 <= time.monotonic() - started < 2
        assert caught.value.status == 3
    with files.locked(file, 0):
        pass


@posix
def test_a_lock_file_is_private_and_beside_the_real_file(folder):
    real = folder / "real" / "file"
    real.parent.mkdir()
    link = folder / "link"
    link.symlink_to(real)
    with files.locked(link):
        assert names(real.parent) == ["file.lock"]
        assert mode(real.parent / "file.lock") == 0o600


def test_a_lock_that_cannot_be_made(folder, monkeypatch):
    denied = OSError(errno.EROFS, "Read-only file system")
    monkeypatch.setattr(files, "system", Spy(fail_at=0, error=denied))
    with pytest.raises(OutputError, match="read-only file system"), files.locked(folder / "f"):
        pytest.fail("there is no lock")


def test_a_lock_file_that_went_with_its_file_is_not_the_lock(folder, monkeypatch):
    file = folder / "file"

    class Removing(files.System):
        left = 2

        @staticmethod
        def lock(descriptor):
            files.System.lock(descriptor)
            if Removing.left:
                Removing.left -= 1
                (folder / "file.lock").unlink()

    monkeypatch.setattr(files, "system", Removing())
    with files.locked(file):
        assert (folder / "file.lock").exists()
        with pytest.raises(ConfigError), files.locked(file, 0):
            pytest.fail("both have the lock")


# --- append ---


@posix
def test_lines_are_added_to_a_private_file(folder):
    before = os.umask(0)
    try:
        files.append(folder / "new" / "file", b"one\n")
    finally:
        os.umask(before)
    files.append(folder / "new" / "file", b"two\nthree\n")
    assert (folder / "new/file").read_bytes() == b"one\ntwo\nthree\n"
    assert (mode(folder / "new"), mode(folder / "new/file")) == (0o700, 0o600)


@pytest.mark.parametrize(
    ("before", "kept"),
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
def test_what_a_crash_left_after_the_last_line_is_cut_off(folder, before, kept):
    (folder / "file").write_bytes(before)
    files.append(folder / "file", b"new\n")
    assert (folder / "file").read_bytes() == kept + b"new\n"


@posix
def test_lines_go_through_a_symbolic_link(folder):
    (folder / "link").symlink_to("target")
    files.append(folder / "link", b"one\n")
    files.append(folder / "link", b"two\n")
    assert (folder / "link").is_symlink()
    assert (folder / "target").read_bytes() == b"one\ntwo\n"


@posix
def test_what_is_no_file_takes_no_lines(folder):
    os.mkfifo(folder / "pipe")
    for special in (folder / "pipe", folder):
        with pytest.raises(OutputError) as failed:
            files.append(special, b"line\n")
        assert failed.value.status == 23


def test_lines_are_on_the_disk_before_the_end_is_told(folder, monkeypatch):
    spy = Spy()
    monkeypatch.setattr(files, "system", spy)
    files.append(folder / "new" / "file", b"line\n")
    synced = spy.verbs[spy.verbs.index("write") :]
    assert synced.count("fsync") == (1 if sys.platform == "win32" else 2)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("before", [None, b"old\n", b"old\ntorn"])
def test_whatever_fails_all_lines_are_added_or_none(folder, monkeypatch, before, error):
    monkeypatch.setattr(files, "_POLL_MOST", 0)
    for k in range(100):
        place = folder / str(k) / "file"
        if before is not None:
            place.parent.mkdir()
            place.write_bytes(before)
        failing = Spy(fail_at=k, error=error)
        monkeypatch.setattr(files, "system", failing)
        told = None
        try:
            files.append(place, b"one\ntwo\n")
        except (OutputError, KeyboardInterrupt) as failure:
            told = failure
        found = place.read_bytes() if place.exists() else None
        old = (before or b"").removesuffix(b"torn")
        if told is None:
            assert found == old + b"one\ntwo\n"
        else:
            assert found in (before, old, old + b"one\ntwo\n") or (before is None and not found)
            assert isinstance(told, KeyboardInterrupt) or told.status == 23
        if len(failing.calls) <= k:
            break
        # To close a lock may fail unheard: it is let go all the same.
        assert told is not None or failing.calls[k][0] == "close", failing.calls[k]
    else:
        pytest.fail("it never came to its end")
    assert k > 8


def test_a_write_that_stops_half_way_is_taken_back(folder, monkeypatch):
    class Full(files.System):
        @staticmethod
        def write(descriptor, data):
            if os.fstat(descriptor).st_size >= 8:
                raise OSError(errno.ENOSPC, "No space left on device")
            return os.write(descriptor, data[:3])

    (folder / "file").write_bytes(b"old\n")
    monkeypatch.setattr(files, "system", Full())
    for file in ("file", "new"):
        with pytest.raises(OutputError, match="no space left"):
            files.append(folder / file, b"a line that is too long\n")
    assert (folder / "file").read_bytes() == b"old\n"
    assert not (folder / "new").exists(), "an empty file would look like something kept"


# --- remove ---


def test_a_file_goes_with_its_lock_file(folder):
    files.append(folder / "file", b"line\n")
    files.remove(folder / "file")
    assert names(folder) == []
    files.remove(folder / "file")
    assert names(folder) == []


def test_a_file_that_is_being_written_is_not_removed_meanwhile(folder):
    files.append(folder / "file", b"line\n")
    with files.locked(folder / "file"), pytest.raises(ConfigError):
        files.remove(folder / "file", wait=0.05)
    assert (folder / "file").exists()


def test_a_file_that_cannot_be_removed_is_told(folder, monkeypatch):
    files.append(folder / "file", b"line\n")

    class ReadOnly(files.System):
        @staticmethod
        def unlink(_path):
            raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(files, "system", ReadOnly())
    with pytest.raises(OutputError, match="read-only") as failed:
        files.remove(folder / "file")
    assert failed.value.status == 23
    assert (folder / "file").exists()


# --- a file that is there when all of it is ---


def test_a_file_is_as_it_was_until_all_of_the_new_one_is_there(folder):
    file = folder / "file"
    file.write_bytes(b"old")
    part = files.PartFile(file)
    part.write(b"ne")
    assert (folder / "file.part").read_bytes() == b"ne"
    part.write(b"w")
    assert file.read_bytes() == b"old"
    part.keep()
    assert file.read_bytes() == b"new"
    assert names(folder) == ["file"]


@posix
def test_it_keeps_its_mode_and_a_new_one_has_that_of_any_file(folder):
    (folder / "file").write_bytes(b"old")
    (folder / "file").chmod(0o751)
    before = os.umask(0o027)
    try:
        for name in ("file", "new"):
            part = files.PartFile(folder / name)
            part.write(b"new")
            part.keep()
    finally:
        os.umask(before)
    assert (mode(folder / "file"), mode(folder / "new")) == (0o751, 0o640)


def test_what_was_begun_stays_beside_it_and_what_was_not_does_not(folder):
    (folder / "file").write_bytes(b"old")
    part = files.PartFile(folder / "file")
    assert part.leave() is False
    assert names(folder) == ["file"]
    part = files.PartFile(folder / "file")
    part.write(b"half")
    assert part.leave() is True
    assert (folder / "file").read_bytes() == b"old"
    assert (folder / "file.part").read_bytes() == b"half"
    part = files.PartFile(folder / "file")
    part.write(b"n")
    part.keep()
    assert (folder / "file").read_bytes() == b"n"
    assert names(folder) == ["file"]


@posix
def test_the_part_of_a_link_is_beside_its_target(folder):
    (folder / "real").mkdir()
    (folder / "link").symlink_to("real/file")
    part = files.PartFile(folder / "link")
    part.write(b"new")
    assert names(folder / "real") == ["file.part"]
    part.keep()
    assert (folder / "link").is_symlink()
    assert (folder / "real/file").read_bytes() == b"new"


@posix
def test_a_link_where_the_part_goes_is_not_followed(folder):
    (folder / "precious").write_bytes(b"precious")
    (folder / "file.part").symlink_to("precious")
    with pytest.raises(OutputError):
        files.PartFile(folder / "file")
    assert (folder / "precious").read_bytes() == b"precious"


@posix
def test_a_pipe_without_a_name_is_written_directly(folder):
    reader, writer = os.pipe()
    with open(reader, "rb") as read:  # noqa: PTH123 - a descriptor
        part = files.PartFile(files.Path(f"/dev/fd/{writer}"))
        os.close(writer)
        assert part.is_direct
        part.write(b"x")
        part.keep()
        assert read.read() == b"x"


def test_two_at_once_do_not_mix(folder):
    first = files.PartFile(folder / "file")
    first.write(b"first")
    with pytest.raises(OutputError, match="another process is writing") as failed:
        files.PartFile(folder / "file")
    assert failed.value.status == 23
    first.keep()
    assert (folder / "file").read_bytes() == b"first"


@posix
def test_who_comes_while_another_ends_does_not_empty_what_it_made(folder, monkeypatch):
    class Late(files.System):
        @staticmethod
        def lock(descriptor):
            monkeypatch.setattr(files, "system", files.System())
            first.keep()
            files.System.lock(descriptor)

    first = files.PartFile(folder / "file")
    first.write(b"first")
    monkeypatch.setattr(files, "system", Late())
    with pytest.raises(OutputError):
        files.PartFile(folder / "file")
    assert (folder / "file").read_bytes() == b"first"
    assert names(folder) == ["file"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_whatever_fails_the_old_file_or_the_new_one_is_there(folder, monkeypatch, error):
    for k in range(100):
        place = folder / str(k)
        place.mkdir()
        (place / "file").write_bytes(b"old")
        failing = Spy(fail_at=k, error=error)
        monkeypatch.setattr(files, "system", failing)
        part = told = None
        try:
            part = files.PartFile(place / "file")
            part.write(b"new")
            part.keep()
        except (OutputError, KeyboardInterrupt) as failure:
            told = failure
            left = part is not None and part.leave()
            assert left is (place / "file.part").exists() or not part
        found = (place / "file").read_bytes()
        assert found == b"new" if told is None else found in (b"old", b"new")
        assert not isinstance(told, OutputError) or told.status == 23
        if len(failing.calls) <= k:
            break
        assert told is not None, f"call {k}, {failing.calls[k]}, failed in silence"
    else:
        pytest.fail("it never came to its end")
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
def test_a_killed_writer_loses_nothing_that_it_acknowledged(folder):
    file = folder / "file"
    for round_ in range(12):
        with start_writer(file) as writer:
            writer.stdout.readline()
            time.sleep(0.001 * round_)
            writer.send_signal(signal.SIGKILL)
            acknowledged = writer.stdout.read().split()
        text = file.read_bytes()
        assert text == text[:8] * 4096
        assert int(text[:8]) >= int((acknowledged or [b"1"])[-1])
        assert set(names(folder)) <= {"file", "file.lock", "file.tmp"}
    with files.locked(file, 1):
        files.replace(file, b"the lock died with its process, and the next write tidies up")
    assert names(folder) == ["file", "file.lock"]
