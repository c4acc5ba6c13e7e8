"""A rendered stand-in for IXMAS: 12 actions, 10 actors, 3 takes, 5 cameras, with nothing to download.

The performers of `performer.py` are drawn as shaded capsules before a still room, in weak perspective, cropped as the
regions of interest of IXMAS are. The five cameras see the same performance. A clip depends on its identity alone.
The set exists so that everything runs anywhere; no claim about real videos can rest on it.
"""

import numpy as np

from lrar.clips import Clip, ClipSet
from lrar.datasets.performer import ACTIONS, make_actor, perform, place_joints, sine_cosine

VERSION = "2"  # raise it whenever a pixel of the set changes: the cache and the records go by it
ROWS, COLUMNS = 64, 48
ACTORS, TAKES = 10, 3

# Azimuth and elevation in degrees, pixels a metre. As in IXMAS four cameras stand around and the fifth hangs above.
CAMERAS = ((12, 14, 28.0), (78, 20, 28.0), (168, 16, 28.0), (258, 24, 28.5), (40, 68, 35.0))
CAMERA_DISTANCE = 5.0  # metres
LIGHT = (-0.35, -0.55, 0.76)  # to the light: columns, rows, towards the camera
NOISE = 2.0  # standard deviation of the sensor's noise, in grey levels

# Two joints, the radius at each in metres, whose grey. The order matters only where two edges meet in one pixel.
CAPSULES = (
    ("left_hip", "right_hip", 0.095, 0.095, "legs"),
    *((f"{side}_hip", f"{side}_knee", 0.085, 0.062, "legs") for side in ("left", "right")),
    *((f"{side}_knee", f"{side}_ankle", 0.062, 0.045, "legs") for side in ("left", "right")),
    *((f"{side}_ankle", f"{side}_toes", 0.048, 0.038, "hair") for side in ("left", "right")),
    *((f"{side}_waist", f"{side}_chest", 0.098, 0.113, "torso") for side in ("left", "right")),
    ("left_shoulder", "right_shoulder", 0.066, 0.066, "torso"),
    ("neck", "chin", 0.055, 0.055, "skin"),
    ("nape", "hair", 0.095, 0.092, "hair"),
    ("chin", "crown", 0.085, 0.092, "skin"),
    *((f"{side}_shoulder", f"{side}_elbow", 0.058, 0.047, "torso") for side in ("left", "right")),
    *((f"{side}_elbow", f"{side}_wrist", 0.047, 0.038, "torso") for side in ("left", "right")),
    *((f"{side}_wrist", f"{side}_fingers", 0.042, 0.036, "skin") for side in ("left", "right")),
)


def make_background(*, actor: int, take: int, camera: int) -> np.ndarray:
    """Wall, floor and faint stains behind every clip of one take and camera, float32 `(H, W)`."""
    room = np.random.default_rng([303, camera])  # the room belongs to the camera ...
    margin = 12
    stains = room.normal(0, 35, (ROWS + margin, COLUMNS + margin))
    for step in (1, 1, 2, 3):
        for axis in (0, 1):
            stains = (stains + np.roll(stains, step, axis) + np.roll(stains, -step, axis)) / 3
    wall, floor, slope, edge = room.uniform((105, 62, -0.25, 24), (140, 88, 0.25, 30))
    rows, columns = np.mgrid[: ROWS + margin, : COLUMNS + margin]
    above = np.clip(edge + slope * (columns - 30) - rows + 0.5, 0, 1)
    if CAMERAS[camera][1] > 45:
        above = 0 * above  # from the ceiling there is no wall
    picture = floor + above * (wall - floor) + 0.2 * rows + stains
    crop = np.random.default_rng([304, actor, take])  # ... and the crop and the daylight to the take
    top, left = crop.integers(0, margin, 2)
    return (picture[top : top + ROWS, left : left + COLUMNS] * crop.uniform(0.92, 1.08)).astype(np.float32)


def project(joints: dict[str, np.ndarray], *, height: float, camera: int, zoom: float, shift: np.ndarray) -> dict:
    """Weak perspective: only the size of the whole figure follows its distance.

    Args:
        joints: `(T, 3)` each, metres.
        height: of the actor; the middle of the body comes to the middle of the frame.
        camera: index into `CAMERAS`.
        zoom: multiplies the camera's pixels a metre.
        shift: columns and rows by which the crop is off.

    Returns:
        float32 `(3, T)` each: column, row, and depth growing towards the camera, in pixels.
    """
    azimuth, elevation, scale = CAMERAS[camera]
    (sine, cosine), (rise, flat) = sine_cosine(azimuth), sine_cosine(elevation)
    seen = {}
    for name, (x, y, z) in ((name, point.T) for name, point in joints.items()):
        outward, z = x * cosine + y * sine, z - 0.84 * height
        seen[name] = np.stack((y * cosine - x * sine, outward * rise - z * flat, outward * flat + z * rise))
    size = zoom * scale * CAMERA_DISTANCE / (CAMERA_DISTANCE - seen["pelvis"][2])  # (T,)
    centre = np.array((COLUMNS / 2 - 0.5 + shift[0], ROWS / 2 - 0.5 + shift[1], 0))[:, None]
    return {name: (point * size + centre).astype(np.float32) for name, point in seen.items()}


def draw_capsule(
    canvas: np.ndarray,
    depth: np.ndarray,
    *,
    start: np.ndarray,
    end: np.ndarray,
    radii: tuple[float, float],
    grey: float,
) -> None:
    """Draw one capsule into all frames at once.

    Args:
        canvas, depth: float32 `(T, H, W)`, changed in place; depth grows towards the camera.
        start, end: float32 `(3, T)`: column, row, depth, in pixels.
        radii: at start and end, in pixels.
        grey: its brightness in full light.
    """
    reach = max(radii) + 1
    box = []  # rows and columns that it touches in any frame: mostly a small part
    for axis, size in ((1, ROWS), (0, COLUMNS)):
        low, high = min(start[axis].min(), end[axis].min()) - reach, max(start[axis].max(), end[axis].max()) + reach
        box.append(slice(max(0, int(low)), max(0, min(size, int(high) + 1))))
    canvas, depth = canvas[:, *box], depth[:, *box]
    if canvas.size == 0:
        return
    rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in box)
    rows = rows[None, :, None] - start[1][:, None, None]  # (T, H, 1)
    columns = columns[None, None, :] - start[0][:, None, None]  # (T, 1, W)
    x, y, z = (end - start)[:, :, None, None]
    along = np.clip((columns * x + rows * y) / (x * x + y * y + np.float32(1e-3)), 0, 1)  # 0 at start, 1 at end
    columns, rows = columns - along * x, rows - along * y  # from the nearest point of the axis, (T, H, W)
    radius = np.float32(radii[0]) + along * np.float32(radii[1] - radii[0])
    distance = np.sqrt(columns * columns + rows * rows)
    bulge = np.sqrt(np.maximum(1 - np.square(distance / radius), 0))  # of the surface towards the camera, in radii
    height = start[2][:, None, None] + along * z + radius * bulge
    cover = np.clip(radius - distance + np.float32(0.5), 0, 1) * (height > depth)
    light = (columns * np.float32(LIGHT[0]) + rows * np.float32(LIGHT[1])) / radius + bulge * np.float32(LIGHT[2])
    shade = np.float32(grey) * (np.float32(0.5) + np.float32(0.5) * np.maximum(light, 0))
    canvas += cover * (shade - canvas)
    np.copyto(depth, height, where=cover > 0.5)


def render_clip(clip: Clip) -> np.ndarray:
    """Render one clip of the set, uint8 `(T, 64, 48, 1)`."""
    actor = int(clip.group.removeprefix("actor"))
    who = make_actor(actor)
    poses = perform(actor=actor, take=clip.take, action=list(ACTIONS)[clip.label])
    random = np.random.default_rng([404, actor, clip.take, clip.label, clip.camera])
    zoom, shift = random.uniform(0.96, 1.04), random.uniform(-1.5, 1.5, 2)
    joints = project(place_joints(poses, who), height=who.height, camera=clip.camera, zoom=zoom, shift=shift)

    background = make_background(actor=actor, take=clip.take, camera=clip.camera)
    canvas = np.repeat(background[None], len(poses), axis=0)  # (T, H, W)
    depth = np.full_like(canvas, -1e6)
    for start, end, radius_start, radius_end, part in CAPSULES:
        thickness = zoom * CAMERAS[clip.camera][2] * (who.girth if part in ("torso", "legs") else 1)
        radii = (radius_start * thickness, radius_end * thickness)
        draw_capsule(canvas, depth, start=joints[start], end=joints[end], radii=radii, grey=who.greys[part])
    canvas += np.float32(NOISE) * random.standard_normal(canvas.shape, dtype=np.float32)
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)[..., None]


def load_synthetic() -> ClipSet:
    """List the 1800 clips; none is rendered before it is asked for."""
    clips = [
        Clip(
            name=f"actor{actor}-{take}_{label + 1:02d}_{action}_cam{camera}",
            label=label,
            group=f"actor{actor}",
            camera=camera,
            take=take,
        )
        for actor in range(ACTORS)
        for take in range(1, TAKES + 1)
        for label, action in enumerate(ACTIONS)
        for camera in range(len(CAMERAS))
    ]
    return ClipSet(
        dataset="synthetic",
        classes=tuple(ACTIONS),
        clips=tuple(sorted(clips, key=lambda clip: clip.name)),
        grey=True,
        render=render_clip,
        version=VERSION,
    )
