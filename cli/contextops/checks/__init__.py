"""Checks of the setup and of models."""

from typing import TYPE_CHECKING

from contextops.lazy import lazy_names

if TYPE_CHECKING:
    from contextops.checks.doctor import CheckResult, examine
    from contextops.checks.models import (
        ModelCheck,
        ModelsCheckOptions,
        check_models,
        combined_error,
    )

__all__ = [
    "CheckResult",
    "ModelCheck",
    "ModelsCheckOptions",
    "check_models",
    "combined_error",
    "examine",
]

__getattr__ = lazy_names(
    __name__,
    {
        "doctor": (
            "CheckResult",
            "examine",
        ),
        "models": (
            "ModelCheck",
            "ModelsCheckOptions",
            "check_models",
            "combined_error",
        ),
    },
)
