"""What all rows of a data set share, and how large a study is."""

import re
from dataclasses import dataclass, field
from typing import Any

from lrar.experiment import Recipe


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all rows of a data set share.

    Attributes:
        protocol: how it is divided, where nothing else is asked for.
        shrink: HR rows per LR row.
        rows: to which HR frames are shrunk for the teacher; None keeps them.
        compact_rows: the same where the profile puts the compact network in place of the backbone: the rows that a
            student's frames have, for the two networks' maps must be of one size.
        backbone: of teacher and student.
        recipe: how they are trained.
        super_resolution: fields of `lrar.experiment.SuperResolution` that differ from its defaults.
        extra: whether the rows `lrar.studies.EXTRA` are among its rows.
    """

    protocol: str = "actor"
    shrink: int | None = None
    rows: int | None = None
    compact_rows: int | None = None
    backbone: str = "compact"
    recipe: Recipe = field(default_factory=Recipe)
    super_resolution: dict[str, Any] = field(default_factory=dict)
    extra: bool = False


# IXMAS, synthetic and a folder of anyone's own: small grey frames, or anything; no weights are needed.
COMPACT = Setting()
# The paper's own setting: 240x320 to 12x16, and I3D. The blocks that hold most of its cost stay as Kinetics left them.
HMDB = Setting(
    protocol="official",
    shrink=20,
    rows=112,
    compact_rows=48,
    backbone="i3d",
    recipe=Recipe(epochs=10, learning_rate=1e-3, shift=0, frozen="Mixed_4d", views=4, zoom=0.7),
    super_resolution={"width": 64, "blocks": 8, "steps": 2500},
    extra=True,
)


def setting(dataset: str) -> Setting:
    """What the rows of a data set share."""
    return HMDB if re.fullmatch(r"hmdb\d+", dataset) else COMPACT


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How large a study is.

    Attributes:
        folds: folds to run, or None for all.
        every: keep each n-th clip of a class and actor.
        seeds: seeds of the teacher and of the rows that verdicts rest on, `lrar.claims.HEADLINE`.
        ablation_seeds: seeds of the other rows.
        recipe: in place of the data set's own; the network is then the compact one, whatever the data set.
        steps: of super resolution, in place of the data set's own.
    """

    folds: int | None
    every: int
    seeds: int
    ablation_seeds: int
    recipe: Recipe | None = None
    steps: int | None = None


PROFILES = {
    # Everything, as in the tables.
    "full": Profile(folds=None, every=1, seeds=3, ablation_seeds=1),
    # One fold of a thinned set, briefly trained: shows that everything works, and proves nothing.
    "quick": Profile(folds=1, every=8, seeds=1, ablation_seeds=1, recipe=Recipe(epochs=5), steps=150),
}
