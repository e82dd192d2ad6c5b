"""Draw the rooms of the package and what they import, for docs/architecture.md."""

import grimp

PACKAGE = "exporter"
EVERYWHERE = {"base", "logs"}
"""Rooms that any other room may import: their arrows would hide the others."""


def diagram() -> str:
    """Return the map of the rooms, as a block of Mermaid."""
    imports = _imports()
    lines = [
        f"    {room} --> {other}"
        for room in sorted(imports)
        for other in sorted(imports[room] - _reached_by_others(room, imports))
    ]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def _imports() -> dict[str, set[str]]:
    """Return the rooms that each room imports."""
    graph = grimp.build_graph(PACKAGE)
    rooms = graph.find_children(PACKAGE) - {f"{PACKAGE}.__main__"}
    for room in rooms:
        graph.squash_module(room)
    return {
        _name(room): {
            _name(other)
            for other in graph.find_modules_directly_imported_by(room) & rooms
        }
        - EVERYWHERE
        - {_name(room)}
        for room in rooms
        if _name(room) not in EVERYWHERE
    }


def _reached_by_others(room: str, imports: dict[str, set[str]]) -> set[str]:
    """Return the rooms that are imported by something else that *room* imports."""
    found: set[str] = set()
    waiting = [each for other in imports[room] for each in imports[other]]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            waiting += imports[each]
    return found


def _name(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.")
