"""Answers as brokers and their clients need them."""

import json

ACKNOWLEDGED = {"acknowledged": True}
NO_INDICES = {"updated_indices": 0, "failures": False, "failed_indices": []}


def bulk_answer(body):
    """Return the right answer to a bulk request with *body*."""
    abouts = [json.loads(text)["index"] for text in body.splitlines()[::2]]
    return {
        "took": 0,
        "errors": False,
        "items": [
            {
                "index": {
                    "_index": about["_index"],
                    "_id": about["_id"],
                    "status": 201,
                }
            }
            for about in abouts
        ],
    }


def is_well_formed(reply):
    """Return whether every client accepts *reply*."""
    kind = reply.headers["Content-Type"].partition(";")[0]
    return (
        kind == "application/json"
        and reply.headers["X-Elastic-Product"] == "Elasticsearch"
        and int(reply.headers["Content-Length"]) == len(reply.body)
        and isinstance(reply.json, dict)
    )


def explains_itself(reply, status, *words):
    """Return whether *reply* is an error with *words* for the operator."""
    error = reply.json["error"]
    return (
        is_well_formed(reply)
        and reply.status == reply.json["status"] == status
        and error["type"] == error["root_cause"][0]["type"]
        and all(word in error["reason"] for word in words)
    )
