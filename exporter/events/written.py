"""Lists and names in settings, and errors that name the wrong term."""

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

Read = TypeVar("Read")


class SelectionError(ValueError):
    """A list can't be read; the text names the bad term, and what would be right."""

    def __init__(self, number: int, term: str, wrong: object) -> None:
        """Say what is *wrong* with the *term* that has this *number*, from 1."""
        self.place = f"term {number}"
        super().__init__(f"{self.place}{term and f' ({term})'}: {wrong}")


def read_each(terms: Iterable[str], read: Callable[[str], Read]) -> list[Read]:
    """
    Return the results of *read* for *terms*.

    Raises `SelectionError` for an empty one, and where *read* raises `ValueError`.
    """
    found = []
    for number, term in enumerate(terms, start=1):
        try:
            if not term:
                raise ValueError("it is missing")  # noqa: TRY301 - told like the others
            found.append(read(term))
        except ValueError as error:
            raise SelectionError(number, " ".join(term.split()), error) from None
    return found


def listed(text: str, read: Callable[[str], Read]) -> list[Read]:
    """Return the results of *read* for the list in *text*, as `read_each` does."""
    if not text.strip():
        return []
    return read_each(map(str.strip, text.split(",")), read)


def meant(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that says what may be meant by *name*."""
    # Many write the engine's own words, like USER_TASK.
    alike = {each.lower().replace("_", "-"): each for each in names}
    near = difflib.get_close_matches(name.lower().replace("_", "-"), alike, n=1)
    if near:
        return f" (is {alike[near[0]]} meant?)"
    return f" (there are {', '.join(alike.values())})"
