"""The contract with backends: a user task's record, and its event."""

from datetime import UTC, datetime

RECORD = {
    "partitionId": 1,
    "value": {
        "variables": {"secret": "of the process"},
        "priority": 50,
        "tenantId": "<default>",
        "bpmnProcessId": "bench",
        "processInstanceKey": 2251799813685951,
        "elementInstanceKey": 2251799813685956,
        "action": "",
        "creationTimestamp": 1795446847151,
        "processDefinitionKey": 2251799813685250,
        "processDefinitionVersion": 1,
        "elementId": "approve",
        "changedAttributes": [],
        "formKey": -1,
        "assignee": "demo",
        "userTaskKey": 2251799813685957,
        "candidateGroupsList": ["sales", "ops"],
        "candidateUsersList": ["ann"],
        "dueDate": "2026-12-01T10:00Z",
        "followUpDate": "2026-11-30T10:00+01:00",
        "externalFormReference": "https://forms/x",
        "customHeaders": {"app": "teams"},
    },
    "timestamp": 1795446847160,
    "position": 73,
    "key": 2251799813685957,
    "valueType": "USER_TASK",
    "brokerVersion": "8.6.0",
    "authorizations": {"authorized_tenants": ["<default>"]},
    "intent": "CREATED",
    "rejectionType": "NULL_VAL",
    "rejectionReason": "",
    "recordType": "EVENT",
    "operationReference": -1,
    "sourceRecordPosition": 51,
    "recordVersion": 1,
    "sequence": 2251799813685250,
}


EVENT = (
    b'{"id":"2251799813685957","intent":"CREATED","type":"USER_TASK",'
    b'"userTaskKey":"2251799813685957","tags":[],"customHeaders":{"app":"teams"},'
    b'"assignee":"demo","candidateGroups":["sales","ops"],"candidateUsers":["ann"],'
    b'"externalFormReference":"https://forms/x","priority":50,"formKey":"-1",'
    b'"createdAt":"2026-11-23T15:14:07.151Z","dueDate":"2026-12-01T10:00Z",'
    b'"followUpDate":"2026-11-30T10:00+01:00",'
    b'"processDefinitionKey":"2251799813685250","processDefinitionId":"bench",'
    b'"processDefinitionVersion":"1","processInstanceKey":"2251799813685951",'
    b'"elementId":"approve","elementInstanceKey":"2251799813685956",'
    b'"tenantId":"<default>"}'
)


# Field of the event, its place in the record (in its value, unless at the top), and its
# form, in the order of the contract.
CONTRACT = (
    ("id", "/key", str),
    ("intent", "/intent", None),
    ("type", "/valueType", None),
    ("userTaskKey", "userTaskKey", str),
    ("tags", "tags", None),
    ("customHeaders", "customHeaders", None),
    ("assignee", "assignee", None),
    ("candidateGroups", "candidateGroupsList", None),
    ("candidateUsers", "candidateUsersList", None),
    ("externalFormReference", "externalFormReference", None),
    ("priority", "priority", None),
    ("formKey", "formKey", str),
    ("createdAt", "creationTimestamp", "instant"),
    ("dueDate", "dueDate", None),
    ("followUpDate", "followUpDate", None),
    ("processDefinitionKey", "processDefinitionKey", str),
    ("processDefinitionId", "bpmnProcessId", None),
    ("processDefinitionVersion", "processDefinitionVersion", str),
    ("processInstanceKey", "processInstanceKey", str),
    ("elementId", "elementId", None),
    ("elementInstanceKey", "elementInstanceKey", str),
    ("tenantId", "tenantId", None),
)


def promised(record):
    """Return the event that the contract requires for *record*."""
    event = {}
    for field, source, form in CONTRACT:
        value = (
            record[source[1:]]
            if source.startswith("/")
            else record["value"].get(source, [])
        )
        if form == "instant":
            second = datetime.fromtimestamp(value // 1000, UTC)
            fraction = f".{value % 1000:03}" if value % 1000 else ""
            value = f"{second:%Y-%m-%dT%H:%M:%S}{fraction}Z"
        event[field] = str(value) if form is str else value
    return event
