"""Durable, atomic and private writes of the user's files.

When a function here returns, the new content is on the disk. A reader at any moment, also after a
crash, finds either the complete old content or the complete new content.
"""

# Calls of ``os``, not of ``Path``: the tests let each of them fail in turn.
# ruff: noqa: PTH102, PTH105, PTH108

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from contextops.errors import ConfigError, OutputError, reason

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_TIMEOUT = 30.0
"""Seconds to wait for a file that another process is writing."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
# An answer is not a secret, so an output file gets the usual mode, less the umask.
_ORDINARY_FILE = 0o666
_TAIL_BLOCK = 1 << 16
# Without O_NOFOLLOW, a symbolic link planted in place of our temporary or lock file would be
# followed. Windows lacks this flag, and POSIX lacks O_BINARY.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


@contextmanager
def locked(path: Path, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Lock a file against writers in other processes, for the duration of the block.

    The lock is on ``FILE.lock``, which remains until ``remove`` deletes the file. The system
    releases it when the process ends, however it ends.

    Raises:
        ConfigError: another process has held the lock for ``timeout`` seconds.
        OutputError: the lock file cannot be created.
    """
    lock = _sibling(_resolve(path), ".lock")
    deadline = time.monotonic() + timeout
    with _output_errors(path):
        _make_folders(lock.parent)
        descriptor = None
        while descriptor is None:
            descriptor = _acquire(lock, deadline, timeout)
    try:
        yield
    finally:
        with suppress(OSError):
            os.close(descriptor)


def _acquire(lock: Path, deadline: float, timeout: float) -> int | None:
    """Return a descriptor that holds the lock, or None if its file was deleted meanwhile.

    ``remove`` deletes the lock file together with the file, and a lock on a deleted file keeps
    no other process out.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | _NOFOLLOW, _PRIVATE_FILE)
    is_valid = False
    pause = _FIRST_PAUSE
    try:
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise ConfigError(
                    f"cannot lock {lock}",
                    f"another process has held the lock for {timeout:g} s",
                    "wait until that process ends, then run the command again",
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        is_valid = _is_file_at(descriptor, lock)
    finally:
        if not is_valid:
            with suppress(OSError):
                os.close(descriptor)
    return descriptor if is_valid else None


def _try_lock(descriptor: int) -> bool:
    """Lock an open file and return True, or return False if another process holds the lock."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # The latter is what Windows raises.
        return False
    return True


def _is_file_at(descriptor: int, path: Path) -> bool:
    """Return whether the open file is still the one that ``path`` names."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def replace(path: Path, data: bytes) -> None:
    """Replace the content of a file, creating it if necessary, with mode 0600.

    A symbolic link is followed, not replaced. To read, change and replace a file that other
    processes write too, hold its lock (``locked``).

    Raises:
        OutputError: the file cannot be written, or is not a regular file.
    """
    target = _resolve(path)
    temporary = _sibling(target, ".tmp")
    with _output_errors(path):
        _make_folders(target.parent)
        # Renaming over /dev/null would replace the device by a file.
        with suppress(FileNotFoundError):
            _require_regular(os.lstat(target))
        try:
            _write_new(temporary, data)
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        _sync_folder(target.parent)


def append(path: Path, lines: bytes, timeout: float = LOCK_TIMEOUT) -> None:
    """Append lines to a file, all of them or none, creating it with mode 0600 if necessary.

    An incomplete last line, left by a crash, is removed first: it was never reported as written.
    The file is locked as by ``locked``.

    Raises:
        ConfigError: another process has held the lock for ``timeout`` seconds.
        OutputError: the file cannot be written, or is not a regular file.
    """
    with locked(path, timeout), _output_errors(path):
        target = _resolve(path)
        is_new = not target.exists()
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | _NOFOLLOW | _BINARY, _PRIVATE_FILE)
        try:
            _require_regular(os.fstat(descriptor))
            end = _end_of_last_line(descriptor)
            try:
                os.ftruncate(descriptor, end)
                os.lseek(descriptor, end, os.SEEK_SET)
                _write_all(descriptor, lines)
                os.fsync(descriptor)
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(descriptor, end)
                    if is_new:
                        os.unlink(target)
                raise
        finally:
            os.close(descriptor)
        if is_new:
            _sync_folder(target.parent)


def _end_of_last_line(descriptor: int) -> int:
    """Return the offset after the last line end, searching backwards from the end of the file."""
    position = os.lseek(descriptor, 0, os.SEEK_END)
    while position > 0:
        start = max(0, position - _TAIL_BLOCK)
        os.lseek(descriptor, start, os.SEEK_SET)
        index = os.read(descriptor, position - start).rfind(b"\n")
        if index >= 0:
            return start + index + 1
        position = start
    return 0


def remove(path: Path, timeout: float = LOCK_TIMEOUT) -> None:
    """Remove a file, if it exists, and its lock file.

    Raises:
        ConfigError: another process has held the lock for ``timeout`` seconds.
        OutputError: the file cannot be removed.
    """
    target = _resolve(path)
    with locked(path, timeout):
        try:
            with suppress(FileNotFoundError):
                os.unlink(target)
        except OSError as error:
            raise OutputError(f"cannot remove {path}", reason(error)) from None
        with suppress(OSError):
            os.unlink(_sibling(target, ".lock"))


def protect(path: Path) -> None:
    """Set the mode of an existing file to 0600.

    Raises:
        OutputError: the file cannot be opened or changed.
    """
    with _output_errors(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            _set_mode(descriptor, _PRIVATE_FILE)
        finally:
            os.close(descriptor)


class PartFile:
    """An output file that appears under its own name only when it is complete.

    It is written as ``FILE.part`` in the same folder and renamed by ``commit``; ``abandon`` leaves
    what was written in ``FILE.part``. A path that is not a regular file (a pipe, a device) is
    written directly. The constructor and each method raise ``OutputError`` if the file cannot be
    written or another process is writing it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # The path itself is tested: resolving /dev/stdout or /dev/fd/N of a pipe gives no name.
        self.is_direct = path.exists() and not path.is_file()
        self._target = path if self.is_direct else _resolve(path)
        self.part_path = self._target if self.is_direct else _sibling(self._target, ".part")
        self._size = 0
        flags = os.O_WRONLY | _BINARY | (0 if self.is_direct else os.O_CREAT | _NOFOLLOW)
        with _output_errors(path):
            self._descriptor = os.open(self.part_path, flags, _ORDINARY_FILE)
            if not self.is_direct:
                self._claim()

    def _claim(self) -> None:
        """Lock and empty the part file, or close it and raise ``OSError``."""
        is_claimed = False
        try:
            # Without the comparison of names, the lock could be on the finished output of a
            # process that renamed its part file just now, and truncating would empty it.
            if not (_try_lock(self._descriptor) and _is_file_at(self._descriptor, self.part_path)):
                raise OSError(errno.EBUSY, f"another process is writing {self.part_path}")
            os.ftruncate(self._descriptor, 0)
            is_claimed = True
        finally:
            if not is_claimed:
                with suppress(OSError):
                    os.close(self._descriptor)

    @property
    def is_empty(self) -> bool:
        """Return whether nothing has been written."""
        return not self._size

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        with _output_errors(self._path):
            _write_all(self._descriptor, data)
        self._size += len(data)

    def commit(self) -> None:
        """Sync what was written to the disk, and rename it to the file's own name.

        A file that existed keeps its mode.
        """
        with _output_errors(self._path):
            if self.is_direct:
                os.close(self._descriptor)
                return
            if self._target.exists():
                _set_mode(self._descriptor, stat.S_IMODE(self._target.stat().st_mode))
            os.fsync(self._descriptor)
            if sys.platform == "win32":  # An open file cannot be renamed there.
                os.close(self._descriptor)
            os.replace(self.part_path, self._target)
            if sys.platform != "win32":  # Until the rename, closing would release the lock.
                os.close(self._descriptor)
            _sync_folder(self._target.parent)

    def abandon(self) -> bool:
        """Close without renaming, and return whether ``FILE.part`` remains.

        It is removed if nothing was written.
        """
        is_useless = self.is_empty and not self.is_direct
        if is_useless and sys.platform != "win32":
            # Before closing, which releases the lock: after it, another process may own the name.
            with suppress(OSError):
                os.unlink(self.part_path)
        with suppress(OSError):
            os.close(self._descriptor)
        if is_useless and sys.platform == "win32":  # An open file cannot be removed there.
            with suppress(OSError):
                os.unlink(self.part_path)
        return not self.is_direct and not self.is_empty and self.part_path.exists()


def _write_new(path: Path, data: bytes) -> None:
    # A file left by a killed process is removed, not reused: it could be a link or a pipe by now.
    with suppress(FileNotFoundError):
        os.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY
    descriptor = os.open(path, flags, _PRIVATE_FILE)
    try:
        _set_mode(descriptor, _PRIVATE_FILE)
        _write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _set_mode(descriptor: int, mode: int) -> None:
    # On Windows a file inherits the permissions of its folder.
    if sys.platform != "win32":
        os.fchmod(descriptor, mode)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _make_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    with suppress(FileExistsError):
        os.mkdir(folder, _PRIVATE_FOLDER)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Sync the entries of a folder: a file whose name is not on the disk is lost in a crash."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def _resolve(path: Path) -> Path:
    # In a folder that was removed, a relative path cannot be resolved.
    with _output_errors(path):
        return Path(os.path.realpath(path))


def _sibling(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    """Raise ``OutputError`` in place of an ``OSError``."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}",
            reason(error),
            "free disk space or change the permissions, then run the command again",
        ) from None
