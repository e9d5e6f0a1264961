"""Whether the setup works and models answer."""

from typing import TYPE_CHECKING

from contextops.lazy import lazy_names

if TYPE_CHECKING:
    from contextops.checks.doctor import CheckResult, Examination, examine
    from contextops.checks.models import (
        Verdict,
        combined_error,
        judge,
        poll_until_ok,
        probe_models,
        with_hints,
    )

__all__ = [
    "CheckResult",
    "Examination",
    "Verdict",
    "combined_error",
    "examine",
    "judge",
    "poll_until_ok",
    "probe_models",
    "with_hints",
]

__getattr__ = lazy_names(
    __name__,
    {
        "doctor": (
            "CheckResult",
            "Examination",
            "examine",
        ),
        "models": (
            "Verdict",
            "combined_error",
            "judge",
            "poll_until_ok",
            "probe_models",
            "with_hints",
        ),
    },
)
