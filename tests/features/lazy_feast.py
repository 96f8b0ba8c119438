"""Feast, imported by the first test that asks it for something: that takes seconds, and few workers need them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import feast as feast
else:

    class _Feast:
        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):  # pytest asks every object of a module for such names
                raise AttributeError(name)
            import feast

            return getattr(feast, name)

    feast = _Feast()
