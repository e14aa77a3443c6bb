"""The lengths and curves that the parts of a car share: outline from above, roof line, belt line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleet import Car
from meshes import chaikin
from styles import TAILGATE, TALL

EDGE = 0.045  # the roof is rounded over so many metres where it meets the pillars


@dataclass
class Shape:
    """Positions in metres, worked out once from the drawn proportions."""

    front: float
    rear: float
    front_axle: float
    rear_axle: float
    width: float  # half the width of the body
    belt: float
    roof: float
    glass_front: tuple[float, float]  # x of the windscreen's foot and of its upper edge
    glass_rear: tuple[float, float]
    base_width: float  # half the width of the greenhouse at its foot
    wheel: float
    arch: float
    wedge: float  # rise of the belt line from windscreen to rear window
    header: float  # how far the roof lies below its peak at the windscreen …
    drop: float  # … and at the rear window
    crown: float  # how far the roof's sides lie below its middle
    tumble: float  # share by which the greenhouse gets narrower from belt to roof
    bow: tuple[float, float]  # how far the body's front and rear are bowed, seen from above
    boxiness: float

    def belt_at(self, x: np.ndarray | float) -> np.ndarray:
        """Height of the belt line."""
        run = self.glass_front[0] - self.glass_rear[0]
        return self.belt + self.wedge * np.clip((self.glass_front[0] - x) / run, 0, 1)

    def roof_at(self, x: np.ndarray | float) -> np.ndarray:
        """Height of the roof in the middle of the car."""
        head, back = self.glass_front[1], self.glass_rear[1]
        peak = head - 0.38 * (head - back)
        ahead = np.clip((x - peak) / (head - peak), 0, 1.1)
        behind = np.clip((peak - x) / (peak - back), 0, 1.1)
        return self.roof - self.header * ahead**2 - self.drop * behind**2

    def rim_at(self, x: np.ndarray | float, across: np.ndarray | float = 1.0) -> np.ndarray:
        """Height where pillars meet the roof, `across` 0 in the middle and 1 at the side."""
        return self.roof_at(x) - EDGE - self.crown * np.asarray(across) ** 2

    def ends_at(self, share: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Front and rear of the greenhouse at a share of its height: nearly straight, bulging."""
        (foot, head), (back, back_head) = self.glass_front, self.glass_rear
        bulge = 4 * share * (1 - share)
        return (foot + (head - foot) * share + 0.045 * bulge,
                back + (back_head - back) * share - 0.085 * (back_head - back) * bulge)  # fmt: skip


def measure(car: Car) -> Shape:
    """Turn proportions into positions."""
    size, tall = car.size, car.style in TALL
    half, box = size["length"] / 2, size["boxiness"]
    front_axle = half - size["front_overhang"]
    rear_axle = front_axle - size["wheelbase_share"] * size["length"]
    foot = front_axle - size["windscreen_base"]
    if car.style in TAILGATE:
        back = -half + 0.06 + 0.05 * (1 - box)
    else:
        back = rear_axle - size["rear_base"] + float(car.extras["cab_cut"])
    head = foot - size["windscreen_run"]
    arch = size["wheel"] + (0.060 if tall else 0.042)
    # The belt lies above the front wheel's fender, and the roof is never a mere ridge.
    belt = max(size["belt_share"] * size["height"], size["wheel"] + arch + 0.10)
    return Shape(
        front=half, rear=-half, front_axle=front_axle, rear_axle=rear_axle,
        width=size["width"] / 2, belt=belt, roof=size["height"],
        glass_front=(foot, head),
        glass_rear=(back, min(back + size["rear_run"], head - 0.60 * size["height"])),
        base_width=size["width"] / 2 * (0.955 if box > 0.5 else 0.940),
        wheel=size["wheel"], arch=arch,
        wedge=size["wedge"], header=size["header"], drop=size["drop"],
        crown=0.035 if tall else 0.045, tumble=size["tumble"],
        bow=(0.48 - 0.32 * box, 0.34 - 0.26 * box), boxiness=box,
    )  # fmt: skip


def plan(
    front: float, rear: float, width: float, bow: tuple[float, float], count: int = 150
) -> np.ndarray:
    """Half an outline seen from above, from the front's middle along the left side to the rear's.

    The ends are bowed, the corners rounded, the sides slightly convex; points lie evenly spaced.
    """
    long = front - rear
    half = np.array(
        [(front, 0), (front - 0.04 * bow[0], 0.32), (front - 0.32 * bow[0], 0.64),
         (front - 0.72 * bow[0], 0.86), (front - 1.15 * bow[0], 0.945),
         (front - min(0.26 * long, 1.15), 0.99), (front - 0.45 * long, 1.004),
         (rear + min(0.30 * long, 1.2), 0.997), (rear + 1.5 * bow[1] + 0.06, 0.955),
         (rear + 0.86 * bow[1], 0.89), (rear + 0.36 * bow[1], 0.68),
         (rear + 0.05 * bow[1], 0.34), (rear, 0)]
    ) * (1, width)  # fmt: skip
    fine = chaikin(half, 3)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    at = np.linspace(0, along[-1], count)
    return np.column_stack([np.interp(at, along, fine[:, 0]), np.interp(at, along, fine[:, 1])])


def whole(half: np.ndarray) -> np.ndarray:
    """Both sides from the left one; the two points on the middle line stay single."""
    mirrored = half * np.array((1, -1, 1)[: half.shape[1]])
    return np.concatenate([half, mirrored[-2:0:-1]])


def half_width(shape: Shape, x: float) -> float:
    """Half the width of the body at `x`: the corners are drawn in, seen from above."""
    points = plan(shape.front, shape.rear, shape.width, shape.bow)[::-1]
    return float(np.interp(x, points[:, 0], points[:, 1]))
