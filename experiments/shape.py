"""Prints how the code of a folder is cut: the figures by which codebases are compared.

    python experiments/shape.py [SRC [TESTS]]

Lines of a body and of a file are source lines as they stand, docstrings of the body left out.
"""

import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def shape(src: Path, tests: Path) -> dict[str, str]:
    """Returns the figures by name.

    Args:
        src: Folder of the library.
        tests: Folder of its tests.
    """
    files = sorted(src.rglob("*.py"))
    trees = {path: ast.parse(path.read_text()) for path in files}
    functions = [node for tree in trees.values() for node in ast.walk(tree) if _is_function(node)]
    public = [node for tree in trees.values() for node in _public(tree)]
    test_trees = [ast.parse(path.read_text()) for path in sorted(tests.rglob("*.py"))]
    checks = [n for t in test_trees for n in ast.walk(t) if _is_function(n) and _is_test(n)]
    raises = [n for t in test_trees for n in ast.walk(t) if isinstance(n, ast.Call) and _raises(n)]
    pinned = [any(k.arg == "match" for k in call.keywords) for call in raises]
    lengths = [len(path.read_text().splitlines()) for path in files if path.stem != "__init__"]
    bodies = [_body_lines(function) for function in functions]
    return {
        "files": str(len(lengths)),
        "file lines, median / max": f"{statistics.median(lengths):.0f}/{max(lengths)}",
        "function body, median / p90": "/".join(map(str, _quantiles(bodies))),
        "functions with return types": _share([f.returns is not None for f in functions]),
        "public docstrings": _share([bool(ast.get_docstring(node)) for node in public]),
        "comments": f"{sum(map(_comments, files)) / sum(lengths):.0%}",
        "tests": str(len(checks)),
        "tests with a docstring": _share([bool(ast.get_docstring(test)) for test in checks]),
        "`raises` that pin the message": f"{_share(pinned)} of {len(raises)}",
    }


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, Function)


def _is_test(node: ast.AST) -> bool:
    return isinstance(node, Function) and node.name.startswith("test_")


def _raises(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "raises"


def _public(tree: ast.Module) -> Iterator[ast.AST]:
    """Yields a module and the classes, functions and methods in it that are not private."""
    yield tree
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            members = node.body if isinstance(node, ast.ClassDef) else []
            yield from (m for m in members if _is_function(m) and not m.name.startswith("_"))


def _body_lines(function: ast.AST) -> int:
    assert isinstance(function, Function)
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _comments(path: Path) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return sum(token.type == tokenize.COMMENT for token in tokens)


def _quantiles(values: Sequence[int]) -> tuple[int, int]:
    return round(statistics.median(values)), round(statistics.quantiles(values, n=10)[-1])


def _share(flags: Sequence[bool]) -> str:
    return f"{sum(flags) / max(1, len(flags)):.0%}"


def main() -> None:
    """Prints the figures of this project, or of the folders that are named."""
    src, tests = (*map(Path, sys.argv[1:]), *(ROOT / "src", ROOT / "tests")[len(sys.argv) - 1 :])
    for name, figure in shape(src, tests).items():
        print(f"{name:40}{figure}")


if __name__ == "__main__":
    main()
