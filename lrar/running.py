"""Running an experiment: find its record, or train and write it.

What an experiment depends on, its super-resolution network and its teacher, is found or run first.
"""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save

from lrar import distributed
from lrar.cache import atomic_write, cache_folder
from lrar.clips import DataError
from lrar.datasets import load_clip_set
from lrar.experiment import Data, Experiment, Runnable, SuperResolution, identity, to_dict
from lrar.precision import computes_in_bfloat16
from lrar.protocols import Fold, folds
from lrar.provenance import decided_by, deciding_modules, provenance
from lrar.recognizer import Recognizer
from lrar.records import Record, Store
from lrar.streams import SCALE, StoredViews, Stream, make_stream, restorer, to_tensor, to_video
from lrar.super_resolution import VideoSuperResolution, quality, train_super_resolution
from lrar.training import evaluate, fit
from lrar.videos import Videos, load_videos
from lrar.views import store_views


@lru_cache(maxsize=4)
def load_data(dataset: str, every: int) -> Videos:
    """The decoded clips of a data set; kept for the life of the process."""
    return load_videos(load_clip_set(dataset).thinned(every))


def fold_of(data: Data) -> tuple[Videos, Fold]:
    """The clips of an experiment and its division into training and test.

    Raises:
        DataError: no such fold, or the data is missing or broken.
    """
    videos = load_data(data.dataset, data.every)
    divided = folds(videos.clip_set, data.protocol)
    if not 0 <= data.fold < len(divided):
        raise DataError(f"fold {data.fold}: no such fold of {data.dataset}. Folds are 0 to {len(divided) - 1}.")
    return videos, divided[data.fold]


def stream_of(experiment: Experiment, *, store: Store, clips: Iterable[int] | None = None) -> Stream | StoredViews:
    """What the experiment's network sees of every clip: frames or flow, or stored maps where blocks are frozen.

    Args:
        experiment: whose.
        store: where records are.
        clips: that will be looked at; where maps are stored, those of no others are made. None is the whole fold, for
            training and testing.
    """
    videos = load_data(experiment.data.dataset, experiment.data.every)
    network, key = None, ""
    if experiment.super_resolution is not None:
        network = trained_super_resolution(experiment.super_resolution, store=store)
        key = weights_path(experiment.super_resolution, videos.fingerprint).stem
    stream = make_stream(
        videos,
        source=experiment.source,
        stream=experiment.stream,
        kernel=experiment.data.kernel,
        shrink=experiment.data.shrink,
        rows=experiment.rows,
        flow_method=experiment.flow_method,
        enlarge=experiment.enlarge,
        network=network,
        network_key=key,
    )
    if experiment.recipe.frozen is None:
        return stream
    _, fold = fold_of(experiment.data)
    views = experiment.recipe.views
    trained, tested = (fold.train, fold.test) if clips is None else ((), clips)
    return store_views(
        stream,
        wanted=[
            *((int(clip), number) for clip in trained for number in range(views)),
            *((int(clip), number) for clip in tested for number in (views, views + 1)),
        ],
        recipe=experiment.recipe,
    )


def new_recognizer(experiment: Experiment, *, classes: int, stream: Stream | StoredViews) -> Recognizer:
    """An untrained network for an experiment; its seed decides the weights."""
    torch.manual_seed(experiment.seed)
    stored = isinstance(stream, StoredViews)
    return Recognizer(
        stream=experiment.stream,
        classes=classes,
        clip=stream.maps.shape[3:] if stored else (experiment.recipe.frames, *stream.size),
        in_channels=stream.channels,
        backbone=experiment.backbone,
        attention=experiment.attention,
        heads=experiment.heads,
        dropout=experiment.recipe.dropout,
        frozen=experiment.recipe.frozen,
    )


def weights_path(experiment: Runnable, fingerprint: str) -> Path:
    """Where an experiment's trained weights are kept, outside the repository.

    They go by the code that trained them too, and by the precision: a teacher of older code, or of a processor that
    computes in another precision, never teaches a student of newer code or of this one.
    """
    code = decided_by(*sorted(deciding_modules(to_dict(experiment))))
    precision = computes_in_bfloat16(distributed.device())
    key = hashlib.sha256(json.dumps([identity(experiment), fingerprint, code, precision]).encode()).hexdigest()[:16]
    return cache_folder() / "trained" / f"{identity(experiment)}-{key}.safetensors"


def trained_super_resolution(experiment: SuperResolution, *, store: Store) -> VideoSuperResolution:
    """The trained network, from the cache or trained now."""
    videos = load_data(experiment.data.dataset, experiment.data.every)
    path = weights_path(experiment, videos.fingerprint)
    if not distributed.agreed(path.exists()):
        run(experiment, store=store, need_weights=True)
    network = VideoSuperResolution(
        channels=videos.shapes[0][-1],
        window=experiment.window,
        width=experiment.width,
        blocks=experiment.blocks,
        scale=experiment.scale or SCALE,
    )
    network.load_state_dict(load_file(path))
    return network.eval().to(distributed.device(), memory_format=torch.channels_last)


def trained_recognizer(
    experiment: Experiment, *, store: Store, clips: Iterable[int] | None = None
) -> tuple[Recognizer, Stream | StoredViews]:
    """The trained network and what it sees, from the cache or trained now; see `stream_of`."""
    videos = load_data(experiment.data.dataset, experiment.data.every)
    path = weights_path(experiment, videos.fingerprint)
    if not distributed.agreed(path.exists()):
        run(experiment, store=store, need_weights=True)
    stream = stream_of(experiment, store=store, clips=clips)
    model = new_recognizer(experiment, classes=len(videos.clip_set.classes), stream=stream)
    model.load_state_dict(load_file(path))
    return model.eval(), stream


def run(
    experiment: Runnable,
    *,
    store: Store,
    study: str = "single",
    row: str = "run",
    need_weights: bool = False,
    wait: bool = True,
    progress: Callable[[Iterable], Iterable] = iter,
) -> Record:
    """Find the record of an experiment, or train and write it. What it depends on is found or run first.

    Args:
        experiment: what to run.
        store: where records are.
        study: the folder of the record.
        row: the name of the row it belongs to.
        need_weights: train also where the record exists but its weights do not (they are not committed).
            The record that exists is kept.
        wait: for another process that is at the same run.
        progress: wraps the iterator over epochs or steps.

    Raises:
        DataError: the data or published weights are missing or broken.
        filelock.Timeout: another process is at it, and `wait` is false.
    """
    videos, fold = fold_of(experiment.data)

    def found(*, weights: bool = need_weights) -> Record | None:
        if weights and not weights_path(experiment, videos.fingerprint).exists():
            return None
        return store.find(identity(experiment), fingerprint=videos.fingerprint)

    # Of several processes that share the run, the first one looks, locks and writes.
    first = distributed.rank() == 0
    if record := distributed.agreed(found()):
        return record
    lock = store.lock(identity(experiment))
    with lock.acquire(timeout=-1 if wait else 0) if first else contextlib.nullcontext():
        if record := distributed.agreed(found()):  # another study made it while we waited
            return record
        made = None
        if isinstance(experiment, Experiment):
            made = _run_recognizer(experiment, videos, fold, store, progress)
        elif first:
            made = _run_super_resolution(experiment, videos, fold, progress)
        if first:
            network, result = made
            weights = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
            atomic_write(weights_path(experiment, videos.fingerprint), save(weights))
            record = found(weights=False)
            if record is None:
                record = Record(
                    id=identity(experiment),
                    study=study,
                    row=row,
                    experiment=to_dict(experiment),
                    fingerprint=videos.fingerprint,
                    classes=list(videos.clip_set.classes),
                    fold_name=fold.name,
                    n_train=len(fold.train),
                    provenance=provenance(),
                    **result,
                )
                store.write(record)
        return distributed.agreed(record)


def _run_super_resolution(
    experiment: SuperResolution, videos: Videos, fold: Fold, progress: Callable
) -> tuple[VideoSuperResolution, dict[str, Any]]:
    low, high = pairs_of(experiment, videos)
    start = time.perf_counter()
    network, losses = train_super_resolution(
        low=[low[i] for i in fold.train],
        high=[high[i] for i in fold.train],
        steps=experiment.steps,
        batch=experiment.batch,
        learning_rate=experiment.learning_rate,
        seed=experiment.seed,
        window=experiment.window,
        width=experiment.width,
        blocks=experiment.blocks,
        progress=progress,
    )
    return network, {
        "losses": losses,
        "train_seconds": time.perf_counter() - start,
        "quality": restoration_quality(
            low=[low[i] for i in fold.test], high=[high[i] for i in fold.test], network=network
        ),
    }


def pairs_of(experiment: SuperResolution, videos: Videos) -> tuple[Stream, Stream | Videos]:
    """LR frames of all clips, and what super resolution should make of them; both are mapped files."""
    data, rows = experiment.data, videos.shapes[0][1]
    made = {"stream": "rgb", "kernel": data.kernel, "shrink": data.shrink}
    low = make_stream(videos, source="nearest", enlarge=1, **made)  # enlarged to what it is
    wanted = rows // (data.shrink or SCALE) * (experiment.scale or SCALE)
    return low, videos if wanted == rows else make_stream(videos, source="hr", rows=wanted, **made)


def restoration_quality(
    *, low: list[np.ndarray], high: list[np.ndarray], network: VideoSuperResolution
) -> dict[str, dict[str, float]]:
    """PSNR in dB and SSIM on every eighth frame of clips, for our network and each rival that is here.

    The rivals enlarge by 4: beside a network that enlarges otherwise there is none.

    Args:
        low: LR clips, uint8 `(T, h, w, C)`.
        high: what should be made of them, uint8 `(T, H, W, C)`.
        network: ours, trained.
    """
    wanted = np.concatenate([clip[::8] for clip in high])
    results = {}
    for source in ("nearest", "bicubic", "espcn", "fsrcnn", "sr") if network.scale == SCALE else ("sr",):
        try:
            restore = restorer(source, network)
        except DataError:  # published weights are not on this machine
            continue
        # Ours reads neighbouring frames, so all are restored before every eighth is taken.
        restored = [to_video(restore(to_tensor(clip)))[::8] for clip in low]
        psnr, ssim = quality(wanted, np.concatenate(restored))
        results[source] = {"psnr": round(psnr, 3), "ssim": round(ssim, 4)}
    return results


def _run_recognizer(
    experiment: Experiment, videos: Videos, fold: Fold, store: Store, progress: Callable
) -> tuple[Recognizer, dict[str, Any]]:
    teacher = teacher_stream = None
    if experiment.teacher is not None:
        teacher, teacher_stream = trained_recognizer(experiment.teacher, store=store)
    stream = stream_of(experiment, store=store)
    model = new_recognizer(experiment, classes=len(videos.clip_set.classes), stream=stream)
    start = time.perf_counter()
    losses = fit(
        model,
        stream,
        videos.labels,
        fold.train,
        recipe=experiment.recipe,
        seed=experiment.seed,
        teacher=teacher,
        teacher_stream=teacher_stream,
        weights=experiment.distillation,
        progress=progress,
    )
    seconds = time.perf_counter() - start
    probabilities = evaluate(model, stream, fold.test, recipe=experiment.recipe)
    names = [videos.clip_set.clips[i].name for i in fold.test]
    return model, {
        "losses": losses,
        "train_seconds": seconds,
        "clips": names,
        "labels": [int(label) for label in videos.labels[fold.test]],
        "groups": [videos.clip_set.clips[i].group for i in fold.test],
        "probabilities": [[round(float(p), 5) for p in row] for row in probabilities],
    }
