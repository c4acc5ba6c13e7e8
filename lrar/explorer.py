"""What the clip explorer shows: test clips at each stage of the pipeline, and what three networks make of them.

The networks are those of the records, trained as the tables have them. What a network answers at a moment is
`lrar.training.evaluate` of the clip from its beginning to that moment, so that its last answer is the one in the
records. (Our super resolution looks one frame ahead: before the end, a student has seen that much more.)
"""

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps

from lrar.experiment import Experiment, from_dict
from lrar.figures import flow_limit, flow_to_rgb
from lrar.recognizer import Recognizer, fuse
from lrar.records import Record, Store
from lrar.replay import Runs, can_draw
from lrar.running import trained_recognizer
from lrar.streams import Stream, low_resolution, to_video
from lrar.studies import STREAMS
from lrar.training import cut, evaluate, test_draws

ROWS = ("teacher", "plain", "full")
MOMENTS = 24  # of a clip: three seconds at the speed at which the page plays them
MOST = 12  # clips of a data set


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
    stream: Stream


def chosen_records(runs: Runs) -> dict[tuple[str, str], Record]:
    """By row and stream, the records of the first fold and seed that has all of them with trained networks; or none."""
    found: dict[tuple[int, int], dict[tuple[str, str], Record]] = {}
    for record in runs.records:
        if record.row in ROWS and can_draw(runs, record=record):
            found.setdefault((record.fold, record.seed), {})[record.row, record.stream] = record
    complete = [key for key, records in found.items() if len(records) == len(ROWS) * len(STREAMS)]
    return found[min(complete)] if complete else {}


def trained(records: dict[tuple[str, str], Record], *, store: Store) -> dict[tuple[str, str], Trained]:
    """The networks of these records; where the profile is quick and one is missing, it is trained."""
    networks = {}
    for key, record in records.items():
        experiment = from_dict(record.experiment)
        model, stream = trained_recognizer(experiment, store=store)
        networks[key] = Trained(experiment=experiment, model=model, stream=stream)
    return networks


def chosen_clips(labels: np.ndarray, test: np.ndarray) -> list[int]:
    """The first test clip of each class, in order of the classes: nobody picks the ones that look well."""
    first = {int(labels[clip]): int(clip) for clip in reversed(test)}
    return [first[label] for label in sorted(first)][:MOST]


def ends(length: int) -> np.ndarray:
    """How many frames of a clip have been seen at each moment, `(MOMENTS,)`: at least two, at last all of them."""
    return np.maximum(np.ceil(np.arange(1, MOMENTS + 1) * length / MOMENTS).astype(int), 2)


def growing(stream: Stream, clip: int, seen: np.ndarray) -> Stream:
    """A stream whose clips are the beginnings of one clip.

    Args:
        stream: of frames, or of flow, which has one less.
        clip: which.
        seen: frames of the video in each beginning.
    """
    video = stream.lengths[clip] + stream.is_flow
    assert seen.min() >= 2 and seen.max() <= video, (seen, video)
    return Stream(frames=stream.frames, starts=np.full(len(seen), stream.starts[clip]), lengths=seen - stream.is_flow)


def answers(networks: dict[tuple[str, str], Trained], clip: int, seen: np.ndarray) -> dict[str, np.ndarray]:
    """By row, the class probabilities of both streams fused after each beginning of a clip, `(MOMENTS, classes)`."""
    each = {
        key: evaluate(
            network.model,
            growing(network.stream, clip, seen),
            np.arange(len(seen)),
            recipe=network.experiment.recipe,
        )
        for key, network in networks.items()
    }
    return {row: fuse(each[row, "rgb"], each[row, "flow"]) for row in ROWS}


def views(
    video: np.ndarray, networks: dict[tuple[str, str], Trained], clip: int, seen: np.ndarray
) -> dict[str, np.ndarray]:
    """The last frame of each beginning of a clip at every stage, uint8 `(MOMENTS, H, W, C)`; `lr` is `(H / 4, W / 4)`.

    The flow is that of the super-resolved frames, from the frame before.
    """
    full = networks["full", "rgb"]
    flow = np.asarray(networks["full", "flow"].stream[clip], np.float32)  # (T - 1, H, W, 2)
    low = to_video(low_resolution(video, kernel=full.experiment.data.kernel))
    return {
        "hr": video[seen - 1],
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
    relative = maps.float().numpy() * maps[0].numel()
    relative = np.concatenate([relative.mean(axis=0, keepdims=True), relative])
    peaks = relative.max(axis=(1, 2, 3), keepdims=True)
    colours = colormaps["cividis"](relative / peaks)[..., :3]
    return np.rint(colours * 255).astype(np.uint8), [round(float(peak), 2) for peak in peaks.flat]
