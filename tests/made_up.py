"""Records that no run has made, for tests of what is drawn from records."""

import dataclasses

from lrar.experiment import identity, to_dict
from lrar.records import Record, Store
from lrar.settings import PROFILES, setting
from lrar.studies import NETWORKS, ROWS, STREAMS, STUDIES, data_of

CLASSES = ["kick", "point", "wave"]
PROFILE = PROFILES["full"]


def make_record(
    row: str,
    stream: str,
    fold: int,
    *,
    seed: int = 0,
    right: int = 8,
    dataset: str = "ixmas6",
    protocol: str | None = None,
) -> Record:
    """A run on twelve clips of one actor, of which the first few are recognised."""
    data = data_of(dataset, protocol=protocol or setting(dataset).protocol, fold=fold, profile=PROFILE)
    if row in NETWORKS:
        experiment, study = (
            STUDIES["super_resolution"][NETWORKS[row]](data, "rgb", PROFILE).super_resolution,
            "super_resolution",
        )
    else:
        study = ROWS[row]
        experiment = dataclasses.replace(STUDIES[study][row](data, stream, PROFILE), seed=seed)
    common = {
        "id": identity(experiment),
        "study": study,
        "row": row,
        "experiment": to_dict(experiment),
        "fingerprint": "made-up",
        "classes": CLASSES,
        "fold_name": f"actor{fold}",
        "n_train": 108,
        "provenance": {"machine": "abacus, 1 threads", "code": {}},
        "losses": [1.5, 1.0, 0.5],
        "train_seconds": 30.0,
    }
    if row in NETWORKS:
        quality = {"bicubic": {"psnr": 30.0 + fold, "ssim": 0.8}, "sr": {"psnr": 31.5 + fold, "ssim": 0.9}}
        return Record(**common, quality=quality)
    labels = [clip % 3 for clip in range(12)]
    answers = [label if clip < right else (label + 1) % 3 for clip, label in enumerate(labels)]
    return Record(
        **common,
        clips=[f"actor{fold}_{clip}" for clip in range(12)],
        labels=labels,
        groups=[f"actor{fold}"] * 12,
        probabilities=[[0.8 if answer == label else 0.1 for label in range(3)] for answer in answers],
    )


def write_records(root, right: dict[str, int], *, folds: int = 10, seeds: int = 1, dataset: str = "ixmas6") -> None:
    """Fill a store with so many folds and seeds of each row, with so many of twelve clips right."""
    store = Store(root)
    for fold in range(folds):
        store.write(make_record("own", "network", fold, dataset=dataset))
        for row, count in right.items():
            for stream in STREAMS:
                for seed in range(seeds):
                    store.write(make_record(row, stream, fold, seed=seed, right=count, dataset=dataset))
