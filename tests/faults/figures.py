"""What a run amounted to, in numbers that people compare."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from tests.faults.oracle import Promise, counts
from tests.faults.scenarios import Run


def figures(run: Run) -> dict[str, Any]:
    """Return the figures of *run*, fit for JSON."""
    broken = Counter(violation.promise for violation in run.violations())
    history = run.history
    return {
        "run": run.name,
        "seed": run.seed,
        "bulk requests": history.bulks,
        "events accepted": len(history.owed),
        **asdict(counts(history)),
        "posts": len(history.posts),
        "lost": broken[Promise.KEPT],
        "out of order": broken[Promise.ORDERED],
        "violations": {promise.name: broken[promise] for promise in broken},
        "faults by kind": dict(
            Counter(post.fault for post in history.posts if post.fault).most_common()
        ),
    }
