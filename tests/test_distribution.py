"""The wheel, the source distribution, and their dependencies."""

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
    """Build a distribution with the backend that pip would use, and return its path."""
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


def test_wheel_has_completion_scripts_and_manual_page(wheel):
    shared = {
        name.partition("/share/")[2]: data for name, data in wheel.items() if "/share/" in name
    }
    assert shared == {name: (COMPLETIONS / source).read_bytes() for name, source in SHARED.items()}


def test_wheel_has_the_package_and_nothing_else(wheel):
    modules = {
        f"contextops/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.rglob("*.py")
    }
    topics = {
        f"contextops/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.glob("help/*.md")
    }
    assert topics
    scripts = {f"contextops/completions/{name}" for name in SHARED.values()}
    other_files = {
        name for name in wheel if not re.match(r"contextops_cli-[^/]+\.(dist-info|data)/", name)
    }
    assert other_files == modules | topics | scripts - {"contextops/completions/contextops.1"}


def test_sdist_builds_the_same_wheel(wheel, sources, tmp_path):
    rebuilt = contents(build("wheel", sources, tmp_path / "again"))
    assert rebuilt.keys() == wheel.keys()
    assert [name for name in wheel if rebuilt[name] != wheel[name]] == []


def test_sdist_has_the_tests(sources):
    for each in ("tests/conftest.py", "README.md", "LICENSE", "CHANGELOG.md", "completions"):
        assert (sources / each).exists()


def imported():
    """Yield the top-level name of every module that the package imports."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                yield from (each.name.partition(".")[0] for each in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield str(node.module).partition(".")[0]


def normalized(distribution):
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_every_dependency_is_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {normalized(re.split(r"[^\w.-]", each)[0]) for each in project["dependencies"]}
    providers = packages_distributions()
    imported_distributions = {
        normalized(each) for name in imported() for each in providers.get(name, ())
    }
    assert required - imported_distributions == set()


def test_locked_packages_cover_all_requirements_with_hashes():
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = data["dependency-groups"]
    requirements = [*data["project"]["dependencies"], *groups["test"], *groups["lint"]]
    required = {normalized(re.split(r"[^\w.-]", each)[0]) for each in requirements}
    text = (ROOT / ".ci/requirements.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([\w.-]+)==\S+(.*\\\n +--hash=sha256:\w{64})?", text, re.MULTILINE))
    assert required - {normalized(name) for name in locked} == set()
    assert [name for name, hashes in locked.items() if not hashes] == []
