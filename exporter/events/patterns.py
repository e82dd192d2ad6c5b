"""Patterns with * and ?, where capitals count; every other character is itself."""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate


def fits(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a text fits one of *patterns*."""
    plain = [each.replace("[", "[[]") for each in patterns]  # no classes as in shells
    match = re.compile("|".join(map(translate, plain))).match
    return lambda text: match(text) is not None
