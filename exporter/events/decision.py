"""Decisions, as they were made."""

from exporter.events.event_type import Brackets, EventType, Kind
from exporter.events.fields import (
    ELEMENT_ID,
    ELEMENT_INSTANCE_KEY,
    INTENT,
    PROCESS_DEFINITION_ID,
    PROCESS_DEFINITION_KEY,
    PROCESS_INSTANCE_KEY,
    TENANT_ID,
    TYPE,
    identifier,
    key,
    text,
)

FAILED = (
    text("failedDecisionId", "The decision that failed: this one, or one it needs."),
    text(
        "failureMessage",
        "Why it did, which may hold data.",
        "evaluationFailureMessage",
    ),
)

DECISION = EventType(
    "decision",
    "DECISION_EVALUATION",
    "The evaluation of a decision, by a business rule task or by itself, without what "
    "went in.",
    fields=(
        identifier("The evaluation's key."),
        INTENT,
        TYPE,
        key("decisionKey", "The deployed decision."),
        text("decisionId", "Its id in the model."),
        text("decisionName", "Its name in the model."),
        key("decisionVersion", "Its version."),
        text("decisionOutput", "What came out, as JSON text, which may hold data."),
        PROCESS_DEFINITION_KEY,
        PROCESS_DEFINITION_ID,
        PROCESS_INSTANCE_KEY,
        ELEMENT_ID,
        ELEMENT_INSTANCE_KEY,
        TENANT_ID,
    ),
    kinds=(
        Kind("evaluated", "EVALUATED", "There is a result."),
        Kind("failed", "FAILED", "There is none.", extra=FAILED),
    ),
    brackets=Brackets("decision ids", "decisionId"),
    in_brief=False,
)
