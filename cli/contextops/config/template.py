"""Prompts with fields: which there are, which values they lack, and the text that they make.

A field is a word in braces: a letter or ``_``, then these and digits. All other text stays as it
is, JSON and code among it, and so does what is filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from contextops.errors import UsageError
from contextops.suggest import did_you_mean

INPUT_FIELD = "input"
"""The field for what the prompt would be without the template."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_FIELD = rf"\{{({_NAME})\}}"


class Template(NamedTuple):
    """Hold what a template says beyond the settings that a profile has too."""

    name: str
    prompt: str
    schema: Path | None
    says_system: bool

    @property
    def fields(self) -> list[str]:
        """Name the fields once each, in their order."""
        return list(dict.fromkeys(re.findall(_FIELD, self.prompt)))

    @property
    def takes_input(self) -> bool:
        """Tell whether the input has a place of its own in the prompt."""
        return INPUT_FIELD in self.fields

    def check(self, variables: Mapping[str, str]) -> None:
        """Raise ``UsageError`` for fields without a value, and for values without a field."""
        wanted = [field for field in self.fields if field != INPUT_FIELD]
        missing = [field for field in wanted if field not in variables]
        if missing:
            raise UsageError(
                f"the template {self.name} lacks {', '.join(missing)}",
                "no --var gives a value",
                f"add {' '.join(f'--var {field}=VALUE' for field in missing)}",
            )
        for name in variables:
            if name not in wanted:
                raise UsageError(
                    f"the template {self.name} has no field {name}",
                    f"--var can fill {', '.join(wanted) or 'none'}",
                    did_you_mean(name, wanted) or f"leave out --var {name}=",
                )

    def fill(self, variables: Mapping[str, str], given: str) -> str:
        """Put the values and the input in their places; without one, the input comes last."""
        values = {**variables, INPUT_FIELD: given}
        text = re.sub(_FIELD, lambda field: values[field[1]], self.prompt)
        if self.takes_input or not given.strip():
            return text
        above = text.rstrip("\r\n")
        return f"{above}\n\n{given}" if above else given


def is_field_name(text: str) -> bool:
    """Tell whether a field can have this name."""
    return bool(re.fullmatch(_NAME, text))
