"""The tables of the book, each a list of experiments."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from lrar import views
from lrar.claims import HEADLINE
from lrar.clips import DataError
from lrar.datasets import load_clip_set, one_name
from lrar.experiment import Data, Distillation, Experiment, Recipe, SuperResolution
from lrar.protocols import folds
from lrar.settings import Profile, setting
from lrar.streams import PUBLISHED, SCALE
from lrar.weights import weights_file

STREAMS = ("rgb", "flow")
# Rows of the plain student by the pixels of LR; 12x16 in every other study, which 48x64 give shrunk by 4.
PIXEL_ROWS = {"plain": 192, "pixels3072": 3072, "pixels768": 768, "pixels48": 48, "pixels12": 12}
HEADS = {f"heads{heads}": heads for heads in (1, 2, 8)}  # row -> heads of its attention; *joint attention* has four
FLOW_METHOD = {"rgb": None, "flow": "dis"}

# The loss of the full system, and each of its terms alone. Weights are round numbers for losses at unit length; none was
# tuned. The authors of attention transfer take the mean over a map's elements a thousandfold. Of the 2x4x5 elements that
# I3D has here, we take the sum, so that is a weight of 25.
DISTILLATIONS = {
    "logit": Distillation(logit=0.5),
    "feature": Distillation(feature=1.0),
    # Features before attention: see `lrar.distillation.feature_loss`.
    "mean_feature": Distillation(mean_feature=1.0),
    "attention_transfer": Distillation(attention_transfer=1.0),
    "attention_transfer25": Distillation(attention_transfer=25.0),
    "all": Distillation(logit=0.5, feature=1.0, attention_transfer=1.0),
    "all_mean": Distillation(logit=0.5, mean_feature=1.0, attention_transfer=1.0),
    "all_transfer25": Distillation(logit=0.5, feature=1.0, attention_transfer=25.0),
}


RowMaker = Callable[[Data, str, Profile], Experiment]


def super_resolution(data: Data, profile: Profile, *, scale: int | None = None) -> SuperResolution:
    """Our network of a fold; it enlarges by 4, or by `scale`."""
    fields = dict(setting(data.dataset).super_resolution)
    if profile.steps is not None:
        fields["steps"] = profile.steps
    return SuperResolution(data=data, scale=scale, **fields)


def student(source: str, *, attention: str = "mean", scale: int | None = None) -> RowMaker:
    """A student without a teacher; on `hr`, a teacher. Our super resolution enlarges by 4, or by `scale`."""

    def make(data: Data, stream: str, profile: Profile) -> Experiment:
        its = setting(data.dataset)
        hr_rows = its.compact_rows if profile.recipe else its.rows
        return Experiment(
            data=data,
            stream=stream,
            source=source,
            super_resolution=super_resolution(data, profile, scale=scale) if source == "sr" else None,
            flow_method=FLOW_METHOD[stream],
            backbone="compact" if profile.recipe else its.backbone,
            attention=attention,
            recipe=profile.recipe or its.recipe,
            rows=hr_rows if source == "hr" else None,
        )

    return make


# The network of the full system, on HR.
teacher = student("hr", attention="joint")


def changed(
    base: RowMaker, *, distillation: Distillation | None = None, attention: str = "mean", heads: int = 4
) -> RowMaker:
    """A row that differs from another in what is named."""

    def make(data: Data, stream: str, profile: Profile) -> Experiment:
        return dataclasses.replace(
            base(data, stream, profile),
            teacher=teacher(data, stream, profile) if distillation else None,
            distillation=distillation,
            attention=attention,
            heads=heads,
        )

    return make


def larger(base: RowMaker) -> RowMaker:
    """A row on twice the rows and twice the frames of a clip, and its teacher too. LR has no more pixels than before.

    The compact network, which takes what it is given, has twice the frames only: so its maps and its teacher's are of
    one size.
    """

    def grown(its: Experiment) -> Experiment:
        frozen = its.recipe.frozen is not None
        rows = 2 * (its.recipe.rows or views.ROWS) if frozen else None
        return dataclasses.replace(
            its,
            rows=2 * its.rows if its.rows and frozen else its.rows,
            recipe=dataclasses.replace(its.recipe, frames=2 * its.recipe.frames, rows=rows),
            teacher=its.teacher and grown(its.teacher),
        )

    return lambda data, stream, profile: grown(base(data, stream, profile))


def whole(base: RowMaker) -> RowMaker:
    """A row of which every block is trained, and of its teacher too, on frames drawn anew in each epoch.

    The others train the upper blocks alone. At half their rate, at which whole networks had been tried on the inner split.
    """

    def thawed(its: Experiment) -> Experiment:
        # Stored views, and parts of a picture that they show, are there only where blocks are frozen.
        without = {"frozen": None, "views": None, "zoom": None, "shift": Recipe().shift}
        recipe = dataclasses.replace(its.recipe, learning_rate=its.recipe.learning_rate / 2, **without)
        return dataclasses.replace(its, recipe=recipe, teacher=its.teacher and thawed(its.teacher))

    return lambda data, stream, profile: thawed(base(data, stream, profile))


def with_pixels(enlarge: int) -> RowMaker:
    """The plain student on LR of other sizes, enlarged to what the rows at 12x16 are enlarged to."""

    def make(data: Data, stream: str, profile: Profile) -> Experiment:
        return dataclasses.replace(
            student("bicubic")(data, stream, profile),
            data=dataclasses.replace(data, shrink=(data.shrink or SCALE) * enlarge // SCALE),
            enlarge=enlarge,
        )

    return make


full = changed(student("sr"), distillation=DISTILLATIONS["all"], attention="joint")

# Study -> row -> how its experiment is made. A row stands in one study, and other studies' tables may cite it.
STUDIES: dict[str, dict[str, RowMaker]] = {
    "full": {"teacher": teacher, "plain": student("bicubic"), "full": full, "large_teacher": larger(teacher)},
    "super_resolution": {
        **{source: student(source) for source in ("sr", "nearest", "espcn", "fsrcnn")},
        "sr8": student("sr", scale=8),
    },
    "distillation": {
        name: changed(student("sr"), distillation=distillation) for name, distillation in DISTILLATIONS.items()
    },
    "attention": {
        **{
            variant: changed(student("sr"), attention=variant)
            for variant in ("joint", "temporal", "spatial", "factorised")
        },
        **{row: changed(student("sr"), attention="joint", heads=heads) for row, heads in HEADS.items()},
    },
    "pixels": {
        row: with_pixels(round((PIXEL_ROWS["plain"] * SCALE**2 / pixels) ** 0.5))
        for row, pixels in PIXEL_ROWS.items()
        if row != "plain"
    },
    "larger": {
        "large_plain": larger(student("bicubic")),
        "large_full": larger(full),
        "large_sr": larger(student("sr")),
        "large_all": larger(changed(student("sr"), distillation=DISTILLATIONS["all"])),
    },
    "whole": {
        "whole_plain": whole(student("bicubic")),
        "whole_sr": whole(student("sr")),
        "whole_full": whole(full),
        "whole_teacher": whole(teacher),
    },
}
ROWS = {row: study for study, rows in STUDIES.items() for row in rows}
# Rows of some data sets only; see `lrar.settings.Setting.extra`.
EXTRA = (
    "large_teacher",
    *STUDIES["larger"],
    *STUDIES["whole"],
    "sr8",
    "attention_transfer25",
    "all_transfer25",
    *HEADS,
)

# Rows of super-resolution networks -> the first row that needs them; they are trained before it.
NETWORKS = {"own": "sr", "own8": "sr8"}

# Rows with a teacher of their own -> its row; those that are not named have the row `teacher`.
TEACHERS = {"large_full": "large_teacher", "large_all": "large_teacher", "whole_full": "whole_teacher"}

# What each table shows, its baseline first.
TABLES = {
    "super_resolution": ("plain", "nearest", "espcn", "fsrcnn", "sr", "sr8"),
    "distillation": ("sr", *DISTILLATIONS),
    "attention": ("sr", "temporal", "spatial", "joint", "factorised", *HEADS),
    "pixels": tuple(PIXEL_ROWS),
    "full": ("plain", "sr", "all", "joint", "full", "teacher"),
    "larger": ("large_plain", "large_sr", "large_all", "large_full", "large_teacher"),
    "whole": tuple(STUDIES["whole"]),
}


def seeds_of(row: str, profile: Profile) -> int:
    """How many seeds a complete row has."""
    return profile.seeds if row in HEADLINE else profile.ablation_seeds


def streams_of(row: str) -> tuple[str, ...]:
    """The streams that a row has: of larger students, whose runs cost as much as five or more others, RGB alone."""
    return STREAMS[:1] if row in STUDIES["larger"] else STREAMS


def rows_of(dataset: str) -> tuple[str, ...]:
    """The rows that a data set has."""
    return tuple(row for row in ROWS if setting(dataset).extra or row not in EXTRA)


def has_weights(row: str) -> bool:
    """Whether the published weights that a row needs, if any, are on this machine. Without them it is left out."""
    if row not in PUBLISHED:
        return True
    try:
        weights_file(f"{row}_x4.safetensors")
    except DataError:
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run of a study."""

    study: str
    row: str
    experiment: Experiment


def data_of(dataset: str, *, protocol: str, fold: int, profile: Profile) -> Data:
    """The clips of one fold of a study."""
    its = setting(dataset)
    return Data(dataset=dataset, protocol=protocol, fold=fold, every=profile.every, shrink=its.shrink)


def tasks(
    study: str, dataset: str, *, protocol: str | None = None, profile: Profile, rows: tuple[str, ...] = ()
) -> list[Task]:
    """All runs of a study, first seeds first.

    Args:
        study: a key of `STUDIES`, or `all`.
        dataset: see `lrar.datasets.load_clip_set`.
        protocol: a key of `lrar.protocols.PROTOCOLS`; None is the data set's own.
        profile: how large.
        rows: only these rows.

    Raises:
        DataError: unknown study or row, a study of which the data set has no row, the data is missing, or the published
            weights of a row in `rows` are.
    """
    dataset = one_name(dataset)  # one folder is one data set, however it is called
    if study != "all" and study not in STUDIES:
        raise DataError(f"{study}: no such study. Known: {', '.join(STUDIES)}, all.")
    studies = STUDIES if study == "all" else {study: STUDIES[study]}
    if unknown := [row for row in rows if not any(row in known for known in studies.values())]:
        known = ", ".join(row for its_rows in studies.values() for row in its_rows)
        raise DataError(f"{unknown[0]}: no such row in study {study}. Known: {known}.")
    if elsewhere := [row for row in rows if row not in rows_of(dataset)]:
        raise DataError(f"{elsewhere[0]}: no row of {dataset}. Its rows: {', '.join(rows_of(dataset))}.")
    protocol = protocol or setting(dataset).protocol
    count = len(folds(load_clip_set(dataset).thinned(profile.every), protocol))
    listed = []
    for seed in range(max(profile.seeds, profile.ablation_seeds)):
        for name, its_rows in studies.items():
            for row, make in its_rows.items():
                if row not in (rows or rows_of(dataset)) or seed >= seeds_of(row, profile):
                    continue
                if not has_weights(row):
                    if rows:
                        weights_file(f"{row}_x4.safetensors")  # asked for by name: says what is missing
                    continue
                for stream in streams_of(row):
                    # Neighbours in the list run at once: of several folds, so that none waits for another's network.
                    for fold in range(min(count, profile.folds or count)):
                        data = data_of(dataset, protocol=protocol, fold=fold, profile=profile)
                        # Only the row's own seed changes: all seeds of a student share one teacher and one
                        # super-resolution network, so the spread over seeds is the student's.
                        experiment = dataclasses.replace(make(data, stream, profile), seed=seed)
                        listed.append(Task(study=name, row=row, experiment=experiment))
    if not listed:
        raise DataError(f"{study}: {dataset} has none of its rows. Its rows: {', '.join(rows_of(dataset))}.")
    return listed
