"""
Select the records that become events.

    selection = term { "," term }
    term      = type [ ":" kind ] [ "[" pattern { "," pattern } "]" ]

Spaces and line ends may be between all parts. A type without a kind selects all its
kinds. What brackets choose by depends on the type. In a pattern, * is any text and ? is
any character, for example a comma or a bracket.
"""

import re
from collections import defaultdict
from typing import Any, NamedTuple

from exporter.events.catalog import CATALOG, DEFAULT
from exporter.events.event_type import Brackets, Condition, EventType, Kind, always
from exporter.events.filters import Filters
from exporter.events.lists import matcher, read_terms, suggestion
from exporter.events.record import Record

PARTS = re.compile(r"([^:\[\]]*)(?::([^:\[\]]*))?(?:\[([^\[\]]*)\])?")
ALL = ("*",)
What = tuple[str, str]
"""A value type and an intent."""
BY_NAME = {each.name: each for each in CATALOG}


class Term(NamedTuple):
    """One term of a selection."""

    type: EventType
    kinds: tuple[Kind, ...]
    patterns: tuple[str, ...]
    """The patterns in brackets; one of them must match."""


def parse(text: str) -> tuple[Term, ...]:
    """Return the terms of *text*; raises `SelectionError`."""
    return tuple(read_terms(text, _term))


def _term(text: str) -> Term:
    parts = PARTS.fullmatch(text)
    if parts is None:
        raise ValueError("it isn't like type, type:kind or type:kind[pattern, pattern]")
    name, kind, patterns = parts[1].strip(), parts[2], parts[3]
    found = BY_NAME.get(name)
    if found is None:
        raise ValueError(f"there is no type {name}{suggestion(name, BY_NAME)}")
    kinds = {each.name: each for each in found.kinds}
    if kind is not None:
        kind = kind.strip()
        if kind not in kinds:
            raise ValueError(f"{name} has no kind {kind}{suggestion(kind, kinds)}")
        kinds = {kind: kinds[kind]}
    return Term(found, tuple(kinds.values()), _patterns(patterns, found))


def _patterns(text: str | None, found: EventType) -> tuple[str, ...]:
    brackets = found.brackets
    if brackets is None:
        if text is not None:
            raise ValueError(f"{found.name} takes no brackets")
        return ALL
    if text is not None:
        return tuple(_pattern(each.strip(), brackets) for each in text.split(","))
    if not brackets.usual:
        of = brackets.of
        raise ValueError(f"{found.name} needs its {of} in brackets, like [a, b*]")
    return brackets.usual


def _pattern(pattern: str, brackets: Brackets) -> str:
    if not pattern:
        raise ValueError(f"one of the {brackets.of} is missing")
    if pattern[0] in "\"'!":
        raise ValueError(
            f"a pattern in brackets can't begin with {pattern[0]} (? is any character)"
        )
    if "\n" in pattern:
        raise ValueError("a comma is missing in brackets")
    # A word of a newer engine looks like a mistake: only * selects it.
    if brackets.choices and not any(map(matcher([pattern]), brackets.choices)):
        problem = f"{pattern} is not one of the {brackets.of}"
        raise ValueError(problem + suggestion(pattern, brackets.choices))
    return pattern


class Rule(NamedTuple):
    """A condition that selects records of one value type and intent."""

    name: str
    """The name of the event, like `user-task.created`."""
    type: EventType
    kind: Kind
    chosen: Condition
    """The condition in brackets."""

    def selects(self, value: Any) -> bool:
        """Return whether a record with this *value* is selected."""
        return self.type.suits(value) and self.kind.when(value) and self.chosen(value)


class Selection:
    """The selected events of one backend."""

    def __init__(self, text: str = DEFAULT, filters: Filters | None = None) -> None:
        """Select by the terms in *text* and by *filters*; raises `SelectionError`."""
        self._filters = filters or Filters()
        self._filtered = not self._filters.open
        self._rules: defaultdict[What, list[Rule]] = defaultdict(list)
        for term in parse(text):
            chosen = _chosen(term)
            for kind in term.kinds:
                rule = Rule(term.type.name_of(kind), term.type, kind, chosen)
                self._rules[term.type.value_type, kind.intent].append(rule)
        self._ending = {each.type.name for each in self.rules() if each.kind.ends}
        self.value_types = frozenset(value_type for value_type, _ in self._rules)
        """The value types of all selected records."""
        self.may_lose = self._filters.may_lose
        """Whether a migration may hide later events of a task from this backend."""

    def rules(self) -> list[Rule]:
        """Return all rules."""
        return [rule for rules in self._rules.values() for rule in rules]

    def of(self, record: Record) -> Rule | None:
        """Return the rule that selects *record*, whose value is read, or None."""
        rule = self._rule(record)
        if rule is None or not self._filtered:
            return rule
        return rule if self._filters.pass_value(rule.type, record.value) else None

    def watched(self, record: Record) -> Rule | None:
        """Return the rule of a *record* that a migration may hide, or None."""
        rule = self._rule(record)
        if rule is None or rule.type.name not in self._ending:
            return None
        tenants = self._filters.tenants
        if rule.kind.ends and tenants.passes(record.value.tenantId):
            return rule
        return self.of(record)

    def _rule(self, record: Record) -> Rule | None:
        for rule in self._rules.get((record.valueType, record.intent), ()):
            if rule.selects(record.value):
                return rule
        return None


def _chosen(term: Term) -> Condition:
    """Return the condition in the brackets of *term*."""
    brackets = term.type.brackets
    if brackets is None or "*" in term.patterns:
        return always
    matches = matcher(term.patterns)
    return lambda value: matches(brackets.spelled(getattr(value, brackets.source)))
