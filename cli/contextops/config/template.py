"""Templates: prompts with fields.

``Translate {input} to {language}.`` has the fields ``input`` and ``language``: names in braces that
begin with a letter or ``_`` and continue with these or digits. All other text is unchanged, JSON
and code included, and so are the values that fill the fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from contextops.errors import UsageError
from contextops.suggest import did_you_mean

INPUT_FIELD = "input"
"""The field that the prompt on the command line and standard input fill."""

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_FIELD = rf"\{{({_NAME})\}}"


def _as_option(field: str) -> str:
    return f"--var {field}=VALUE"


class Template(NamedTuple):
    """A template of the config file.

    ``model`` and ``params`` are what the template itself sets. ``says_system`` is true if the
    system message in effect is the template's, even an empty one.
    """

    name: str
    prompt: str
    schema: Path | None
    says_system: bool
    model: str | None = None
    params: Mapping[str, Any] = {}

    @property
    def fields(self) -> list[str]:
        """The names of the fields, each once, in their order."""
        return list(dict.fromkeys(re.findall(_FIELD, self.prompt)))

    @property
    def takes_input(self) -> bool:
        """Whether the prompt has a field for the input."""
        return INPUT_FIELD in self.fields

    def check(self, variables: Mapping[str, str], hint: Callable[[str], str] = _as_option) -> None:
        """Check that every field has a value, and every value a field.

        ``hint`` returns how the user sets a field: ``--var style=VALUE`` for ``style``.

        Raises:
            UsageError: for fields without a value, or a value without a field.
        """
        fields = [field for field in self.fields if field != INPUT_FIELD]
        missing = [field for field in fields if field not in variables]
        if missing:
            raise UsageError(
                f"template {self.name} needs a value for {', '.join(missing)}",
                remedy=f"add {' '.join(hint(field) for field in missing)}",
            )
        for name in variables:
            if name not in fields:
                raise UsageError(
                    f"template {self.name} has no field {name}",
                    f"it has {', '.join(fields) or 'none'}",
                    did_you_mean(name, fields) or f"leave out {hint(name)}",
                )

    def fill(self, variables: Mapping[str, str], text: str) -> str:
        """Return the prompt with the values and the input in their fields.

        Without a field for it, the input follows the prompt after a blank line.
        """
        values = {**variables, INPUT_FIELD: text}
        prompt = re.sub(_FIELD, lambda field: values[field[1]], self.prompt)
        if self.takes_input or not text.strip():
            return prompt
        prompt = prompt.rstrip("\r\n")
        return f"{prompt}\n\n{text}" if prompt else text


def is_field_name(text: str) -> bool:
    """Return whether a field can have this name."""
    return bool(re.fullmatch(_NAME, text))
