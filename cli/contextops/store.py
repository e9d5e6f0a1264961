"""Lock, write, sync, rename: the only writer of the user's files.

What a command says is kept is on the disk before it says so, and whoever reads meanwhile, or
after a crash, finds the old file or the new one, whole.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from contextops.errors import ConfigFailure, OutputFailure

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCK_WAIT = 30.0
_POLL_FIRST, _POLL_MOST = 0.001, 0.05
_OWNER_FILE = 0o600
_OWNER_FOLDER = 0o700
# A planted link in place of our temporary or lock file is not followed. Windows has none of these.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class System:
    """Make every system call of this module, so that a test can let one fail."""

    close = staticmethod(os.close)
    fsync = staticmethod(os.fsync)
    lstat = staticmethod(os.lstat)
    mkdir = staticmethod(os.mkdir)
    open = staticmethod(os.open)
    replace = staticmethod(os.replace)
    unlink = staticmethod(os.unlink)
    write = staticmethod(os.write)

    if sys.platform == "win32":

        @staticmethod
        def chmod(descriptor: int, mode: int) -> None:
            """Leave it to the folder: Windows inherits its permissions."""

        @staticmethod
        def lock(descriptor: int) -> None:
            """Take the lock or raise ``BlockingIOError``."""
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            except OSError as error:
                raise BlockingIOError(error.errno, error.strerror) from None

    else:
        chmod = staticmethod(os.fchmod)

        @staticmethod
        def lock(descriptor: int) -> None:
            """Take the lock or raise ``BlockingIOError``; at the latest it ends with us."""
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


system: Any = System()


@contextmanager
def locked(path: Path, wait: float = _LOCK_WAIT) -> Iterator[None]:
    """Keep other processes from writing the file, or fail when one does for so many seconds.

    The lock file stays: to remove it would let two processes lock two files of one name.
    """
    lock = _beside(_real(path), ".lock")
    with _telling(path):
        _make_folders(lock.parent)
        descriptor = system.open(lock, os.O_RDWR | os.O_CREAT | _NOFOLLOW, _OWNER_FILE)
    try:
        with _telling(path):
            _take(descriptor, lock, wait)
        yield
    finally:
        system.close(descriptor)


def _take(descriptor: int, lock: Path, wait: float) -> None:
    deadline = time.monotonic() + wait
    pause = _POLL_FIRST
    while not _is_taken(descriptor):
        if time.monotonic() >= deadline:
            raise ConfigFailure(
                f"cannot lock {lock}",
                f"another process has held it for {wait:g} s",
                "let that process end, then repeat the command",
            )
        time.sleep(pause)
        pause = min(2 * pause, _POLL_MOST)


def _is_taken(descriptor: int) -> bool:
    try:
        system.lock(descriptor)
    except BlockingIOError:
        return False
    return True


def replace(path: Path, data: bytes) -> None:
    """Give the file this content, readable by its owner only; a symbolic link is followed.

    Whoever calls this for a file that others write too holds its lock.
    """
    target = _real(path)
    temporary = _beside(target, ".tmp")
    with _telling(path):
        _make_folders(target.parent)
        _refuse_special(target)
        try:
            _write_new(temporary, data)
            system.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                system.unlink(temporary)
            raise
        _sync_folder(target.parent)


def protect(path: Path) -> None:
    """Let nobody but its owner read the file."""
    with _telling(path):
        descriptor = system.open(path, os.O_RDONLY)
        try:
            system.chmod(descriptor, _OWNER_FILE)
        finally:
            system.close(descriptor)


def _write_new(path: Path, data: bytes) -> None:
    # What a killed writer left is removed, not reused: it could be a link or a pipe by now.
    with suppress(FileNotFoundError):
        system.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY
    descriptor = system.open(path, flags, _OWNER_FILE)
    try:
        system.chmod(descriptor, _OWNER_FILE)
        rest = memoryview(data)
        while rest:
            rest = rest[system.write(descriptor, rest) :]
        system.fsync(descriptor)
    finally:
        system.close(descriptor)


def _make_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    with suppress(FileExistsError):
        system.mkdir(folder, _OWNER_FOLDER)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk: a synced file without its name is lost too."""
    if sys.platform == "win32":
        return
    descriptor = system.open(folder, os.O_RDONLY)
    try:
        system.fsync(descriptor)
    except OSError as error:
        # Some network file systems have no such thing.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        system.close(descriptor)


def _refuse_special(path: Path) -> None:
    """Refuse to rename a file over what is none, such as /dev/null."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(system.lstat(path).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFailure(
            f"cannot write {path}",
            error.strerror or type(error).__name__,
            "make room or give permission there, then repeat the command",
        ) from None
