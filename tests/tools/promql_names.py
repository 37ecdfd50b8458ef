"""What a PromQL expression reads: metrics, matchers, labels it groups by."""

from typing import Any, NamedTuple

import promql_parser


class Selected(NamedTuple):
    """One selector: the metric and its matchers as (label, operator, value)."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]


class Names(NamedTuple):
    """All selectors of an expression, and all labels that it names elsewhere."""

    selected: tuple[Selected, ...]
    grouped: frozenset[str]
    functions: frozenset[str]


def names_in(expr: str) -> Names:
    """Parse an expression; raises ``ValueError`` when it is not PromQL."""
    selected: list[Selected] = []
    grouped: set[str] = set()
    functions: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            selected.append(_selected(node))
        elif isinstance(node, promql_parser.AggregateExpr):
            functions.add(str(node.op))
            grouped.update(node.modifier.labels if node.modifier else ())
        elif isinstance(node, promql_parser.BinaryExpr):
            grouped.update(_matched(node))
        elif isinstance(node, promql_parser.Call):
            functions.add(node.func.name)

    promql_parser.walk(promql_parser.parse(expr), visit)
    return Names(tuple(selected), frozenset(grouped), frozenset(functions))


def _selected(node: Any) -> Selected:
    matchers = [
        (matcher.name, _operator(matcher.op), matcher.value)
        for matcher in node.matchers.matchers
    ]
    return Selected(node.name, tuple(matchers))


def _operator(op: Any) -> str:
    kinds = promql_parser.MatchOp
    known = ((kinds.Equal, "="), (kinds.NotEqual, "!="), (kinds.Re, "=~"))
    return next((sign for kind, sign in known if op == kind), "!~")


def _matched(node: Any) -> set[str]:
    modifier = node.modifier
    if modifier is None:
        return set()
    labels = modifier.matching.labels if modifier.matching else ()
    return {*labels, *(modifier.group_labels or ())}
