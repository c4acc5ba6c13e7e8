"""From a number to its runs: a page for each data set that lists every run behind its tables, and how to make it again.

The page is written when the book is built, from the same records as the chapters, and lies beside them as their last
chapter. Numbers in tables lead to its sections.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from lrar.cache import atomic_write
from lrar.claims import CLAIMS
from lrar.index import results_csv
from lrar.names import DATASET_NAMES, PROTOCOL_NAMES, ROW_NAMES
from lrar.records import Record, Store
from lrar.replay import Runs, networks_of
from lrar.studies import NETWORKS, TABLES, streams_of
from lrar.table import Named, Table, of_all
from lrar.vouching import older_than_code
from lrar.wording import options, study_command

PAGE = "runs"
PAIRS = {claim.row: (claim.baseline, claim.name) for claim in CLAIMS}


def anchor(dataset: str, row: str) -> str:
    """The name of the section that lists the runs of a row, good for a link as it is."""
    name = f"runs-{dataset}-{row}"
    if not re.fullmatch(r"[a-z0-9-]+", dataset):  # two names may be alike in what is left of them
        name += f"-{hashlib.sha256(dataset.encode()).hexdigest()[:6]}"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def on_page(dataset: str) -> Callable[[str], str]:
    """From a row to its section, as Markdown anywhere in the book has it."""
    return lambda row: f"#{anchor(dataset, row)}"


def beside_chapter(dataset: str) -> Callable[[str], str]:
    """From a row to its section, as the HTML of a chapter of the same data set has it."""
    return lambda row: f"{PAGE}.html#{anchor(dataset, row)}"


def write_runs_page(runs: Runs, *, root: Path, folder: Path, others: Iterable[Runs] = ()) -> Path:
    """Write the page and the table of its runs, `results.csv`, into the folder of a data set's chapters.

    Args:
        runs: the records of every row.
        root: of the records.
        folder: where the chapters lie.
        others: records under other protocols, which get sections after these.

    Returns:
        the page.
    """
    in_tables = dict.fromkeys(row for its_rows in TABLES.values() for row in its_rows)
    rows = [*(row for row in in_tables if row in runs.rows), *networks_of(runs.rows)]
    sections = [(runs, row) for row in rows]
    sections += [(other, row) for other in others for row in rows if other.of(row)]
    listed = [record for its_runs, row in sections for record in its_runs.of(row)]
    makers = list(dict.fromkeys(maker(record) for record in listed))
    parts = [_opening(runs), *(_section(*each, makers, root=root, folder=folder) for each in sections)]
    if makers:
        body = tuple((letter(number), *made) for number, made in enumerate(makers))
        table = Table(caption="", head=("made on", "machine", "Python and libraries"), body=body)
        parts.append(f"## Machines and libraries\n\n{table.markdown()}")
    atomic_write(folder / "results.csv", results_csv(listed).encode())
    path = folder / f"{PAGE}.md"
    atomic_write(path, ("\n\n".join(parts) + "\n").encode())
    return path


def _opening(runs: Runs) -> str:
    name = DATASET_NAMES.get(runs.dataset, runs.dataset)
    force = " They are *synthetic* and support no claim." if runs.dataset == "synthetic" else ""
    return f"""# The runs

Every number of the {name} tables comes from the runs on this page; a number in a table leads to its row here.{force}

A run is one stream of one row, trained once on the training clips of one fold from one seed, and tested on the clips of who was held
out. It leaves one JSON file, its record: the whole experiment with its hash, a fingerprint of the data, the class probabilities and the
label of every test clip by name, the loss of each epoch, seconds, machine, library versions, date, and a digest of each module that
decides the result. A number for *both* streams fuses an RGB and a flow run of one fold and seed. One line a run, fused ones too:
{{download}}`results.csv <results.csv>`.

The commands below run in the environment of {{doc}}`/rerun`. `lrar study` makes only what has no record yet. `lrar audit` trains a run
again from nothing, and prints the recorded and the new accuracy side by side. What a command with `--records again` makes lies in a
folder `again`, and leaves the records of the book as they are."""


def _section(runs: Runs, row: str, makers: list[tuple[str, str]], *, root: Path, folder: Path) -> str:
    records = runs.of(row)
    expected = runs.folds if row in NETWORKS else len(streams_of(row)) * runs.expected(row)
    older = [record for record in records if older_than_code(record)]
    there = [f"{len(records)} of {expected or '?'} runs exist."]
    name = ROW_NAMES[row]
    if runs.section(row) != row:
        name = f"{name}, {PROTOCOL_NAMES[runs.protocol]}"
    elif row in PAIRS:
        baseline, claim = PAIRS[row]
        link = f"[{ROW_NAMES[baseline]}](#{anchor(runs.dataset, baseline)})"
        there.append(f"{claim} sets this row against {link}, clip by clip.")
    if older:
        modules = sorted(set().union(*map(older_than_code, older)))
        there.append(f"{len(older)} were made before the latest change to {', '.join(modules)}.")
    commands = [study_command(runs, row)]
    if records and row not in NETWORKS:
        commands += [run_command(runs, records[0]), audit_command(records[0])]
    parts = [
        f"({anchor(runs.dataset, runs.section(row))})=\n## {name}",
        " ".join(there),
        "```bash\n" + "\n".join(commands) + "\n```",
    ]
    if records:
        measured = ("PSNR, dB",) if row in NETWORKS else ("right",)
        head = (
            "stream",
            "held out",
            "fold",
            "seed",
            *measured,
            "seconds",
            "date",
            "made on",
            "record",
            "made again by",
        )
        body = tuple(_line(runs, record, makers, root=root, folder=folder) for record in records)
        table = Table(caption=f"Every run of {name}.", head=head, body=body)
        parts.append(table.directive(kind="lrar-runs"))
    return "\n\n".join(parts)


def _line(runs: Runs, record: Record, makers: list[tuple[str, str]], *, root: Path, folder: Path) -> tuple[str, ...]:
    path = Store(root).path(record)
    if record.probabilities:
        measured = of_all(int(record.correct.sum()), len(record.labels))
    else:
        measured = f"{record.quality['sr']['psnr']:.2f}"
    return (
        record.stream,
        Named(record.fold_name),
        str(record.fold),
        str(record.seed),
        measured,
        f"{record.train_seconds:.1f}",
        record.provenance.get("date", "–"),
        letter(makers.index(maker(record))),
        f"{{download}}`{record.study}/{path.name} <{os.path.relpath(path, folder)}>`",
        f"`{run_command(runs, record)}`",
    )


def letter(number: int) -> str:
    """A, B, and so on to Z, then A1."""
    return chr(ord("A") + number % 26) + (str(number // 26) if number >= 26 else "")


def maker(record: Record) -> tuple[str, str]:
    """The machine of a run, and its Python and libraries."""
    versions = {"Python": record.provenance.get("python", "?"), **record.provenance.get("libraries", {})}
    return record.machine, ", ".join(f"{name} {version}" for name, version in versions.items())


def run_command(runs: Runs, record: Record) -> str:
    """The command that makes one run again, beside the records of the book."""
    if not record.probabilities:
        return f"lrar run {NETWORKS[record.row]} {options(runs)} --fold {record.fold} --records again"
    place = f"--stream {record.stream} --fold {record.fold} --seed {record.seed}"
    return f"lrar run {record.row} {options(runs)} {place} --records again"


def audit_command(record: Record) -> str:
    """The command that trains one run again from nothing and compares."""
    return f"lrar audit --experiment {record.id}"
