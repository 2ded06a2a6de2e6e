"""The source of Python's standard library, from which text for networks is taken: real, and there without a network."""

from __future__ import annotations

import ast
import sysconfig
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from reskeras.datasets.dataset import DataError

PACKAGES = ("asyncio", "email", "http", "importlib", "logging", "multiprocessing", "unittest", "xml")
"""Packages that every Python of the last years has, large enough to learn from."""

LIBRARY = "the source of Python's standard library"


@cache
def library() -> Path:
    """Return the folder of the standard library.

    Raises:
        DataError: where this Python comes without its source.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    if missing := [name for name in PACKAGES if not (folder / name).is_dir()]:
        raise DataError(f"{LIBRARY} is not there: {folder} lacks {', '.join(missing)}.")
    return folder


def sources(package: str) -> Iterator[str]:
    """Yield the text of each file of a package, in the order of their paths; tests of the package are left out."""
    home = library() / package
    for path in sorted(home.rglob("*.py")):
        if not {"test", "tests", "__pycache__"} & set(path.relative_to(home).parts):
            yield read(path)


def modules() -> Iterator[Path]:
    """Yield the files at the top of the library and those of `PACKAGES`, in the order of their paths; none that a
    build of Python writes."""
    top = [path for path in sorted(library().glob("*.py")) if not path.name.startswith("_sysconfig")]
    for path in (*top, *(each for name in PACKAGES for each in sorted((library() / name).rglob("*.py")))):
        if not {"test", "tests", "__pycache__"} & set(path.relative_to(library()).parts):
            yield path


def read(path: Path) -> str:
    """Return a source file's text, in the encoding that it names.

    Raises:
        DataError: where it cannot be read.
    """
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None


def docstrings(source: str) -> Iterator[str]:
    """Yield the docstrings of a module, its classes and functions, as they stand in the source, without indents."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text and text.strip():
                yield text.strip()
