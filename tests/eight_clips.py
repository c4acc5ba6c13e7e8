"""Eight clips in memory, and a recipe that trains on them in a blink."""

import numpy as np
from conftest import render

from lrar.draws import Draw
from lrar.experiment import Recipe
from lrar.streams import Stream

TINY = Recipe(epochs=1, batch=4, frames=4, shift=2, dropout=0.0, bfloat16=False)


def stream_of(*videos: np.ndarray) -> Stream:
    lengths = np.array([len(video) for video in videos])
    return Stream(frames=np.concatenate(videos), starts=np.cumsum([0, *lengths[:-1]]), lengths=lengths)


def eight_clips() -> tuple[Stream, np.ndarray]:
    """Two movements, four looks each."""
    videos = [render(action=action, actor=actor, view=2 * actor)[..., None] for action in (0, 1) for actor in range(4)]
    return stream_of(*videos), np.repeat([0, 1], 4)


def draw_of(clips, times, *, shifts=None, flips=None) -> Draw:
    count = len(clips)
    shifts = np.zeros((count, 2), int) if shifts is None else np.array(shifts)
    flips = np.zeros(count, bool) if flips is None else np.array(flips)
    return Draw(clips=np.array(clips), times=np.array(times), shifts=shifts, flips=flips)
