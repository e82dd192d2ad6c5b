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
from exporter.events.written import SelectionError, meant

# Blanks are what \s is for RE2: the Helm chart looks for the types of a selection, too.
BLANKS = re.compile(r"[ \t\n\f\r]*")
NAME = re.compile(r"[^ \t\n\f\r,:\[\]]+")
PATTERN = re.compile(r"[^ \t\n\f\r,\[\]](?:[^,\[\]]*[^ \t\n\f\r,\[\]])?")
ALL = ("*",)
BY_NAME = {each.name: each for each in CATALOG}


def _form(each: EventType) -> str:
    """Return what a term of this type looks like, roughly: brackets hold anything."""
    blanks = BLANKS.pattern
    form = f"{each.name}({blanks}:{blanks}({'|'.join(k.name for k in each.kinds)}))?"
    if each.brackets:
        inside = rf"({blanks}\[[^\[\]]+\])"
        form += inside if not each.brackets.usual else f"{inside}?"
    return form


_TERM = f"{BLANKS.pattern}({'|'.join(map(_form, CATALOG))}){BLANKS.pattern}"
FORM = f"{_TERM}(,{_TERM})*"
"""What every selection looks like, for those who can't ask `parse`, like the chart."""


class Term(NamedTuple):
    """One term of a selection."""

    type: EventType
    kinds: tuple[Kind, ...]
    patterns: tuple[str, ...]
    """One of them must fit what the type's brackets choose by."""


class _Reader:
    """Reads *text* from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self._go_to(0)

    def _go_to(self, at: int) -> None:
        blanks = BLANKS.match(self.text, at)
        self.at = blanks.end() if blanks else at

    def skip(self, sign: str) -> bool:
        """Pass over *sign* if it comes next, and tell whether it did."""
        there = self.text.startswith(sign, self.at)
        if there:
            self._go_to(self.at + len(sign))
        return there

    def read(self, form: re.Pattern[str], what: str) -> tuple[str, int]:
        """Return what comes next, in that *form*, and where it begins."""
        found = form.match(self.text, self.at)
        if found is None:
            raise self.error(f"{what} is missing")
        self._go_to(found.end())
        return found[0], found.start()

    def error(self, wrong: str, at: int | None = None) -> SelectionError:
        """Return what tells what is *wrong* there."""
        return SelectionError(self.text, self.at if at is None else at, wrong)


def parse(text: str) -> tuple[Term, ...]:
    """Return what *text* selects; raises `SelectionError`."""
    reader = _Reader(text)
    terms = [_term(reader)]
    while reader.skip(","):
        terms.append(_term(reader))
    if reader.at < len(text):
        raise reader.error("a comma is missing")
    return tuple(terms)


def _term(reader: _Reader) -> Term:
    name, at = reader.read(NAME, "a type of events")
    found = BY_NAME.get(name)
    if found is None:
        raise reader.error(f"there is no type {name}{meant(name, BY_NAME)}", at)
    kinds = (_kind(reader, found),) if reader.skip(":") else found.kinds
    opened = reader.at
    if reader.skip("["):
        return Term(found, kinds, _patterns(reader, found, opened))
    if found.brackets is None:
        return Term(found, kinds, ALL)
    if not found.brackets.usual:
        wrong = f"{name} needs its {found.brackets.of} in brackets, like [a, b*]"
        raise reader.error(wrong, at)
    return Term(found, kinds, found.brackets.usual)


def _kind(reader: _Reader, found: EventType) -> Kind:
    name, at = reader.read(NAME, f"a kind of {found.name}")
    kinds = {kind.name: kind for kind in found.kinds}
    if name not in kinds:
        wrong = f"{found.name} has no kind {name}{meant(name, kinds)}"
        raise reader.error(wrong, at)
    return kinds[name]


def _patterns(reader: _Reader, found: EventType, opened: int) -> tuple[str, ...]:
    if found.brackets is None:
        raise reader.error(f"{found.name} has nothing to choose by in brackets", opened)
    patterns = [_pattern(reader, found.brackets)]
    while reader.skip(","):
        patterns.append(_pattern(reader, found.brackets))
    if not reader.skip("]"):
        raise reader.error("a closing bracket is missing")
    return tuple(patterns)


def _pattern(reader: _Reader, brackets: Brackets) -> str:
    pattern, at = reader.read(PATTERN, f"one of the {brackets.of}")
    if pattern[0] in "\"'!":
        wrong = (
            f"patterns in brackets have no {pattern[0]} in front (? is any character)"
        )
        raise reader.error(wrong, at)
    if "\n" in pattern:
        raise reader.error("a comma is missing", at + pattern.index("\n"))
    # A word of a newer engine can't be told from a typo: only * selects it.
    if brackets.choices and not any(map(fits([pattern]), brackets.choices)):
        wrong = f"{pattern} is none of the {brackets.of}"
        raise reader.error(wrong + meant(pattern, brackets.choices), at)
    return pattern
