"""Reads YAML nodes, which know their lines, as what they should be; keeps everything that is wrong with them."""

import math
from collections.abc import Collection
from difflib import get_close_matches

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MAX_PROBLEMS = 100
LARGEST = 1e6
"""Numbers beyond are no positions, weights or limits of anything."""


class NodeReader:
    """Mappings, lists, numbers and words of one document. A wrong one is kept in `problems`, and reading goes on."""

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self._read: dict[int, dict[str, tuple[Node, Node]]] = {}  # by the id of a node: an alias is the node again
        self.problems: set[tuple[int, str]] = set()
        """(line from 1, what is wrong), `MAX_PROBLEMS` at most."""
        self.count = 0
        """How often something was wrong."""

    def wrong(self, node: Node, problem: str) -> None:
        """Keep a problem, with the line of `node`."""
        self.count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.add((node.start_mark.line + 1, problem))

    def mapping(self, node: Node, what: str, known: Collection[str] | None = None) -> dict[str, tuple[Node, Node]]:
        """Key -> (node of the key, node of the value); what is no mapping or has a key twice is a problem."""
        if not isinstance(node, MappingNode):
            self.wrong(node, f"{what}: expected `key: value` pairs")
            return {}
        if id(node) not in self._read:
            seen: dict[str, Node] = {}
            for key, _ in node.value:
                text = str(key.value)
                if text in seen:
                    self.wrong(key, f"{what}: {text!r} is there twice, first in line {seen[text].start_mark.line + 1}")
                seen.setdefault(text, key)
            self._read[id(node)] = {str(key.value): (key, value) for key, value in self.merged(node)}
        entries = self._read[id(node)]
        if known is not None:
            self.known(what, entries, known)
        return entries

    def merged(self, node: MappingNode) -> list[tuple[Node, Node]]:
        """The pairs of a mapping with its merge keys resolved; its own come last."""
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            try:
                self._loader.flatten_mapping(node)
            except (yaml.YAMLError, RecursionError) as error:
                self.wrong(node, f"the merge key leads nowhere: {getattr(error, 'problem', error)}")
                return []
        return node.value

    def known(self, what: str, entries: dict, known: Collection[str]) -> None:
        """A key that means nothing is a problem: it may be a misspelt one."""
        for name, (key, _) in entries.items():
            if name not in known:
                self.wrong(key, f"{what}: {name!r} means nothing{near(name, known)}")

    def need(self, node: Node, what: str, entries: dict, key: str) -> Node | None:
        """The value of a key that must be there."""
        if key not in entries:
            self.wrong(node, f"{what}: {key} is missing")
            return None
        return entries[key][1]

    def sequence(self, node: Node, what: str) -> list:
        """The items of a list."""
        if not isinstance(node, SequenceNode):
            self.wrong(node, f"{what}: expected a list")
            return []
        return node.value

    def numbers(self, node: Node, what: str, count: int) -> list[float]:
        """Exactly `count` numbers; fewer where they are wrong."""
        items = self.sequence(node, what)
        if items and len(items) != count:
            self.wrong(node, f"{what}: {len(items)} numbers, expected {count}")
        return [value for item in items[:count] if (value := self.number(item, what)) is not None]

    def number(self, node: Node | None, what: str) -> float | None:
        """A number of which something can be made; None where there is none."""
        if node is None:
            return None
        try:
            value = float(node.value) if isinstance(node, ScalarNode) else math.nan
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and abs(value) <= LARGEST):
            shown = node.value if isinstance(node, ScalarNode) else "a list or mapping"
            self.wrong(node, f"{what} is {shown}, expected a number, 1e6 at most")
            return None
        return value

    def text(self, node: Node | None, what: str) -> str:
        """A word; "" where there is none."""
        if node is None:
            return ""
        if not isinstance(node, ScalarNode) or not node.value:
            self.wrong(node, f"{what}: expected a word")
            return ""
        return str(node.value)

    def truth(self, entries: dict, key: str, what: str) -> bool:
        """true or false; false where the key is not there."""
        if key not in entries:
            return False
        value = self.text(entries[key][1], f"{what}: {key}").lower()
        if value not in ("true", "false"):
            self.wrong(entries[key][1], f"{what}: {key} is {value!r}, expected true or false")
        return value == "true"


def near(name: str, known: Collection[str]) -> str:
    """ "; did you mean …?" where a known name is like `name`, else all of a few."""
    match = get_close_matches(name, known, 1)
    if match:
        return f"; did you mean {match[0]}?"
    return f"; there are {', '.join(sorted(known))}" if 0 < len(known) <= 12 else ""
