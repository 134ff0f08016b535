"""Rings in a graph of imports."""

from collections.abc import Iterator, Mapping

from grimp import ImportGraph


def siblings(graph: ImportGraph, package: str) -> dict[str, set[str]]:
    """The children of a package, each with those among them that it, or anything below it, imports."""
    children = graph.find_children(package)
    return {
        child: {other for other in children if other != child and directly(graph, child, other)}
        for child in children
    }


def directly(graph: ImportGraph, importer: str, imported: str) -> bool:
    """Whether a module at or below the first imports one at or below the second."""
    ours = {importer} | graph.find_descendants(importer)
    theirs = {imported} | graph.find_descendants(imported)
    return any(graph.find_modules_directly_imported_by(module) & theirs for module in ours)


def rings(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """One ring, its first node repeated, for each group of nodes that all lead to each other."""
    found: list[list[str]] = []
    settled: set[str] = set()
    for start in sorted(edges):
        if start not in settled and (ring := shortest_ring(edges, start)):
            found.append(ring)
            settled |= {node for node in reached(edges, start) if start in reached(edges, node)}
    return found


def shortest_ring(edges: Mapping[str, set[str]], start: str) -> list[str]:
    """The shortest way from a node back to it; empty when there is none."""
    for way in ways(edges, start):
        if start in edges.get(way[-1], ()):
            return [*way, start]
    return []


def reached(edges: Mapping[str, set[str]], start: str) -> set[str]:
    return {way[-1] for way in ways(edges, start)}


def ways(edges: Mapping[str, set[str]], start: str) -> Iterator[list[str]]:
    """The shortest way from a node to each one that it reaches, shorter ones first; to itself: [start]."""
    waiting, seen = [[start]], {start}
    while waiting:
        way = waiting.pop(0)
        yield way
        for node in sorted(edges.get(way[-1], ())):
            if node not in seen:
                seen.add(node)
                waiting.append([*way, node])
