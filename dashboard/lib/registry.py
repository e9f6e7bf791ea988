"""Plug-ins found by looking into a folder: one new thing is one new file."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cached_property
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """The plug-ins of a package: every public module in it (not `base`) defines exactly one subclass of `base`."""

    def __init__(self, base: type[T], package: str) -> None:
        self.base, self.package = base, package

    @cached_property
    def found(self) -> dict[str, type[T]]:
        """Module name to class. Raises ImportError if a module defines none or several."""
        package = importlib.import_module(self.package)
        names = [info.name for info in pkgutil.iter_modules(package.__path__)]
        return {name: self._load(name) for name in names if not name.startswith("_") and name != "base"}

    def _load(self, name: str) -> type[T]:
        module = importlib.import_module(f"{self.package}.{name}")
        own = [c for c in vars(module).values() if self._is_plugin(c) and c.__module__ == module.__name__]
        if len(own) != 1:
            raise ImportError(
                f"{module.__name__} must define exactly one {self.base.__name__}, found {len(own)}"
            )
        return own[0]  # type: ignore[no-any-return]

    def _is_plugin(self, candidate: object) -> bool:
        return isinstance(candidate, type) and issubclass(candidate, self.base) and candidate is not self.base
