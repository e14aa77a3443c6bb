"""The twelve body styles: their proportions and what sets the four cars of each apart."""

from __future__ import annotations

STYLES = (
    "sedan", "hatchback", "coupe", "suv", "pickup", "van",
    "estate", "convertible", "minivan", "sports car", "city car", "off-roader",
)  # fmt: skip
TALL = {"suv", "pickup", "van", "minivan", "off-roader"}
TAILGATE = {"hatchback", "suv", "van", "estate", "minivan", "city car", "off-roader"}

# Ranges in metres, unless the name says otherwise; one value of each is drawn per car.
# "windscreen_base" and "rear_base" say how far behind the front (rear) axle the glass starts,
# "_run" how far it leans back (forward) up to the roof; styles with a tailgate end at the rear.
# "wedge" is the rise of the belt line towards the rear, "header" and "drop" how far the roof has
# come down from its peak at the windscreen and at the rear window, "boxiness" runs from 0 to 1.
PROPORTIONS: dict[str, dict[str, tuple[float, float]]] = {
    "sedan": dict(length=(4.55, 5.00), width=(1.79, 1.88), height=(1.42, 1.49),
                  wheelbase_share=(0.575, 0.605), front_overhang=(0.82, 0.92),
                  clearance=(0.15, 0.18), wheel=(0.328, 0.352), belt_share=(0.610, 0.640),
                  nose_share=(0.82, 0.88), windscreen_base=(0.22, 0.36), windscreen_run=(0.72, 0.84),
                  rear_base=(0.36, 0.56), rear_run=(0.58, 0.86), tail_share=(1.04, 1.10),
                  tumble=(0.19, 0.24), drop=(0.05, 0.09), header=(0.05, 0.07), wedge=(0.02, 0.06),
                  boxiness=(0.0, 0.35)),
    "hatchback": dict(length=(3.90, 4.30), width=(1.72, 1.80), height=(1.45, 1.54),
                      wheelbase_share=(0.61, 0.635), front_overhang=(0.76, 0.86),
                      clearance=(0.15, 0.18), wheel=(0.310, 0.335), belt_share=(0.61, 0.645),
                      nose_share=(0.83, 0.88), windscreen_base=(0.08, 0.22),
                      windscreen_run=(0.70, 0.86), rear_base=(0.0, 0.0), rear_run=(0.32, 0.62),
                      tail_share=(1.04, 1.08), tumble=(0.16, 0.22), drop=(0.06, 0.12),
                      header=(0.05, 0.07), wedge=(0.04, 0.09), boxiness=(0.0, 0.35)),
    "coupe": dict(length=(4.40, 4.75), width=(1.80, 1.90), height=(1.34, 1.41),
                  wheelbase_share=(0.575, 0.60), front_overhang=(0.84, 0.94),
                  clearance=(0.14, 0.17), wheel=(0.330, 0.352), belt_share=(0.615, 0.645),
                  nose_share=(0.81, 0.86), windscreen_base=(0.36, 0.50), windscreen_run=(0.74, 0.86),
                  rear_base=(0.36, 0.56), rear_run=(0.85, 1.15), tail_share=(1.04, 1.10),
                  tumble=(0.22, 0.27), drop=(0.06, 0.10), header=(0.05, 0.07), wedge=(0.03, 0.07),
                  boxiness=(0.0, 0.25)),
    "suv": dict(length=(4.45, 4.95), width=(1.84, 1.96), height=(1.66, 1.80),
                wheelbase_share=(0.59, 0.62), front_overhang=(0.82, 0.92),
                clearance=(0.21, 0.25), wheel=(0.360, 0.390), belt_share=(0.62, 0.65),
                nose_share=(0.87, 0.91), windscreen_base=(0.14, 0.30), windscreen_run=(0.58, 0.78),
                rear_base=(0.0, 0.0), rear_run=(0.24, 0.52), tail_share=(1.02, 1.06),
                tumble=(0.14, 0.20), drop=(0.06, 0.13), header=(0.05, 0.07), wedge=(0.03, 0.08),
                boxiness=(0.15, 0.65)),
    "pickup": dict(length=(5.20, 5.60), width=(1.88, 2.00), height=(1.78, 1.90),
                   wheelbase_share=(0.610, 0.635), front_overhang=(0.86, 0.94),
                   clearance=(0.27, 0.32), wheel=(0.375, 0.405), belt_share=(0.63, 0.655),
                   nose_share=(0.93, 0.97), windscreen_base=(0.24, 0.36), windscreen_run=(0.52, 0.66),
                   rear_base=(-0.88, -0.76), rear_run=(0.08, 0.18), tail_share=(1.00, 1.03),
                   tumble=(0.15, 0.20), drop=(0.02, 0.05), header=(0.04, 0.06), wedge=(0.0, 0.03),
                   boxiness=(0.6, 0.95)),
    "van": dict(length=(4.80, 5.30), width=(1.88, 1.99), height=(1.90, 2.15),
                wheelbase_share=(0.60, 0.635), front_overhang=(0.86, 0.96),
                clearance=(0.18, 0.22), wheel=(0.325, 0.350), belt_share=(0.545, 0.585),
                nose_share=(0.82, 0.90), windscreen_base=(-0.12, 0.08), windscreen_run=(0.70, 0.92),
                rear_base=(0.0, 0.0), rear_run=(0.05, 0.14), tail_share=(1.0, 1.02),
                tumble=(0.08, 0.12), drop=(0.02, 0.05), header=(0.05, 0.08), wedge=(0.0, 0.03),
                boxiness=(0.55, 0.95)),
    "estate": dict(length=(4.60, 4.95), width=(1.80, 1.88), height=(1.45, 1.53),
                   wheelbase_share=(0.575, 0.60), front_overhang=(0.84, 0.92),
                   clearance=(0.15, 0.19), wheel=(0.325, 0.350), belt_share=(0.62, 0.65),
                   nose_share=(0.82, 0.88), windscreen_base=(0.22, 0.36),
                   windscreen_run=(0.70, 0.84), rear_base=(0.0, 0.0), rear_run=(0.30, 0.56),
                   tail_share=(1.02, 1.05), tumble=(0.18, 0.22), drop=(0.05, 0.10),
                   header=(0.05, 0.07), wedge=(0.02, 0.06), boxiness=(0.05, 0.45)),
    "convertible": dict(length=(4.05, 4.65), width=(1.76, 1.86), height=(1.32, 1.41),
                        wheelbase_share=(0.59, 0.61), front_overhang=(0.80, 0.90),
                        clearance=(0.14, 0.17), wheel=(0.320, 0.345), belt_share=(0.63, 0.66),
                        nose_share=(0.81, 0.86), windscreen_base=(0.38, 0.52),
                        windscreen_run=(0.62, 0.74), rear_base=(0.16, 0.36), rear_run=(0.55, 0.75),
                        tail_share=(1.02, 1.07), tumble=(0.21, 0.25), drop=(0.05, 0.09),
                        header=(0.05, 0.07), wedge=(0.02, 0.05), boxiness=(0.0, 0.30)),
    "minivan": dict(length=(4.55, 5.15), width=(1.82, 1.98), height=(1.64, 1.78),
                    wheelbase_share=(0.595, 0.62), front_overhang=(0.88, 0.96),
                    clearance=(0.16, 0.19), wheel=(0.325, 0.350), belt_share=(0.575, 0.615),
                    nose_share=(0.83, 0.88), windscreen_base=(-0.10, 0.06),
                    windscreen_run=(0.92, 1.15), rear_base=(0.0, 0.0), rear_run=(0.20, 0.42),
                    tail_share=(1.02, 1.05), tumble=(0.14, 0.18), drop=(0.05, 0.10),
                    header=(0.08, 0.11), wedge=(0.02, 0.06), boxiness=(0.1, 0.5)),
    "sports car": dict(length=(4.25, 4.60), width=(1.83, 1.95), height=(1.23, 1.31),
                       wheelbase_share=(0.565, 0.595), front_overhang=(0.88, 1.00),
                       clearance=(0.11, 0.13), wheel=(0.325, 0.348), belt_share=(0.61, 0.64),
                       nose_share=(0.76, 0.82), windscreen_base=(0.30, 0.48),
                       windscreen_run=(0.70, 0.82), rear_base=(0.44, 0.64), rear_run=(0.90, 1.20),
                       tail_share=(1.06, 1.14), tumble=(0.26, 0.32), drop=(0.05, 0.09),
                       header=(0.05, 0.07), wedge=(0.01, 0.05), boxiness=(0.0, 0.12)),
    "city car": dict(length=(3.35, 3.70), width=(1.60, 1.68), height=(1.47, 1.58),
                     wheelbase_share=(0.605, 0.625), front_overhang=(0.66, 0.72),
                     clearance=(0.15, 0.17), wheel=(0.285, 0.305), belt_share=(0.60, 0.635),
                     nose_share=(0.83, 0.88), windscreen_base=(-0.08, 0.08),
                     windscreen_run=(0.62, 0.80), rear_base=(0.0, 0.0), rear_run=(0.20, 0.42),
                     tail_share=(1.02, 1.06), tumble=(0.14, 0.19), drop=(0.06, 0.12),
                     header=(0.05, 0.08), wedge=(0.04, 0.09), boxiness=(0.1, 0.5)),
    "off-roader": dict(length=(4.05, 4.75), width=(1.78, 1.92), height=(1.78, 1.90),
                       wheelbase_share=(0.60, 0.635), front_overhang=(0.72, 0.80),
                       clearance=(0.26, 0.31), wheel=(0.380, 0.410), belt_share=(0.63, 0.655),
                       nose_share=(0.92, 0.96), windscreen_base=(0.40, 0.52),
                       windscreen_run=(0.16, 0.34), rear_base=(0.0, 0.0), rear_run=(0.02, 0.10),
                       tail_share=(0.99, 1.01), tumble=(0.09, 0.14), drop=(0.0, 0.02),
                       header=(0.01, 0.03), wedge=(0.0, 0.01), boxiness=(0.85, 1.0)),
}  # fmt: skip

# What the four cars of a style have, in their order. Rear windows let through a share of the
# light; "cabs" of pickups are (number of side windows, metres that the cab ends further ahead).
DOORS = {"coupe": (2, 2, 2, 2), "convertible": (2, 2, 2, 2), "sports car": (2, 2, 2, 2),
         "hatchback": (4, 2, 4, 4), "city car": (2, 2, 4, 4), "off-roader": (4, 2, 4, 4),
         "pickup": (4, 2, 4, 2), "van": (2, 4, 2, 4)}  # fmt: skip
PRIVACY = {"suv": (0.25, 0.18, 0.65, 0.30), "van": (0.3, 0.25, 0.3, 0.2),
           "minivan": (0.22, 0.70, 0.30, 0.18), "estate": (0.7, 0.3, 0.7, 0.75),
           "pickup": (0.3, 0.7, 0.4, 0.75), "off-roader": (0.3, 0.7, 0.2, 0.4)}  # fmt: skip
CABS = ((2, 0.0), (1, 0.64), (2, 0.05), (2, 0.42))
BUMPERS = {"pickup": ("chrome", "plastic", "paint", "chrome"),
           "van": ("plastic", "paint", "plastic", "paint"),
           "off-roader": ("plastic", "plastic", "paint", "plastic")}  # fmt: skip


def style_extras(style: str, quarter: int) -> dict[str, object]:
    """The shape extras of car `quarter` (0 to 3) of a style."""
    windows = {"coupe": 2, "convertible": 2, "sports car": 2, "sedan": 2, "city car": 2}
    side_windows = windows.get(style, 3)
    if style == "sedan":
        side_windows = (2, 3, 2, 3)[quarter]
    if style == "hatchback":
        side_windows = (2, 2, 3, 2)[quarter]
    if style in ("coupe", "sports car"):
        side_windows = (2, 1, 2, 1)[quarter]
    if style == "off-roader":
        side_windows = (3, 2, 3, 3)[quarter]
    if style == "pickup":
        side_windows = CABS[quarter][0]
    return {
        "doors": DOORS.get(style, (4, 4, 4, 4))[quarter],
        "side_windows": side_windows,
        "cargo": style == "van" and quarter % 2 == 0,
        "cab_cut": CABS[quarter][1] if style == "pickup" else 0.0,
        "soft_top": style == "convertible" and quarter in (1, 2),
        "open": style == "convertible" and quarter in (0, 3),
        "spare_wheel": style == "off-roader" and quarter in (0, 1, 3),
        "crease_height": (0.70, 0.76, 0.64, 0.80)[(quarter + STYLES.index(style)) % 4],
        "crease_depth": (0.014, 0.008, 0.018, 0.011)[(quarter + STYLES.index(style) // 3) % 4],
        "bumper": BUMPERS.get(style, ("paint",) * 4)[quarter],
        "front_tint": (0.80, 0.70, 0.86, 0.76)[quarter],
        "rear_tint": PRIVACY.get(style, (0.72, 0.62, 0.80, 0.45))[quarter],
    }
