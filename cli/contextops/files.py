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

from contextops.errors import ConfigError, OutputError, reason

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_WAIT = 30.0
"""Seconds for which a file that another process is writing is waited for."""
_POLL_FIRST, _POLL_MOST = 0.001, 0.05
_OWNER_FILE = 0o600
_OWNER_FOLDER = 0o700
# Less the umask: an answer is no secret of ours.
_ANYBODYS_FILE = 0o666
_TAIL = 1 << 16
# A planted link in place of our temporary or lock file is not followed. Windows has none of these.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class System:
    """Make every system call of this module, so that a test can let one fail."""

    close = staticmethod(os.close)
    fstat = staticmethod(os.fstat)
    fsync = staticmethod(os.fsync)
    lstat = staticmethod(os.lstat)
    lseek = staticmethod(os.lseek)
    mkdir = staticmethod(os.mkdir)
    open = staticmethod(os.open)
    read = staticmethod(os.read)
    replace = staticmethod(os.replace)
    truncate = staticmethod(os.ftruncate)
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
def locked(path: Path, wait: float = LOCK_WAIT) -> Iterator[None]:
    """Keep other processes from writing the file, or fail when one does for so many seconds.

    The lock file stays until the file is removed.
    """
    lock = _beside(_real(path), ".lock")
    deadline = time.monotonic() + wait
    with _telling(path):
        _make_folders(lock.parent)
        descriptor = None
        while descriptor is None:
            # Who removed the file took its lock file along.
            descriptor = _open_locked(lock, deadline, wait)
    try:
        yield
    finally:
        with suppress(OSError):
            system.close(descriptor)


def _open_locked(lock: Path, deadline: float, wait: float) -> int | None:
    """Take the lock; gives None where its file is not that of the name any more."""
    descriptor = int(system.open(lock, os.O_RDWR | os.O_CREAT | _NOFOLLOW, _OWNER_FILE))
    is_ours = False
    try:
        _take(descriptor, lock, deadline, wait)
        is_ours = _is_named(descriptor, lock)
    finally:
        if not is_ours:
            with suppress(OSError):
                system.close(descriptor)
    return descriptor if is_ours else None


def _is_named(descriptor: int, path: Path) -> bool:
    """Tell whether this is still the file of that name: a lock on any other keeps nobody out."""
    try:
        return os.path.samestat(system.fstat(descriptor), system.lstat(path))
    except FileNotFoundError:
        return False


def _take(descriptor: int, lock: Path, deadline: float, wait: float) -> None:
    pause = _POLL_FIRST
    while not _is_taken(descriptor):
        if time.monotonic() >= deadline:
            raise ConfigError(
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


def append(path: Path, lines: bytes, wait: float = LOCK_WAIT) -> None:
    """Add whole lines to the file, all of them or none, readable by its owner only.

    What a crash left after the last line end is cut off: no one was told that it is kept. The lock
    is waited for as in ``locked``.
    """
    with locked(path, wait), _telling(path):
        target = _real(path)
        is_new = not target.exists()
        descriptor = system.open(target, os.O_RDWR | os.O_CREAT | _NOFOLLOW | _BINARY, _OWNER_FILE)
        try:
            if not stat.S_ISREG(system.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            end = _end_of_lines(descriptor)
            try:
                system.truncate(descriptor, end)
                system.lseek(descriptor, end, os.SEEK_SET)
                _write_all(descriptor, lines)
                system.fsync(descriptor)
            except BaseException:
                with suppress(OSError):
                    system.truncate(descriptor, end)
                    if is_new:
                        system.unlink(target)
                raise
        finally:
            system.close(descriptor)
        if is_new:
            _sync_folder(target.parent)


def remove(path: Path, wait: float = LOCK_WAIT) -> None:
    """Remove the file, if there is one, and its lock file."""
    target = _real(path)
    with locked(path, wait):
        try:
            with suppress(FileNotFoundError):
                system.unlink(target)
        except OSError as error:
            raise OutputError(f"cannot remove {path}", reason(error)) from None
        with suppress(OSError):
            system.unlink(_beside(target, ".lock"))


def _end_of_lines(descriptor: int) -> int:
    """Give the offset after the last line end, reading backwards from the end."""
    position = int(system.lseek(descriptor, 0, os.SEEK_END))
    while position > 0:
        start = max(0, position - _TAIL)
        system.lseek(descriptor, start, os.SEEK_SET)
        found = system.read(descriptor, position - start).rfind(b"\n")
        if found >= 0:
            return start + int(found) + 1
        position = start
    return 0


class PartFile:
    """Write beside a file, in ``FILE.part``, and take its place once all of it is there.

    What was begun and never kept stays in ``FILE.part``. What is no regular file (a pipe, a
    device) is written directly. Raises ``OutputError``.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Asked of the path itself: /dev/stdout and /dev/fd/N of a pipe lead to no name.
        self.is_direct = path.exists() and not path.is_file()
        self._target = path if self.is_direct else _real(path)
        self.part = self._target if self.is_direct else _beside(self._target, ".part")
        self._size = 0
        flags = os.O_WRONLY | _BINARY | (0 if self.is_direct else os.O_CREAT | _NOFOLLOW)
        with _telling(path):
            self._descriptor = system.open(self.part, flags, _ANYBODYS_FILE)
            if not self.is_direct:
                self._claim()

    def write(self, data: bytes) -> None:
        """Add to what is there."""
        with _telling(self._path):
            _write_all(self._descriptor, data)
        self._size += len(data)

    def keep(self) -> None:
        """Make what was written the file, on the disk before this returns."""
        with _telling(self._path):
            if self.is_direct:
                system.close(self._descriptor)
                return
            if self._target.exists():
                system.chmod(self._descriptor, stat.S_IMODE(self._target.stat().st_mode))
            system.fsync(self._descriptor)
            if sys.platform == "win32":  # where an open file keeps its name
                system.close(self._descriptor)
            # Elsewhere still open: the lock on it holds until the name is the new file's.
            system.replace(self.part, self._target)
            if sys.platform != "win32":
                system.close(self._descriptor)
            _sync_folder(self._target.parent)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing has been written."""
        return not self._size

    def leave(self) -> bool:
        """Leave what was written in ``FILE.part``, if anything was; tell whether."""
        if self.is_direct or self._size or sys.platform == "win32":
            with suppress(OSError):
                system.close(self._descriptor)
        if self.is_direct:
            return False
        if self._size:
            return self.part.exists()
        with suppress(OSError):
            system.unlink(self.part)
        if sys.platform != "win32":
            # Not before: whoever waits for the name would have had it removed.
            with suppress(OSError):
                system.close(self._descriptor)
        return False

    def _claim(self) -> None:
        try:
            # Without a look at the name, the lock could be on what another has just made the file.
            is_ours = _is_taken(self._descriptor) and _is_named(self._descriptor, self.part)
            if is_ours:
                system.truncate(self._descriptor, 0)
        except BaseException:
            with suppress(OSError):
                system.close(self._descriptor)
            raise
        if not is_ours:
            system.close(self._descriptor)
            raise OSError(errno.EBUSY, f"another process is writing {self.part}")


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[system.write(descriptor, rest) :]


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
        _write_all(descriptor, data)
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
    # In a folder that was removed, a relative path leads nowhere.
    with _telling(path):
        return Path(os.path.realpath(path))


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}",
            reason(error),
            "make room or give permission there, then repeat the command",
        ) from None
