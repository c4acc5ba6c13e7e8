"""What the clip explorer shows: test clips at each stage of the pipeline, and what three networks make of them.

The networks are those of the records, trained as the tables have them. What a network answers at a moment is
`lrar.training.evaluate` of the clip from its beginning to that moment, so that its last answer is the one in the
records. (Our super resolution looks one frame ahead: before the end, a student has seen that much more.)
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import colormaps

from lrar.draws import cut, test_draws
from lrar.experiment import Experiment, from_dict
from lrar.figures import flow_limit, flow_to_rgb, relative_attention
from lrar.recognizer import Recognizer, fuse
from lrar.records import Record, Store
from lrar.replay import Runs, can_draw
from lrar.running import fold_of, trained_recognizer
from lrar.streams import SCALE, StoredViews, Stream, low_resolution, to_video
from lrar.studies import STREAMS
from lrar.training import evaluate
from lrar.views import store_views

ROWS = ("teacher", "plain", "full")
MOMENTS = 24  # of a clip: three seconds at the speed at which the page plays them
MOST = 12  # clips of a data set
MOST_I3D = 6  # where all of I3D sees each moment anew: 20 s a clip


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One stream of one row, trained.

    Attributes:
        experiment: what decided it.
        model: the network.
        stream: what it sees of every clip.
    """

    experiment: Experiment
    model: Recognizer
    stream: Stream | StoredViews


def chosen_records(runs: Runs) -> dict[tuple[str, str], Record]:
    """By row and stream, the records of the first fold and seed that has all of them with trained networks; or none."""
    found: dict[tuple[int, int], dict[tuple[str, str], Record]] = {}
    for record in runs.records:
        if record.row in ROWS and can_draw(runs, record=record):
            found.setdefault((record.fold, record.seed), {})[record.row, record.stream] = record
    complete = [key for key, records in found.items() if len(records) == len(ROWS) * len(STREAMS)]
    return found[min(complete)] if complete else {}


def trained(
    records: dict[tuple[str, str], Record], *, store: Store, clips: list[int]
) -> dict[tuple[str, str], Trained]:
    """The networks of these records, to look at these clips; where the profile is quick and one is missing, it is trained."""
    networks = {}
    for key, record in records.items():
        experiment = from_dict(record.experiment)
        model, stream = trained_recognizer(experiment, store=store, clips=clips)
        networks[key] = Trained(experiment=experiment, model=model, stream=stream)
    return networks


def chosen_clips(experiment: Experiment) -> list[int]:
    """The first test clip of each class, in order of the classes: nobody picks the ones that look well."""
    videos, fold = fold_of(experiment.data)
    first = {int(videos.labels[clip]): int(clip) for clip in reversed(fold.test)}
    return [first[label] for label in sorted(first)][: MOST_I3D if experiment.recipe.frozen else MOST]


def ends(length: int) -> np.ndarray:
    """How many frames of a clip have been seen at each moment, `(MOMENTS,)`: at least two, at last all of them."""
    return np.maximum(np.ceil(np.arange(1, MOMENTS + 1) * length / MOMENTS).astype(int), 2)


@contextmanager
def growing(network: Trained, clip: int, seen: np.ndarray) -> Iterator[Stream | StoredViews]:
    """What a network sees of the beginnings of one clip, as a stream whose clips these are.

    Above frozen blocks it is their maps, which lie in a temporary folder: nobody asks for them twice.

    Args:
        network: trained on frames, or on flow, which has one less.
        clip: which.
        seen: frames of the video in each beginning.
    """
    whole = network.stream.stream if isinstance(network.stream, StoredViews) else network.stream
    video = whole.lengths[clip] + whole.is_flow
    assert seen.min() >= 2 and seen.max() <= video, (seen, video)
    parts = Stream(frames=whole.frames, starts=np.full(len(seen), whole.starts[clip]), lengths=seen - whole.is_flow)
    if whole is network.stream:
        yield parts
        return
    recipe = network.experiment.recipe
    wanted = [(part, recipe.views + flip) for part in range(len(seen)) for flip in (0, 1)]
    with tempfile.TemporaryDirectory() as folder:
        yield store_views(parts, wanted=wanted, recipe=recipe, cache=Path(folder))


def answers(networks: dict[tuple[str, str], Trained], clip: int, seen: np.ndarray) -> dict[str, np.ndarray]:
    """By row, the class probabilities of both streams fused after each beginning of a clip, `(MOMENTS, classes)`."""
    each = {}
    for key, network in networks.items():
        with growing(network, clip, seen) as parts:
            each[key] = evaluate(network.model, parts, np.arange(len(seen)), recipe=network.experiment.recipe)
    return {row: fuse(each[row, "rgb"], each[row, "flow"]) for row in ROWS}


def views(
    video: np.ndarray, networks: dict[tuple[str, str], Trained], clip: int, seen: np.ndarray
) -> dict[str, np.ndarray]:
    """The last frame of each beginning of a clip at every stage, uint8 `(MOMENTS, H, W, C)`, each in its own size.

    HR is as the teacher sees it; the flow is that of the super-resolved frames, from the frame before.
    """
    full = networks["full", "rgb"]
    flow = np.asarray(networks["full", "flow"].stream[clip], np.float32)  # (T - 1, H, W, 2)
    data = full.experiment.data
    low = to_video(low_resolution(video, kernel=data.kernel, scale=data.shrink or SCALE))
    return {
        "hr": networks["teacher", "rgb"].stream[clip][seen - 1],
        "lr": low[seen - 1],
        "bicubic": networks["plain", "rgb"].stream[clip][seen - 1],
        "sr": full.stream[clip][seen - 1],
        "flow": flow_to_rgb(flow[seen - 2], limit=flow_limit(flow)),
    }


def attention(network: Trained, clip: int) -> tuple[np.ndarray, list[float]]:
    """The attention that each place of a whole clip receives.

    Returns:
        colours, uint8 `(1 + heads, T', H', W', 3)`, the mean of the heads first; and what the brightest colour of each
        stands for: how many times what it would be if all places got the same.
    """
    experiment, stream = network.experiment, network.stream
    (draw,) = test_draws(stream, np.array([clip]), frames=experiment.recipe.frames, batch=1, flip=False)
    with torch.no_grad():
        maps = network.model.eval()(cut(stream, draw), return_maps=True).maps[0]  # (heads, T', H', W')
    relative = relative_attention(maps).numpy()
    peaks = relative.max(axis=(1, 2, 3), keepdims=True)
    colours = colormaps["cividis"](relative / peaks)[..., :3]
    return np.rint(colours * 255).astype(np.uint8), [round(float(peak), 2) for peak in peaks.flat]
