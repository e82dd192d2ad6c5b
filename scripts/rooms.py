"""Draw the rooms of the package and what they import, for docs/architecture.md."""

import grimp

PACKAGE = "exporter"
HIDDEN = {f"{PACKAGE}.{name}" for name in ("__main__", "base", "logs")}
"""The start, and rooms that any other room may import: too many arrows."""


def diagram() -> str:
    """Return the map of the rooms, as a block of Mermaid."""
    graph = grimp.build_graph(PACKAGE)
    rooms = graph.find_children(PACKAGE) - HIDDEN
    for room in rooms:
        graph.squash_module(room)
    lines = [
        f"    {_name(room)} --> {_name(other)}"
        for room in sorted(rooms)
        for other in sorted(_imports(graph, room) & rooms)
    ]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```"])


def _imports(graph: grimp.ImportGraph, room: str) -> set[str]:
    """Return the rooms that *room* imports, unless it also imports them indirectly."""
    direct = graph.find_modules_directly_imported_by(room) - {room}
    return direct.difference(
        *(graph.find_upstream_modules(each) - {each} for each in direct)
    )


def _name(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.")
