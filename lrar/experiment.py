"""An experiment: everything that decides a result, by value.

A student holds its super-resolution network's and its teacher's experiments, frozen dataclasses inside a frozen
dataclass. The hash of the whole is its identity, so changing one field runs again exactly what depends on it.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from lrar.degrade import UPSCALERS


@dataclass(frozen=True, kw_only=True)
class Data:
    """Which clips, and which of them are held out.

    Attributes:
        dataset: name or folder; see `lrar.datasets.load_clip_set`.
        protocol: a key of `lrar.protocols.PROTOCOLS`.
        fold: number of the fold.
        every: keep each n-th clip of a class and actor; 1 keeps all.
        kernel: how LR is made; see `lrar.degrade.DOWNSAMPLERS`.
        shrink: HR rows per LR row; None is 4, which makes 16x12 of IXMAS. HMDB-51 takes 20, which makes 12x16 of 240x320.
    """

    dataset: str
    protocol: str = "actor"
    fold: int = 0
    every: int = 1
    kernel: str = "bicubic"
    shrink: int | None = None


@dataclass(frozen=True, kw_only=True)
class SuperResolution:
    """Our super-resolution network, trained on the training clips of a fold.

    Attributes:
        data: whose training clips.
        window: LR frames seen at once.
        width: hidden channels.
        blocks: residual blocks.
        steps: optimiser steps.
        batch: frames a step.
        learning_rate: peak of Adam's one-cycle schedule.
        seed: of weights and draws.
        scale: rows that it makes of one LR row; None is 4.
    """

    data: Data
    window: int = 3
    width: int = 48
    blocks: int = 3
    steps: int = 600
    batch: int = 32
    learning_rate: float = 2e-3
    seed: int = 0
    scale: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a recognizer is trained.

    Attributes:
        epochs: passes over the training clips.
        batch: clips a step.
        learning_rate: peak of the one-cycle schedule of AdamW.
        weight_decay: of AdamW.
        frames: frames that stand for a clip.
        shift: largest random shift in px, up, down and sideways; edges are repeated.
        label_smoothing: of the cross entropy with the labels.
        dropout: before the head.
        bfloat16: run the network in bfloat16 where the machine computes in it, see `lrar.precision`; else in float32.
        frozen: the endpoint of I3D up to which its blocks stay as Kinetics-400 left them; None trains the whole network.
        views: where blocks are frozen, stored training views of each clip; see `lrar.views`.
        zoom: the smallest part of a picture's sides that such a view shows; None is all of it.
        rows: of such a view; None is 112.
        parts: of a batch, one after the other where memory is short; batch norm sees one at a time. None is one.
    """

    epochs: int = 20
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    frames: int = 16
    shift: int = 4
    label_smoothing: float = 0.1
    dropout: float = 0.5
    bfloat16: bool = True
    frozen: str | None = None
    views: int | None = None
    zoom: float | None = None
    rows: int | None = None
    parts: int | None = None


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """Weights of the terms of the loss; see `lrar.distillation`.

    Attributes:
        logit: a, share of the softened-softmax term; cross entropy keeps 1 - a.
        temperature: T.
        feature: b, of pooled features: what attention gives, or the mean where there is none.
        attention_transfer: c.
        mean_feature: of the mean of the maps before attention, which teacher and student take in the same way.
    """

    logit: float = 0.0
    temperature: float = 4.0
    feature: float = 0.0
    attention_transfer: float = 0.0
    mean_feature: float | None = None


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One stream, trained once.

    Attributes:
        data: clips and fold.
        stream: `rgb`, `flow` or `difference`; see `lrar.streams.make_stream`.
        source: what the stream sees: `hr`, `nearest`, `area`, `bicubic`, `espcn`, `fsrcnn` or `sr`.
        super_resolution: our network, where source is `sr`.
        flow_method: see `lrar.flow.optical_flow`; given for the flow stream, None for rgb.
        backbone: a key of `lrar.backbones.BACKBONES`.
        attention: one of `lrar.attention.VARIANTS`.
        heads: attention heads.
        teacher: the experiment of the teacher, or None.
        distillation: weights of the loss terms, where there is a teacher.
        recipe: how it is trained.
        seed: of weights, draws and dropout.
        rows: rows to which HR frames are shrunk before they are seen, where they have more than the backbone takes;
            None keeps them.
        enlarge: rows that a plain upscaler makes of one LR row; None is 4.
    """

    data: Data
    stream: str
    source: str
    super_resolution: SuperResolution | None = None
    flow_method: str | None = None
    backbone: str = "compact"
    attention: str = "mean"
    heads: int = 4
    teacher: "Experiment | None" = None
    distillation: Distillation | None = None
    recipe: Recipe = field(default_factory=Recipe)
    seed: int = 0
    rows: int | None = None
    enlarge: int | None = None

    def __post_init__(self):
        if (self.stream == "flow") != (self.flow_method is not None):
            raise ValueError("Give flow_method exactly where stream is 'flow'.")
        if (self.source == "sr") != (self.super_resolution is not None):
            raise ValueError("Give super_resolution exactly where source is 'sr'.")
        if self.rows is not None and self.source != "hr":
            raise ValueError("rows is for source 'hr': what is restored from LR keeps its size.")
        if self.enlarge is not None and self.source not in UPSCALERS:
            raise ValueError(
                f"enlarge is for the sources {', '.join(UPSCALERS)}: networks enlarge by what they were made for."
            )
        if (self.teacher is None) != (self.distillation is None):
            raise ValueError("A teacher and the weights of distillation come together or not at all.")
        for held in (self.super_resolution, self.teacher):
            if held is not None and held.data != self.data:
                raise ValueError(
                    "Super resolution and teacher must be trained on the training clips of the student's own fold."
                )
        if self.teacher is not None and self.teacher.stream != self.stream:
            raise ValueError("A teacher teaches its own stream.")
        if self.teacher is not None and looks(self.teacher.recipe) != looks(self.recipe):
            raise ValueError(
                "A teacher sees what its student sees: give both one frames, frozen, views, zoom and rows."
            )


def looks(recipe: Recipe) -> tuple:
    """What decides which part of a clip a network sees at a draw, besides the draw."""
    return recipe.frames, recipe.frozen, recipe.views, recipe.zoom, recipe.rows


Runnable = Experiment | SuperResolution


def to_dict(experiment: Runnable) -> dict[str, Any]:
    """The experiment as plain dictionaries, for JSON."""
    return dataclasses.asdict(experiment)


def from_dict(values: dict[str, Any]) -> Runnable:
    """The experiment that `to_dict` wrote."""
    values = dict(values)
    values["data"] = Data(**values["data"])
    if "stream" not in values:
        return SuperResolution(**values)
    values["recipe"] = Recipe(**values["recipe"])
    if values["super_resolution"]:
        values["super_resolution"] = from_dict(values["super_resolution"])
    if values["teacher"]:
        values["teacher"] = from_dict(values["teacher"])
    if values["distillation"]:
        values["distillation"] = Distillation(**values["distillation"])
    return Experiment(**values)


@lru_cache(maxsize=4096)
def identity(experiment: Runnable) -> str:
    """Sixteen hex digits of the SHA-256 of the experiment's JSON.

    What is None is left out, so that a field which comes later and is None by default leaves the old records found.
    Numbers are all read as floats: 1 and 1.0 are equal to Python, and decide the same result.
    """

    def given(values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: given(value) if isinstance(value, dict) else value
            for name, value in values.items()
            if value is not None
        }

    numbers = json.loads(json.dumps(given(to_dict(experiment))), parse_int=float)
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:16]
