"""
Which records become events, and of which type and kind.

Pure on purpose: no clock, no I/O, no settings.
"""

from typing import NamedTuple

from exporter.events.catalog import DEFAULT
from exporter.events.event_type import Condition, EventType, Kind, always
from exporter.events.filters import Filters
from exporter.events.grammar import Term, parse
from exporter.events.patterns import fits
from exporter.events.record import Record, Value

TENANT = "tenantId"


class Rule(NamedTuple):
    """One way for a record of some value type and intent to be selected."""

    name: str
    """What is told of then, like `user-task.created`."""
    type: EventType
    kind: Kind
    chosen: Condition
    """What the brackets say."""

    def selects(self, value: Value) -> bool:
        """Whether a record with this *value* is meant."""
        return self.type.suits(value) and self.kind.when(value) and self.chosen(value)


class Selection:
    """What is selected of all that happens."""

    def __init__(self, text: str = DEFAULT, filters: Filters | None = None) -> None:
        """
        Read *text* as `exporter.events.grammar` says; raises `SelectionError`.

        Of that, only what *filters* let pass is selected.
        """
        self._filters = None if filters is None or filters.open else filters
        self._rules: dict[str, dict[str, list[Rule]]] = {}
        for term in parse(text):
            chosen = _chosen(term)
            intents = self._rules.setdefault(term.type.value_type, {})
            for kind in term.kinds:
                name = term.type.name_of(kind)
                rules = intents.setdefault(kind.intent, [])
                rules.append(Rule(name, term.type, kind, chosen))
        self._lasting = {each.type.name for each in self.rules() if each.kind.ends}
        self.value_types = frozenset(self._rules)
        """What the engine calls what must be looked at."""

    def rules(self) -> list[Rule]:
        """Return every way for a record to be selected."""
        return [x for each in self._rules.values() for y in each.values() for x in y]

    def of(self, record: Record) -> Rule | None:
        """
        Return the rule that selects *record*, None when it isn't selected.

        Raises `UnmappableError` when the record doesn't let us tell.
        """
        rule = self._rule(record)
        if rule is None or self._filters is None:
            return rule
        return rule if self._filters.let_pass(rule.type, record.value) else None

    @property
    def may_lose(self) -> bool:
        """Whether a migration may take anything away from the filters."""
        return self._filters is not None and self._filters.may_lose

    def watched(self, record: Record) -> Rule | None:
        """Return the rule of a *record* that filters could lose by a migration."""
        if self._filters is None or not self._filters.may_lose:
            return None
        rule = self._rule(record)
        if rule is None or rule.type.name not in self._lasting:
            return None
        if rule.kind.ends and self._filters.tenants.passes(record.value.text(TENANT)):
            return rule
        return self.of(record)

    def _rule(self, record: Record) -> Rule | None:
        intents = self._rules.get(record.word("valueType"))
        if intents is None or record.word("recordType") != "EVENT":
            return None
        rules = intents.get(record.word("intent"))
        if rules is None:
            return None
        return next((each for each in rules if each.selects(record.value)), None)


def _chosen(term: Term) -> Condition:
    """Return whether a value has what the brackets of *term* ask for."""
    brackets = term.type.brackets
    if brackets is None or "*" in term.patterns:
        return always
    fitting = fits(term.patterns)
    return lambda value: fitting(brackets.spelled(value.text(brackets.source)))
