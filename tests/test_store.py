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

from contextops import store
from contextops.errors import ConfigFailure, OutputFailure

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


class Spy:
    """Stand between the module and the system: note the calls, and let the k-th one fail."""

    def __init__(self, fail_at=None, error=None):
        self.calls = []
        self._fail_at = fail_at
        self._error = error or OSError(errno.ENOSPC, "No space left on device")
        self._real = store.System()

    def __getattr__(self, name):
        real = getattr(self._real, name)

        def call(*arguments):
            self.calls.append((name, *arguments))
            if len(self.calls) - 1 == self._fail_at:
                raise self._error
            return real(*arguments)

        return call

    @property
    def verbs(self):
        return [call[0] for call in self.calls]


# --- replace ---


@posix
def test_a_file_is_made_private_in_private_folders(folder):
    before = os.umask(0)
    try:
        store.replace(folder / "a" / "b" / "file", b"text")
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
    store.replace(file, b"new")
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
    store.replace(link, b"new")
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
        with pytest.raises(OutputFailure):
            store.replace(special, b"text")
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
    store.replace(folder / "file", b"new")
    assert precious.read_bytes() == b"precious"
    assert (folder / "file").read_bytes() == b"new"
    assert mode(folder / "file") == 0o600
    assert names(folder) == ["file", "precious"]


def test_the_text_is_on_the_disk_before_its_name_and_the_name_before_the_end(folder, monkeypatch):
    spy = Spy()
    monkeypatch.setattr(store, "system", spy)
    store.replace(folder / "new" / "file", b"text")
    written, renamed = spy.verbs.index("write"), spy.verbs.index("replace")
    assert "chmod" in spy.verbs[:written]
    assert "fsync" in spy.verbs[written:renamed]
    if sys.platform != "win32":
        assert "fsync" in spy.verbs[spy.verbs.index("mkdir") : written]
        assert "fsync" in spy.verbs[renamed:]


def test_whatever_fails_the_file_is_whole_and_nothing_is_left_behind(folder, monkeypatch):
    spy = Spy()
    monkeypatch.setattr(store, "system", spy)
    store.replace(folder / "0" / "new" / "file", b"old")
    store.replace(folder / "0" / "new" / "file", b"new")
    for k in range(len(spy.calls)):
        failing = Spy(fail_at=k)
        monkeypatch.setattr(store, "system", failing)
        place = folder / str(k + 1)
        told = None
        for text in (b"old", b"new"):
            try:
                store.replace(place / "new" / "file", text)
            except OutputFailure as failure:
                told = failure
                break
        # To close what was only read, or to remove what is not there, may fail unheard.
        assert told is not None, f"call {k}, {failing.calls[k]}, failed in silence"
        assert told.status == 23
        assert "No space left on device" in told.message
        found = [*place.rglob("*.*"), *place.rglob("file")]
        assert all(path.name == "file" for path in found)
        assert all(path.read_bytes() in (b"old", b"new") for path in found)


def test_a_system_that_writes_in_small_bites(folder, monkeypatch):
    monkeypatch.setattr(
        store.System, "write", staticmethod(lambda fd, data: os.write(fd, data[:3]))
    )
    store.replace(folder / "file", b"0123456789")
    assert (folder / "file").read_bytes() == b"0123456789"


def test_an_interrupted_write_leaves_nothing_behind(folder, monkeypatch):
    (folder / "file").write_bytes(b"old")
    for k in range(6):
        monkeypatch.setattr(store, "system", Spy(fail_at=k, error=KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            store.replace(folder / "file", b"new")
        assert (folder / "file").read_bytes() in (b"old", b"new")
        assert names(folder) == ["file"]


def test_a_folder_that_cannot_be_synced_is_no_failure(folder, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("folders are not synced there")
    probe = Spy()
    monkeypatch.setattr(store, "system", probe)
    store.replace(folder / "file", b"old")
    last = len(probe.verbs) - 1 - probe.verbs[::-1].index("fsync")
    unable = OSError(errno.EINVAL, "Invalid argument")
    monkeypatch.setattr(store, "system", Spy(fail_at=last, error=unable))
    store.replace(folder / "file", b"new")
    assert (folder / "file").read_bytes() == b"new"


# --- lock ---


def test_a_lock_keeps_others_out_and_says_so_in_time(folder):
    file = folder / "file"
    with store.locked(file):
        started = time.monotonic()
        with (
            pytest.raises(ConfigFailure, match="another process") as caught,
            store.locked(file, 0.2),
        ):
            pytest.fail("both have the lock")
        assert 0.2 <= time.monotonic() - started < 2
        assert caught.value.status == 3
    with store.locked(file, 0):
        pass


@posix
def test_a_lock_file_is_private_and_beside_the_real_file(folder):
    real = folder / "real" / "file"
    real.parent.mkdir()
    link = folder / "link"
    link.symlink_to(real)
    with store.locked(link):
        assert names(real.parent) == ["file.lock"]
        assert mode(real.parent / "file.lock") == 0o600


def test_a_lock_that_cannot_be_made(folder, monkeypatch):
    denied = OSError(errno.EROFS, "Read-only file system")
    monkeypatch.setattr(store, "system", Spy(fail_at=0, error=denied))
    with pytest.raises(OutputFailure, match="Read-only file system"), store.locked(folder / "f"):
        pytest.fail("there is no lock")


# --- other processes ---

WRITER = """
import sys
from pathlib import Path
from contextops import store
path = Path(sys.argv[1])
number = int(path.read_bytes()[:8]) if path.exists() else 0
while True:
    number += 1
    with store.locked(path):
        store.replace(path, b"%08d" % number * 4096)
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
    with store.locked(file, 1):
        store.replace(file, b"the lock died with its process, and the next write tidies up")
    assert names(folder) == ["file", "file.lock"]
