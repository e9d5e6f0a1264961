"""Package faces whose names are loaded on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, modules: Mapping[str, Iterable[str]]) -> Callable[[str], Any]:
    """Return a module ``__getattr__`` (PEP 562) for a package whose modules cost time to import.

    ``modules`` maps the name of each module of ``package`` to the names that it provides. The
    package's ``__init__`` imports the same names under ``TYPE_CHECKING``, for type checkers and
    import-linter.
    """
    homes = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{homes[name]}"), name)
        # From now on it is an ordinary attribute, found without this function.
        setattr(sys.modules[package], name, value)
        return value

    return load
