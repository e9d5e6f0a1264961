"""The form of the code: faces of the packages, sizes, docstrings and names of exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "cli/contextops"

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 12
AVOIDED_FIRST_WORDS = {"Give", "Tell", "Say"}
"""Docstrings begin with the verb of the field instead: "Return", "Raise", "Write"."""

NOT_NAMED_ERROR = {
    "SignalInterrupt",  # named after KeyboardInterrupt
    "Skipped",  # an outcome, as in unittest.SkipTest
    "_WithResponse",  # the common base of ContextopsError and SignalInterrupt
}
FACES = sorted(
    path.parent.name for path in PACKAGE.glob("*/__init__.py") if path.parent.name != "commands"
)
"""The packages that export names; ``commands`` loads its modules by the name of the command."""


def parsed(*folders: Path) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the path, relative to the root, and the syntax tree of each Python file."""
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            yield path.relative_to(ROOT), ast.parse(path.read_bytes())


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield each function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


# Faces of the packages


def face_of(package: str) -> list[ast.stmt]:
    """Return the statements of a package's ``__init__``."""
    return ast.parse((PACKAGE / package / "__init__.py").read_bytes()).body


def imported_names(package: str, statements: list[ast.stmt]) -> dict[str, str]:
    """Return the names that are imported from modules of the package, with their module."""
    prefix = f"contextops.{package}."
    return {
        alias.asname or alias.name: node.module.removeprefix(prefix)
        for node in statements
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(prefix)
        for alias in node.names
    }


def type_checking_block(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Return what stands under ``if TYPE_CHECKING:``."""
    return [
        inner
        for node in statements
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in node.body
    ]


def assigned_value(statements: list[ast.stmt], name: str) -> ast.expr | None:
    """Return the expression that is assigned to ``name``, None where there is none."""
    for node in statements:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return node.value
    return None


def lazy_table(statements: list[ast.stmt]) -> dict[str, str]:
    """Return the names that the face loads on first use, with their module."""
    call = assigned_value(statements, "__getattr__")
    if call is None:
        return {}
    assert isinstance(call, ast.Call)
    table = ast.literal_eval(call.args[1])
    return {name: module for module, names in table.items() for name in names}


@pytest.mark.parametrize("package", FACES)
def test_face_lists_the_same_names_for_type_checkers_and_at_run_time(package):
    statements = face_of(package)
    checked = imported_names(package, type_checking_block(statements))
    eager = imported_names(package, statements)
    assert lazy_table(statements) == checked
    exported = assigned_value(statements, "__all__")
    assert exported is not None
    names = ast.literal_eval(exported)
    assert sorted(names) == sorted([*checked, *eager])


@pytest.mark.parametrize("package", FACES)
def test_every_name_of_a_face_can_be_loaded(package):
    face = import_module(f"contextops.{package}")
    assert [name for name in face.__all__ if not hasattr(face, name)] == []


# Sizes


def test_no_file_is_longer_than_the_limit():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in PACKAGE.rglob("*.py")
        if (lines := len(path.read_bytes().splitlines())) > MAX_FILE_LINES
    }
    assert long == {}


def test_no_function_is_longer_than_the_limit():
    long = {
        f"{path}: {function.name}": lines
        for path, tree in parsed(PACKAGE)
        for function in functions(tree)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert long == {}


def test_no_function_has_more_parameters_than_the_limit():
    wide = {}
    for path, tree in parsed(PACKAGE):
        for function in functions(tree):
            parameters = function.args
            every = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
            every += [each for each in (parameters.vararg, parameters.kwarg) if each]
            count = sum(each.arg not in {"self", "cls"} for each in every)
            if count > MAX_PARAMETERS:
                wide[f"{path}: {function.name}"] = count
    assert wide == {}


# Language


@pytest.mark.parametrize("folder", ["cli", "completions", "tests"])
def test_no_docstring_begins_with_an_avoided_word(folder):
    avoided = [
        f"{path}:{node.lineno}: {text.splitlines()[0]}"
        for path, tree in parsed(ROOT / folder)
        for node in ast.walk(tree)
        # Strings after an attribute are docstrings too, though Python drops them.
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(text := node.value.value, str)
        and text.split(maxsplit=1)[:1]
        and text.split(maxsplit=1)[0].rstrip(",:") in AVOIDED_FIRST_WORDS
    ]
    assert avoided == []


def exception_classes() -> set[str]:
    """Return the names of the exception classes, by the names of their bases."""
    bases = {
        node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for _, tree in parsed(PACKAGE)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    known = {"BaseException", "Exception"}
    found: set[str] = set()
    while True:
        more = {
            name
            for name, parents in bases.items()
            if any(parent in known | found or parent.endswith("Error") for parent in parents)
        }
        if more <= found:
            return found
        found |= more


def test_exception_classes_end_in_error():
    classes = exception_classes()
    assert {"ContextopsError", "ConfigError"} <= classes
    assert {name for name in classes if not name.endswith("Error")} <= NOT_NAMED_ERROR
