"""Every field that a log line may have is in a table of docs/logging.md, and the shipping examples can be parsed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "logging.md"
SHIPPING = ROOT / "manifests" / "monitoring" / "logs"
LEVELS = {"debug", "info", "warning", "error", "exception"}
# What every line has, put there by the formatters.
BY_THE_API = {"timestamp", "level", "message", "service", "environment", "context", "error"}
BY_THE_OPERATOR = {"timestamp", "level", "logger", "message", "namespace", "name", "exception"}
# Not a field: it makes the formatter add `exception` or `error`.
SWITCHES = {"exc_info", "extra", "stack_info"}


def documented(section: str) -> set[str]:
    text = DOCUMENT.read_text().split(f"## {section}")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}


def trees(folder: str) -> Iterator[ast.Module]:
    for file in sorted((ROOT / folder).rglob("*.py")):
        yield ast.parse(file.read_text())


def fields_of_the_operator() -> set[str]:
    """The keywords of every call of a log method."""
    return {
        keyword.arg
        for tree in trees("operator/maraudersmap_operator")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS
        for keyword in node.keywords
        if keyword.arg is not None
    } - SWITCHES


def fields_of_the_api() -> set[str]:
    """The keys of every dictionary that is, or is given the name, `context`, in files that log."""
    found: set[str] = set()
    for tree in trees("api_service/maraudersmap_api"):
        if not any(isinstance(n, ast.keyword) and n.arg == "extra" for n in ast.walk(tree)):
            continue
        for node in ast.walk(tree):
            found |= set(_context_keys(node))
    return found


def _context_keys(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "context" and isinstance(value, ast.Dict):
                yield from _keys(value)
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    for target in targets:
        assert isinstance(node, ast.Assign | ast.AnnAssign)
        if isinstance(target, ast.Name) and target.id == "context" and isinstance(node.value, ast.Dict):
            yield from _keys(node.value)
        if (
            isinstance(target, ast.Subscript)
            and isinstance(target.value, ast.Name)
            and target.value.id == "context"
            and isinstance(target.slice, ast.Constant)
        ):
            yield str(target.slice.value)
    if isinstance(node, ast.FunctionDef) and node.name == "_origin":
        for each in ast.walk(node):
            if isinstance(each, ast.Dict):
                yield from _keys(each)


def _keys(literal: ast.Dict) -> Iterator[str]:
    return (str(key.value) for key in literal.keys if isinstance(key, ast.Constant))


def test_the_scan_sees_what_is_logged() -> None:
    """Of each way in which a field is written, one that is known."""
    assert {"reason", "changed_by"} <= fields_of_the_operator()
    assert {"traceId", "duration_ms", "ip", "metricsPort", "dependency"} <= fields_of_the_api()


def test_every_field_of_the_operator_is_documented() -> None:
    assert documented("Lines of the operator") == fields_of_the_operator() | BY_THE_OPERATOR


def test_every_field_of_the_api_is_documented() -> None:
    assert documented("Lines of the API") == fields_of_the_api() | BY_THE_API


def test_the_shipping_examples_hold_together() -> None:
    promtail = yaml.safe_load((SHIPPING / "promtail.yaml").read_text())
    assert {"clients", "positions", "scrape_configs"} <= set(promtail)
    collector = yaml.safe_load((SHIPPING / "otel-collector.yaml").read_text())
    for pipeline in collector["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= set(collector[part])
    alloy = (SHIPPING / "alloy.alloy").read_text()
    assert alloy.count("{") == alloy.count("}")
    made = set(re.findall(r'^([\w.]+) "(\w+)" \{', alloy, re.MULTILINE))
    used = set(re.findall(r"\b((?:discovery|loki)\.\w+)\.(\w+)\.(?:targets|output|receiver)", alloy))
    assert used <= made
