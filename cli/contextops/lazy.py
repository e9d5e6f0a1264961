"""Names of a package's ``__init__`` that are loaded on first use."""

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
    module_of = {name: module for module, names in modules.items() for name in names}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{module_of[name]}"), name)
        # From now on it is an ordinary attribute, and this function is not called for it.
        setattr(sys.modules[package], name, value)
        return value

    return load
