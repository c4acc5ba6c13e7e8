"""Numbers that others measured: those that were read in a source, and those that a reader of the paper types in."""

import csv
from pathlib import Path

from lrar.clips import DataError
from lrar.places import BOOK
from lrar.table import Table

PAPER_COLUMNS = ("data", "table", "row", "stream", "value", "note")


def published(data: str) -> Table:
    """The literature's values on one data set, as `literature.csv` has them."""
    with open(BOOK / "literature.csv", newline="", encoding="utf-8") as file:
        lines = [line for line in csv.DictReader(file) if line["data"] == data]
    columns = ("method", "resolution", "streams", "accuracy", "notes", "source")
    return Table(
        caption=f"Published, on {data}; read in the source named.",
        head=("method", "resolution", "streams", "accuracy, %", "notes", "source"),
        body=tuple(tuple(line[column] for column in columns) for line in lines),
    )


def paper_values(table: str, *, data: str, path: Path = BOOK / "paper_values.csv") -> dict[tuple[str, str], str]:
    """The paper's own values of one of our tables, by row and stream, where a reader has typed them in.

    Args:
        table: a study.
        data: the paper's data set, `IXMAS` or `HMDB-51`.
        path: the file.

    Raises:
        DataError: the file lacks a column, or says two things of one cell.
    """
    if not path.exists():
        return {}
    values: dict[tuple[str, str], str] = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        lines = csv.DictReader(file)
        if missing := [name for name in PAPER_COLUMNS if name not in (lines.fieldnames or ())]:
            raise DataError(f"{path}: no column {missing[0]}. Its first line must read {','.join(PAPER_COLUMNS)}.")
        for line in lines:
            if (line["table"], line["data"]) != (table, data):
                continue
            cell = line["row"], line["stream"]
            if cell in values:
                raise DataError(f"{path}: two values of {', '.join(cell)}, {data}, table {table}. Keep one.")
            values[cell] = f"{line['value']} ({line['note']})" if line["note"] else line["value"]
    return values
