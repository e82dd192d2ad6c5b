"""Read lists and patterns in settings; errors name the wrong term."""

import difflib
import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import TypeVar

T = TypeVar("T")


COMMA = re.compile(r",(?![^\[\]]*\])")
"""A comma that isn't in brackets."""


class SelectionError(ValueError):
    """A list has a mistake; the message names the term and a correction."""

    def __init__(self, number: int, term: str, problem: object) -> None:
        super().__init__(f"term {number}{term and f' ({term})'}: {problem}")


def read_terms(text: str, read: Callable[[str], T]) -> list[T]:
    """
    Return the results of *read* for the terms between commas in *text*.

    Raises `SelectionError` if a term is empty or *read* raises `ValueError`.
    """
    found = []
    for number, term in enumerate(map(str.strip, COMMA.split(text)), start=1):
        try:
            if not term:
                raise ValueError("it is missing")  # noqa: TRY301
            found.append(read(term))
        except ValueError as error:
            raise SelectionError(number, " ".join(term.split()), error) from None
    return found


def suggestion(name: str, names: Iterable[str]) -> str:
    """Return the end of a message: the one of *names* that is most like *name*."""
    # Many people write a word of the engine, like USER_TASK.
    alike = {each.lower().replace("_", "-"): each for each in names}
    near = difflib.get_close_matches(name.lower().replace("_", "-"), alike, n=1)
    if near:
        return f" (is {alike[near[0]]} meant?)"
    return f" (there are {', '.join(alike.values())})"


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """
    Return a predicate on texts: whether a text matches one of *patterns*.

    In a pattern, * is any text and ? is any character. Case matters.
    """
    plain = [each.replace("[", "[[]") for each in patterns]  # [ has no meaning here
    match = re.compile("|".join(map(translate, plain))).match
    return lambda text: match(text) is not None
