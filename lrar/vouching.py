"""Code that was changed without changing a result.

`lrar audit --vouch` trains records of older code again. Where every probability comes out the same, `same_results.json`
says that the newer code counts as the older. Both must come from one kind of processor, so the older side may be a
record of the same experiment that the older code made anew, in a folder of its own. A run speaks for runs of its own
kind alone: the same kind of data, the same stream, and no part that it lacks; for the modules of attention, of losses
and of protocols, only for those that it has itself.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from lrar import provenance
from lrar.cache import atomic_write
from lrar.records import Record

# Parts, by their first word, that these modules alone treat otherwise than others of their sort.
TREATED_BY = {"attention": {"attention"}, "loss": {"distillation", "training"}, "protocol": {"protocols"}}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What kind of run an experiment is: which code it goes through.

    Attributes:
        data: see `lrar.provenance.family`.
        stream: `rgb`, `flow`, `difference`, or "" for super resolution by itself.
        parts: its protocol, backbone, attention and losses, and which of super resolution (ours, or published), frozen
            blocks and a teacher it has.
    """

    data: str
    stream: str
    parts: frozenset[str]

    def speaks_for(self, other: "Kind", module: str) -> bool:
        """Whether a run of this kind goes through all the code of a module that one of the other kind goes through."""
        needed = {part for part in other.parts if module in TREATED_BY.get(part.split()[0], {module})}
        return self.data == other.data and other.stream in ("", self.stream) and needed <= self.parts


def kind_of(experiment: dict[str, Any]) -> Kind:
    """The kind of an experiment, given as `lrar.experiment.to_dict` gives it."""
    data = provenance.family(experiment["data"]["dataset"])
    protocol = f"protocol {experiment['data']['protocol']}"
    if "stream" not in experiment:
        return Kind(data=data, stream="", parts=frozenset({protocol, "super resolution"}))
    weights = experiment["distillation"] or {}
    has = {
        protocol: True,
        f"backbone {experiment['backbone']}": True,
        f"attention {experiment['attention']}": True,
        **{f"loss {term}": weight for term, weight in weights.items() if term != "temperature"},
        "super resolution": experiment["super_resolution"],
        "published super resolution": experiment["source"] in ("espcn", "fsrcnn"),
        "frozen blocks": experiment["recipe"].get("frozen"),
        "teacher": experiment["teacher"],
    }
    return Kind(data=data, stream=experiment["stream"], parts=frozenset(part for part, there in has.items() if there))


@lru_cache(maxsize=1)
def same_results() -> tuple[tuple[Kind, dict[str, tuple[str, str | None]]], ...]:
    """What was shown: of which kind the run was, and by module the newer digest and the older one that it counts as."""
    path = _file()
    shown = json.loads(path.read_text()) if path.exists() else []
    return tuple(
        (
            Kind(data=entry["data"], stream=entry["stream"], parts=frozenset(entry["parts"])),
            {module: (new, old) for module, (new, old) in entry["modules"].items()},
        )
        for entry in shown
    )


def _file() -> Path:
    return Path(provenance.__file__).with_name("same_results.json")


def oldest(module: str, digest: str | None, kind: Kind | None) -> str | None:
    """The digest of the oldest code whose results this code gives, in runs of a kind; None is any kind."""
    for shown, modules in reversed(same_results()):
        new, old = modules.get(module, (None, None))
        if new is not None and new == digest and (kind is None or shown.speaks_for(kind, module)):
            digest = old
    return digest


def changed_since(made_by: dict[str, str], modules: Iterable[str], kind: Kind | None = None) -> list[str]:
    """The modules whose results may be others now.

    Args:
        made_by: the digests of then; a module that was split off another one since has none.
        modules: those that count.
        kind: of the run that was made then; None where another kind's word is good enough.
    """
    now = provenance.code_digest()
    return sorted(
        module for module in modules if oldest(module, made_by.get(module), kind) != oldest(module, now[module], kind)
    )


def older_than_code(record: Record) -> list[str]:
    """The modules that have changed since a record was made, of those that could change its result."""
    modules = provenance.deciding_modules(record.experiment)
    return changed_since(record.provenance["code"], modules, kind_of(record.experiment))


def to_be_shown(records: Iterable[Record]) -> list[Record]:
    """Of records that are older than the code, a few that speak for the kinds of all."""
    by_kind = {(kind_of(record.experiment), tuple(older_than_code(record))): record for record in records}
    chosen: dict[tuple[Kind, tuple[str, ...]], Record] = {}
    for (kind, modules), record in sorted(by_kind.items(), key=lambda item: -len(item[0][0].parts)):
        if not all(
            any(module in shown and other.speaks_for(kind, module) for other, shown in chosen) for module in modules
        ):
            chosen[kind, modules] = record
    return list(chosen.values())


def vouch(record: Record) -> None:
    """Let today's code count as that of a record that it has reproduced, for runs of the record's kind."""
    modules, now = older_than_code(record), provenance.code_digest()
    if not modules:
        return
    kind, made_by = kind_of(record.experiment), record.provenance["code"]
    entry = {
        "shown_by": record.id,
        "data": kind.data,
        "stream": kind.stream,
        "parts": sorted(kind.parts),
        "modules": {module: [now[module], made_by.get(module)] for module in modules},
    }
    path = _file()
    shown = json.loads(path.read_text()) if path.exists() else []
    atomic_write(path, (json.dumps([*shown, entry], indent=1) + "\n").encode())
    same_results.cache_clear()
