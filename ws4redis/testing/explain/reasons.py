"""Why not? A reason: who and why in a first line, what shows it, what to do about it.

Each kind of reason is a Row with its code and its sentences: those about a message that did not
arrive are in received.py, those about what was published, or was not, in published.py, and all of
them in codes.py, from which the table in docs/testing.md is made.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ws4redis.testing.publications import Publication, short

__all__ = [
    'ANSWERS',
    'LINE',
    'SHOWN',
    'Facts',
    'Reason',
    'Row',
    'answer',
    'failure',
    'published_lines',
    'received_lines',
]

LINE = 60
"""Characters of a failure's first line: pytest's summary cuts it off at about this width."""

SHOWN = 10
"""Publications and messages that a failure lists, the last ones."""

ANSWERS = 3
"""Reasons that a failure gives, those about the last messages."""


@dataclass(frozen=True)
class Reason:
    """One answer.

    Attributes:
        code: as the documentation lists it.
        first: who and why, in at most 60 characters.
        evidence: what shows it, with source lines.
        remedy: what to do.
    """

    code: str
    first: str
    evidence: tuple[str, ...] = ()
    remedy: str = ''

    def lines(self) -> list[str]:
        """All of it, a line each."""
        first, evidence = self.first, self.evidence
        if len(first) > LINE:
            first, evidence = f'{first[: LINE - 3]}...', (first, *evidence)
        return [
            first,
            *(f'  {line}' for line in evidence),
            *([f'  -> {self.remedy}'] if self.remedy else []),
        ]


class Facts:
    """What is known of one case; the sentences of a row name its attributes."""

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


FactsT = TypeVar('FactsT', bound=Facts | Mapping[str, Any], contravariant=True)


def _always(facts: object) -> bool:
    return True


def _nothing(facts: object) -> Iterable[str]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Row(Generic[FactsT]):
    """One kind of reason.

    Attributes:
        code: as the documentation lists it; several kinds may share one.
        first: the first line, with the names of facts in braces.
        remedy: what to do, with the names of facts in braces; '' if there is nothing to say.
        when: whether it is the reason; asked if no row before it in its table is.
        evidence: the lines that show it.
        examples: facts with which the documentation shows the first line, one line for each.
        where: what the documentation adds to it.
    """

    code: str
    first: str
    remedy: str = ''
    when: Callable[[FactsT], object] = _always
    evidence: Callable[[FactsT], Iterable[str]] = _nothing
    examples: tuple[Mapping[str, object], ...] = ({},)
    where: str = ''

    def reason(self, facts: FactsT) -> Reason:
        """This reason, for these facts."""
        first, remedy = self.first.format_map(facts), self.remedy.format_map(facts)
        return Reason(self.code, first, tuple(self.evidence(facts)), remedy)

    def shown(self) -> list[str]:
        """First lines as the documentation shows them."""
        return [self.first.format_map({'who': 'mary', **example}) for example in self.examples]


def answer(table: Iterable[Row[FactsT]], facts: FactsT) -> Reason:
    """The reason of the first row that applies."""
    return next(row for row in table if row.when(facts)).reason(facts)


def failure(reasons: Sequence[Reason]) -> AssertionError:
    """A plain AssertionError that gives the reasons, and has their codes as `reasons`."""
    error = AssertionError('\n'.join(line for reason in reasons for line in reason.lines()))
    error.reasons = tuple(reason.code for reason in reasons)  # type: ignore[attr-defined]
    return error


def published_lines(publications: Sequence[Publication]) -> tuple[str, ...]:
    """The last publications, as evidence."""
    return tuple(f'published: {publication}' for publication in publications[-SHOWN:])


def received_lines(messages: Sequence[str | bytes]) -> tuple[str, ...]:
    """The last messages that a client has received, as evidence."""
    return tuple(f'received: {short(message)}' for message in messages[-SHOWN:])
