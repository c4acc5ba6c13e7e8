"""Feature maps of frozen lower blocks, computed once for a few views of every clip, and then mapped.

Most of I3D's cost lies in its lower blocks, where maps are large. A recipe that freezes them need not compute
them anew in each epoch and for each row of a table: it draws among a few stored views of each clip instead. A view is
decided by clip and number alone, so student and teacher see the same frames, the same part of the picture and the same
mirroring, whatever each of them is made from.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock

from lrar.cache import cache_folder
from lrar.distributed import device
from lrar.draws import segment_times
from lrar.experiment import Recipe
from lrar.i3d import I3D, flow_input, load_kinetics, rgb_input
from lrar.precision import computes_in_bfloat16, in_bfloat16
from lrar.provenance import decided_by
from lrar.streams import StoredViews, Stream
from lrar.weights import I3D_FILE, known_sha256, weights_file

ROWS = 112  # of a view where the recipe names none, whatever the stream has: as the preparation scripts of the paper's year
BATCH = 8
CHUNK = 6 * BATCH  # views between two writes: what a process that is killed loses


def view(stream: Stream, clip: int, number: int, *, views: int, recipe: Recipe) -> torch.Tensor:
    """One view of a clip as I3D takes it: `(C, T, H, W)` in [-1, 1], H of the recipe, W a multiple of 16.

    Args:
        stream: frames or flow of all clips.
        clip: which clip.
        number: which view: below `views` a random one, which shows part of the picture, perhaps mirrored; `views` the
            whole, `views + 1` its mirror image.
        views: how many random ones there are.
        recipe: frames a clip, rows of a view, and the smallest part of the picture's sides.
    """
    rows = recipe.rows or ROWS
    generator = np.random.default_rng([clip, number])
    part, flip, down, across = 1.0, number > views, 0.0, 0.0
    if number < views:
        part, flip = generator.uniform(recipe.zoom or 1.0, 1.0), generator.random() < 0.5
        down, across = generator.uniform(part - 1, 1 - part, 2)  # of the part's centre; sides are -1 and 1
    times = segment_times(stream.lengths[clip], count=recipe.frames, generator=generator if number < views else None)
    frames = torch.from_numpy(stream[clip][times]).permute(0, 3, 1, 2).float()  # (T, C, h, w)
    height, width = frames.shape[2:]
    size = (rows, 16 * round(rows * width / height / 16))
    places = torch.tensor([[-part if flip else part, 0, across], [0, part, down]], dtype=torch.float32)
    grid = F.affine_grid(places.expand(len(frames), 2, 3), (len(frames), 1, *size), align_corners=False)
    seen = F.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=False)  # (T, C, H, W)
    if stream.is_flow:
        # Flow is in px, so it grows with the picture; mirrored, it goes the other way.
        wider, taller = size[1] / (width * part), size[0] / (height * part)
        seen = flow_input(seen * torch.tensor([-wider if flip else wider, taller]).view(1, 2, 1, 1))
    elif stream.frames.dtype == np.uint8:
        seen = rgb_input(seen / 255)
    return seen.transpose(0, 1)


@torch.no_grad()
def store_views(
    stream: Stream,
    *,
    wanted: Iterable[tuple[int, int]],
    recipe: Recipe,
    cache: Path | None = None,
) -> StoredViews:
    """The stored views of a stream, with those computed that are wanted and not there yet.

    Args:
        stream: what the lower blocks see.
        wanted: pairs of clip and view number.
        recipe: how many views, of how many frames and rows, and up to which endpoint blocks are frozen.
        cache: the cache folder; by default `lrar.cache.cache_folder()`.

    Raises:
        DataError: the published weights of I3D are not here.
    """
    code = decided_by("draws", "views", "i3d")
    text = json.dumps(
        [
            stream.key,
            code,
            known_sha256(I3D_FILE),
            recipe.frames,
            recipe.rows or ROWS,
            recipe.zoom,
            recipe.views,
            recipe.frozen,
            recipe.bfloat16 and computes_in_bfloat16(device()),
        ]
    )
    folder = (cache or cache_folder()) / "views" / hashlib.sha256(text.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    file, there = folder / "maps.npy", folder / "there.npy"

    def state() -> np.ndarray:
        whole = there.exists() and file.exists()
        return np.load(there) if whole else np.zeros((len(stream.lengths), recipe.views + 2), bool)

    def not_yet(pairs: list[list[int]]) -> list[tuple[int, int]]:
        done = state()
        return [(clip, number) for clip, number in pairs if not done[clip, number]]

    # Each process in an order of its own: two that want the same views share the work, and hardly ever do the same.
    order = np.random.default_rng().permutation(np.array(sorted(set(wanted)))).tolist()
    network = None
    while missing := not_yet(order):
        if network is None:
            network = load_kinetics(I3D(in_channels=stream.channels), weights_file(I3D_FILE))
            network.eval().to(device(), memory_format=torch.channels_last_3d)
        chosen = missing[:CHUNK]
        batches = [chosen[start : start + BATCH] for start in range(0, len(chosen), BATCH)]
        maps = torch.cat([_maps(network, stream, pairs, recipe) for pairs in batches])
        with FileLock(folder / "lock"):
            done = state()
            if not file.exists():
                np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(*done.shape, *maps.shape[1:]))
            stored = np.load(file, mmap_mode="r+")
            for pair, values in zip(chosen, maps, strict=True):
                stored[pair] = values.numpy()
                done[pair] = True
            stored.flush()
            np.save(folder / "there.part.npy", done)
            os.replace(folder / "there.part.npy", there)
    return StoredViews(stream=stream, maps=np.load(file, mmap_mode="r"), views=recipe.views)


def _maps(network: I3D, stream: Stream, pairs: list[tuple[int, int]], recipe: Recipe) -> torch.Tensor:
    batch = torch.stack([view(stream, *pair, views=recipe.views, recipe=recipe) for pair in pairs])
    batch = batch.to(device(), memory_format=torch.channels_last_3d)
    with in_bfloat16(batch.device, wanted=recipe.bfloat16):
        return network(batch, until=recipe.frozen).half().cpu().contiguous()  # (B, D, T', H', W')
