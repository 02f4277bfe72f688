"""Reads a workflow's YAML or JSON into a tree that knows the line of every key and value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from omnipipe.laptop.services.workflows.interpreter.errors import Problem, WorkflowRefused

MAX_SOURCE = 128 * 1024
"""Largest source, in bytes (https://cloud.google.com/workflows/quotas)."""
_MAX_NODES = 100_000
_COLLECTIONS = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")


@dataclass(frozen=True, eq=False)
class Node:
    """A value of the source and its line (from 1): a scalar of a Python type, or one of the subclasses."""

    value: Any
    line: int


@dataclass(frozen=True, eq=False)
class Sequence(Node):
    """A list; `value` is a list of nodes."""

    value: list[Node]


@dataclass(frozen=True, eq=False)
class Mapping(Node):
    """A map; `value` maps each key to its node, `key_lines` to the line of the key itself."""

    value: dict[str, Node]
    key_lines: dict[str, int]


class _Loader(yaml.SafeLoader):
    """YAML with the scalars of the 1.2 core schema, so that `yes`, `on` and dates stay strings."""

    yaml_implicit_resolvers: dict = {}  # noqa: RUF012 - PyYAML's own name and form


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def read(text: str, filename: str) -> Node:
    """Parse a workflow's source.

    Raises: WorkflowRefused for text that is too large, is not YAML, or repeats a key of a map.
    """
    if len(text.encode()) > MAX_SOURCE:
        raise WorkflowRefused(
            [Problem(filename, 1, None, f"the source is over {MAX_SOURCE // 1024} KB — split it")]
        )
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"not valid YAML: {error.problem or error.context}"
        raise WorkflowRefused([Problem(filename, mark.line + 1 if mark else 1, None, problem)]) from None
    except yaml.YAMLError as error:
        raise WorkflowRefused([Problem(filename, 1, None, f"not valid YAML: {error}")]) from None
    if root is None:
        raise WorkflowRefused([Problem(filename, 1, None, "the file is empty — write at least one step")])
    reader = _Reader(filename)
    tree = reader.convert(root, ())
    if reader.problems:
        raise WorkflowRefused(reader.problems)
    return tree


class _Reader:
    def __init__(self, filename: str):
        self.filename = filename
        self.problems: list[Problem] = []
        self.count = 0

    def convert(self, node: yaml.Node, above: tuple[int, ...]) -> Node:
        line = node.start_mark.line + 1
        self.count += 1
        if id(node) in above or self.count > _MAX_NODES:
            # an alias can make a small file endless or huge
            self.refuse(line, "an alias (*name) makes the source endless or too large — write the value out")
            return Node(None, line)
        above = (*above, id(node))
        if not isinstance(node, yaml.ScalarNode) and node.tag not in _COLLECTIONS:
            self.refuse(line, f"the YAML tag {node.tag} is not known — remove it")
        if isinstance(node, yaml.SequenceNode):
            return Sequence([self.convert(item, above) for item in node.value], line)
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, line, above)
        return Node(self.scalar(node, line), line)

    def mapping(self, node: yaml.MappingNode, line: int, above: tuple[int, ...]) -> Mapping:
        entries: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.refuse(key_line, "a key of a map must be text — quote it")
                continue
            key = self.unicode(key_node.value, key_line)
            if key in entries:
                self.refuse(key_line, f"the key '{key}' stands twice in one map — remove one")
            entries[key] = self.convert(value_node, above)
            lines[key] = key_line
        return Mapping(entries, line, lines)

    def scalar(self, node: yaml.Node, line: int) -> Any:
        text, tag = node.value, node.tag.removeprefix("tag:yaml.org,2002:")
        if tag == "str":
            return self.unicode(text, line)
        if tag == "bool":
            return text.lower() == "true"
        if tag == "null":
            return None
        if tag == "float":
            return float(text)
        if tag == "int":
            number = int(text, 0) if text.startswith(("0o", "0x")) else int(text)
            if not -(2**63) <= number < 2**63:
                self.refuse(line, f"{text} does not fit into a 64-bit integer — quote it, to keep it as text")
            return number
        self.refuse(line, f"the YAML tag {node.tag} is not known — remove it")
        return None

    def unicode(self, text: str, line: int) -> str:
        """Join what JSON writes as a pair, such as `\\ud83d\\ude00`, into the one character it stands for."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16") if not text.isascii() else text
        except UnicodeDecodeError:
            self.refuse(
                line, "half of a surrogate pair is no character — write both halves, or the character itself"
            )
            return text

    def refuse(self, line: int, message: str) -> None:
        self.problems.append(Problem(self.filename, line, None, message))
