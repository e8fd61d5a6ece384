"""Sets that are joined, and directed graphs, of small whole numbers. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping

Graph = Mapping[int, Collection[int]]
"""Per node those that it leads to."""


class Sets:
    """Disjoint sets of whole numbers; the smallest number of a set is its name. What was joined to none is alone."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}

    def find(self, number: int) -> int:
        """By halving the way to it, which stays short so."""
        while (parent := self._above.get(number)) is not None:
            if (grand := self._above.get(parent)) is None:
                return parent
            self._above[number] = number = grand
        return number

    def join(self, one: int, other: int) -> None:
        one, other = self.find(one), self.find(other)
        if one != other:
            self._above[max(one, other)] = min(one, other)

    def names(self) -> dict[int, int]:
        """Of each number that is not its set's name that name."""
        return {number: self.find(number) for number in self._above}


def walk(starts: Iterable[int], graph: Graph) -> set[int]:
    """Everything that the starts lead to, with themselves."""
    found = set(starts)
    pending = list(found)
    while pending:
        for following in graph.get(pending.pop(), ()):
            if following not in found:
                found.add(following)
                pending.append(following)
    return found


def circles(graph: Graph) -> list[list[int]]:
    """Two or more nodes each of which leads to all the others, in order."""
    return [sorted(one) for one in _strongly_connected(graph, graph) if len(one) > 1]


def reached(nodes: Iterable[int], graph: Graph) -> dict[int, frozenset[int]]:
    """Per node where every way from it ends: at nodes that lead nowhere, or at circles that nothing leads out of, which
    go by their smallest node."""
    found: dict[int, frozenset[int]] = {}
    for circle in _strongly_connected(nodes, graph):
        further = [found[following] for node in circle for following in graph.get(node, ()) if following in found]
        ends = frozenset().union(*further) if further else frozenset((min(circle),))
        found.update(dict.fromkeys(circle, ends))
    return found


def _strongly_connected(nodes: Iterable[int], graph: Graph) -> Iterator[list[int]]:
    """R. Tarjan: Depth-first search and linear graph algorithms (1972), without recursion. Whatever a component leads
    to comes before it."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    """Of nodes whose component is not known yet."""
    stack: list[int] = []
    for start in nodes:
        if start in index:
            continue
        ways = [(start, iter(graph.get(start, ())))]
        while ways:
            node, following = ways[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
            for other in following:
                if other not in index:
                    ways.append((other, iter(graph.get(other, ()))))
                    break
                if other in low:
                    low[node] = min(low[node], index[other])
            else:
                ways.pop()
                if ways:
                    above = ways[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == index[node]:
                    component = _popped_down_to(node, stack)
                    for one in component:
                        del low[one]
                    yield component


def _popped_down_to(node: int, stack: list[int]) -> list[int]:
    component = [stack.pop()]
    while component[-1] != node:
        component.append(stack.pop())
    return component
