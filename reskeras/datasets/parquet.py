"""Rows of a Parquet file, through pyarrow, which is an extra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reskeras.datasets.dataset import DataError
from reskeras.datasets.plain_files import check_memory, opened
from reskeras.installed import how_to_install

_BYTES = 200
"""Of memory that a cell takes at most while it is read, and its text."""

_GROUP = 10_000


def parquet_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the names of the columns and then each row's cells, as texts, with their number from 1.

    Raises:
        DataError: where pyarrow is not installed, or the file cannot be read, or a column holds lists or the like.
    """
    try:
        from pyarrow import parquet, types
    except ImportError:
        raise DataError(
            f"{path}: Parquet is read by pyarrow, which is not installed: {how_to_install('data')}"
        ) from None
    with opened(path) as source:
        try:
            file = parquet.ParquetFile(source)
            nested = [field.name for field in file.schema_arrow if types.is_nested(field.type)]
            rows, names = file.metadata.num_rows, file.schema_arrow.names
            if nested:
                raise DataError(
                    f"{path}: column {nested[0]!r} holds lists or records; a feature is a number or a text."
                )
            check_memory(path, _BYTES * rows * len(names), "its rows")
            yield 1, list(names)
            number = 1
            for batch in file.iter_batches(_GROUP):
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield number, [_text(cell) for cell in cells]
        except DataError:
            raise
        except Exception as error:
            # Damaged bytes make pyarrow raise many kinds, some of them its own, some OSError or ValueError.
            reason = str(error).strip().splitlines()
            raise DataError(f"{path} cannot be read as Parquet: {(reason or [type(error).__name__])[0]}.") from None


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return str(int(cell))
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return "" if cell is None else str(cell)
