"""What `lrar audit` does: train records again from nothing, and compare."""

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path

import torch

from lrar.cache import cache_folder
from lrar.clips import DataError
from lrar.datasets import load_clip_set, one_name
from lrar.experiment import from_dict
from lrar.records import Record, Store
from lrar.running import fold_of, run
from lrar.vouching import older_than_code, to_be_shown, vouch


def audit(arguments: argparse.Namespace) -> int:
    """Train a sample of committed records again from nothing, and print both accuracies."""
    records = _auditable(arguments)
    generator = random.Random(arguments.seed)
    if arguments.vouch:
        sample = to_be_shown(generator.sample(records, len(records)))
    else:
        sample = generator.sample(records, min(arguments.sample, len(records)))
    worst, changed = 0, []
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:  # there is room for frames there
        os.environ["LRAR_CACHE"] = folder  # nothing that was trained before may be used
        for record in sample:
            threads = int(record.provenance["machine"].split(", ")[-1].split()[0])
            torch.set_num_threads(threads)
            same_files = _same_files(record)
            if arguments.vouch and not same_files:
                raise DataError(f"{record.name}: its clips have changed since, so it shows nothing of the code.")
            again = run(from_dict(record.experiment), store=Store(Path(folder) / "records"))
            difference = int(again.correct.sum()) - int(record.correct.sum())
            worst = max(worst, abs(difference))
            older = older_than_code(record)
            same = again.probabilities == record.probabilities
            if not same:
                changed.append(record)
            note = f", made by older code ({', '.join(older)})" if older else ""
            if again.processor != record.processor:  # which rounds otherwise
                note += f", on another processor ({record.processor} then, {again.processor} now)"
            if not same_files:
                note += ", from other files of the same clips"
            print(
                f"{record.name}: recorded {int(record.correct.sum())} of {len(record.labels)}, now {int(again.correct.sum())}, "
                f"probabilities {'the same' if same else 'differ'}{note}",
                flush=True,
            )
    if arguments.vouch:
        if changed:
            print(
                f"lrar: {len(changed)} of {len(sample)} came out otherwise, so nothing is vouched for", file=sys.stderr
            )
            return 1
        for record in sample:
            vouch(record)
    return 0 if worst <= arguments.tolerance else 1


def _same_files(record: Record) -> bool:
    """Whether the files are those that a record was made of; copies of the same clips, encoded otherwise, are not.

    Raises:
        DataError: the clips of its fold are others.
    """
    videos, fold = fold_of(from_dict(record.experiment).data)
    clips = [videos.clip_set.clips[index] for index in fold.test]
    now = videos.clip_set.classes, len(fold.train), {clip.name: clip.label for clip in clips}
    if now != (tuple(record.classes), record.n_train, dict(zip(record.clips, record.labels, strict=True))):
        raise DataError(
            f"{record.name}: its fold has other clips now, so there is nothing to compare. Put the clips there that the record "
            "names, or run the study again."
        )
    return videos.fingerprint == record.fingerprint


def _auditable(arguments: argparse.Namespace) -> list[Record]:
    """The records whose clips are on this machine; to vouch for code, those that are older than it."""
    records, absent = [], set()
    asked = arguments.dataset and one_name(arguments.dataset)
    for record in Store(arguments.records).records():
        if not record.probabilities or asked not in (None, record.dataset, record.experiment["data"]["dataset"]):
            continue
        if not record.id.startswith(arguments.experiment) or (arguments.vouch and not older_than_code(record)):
            continue
        try:
            load_clip_set(record.experiment["data"]["dataset"])
            records.append(record)
        except DataError:
            absent.add(record.dataset)
    for dataset in sorted(absent):
        print(f"{dataset}: not audited, its clips are not on this machine", flush=True)
    if records:
        return records
    which = f" whose hash begins with {arguments.experiment}" if arguments.experiment else ""
    age = " older than the code" if arguments.vouch else ""
    remedy = "Set LRAR_DATA." if absent else "Check the folder, --dataset and --experiment."
    if arguments.vouch and not (absent or arguments.experiment):
        remedy = "Nothing needs to be vouched for."
    raise DataError(f"{arguments.records}: no records{which}{age}, of data that is on this machine. {remedy}")
