"""What people write in settings: lists, names, and where in them something is wrong."""

import difflib
from collections.abc import Iterable, Iterator

NEAR = 20
"""Characters of a text that are shown where something is wrong."""


class SelectionError(ValueError):
    """A selection can't be read; the text says where, and what would be right."""

    def __init__(self, text: str, at: int, wrong: str) -> None:
        """Point at the character *at* of *text*, counted from 0."""
        near = " ".join(text[at : at + NEAR].split())
        self.at = at
        self.place = f"at character {at + 1}" if near else "at its end"
        super().__init__(f"{self.place}{near and f' ({near})'}: {wrong}")


def listed(text: str, what: str) -> Iterator[tuple[str, int]]:
    """
    Yield what *text* lists, separated by commas, and where each begins.

    Raises `SelectionError` where *what* it lists is missing; an empty text lists none.
    """
    at = 0
    for part in text.split(",") if text.strip() else ():
        item = part.strip()
        if not item:
            raise SelectionError(text, at, f"{what} is missing")
        yield item, at + part.index(item)
        at += len(part) + 1


def meant(name: str, names: Iterable[str]) -> str:
    """Return the end of a sentence that says what may be meant by *name*."""
    # Many write the engine's own words, like USER_TASK.
    alike = {each.lower().replace("_", "-"): each for each in names}
    near = difflib.get_close_matches(name.lower().replace("_", "-"), alike, n=1)
    if near:
        return f" (is {alike[near[0]]} meant?)"
    return f" (there are {', '.join(alike.values())})"
