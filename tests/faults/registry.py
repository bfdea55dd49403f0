"""The faults by their names, and how one takes a rule out of the library."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ['MUTATIONS', 'SWITCHES', 'Switch', 'mutation', 'replace', 'switch', 'without_check']


@dataclass(frozen=True, slots=True)
class Switch:
    """One fault.

    Attributes:
        turn_on: re-creates it, for the rest of the process.
        raises: exceptions of the library by which a test shows it, besides a failed assertion.
    """

    turn_on: Callable[[], None]
    raises: tuple[str, ...] = ()


SWITCHES: dict[str, Switch] = {}

MUTATIONS: dict[str, Callable[[], None]] = {}


def switch(name: str, *raises: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter the function as the switch of this name."""

    def enter(function: Callable[[], None]) -> Callable[[], None]:
        SWITCHES[name] = Switch(function, raises)
        return function

    return enter


def mutation(name: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter the function as the mutation of this name."""

    def enter(function: Callable[[], None]) -> Callable[[], None]:
        MUTATIONS[name] = function
        return function

    return enter


def replace(owner: Any, **attributes: Any) -> None:
    """Put these in the place of the owner's own."""
    for name, value in attributes.items():
        assert name in vars(owner), (
            f'{owner.__name__} has no {name} any more: its switch needs another way'
        )
        setattr(owner, name, value)


def without_check(name: str) -> None:
    """Leave one of the system checks out."""
    from ws4redis.checks import environment, settings

    (module,) = (module for module in (environment, settings) if hasattr(module, name))
    replace(module, CHECKS=tuple(check for check in module.CHECKS if check.__name__ != name))
