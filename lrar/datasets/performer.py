"""Who performs in the synthetic set, and how: actors, actions and the skeleton that carries them out.

An action is a few key poses joined smoothly, with what repeats (steps, waving) on top. Actors differ in build, tempo,
posture, clothes and handedness; takes differ in timing, amplitude, heading and sway. Every number comes from a
generator seeded with small integers, and only elementwise arithmetic is used, so that no machine gives another set.

Frame of the body, in metres: x forward, y to the figure's left, z up, origin between the hips.
"""

from dataclasses import dataclass

import numpy as np

STANDARD_FRAMES, SHORTEST, LONGEST = 54, 40, 70  # at 25 frames a second

# A pose is two numbers a part. Limbs: how far the segment is raised from hanging down, and the direction into which it
# is raised, 0 forward, 90 outward, negative across the body (degrees, in the frame of the trunk or the pelvis).
# Root: heading (degrees) and distance walked along it (cm). Trunk: lean and twist. Head: nod and turn to the left.


def both(**limbs: tuple[float, float]) -> dict[str, tuple[float, float]]:
    """The same two numbers for a right and a left limb."""
    return {f"{side}_{limb}": numbers for limb, numbers in limbs.items() for side in ("right", "left")}


STANDING = {"root": (0, 0), "trunk": (3, 0), "head": (0, 0)}
STANDING |= both(arm=(9, 55), forearm=(16, 15), thigh=(2, 0), shin=(-3, 0))
PARTS = tuple(STANDING)

WATCH = {"left_arm": (40, 12), "left_forearm": (95, -62), "head": (28, 14)}
CROSSED = {**both(arm=(34, 14)), "right_forearm": (102, -70), "left_forearm": (86, -74)}
HAND_ON_HEAD = {"right_arm": (109, 46), "right_forearm": (117, -112), "head": (14, -10)}
SQUAT = {"root": (0, -8), "trunk": (48, 0), **both(arm=(45, 25), forearm=(62, 5), thigh=(78, 12), shin=(-42, 0))}
SEATED = {"root": (0, -20), "trunk": (14, 0), **both(arm=(28, 25), forearm=(62, -15), thigh=(92, 48), shin=(82, -108))}
AROUND = {"root": (360, 0)}
STRIDE = both(arm=(2, 8), forearm=(16, 4), shin=(-14, 0))
SET_OFF, ARRIVE, BACK = {**STRIDE, "root": (14, 10)}, {**STRIDE, "root": (346, 250)}, {"root": (360, 260)}  # a circle
HAND_UP = {"right_arm": (84, 72), "right_forearm": (176, 82)}
STANCE = {"left_thigh": (20, 0), "right_thigh": (-14, 0), "right_shin": (-24, 0)}
GUARD = {**STANCE, **both(arm=(18, 30), forearm=(140, -22)), "trunk": (8, -16)}
STRIKE = {**GUARD, "right_arm": (86, -4), "right_forearm": (90, -8), "trunk": (13, 26)}
WIND_UP = {"right_thigh": (-24, 0), "right_shin": (-68, 0), "trunk": (8, 8), **both(arm=(30, 75))}
KICK = {"right_thigh": (76, 4), "right_shin": (82, 4), "trunk": (-14, -8), **both(arm=(46, 80), forearm=(55, 55))}
FOOT_BACK = {"right_thigh": (38, 0), "right_shin": (-32, 0), "trunk": (2, 0), **both(arm=(25, 70))}
POINTING = {"right_arm": (86, 18), "right_forearm": (89, 14), "head": (0, -12)}
BENT = {"root": (0, -14), "trunk": (74, -10), **both(arm=(40, 40), thigh=(62, 8), shin=(-36, 0))}
BENT |= {"right_arm": (78, -4), "right_forearm": (74, -6)}
HOLDING = {"right_arm": (14, 20), "right_forearm": (82, -8), "head": (16, -8)}

# Each action's key poses and when they are reached, as fractions of the clip; what a pose leaves out stands.
# The order is that of the IXMAS release.
ACTIONS = {
    "check-watch": ((0, 0.3, 0.72, 1), ({}, WATCH, WATCH, {})),
    "cross-arms": ((0, 0.3, 0.74, 1), ({}, CROSSED, CROSSED, {})),
    "scratch-head": ((0, 0.28, 0.74, 1), ({}, HAND_ON_HEAD, HAND_ON_HEAD, {})),
    "sit-down": ((0, 0.08, 0.4, 0.72, 1), ({}, {}, SQUAT, SEATED, SEATED)),
    "get-up": ((0, 0.22, 0.56, 0.9, 1), (SEATED, SEATED, SQUAT, {}, {})),
    "turn-around": ((0, 0.08, 0.92, 1), ({}, {}, AROUND, AROUND)),
    "walk": ((0, 0.1, 0.9, 1), ({}, SET_OFF, ARRIVE, BACK)),
    "wave": ((0, 0.24, 0.78, 1), ({}, HAND_UP, HAND_UP, {})),
    "punch": ((0, 0.2, 0.32, 0.44, 0.54, 0.66, 0.78, 1), ({}, GUARD, STRIKE, GUARD, GUARD, STRIKE, GUARD, {})),
    "kick": ((0, 0.28, 0.45, 0.62, 0.82, 1), ({}, WIND_UP, KICK, FOOT_BACK, {}, {})),
    "point": ((0, 0.28, 0.74, 1), ({}, POINTING, POINTING, {})),
    "pick-up": ((0, 0.36, 0.48, 0.8, 1), ({}, BENT, BENT, HOLDING, HOLDING)),
}

# What repeats on top of the keys: cycles a clip, and for each part the degrees by which its two angles swing and the
# lag in cycles. A shin follows its thigh; an arm swings with the opposite leg.
STEP_LAGS = {"right_thigh": 0, "right_shin": 0.17, "left_thigh": 0.5, "left_shin": 0.67}
SWING_LAGS = {"right_arm": 0.5, "right_forearm": 0.53, "left_arm": 0, "left_forearm": 0.03}
REPEATS = {
    "scratch-head": (5.0, {"right_forearm": (9, 13, 0), "right_arm": (4, 0, 0.2)}),
    "turn-around": (3.0, {part: (13, 0, lag) for part, lag in STEP_LAGS.items()}),
    "walk": (2.2, {part: (26, 0, lag) for part, lag in (STEP_LAGS | SWING_LAGS).items()}),
    "wave": (4.0, {"right_forearm": (36, 0, 0), "right_arm": (5, 0, 0.1)}),
}


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One figure: lengths, radii and tempo as multiples of the standard ones, greys from 0 to 255."""

    height: float
    arms: float
    legs: float
    shoulders: float
    girth: float
    tempo: float
    left_handed: bool
    greys: dict[str, float]  # of torso, legs, skin and hair
    posture: np.ndarray  # degrees, (parts, 2): how this actor's poses differ from everybody's


def make_actor(number: int) -> Actor:
    """Actor `number`: always the same one."""
    random = np.random.default_rng([101, number])
    ranges = {
        "height": (0.9, 1.06),
        "arms": (0.94, 1.07),
        "legs": (0.95, 1.06),
        "shoulders": (0.88, 1.1),
        "girth": (0.85, 1.25),
        "tempo": (0.85, 1.2),
    }
    build = {name: random.uniform(*limits) for name, limits in ranges.items()}
    dark, light, skin, hair = random.uniform((22, 105, 100, 18), (48, 165, 160, 60))
    torso, legs = ((dark, dark), (dark, light), (light, dark), (dark, dark), (light, light))[number % 5]
    return Actor(
        **build,
        left_handed=number in (3, 5, 8),
        greys={"torso": torso, "legs": 0.9 * legs, "skin": skin, "hair": hair},
        posture=random.normal(0, 3, (len(PARTS), 2)),
    )


def smooth(fraction: np.ndarray) -> np.ndarray:
    """Ease in and out: 0 to 1 with no speed at either end."""
    fraction = np.clip(fraction, 0, 1)
    return fraction * fraction * (3 - 2 * fraction)


def perform(*, actor: int, take: int, action: str) -> np.ndarray:
    """The pose of every frame of one performance, `(T, parts, 2)` in the units of `STANDING`."""
    who = make_actor(actor)
    random = np.random.default_rng([202, actor, take, list(ACTIONS).index(action)])
    frames = int(np.clip(round(STANDARD_FRAMES / (who.tempo * random.uniform(0.9, 1.12))), SHORTEST, LONGEST))
    time = np.linspace(0, 1, frames)

    moments, keys = ACTIONS[action]
    standing = np.array(list(STANDING.values()), dtype=float)
    keys = np.array([[key.get(part, STANDING[part]) for part in PARTS] for key in keys], dtype=float)
    moved = keys != standing
    keys = standing + (keys - standing) * random.uniform(0.94, 1.06)
    # One slip of the joints for the whole take, and a smaller one each time that a pose is reached.
    keys += moved * (random.normal(0, 4, standing.shape) + random.normal(0, 2.5, keys.shape))
    keys[:, 1:] += who.posture[1:]  # not the root

    moments = np.array(moments, dtype=float)
    moments[1:-1] = moments[1:-1] * random.uniform(0.94, 1.06) + random.uniform(-0.03, 0.03)
    position = np.interp(time, moments, np.arange(len(moments)))
    index = np.minimum(position.astype(int), len(moments) - 2)
    mix = smooth(position - index)[:, None, None]
    poses = keys[index] * (1 - mix) + keys[index + 1] * mix  # (T, parts, 2)

    cycles, repeats = REPEATS.get(action, (0, {}))
    cycles, amplitude, phase = random.uniform((0.85 * cycles, 0.85, 0), (1.15 * cycles, 1.15, 1))
    envelope = amplitude * smooth(time / 0.25) * smooth((1 - time) / 0.25)
    for part, (first, second, lag) in repeats.items():
        swing = envelope * np.sin(2 * np.pi * (cycles * time + phase - lag))
        poses[:, PARTS.index(part)] += swing[:, None] * np.array((first, second))

    # Nobody stands still: slow sway of every part, and a heading that differs from take to take.
    degrees, speed, start = (random.uniform(*limits, standing.shape) for limits in ((0.5, 2.2), (0.4, 1.6), (0, 1)))
    poses += degrees * np.sin(2 * np.pi * (speed * time[:, None, None] + start))
    poses[:, PARTS.index("root"), 0] += random.normal(0, 14)
    return poses


def sine_cosine(degrees: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of an angle in degrees."""
    return np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))


def direction(angles: np.ndarray, side: int) -> np.ndarray:
    """Unit vectors `(T, 3)` of a limb with angles `(T, 2)`; `side` is 1 for the left and -1 for the right."""
    (up, down), (out, ahead) = sine_cosine(angles[:, 0]), sine_cosine(angles[:, 1])
    return np.stack((up * ahead, side * up * out, -down), axis=-1)


HEAD = {
    "chin": (0.03, 0.12),
    "crown": (0.02, 0.19),
    "nape": (-0.035, 0.15),
    "hair": (-0.02, 0.21),
}  # x, z from the neck


def place_joints(poses: np.ndarray, who: Actor) -> dict[str, np.ndarray]:
    """Carry out poses `(T, parts, 2)`: each joint `(T, 3)` in metres, the floor at z = 0, the path centred."""
    pose = {part: poses[:, index] for index, part in enumerate(PARTS)}
    origin = np.zeros((len(poses), 3))
    upper = {"neck": origin + np.array((0, 0, 0.5))}  # in the frame of the trunk
    lower = {"pelvis": origin}  # in the frame of the pelvis
    (nod, level), (turn, ahead) = sine_cosine(pose["head"][:, 0]), sine_cosine(pose["head"][:, 1])
    for name, (x, z) in HEAD.items():
        forward = x * level + z * nod
        upper[name] = np.stack((forward * ahead, forward * turn, 0.5 + z * level - x * nod), axis=-1)
    for name, side in (("left", 1), ("right", -1)):
        upper[f"{name}_waist"] = origin + np.array((0, side * 0.05, 0.035))
        upper[f"{name}_chest"] = origin + np.array((0, side * 0.07 * who.shoulders, 0.39))
        shoulder = upper[f"{name}_shoulder"] = origin + np.array((0, side * 0.185 * who.shoulders, 0.45))
        elbow = upper[f"{name}_elbow"] = shoulder + 0.29 * who.arms * direction(pose[f"{name}_arm"], side)
        forearm = direction(pose[f"{name}_forearm"], side)
        upper[f"{name}_wrist"] = elbow + 0.25 * who.arms * forearm
        upper[f"{name}_fingers"] = elbow + 0.35 * who.arms * forearm
        hip = lower[f"{name}_hip"] = origin + np.array((0, side * 0.09, 0))
        knee = lower[f"{name}_knee"] = hip + 0.43 * who.legs * direction(pose[f"{name}_thigh"], side)
        shin = pose[f"{name}_shin"]
        ankle = lower[f"{name}_ankle"] = knee + 0.42 * who.legs * direction(shin, side)
        foot = np.stack((88 + 0.5 * shin[:, 0], np.full(len(shin), 15.0)), axis=-1)  # half follows the shin
        lower[f"{name}_toes"] = ankle + 0.17 * direction(foot, side)

    (lean, upright), (twist, square) = sine_cosine(pose["trunk"][:, 0]), sine_cosine(pose["trunk"][:, 1])
    for name, (x, y, z) in ((name, point.T) for name, point in upper.items()):
        x, y = x * square - y * twist, x * twist + y * square
        upper[name] = np.stack((x * upright + z * lean, y, z * upright - x * lean), axis=-1)

    joints = {name: point * who.height for name, point in (upper | lower).items()}
    # Whatever is lowest carries the figure, so no action needs a height of its own.
    bearing = [
        joints[f"{side}_{name}"][:, 2] - 0.05 for side in ("left", "right") for name in ("ankle", "toes", "knee")
    ]
    floor = np.min([joints["pelvis"][:, 2] - 0.11 * who.height, *bearing], axis=0)
    sine, cosine = sine_cosine(pose["root"][:, 0])
    travel = np.diff(pose["root"][:, 1], prepend=pose["root"][:1, 1]) / 100
    east, north = np.cumsum(travel * cosine), np.cumsum(travel * sine)
    east, north = east - east.mean(), north - north.mean()
    hand = -1 if who.left_handed else 1  # a left-handed actor is a right-handed one in the mirror
    return {
        name: np.stack((x * cosine - y * sine + east, hand * (x * sine + y * cosine + north), z - floor), axis=-1)
        for name, (x, y, z) in ((name, point.T) for name, point in joints.items())
    }
