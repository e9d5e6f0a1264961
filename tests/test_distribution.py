"""What is handed out: the wheel, the archive of the sources, and what they ask for."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cli/contextops"
COMPLETIONS = ROOT / "completions"
SHARED = {
    "bash-completion/completions/contextops": "contextops.bash",
    "zsh/site-functions/_contextops": "_contextops",
    "fish/vendor_completions.d/contextops.fish": "contextops.fish",
    "man/man1/contextops.1": "contextops.1",
}


def build(target, sources, folder):
    """Build what pip would, with the backend that it would install first."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", folder],
        cwd=sources,
        check=True,
        capture_output=True,
    )
    (built,) = folder.iterdir()
    return built


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return contents(build("wheel", ROOT, tmp_path_factory.mktemp("wheel")))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(build("sdist", ROOT, folder)) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    return unpacked


def test_the_wheel_has_what_shells_and_man_look_for(wheel):
    shared = {
        name.partition("/share/")[2]: data for name, data in wheel.items() if "/share/" in name
    }
    assert shared == {name: (COMPLETIONS / source).read_bytes() for name, source in SHARED.items()}


def test_the_wheel_has_the_package_and_nothing_else(wheel):
    modules = {
        f"contextops/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.rglob("*.py")
    }
    topics = {
        f"contextops/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.glob("help/*.md")
    }
    assert topics
    scripts = {f"contextops/completions/{name}" for name in SHARED.values()}
    others = {
        name for name in wheel if not re.match(r"contextops_cli-[^/]+\.(dist-info|data)/", name)
    }
    assert others == modules | topics | scripts - {"contextops/completions/contextops.1"}


def test_the_archive_builds_the_same_wheel(wheel, sources, tmp_path):
    again = contents(build("wheel", sources, tmp_path / "again"))
    assert again.keys() == wheel.keys()
    assert [name for name in wheel if again[name] != wheel[name]] == []


def test_the_archive_can_be_tested(sources):
    for each in ("tests/conftest.py", "README.md", "LICENSE", "CHANGELOG.md", "completions"):
        assert (sources / each).exists()


def imported():
    """Give the first part of the name of every module that the package imports."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (each.name.partition(".")[0] for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield str(node.module).partition(".")[0]


def normal(distribution):
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_what_is_asked_for_is_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {normal(re.split(r"[^\w.-]", each)[0]) for each in project["dependencies"]}
    providers = packages_distributions()
    used = {normal(each) for name in imported() for each in providers.get(name, ())}
    assert wanted - used == set()


def test_the_locked_packages_are_those_that_are_asked_for():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = data["dependency-groups"]
    asked = [*data["project"]["dependencies"], *groups["test"], *groups["lint"]]
    wanted = {normal(re.split(r"[^\w.-]", each)[0]) for each in asked}
    text = (ROOT / ".ci/requirements.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.-]+)==\S+(.*\\\n +--hash=sha256:\w{64})?", text, re.MULTILINE))
    assert wanted - {normal(name) for name in locked} == set()
    assert [name for name, hashes in locked.items() if not hashes] == []
