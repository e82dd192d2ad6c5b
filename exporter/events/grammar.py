"""
How a selection of events is written, and what it says.

    selection = term { "," term }
    term      = type [ ":" kind ] [ "[" pattern { "," pattern } "]" ]

Blanks may stand between any of these. A type alone is all its kinds. What the brackets
choose by differs from type to type. A pattern ends at a comma or a bracket; * in it is
any text and ? any character, also one of those.
"""

import re
from typing import NamedTuple

from exporter.events.catalog import CATALOG
from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.patterns import fits
from exporter.events.written import meant, read_each

# Blanks are what \s is for RE2: the Helm chart looks for the types of a selection, too.
BLANK = " \t\n\f\r"
BLANKS = r"[ \t\n\f\r]*"
COMMA = re.compile(r",(?![^\[\]]*\])")
"""One between terms, which isn't in brackets."""
PARTS = re.compile(r"([^:\[\]]*)(?::([^:\[\]]*))?(?:\[([^\[\]]*)\])?")
ALL = ("*",)
BY_NAME = {each.name: each for each in CATALOG}


def _form(each: EventType) -> str:
    """Return what a term of this type looks like, roughly: brackets hold anything."""
    form = f"{each.name}({BLANKS}:{BLANKS}({'|'.join(k.name for k in each.kinds)}))?"
    if each.brackets:
        inside = rf"({BLANKS}\[[^\[\]]+\])"
        form += inside if not each.brackets.usual else f"{inside}?"
    return form


_TERM = f"{BLANKS}({'|'.join(map(_form, CATALOG))}){BLANKS}"
FORM = f"{_TERM}(,{_TERM})*"
"""What every selection looks like, for those who can't ask `parse`, like the chart."""


class Term(NamedTuple):
    """One term of a selection."""

    type: EventType
    kinds: tuple[Kind, ...]
    patterns: tuple[str, ...]
    """One of them must fit what the type's brackets choose by."""


def parse(text: str) -> tuple[Term, ...]:
    """Return what *text* selects; raises `SelectionError`."""
    terms = [each.strip(BLANK) for each in COMMA.split(text)]
    return tuple(read_each(terms, _term))


def _term(text: str) -> Term:
    parts = PARTS.fullmatch(text)
    if parts is None:
        raise ValueError("it isn't like type, type:kind or type:kind[pattern, pattern]")
    name, kind, patterns = parts[1].strip(BLANK), parts[2], parts[3]
    found = BY_NAME.get(name)
    if found is None:
        raise ValueError(f"there is no type {name}{meant(name, BY_NAME)}")
    kinds = found.kinds if kind is None else (_kind(kind.strip(BLANK), found),)
    return Term(found, kinds, _patterns(patterns, found))


def _kind(name: str, found: EventType) -> Kind:
    kinds = {kind.name: kind for kind in found.kinds}
    if name not in kinds:
        raise ValueError(f"{found.name} has no kind {name}{meant(name, kinds)}")
    return kinds[name]


def _patterns(text: str | None, found: EventType) -> tuple[str, ...]:
    brackets = found.brackets
    if brackets is None:
        if text is not None:
            raise ValueError(f"{found.name} has nothing to choose by in brackets")
        return ALL
    if text is not None:
        return tuple(_pattern(each.strip(BLANK), brackets) for each in text.split(","))
    if not brackets.usual:
        of = brackets.of
        raise ValueError(f"{found.name} needs its {of} in brackets, like [a, b*]")
    return brackets.usual


def _pattern(pattern: str, brackets: Brackets) -> str:
    if not pattern:
        raise ValueError(f"one of the {brackets.of} is missing")
    if pattern[0] in "\"'!":
        raise ValueError(
            f"patterns in brackets have no {pattern[0]} in front (? is any character)"
        )
    if "\n" in pattern:
        raise ValueError("a comma is missing in brackets")
    # A word of a newer engine can't be told from a typo: only * selects it.
    if brackets.choices and not any(map(fits([pattern]), brackets.choices)):
        wrong = f"{pattern} is none of the {brackets.of}"
        raise ValueError(wrong + meant(pattern, brackets.choices))
    return pattern
