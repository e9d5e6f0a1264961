from pathlib import Path

import pytest

from repl_driver import ReplDriver


@pytest.fixture
def repl(tmp_path: Path) -> ReplDriver:
    return ReplDriver(tmp_path)
