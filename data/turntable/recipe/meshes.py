"""Small mesh and material helpers that the cars and the studio are built from."""

from __future__ import annotations

from collections.abc import Sequence

import bmesh
import bpy
import numpy as np
from mathutils import Vector
from mathutils.bvhtree import BVHTree


def srgb(hex_colour: str) -> tuple[float, float, float]:
    """Linear RGB of a colour such as "#B3161B"."""
    values = [int(hex_colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple(v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)


def material(name: str, colour: Sequence[float], **inputs: object) -> bpy.types.Material:
    """A principled material; `inputs` are named as its sockets, with _ for a space."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*colour, 1.0)
    for key, value in inputs.items():
        shader.inputs[key.replace("_", " ")].default_value = value
    return made


def make_object(
    name: str,
    vertices: Sequence[Sequence[float]],
    faces: Sequence[Sequence[int]],
    materials: Sequence[bpy.types.Material],
    *,
    face_materials: Sequence[int] | None = None,
    smooth: bool = True,
) -> bpy.types.Object:
    """Link a mesh object to the scene, with normals that face outwards."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([tuple(map(float, v)) for v in vertices], [], [tuple(f) for f in faces])
    for entry in materials:
        mesh.materials.append(entry)
    if face_materials is not None:
        mesh.polygons.foreach_set("material_index", list(face_materials))
    work = bmesh.new()
    work.from_mesh(mesh)
    bmesh.ops.recalc_face_normals(work, faces=work.faces)
    work.to_mesh(mesh)
    work.free()
    mesh.polygons.foreach_set("use_smooth", [smooth] * len(mesh.polygons))
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def chaikin(points: np.ndarray, rounds: int = 2) -> np.ndarray:
    """Round an open polyline by cutting corners; its two ends stay where they are."""
    for _ in range(rounds):
        first, second = points[:-1], points[1:]
        cut = np.stack([0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second], axis=1)
        points = np.concatenate([points[:1], cut.reshape(-1, points.shape[1])[1:-1], points[-1:]])
    return points


def smooth_profile(knots: Sequence[tuple[float, float]], x: np.ndarray, blur: float) -> np.ndarray:
    """Values at `x` of the polyline through `knots`, blurred over `blur` metres."""
    at, value = np.array(sorted(knots)).T
    fine = np.arange(at[0] - 4 * blur, at[-1] + 4 * blur, 0.005)
    taps = np.exp(-0.5 * (np.arange(-3 * blur, 3 * blur + 1e-9, 0.005) / blur) ** 2)
    blurred = np.convolve(np.interp(fine, at, value), taps / taps.sum(), mode="same")
    return np.interp(x, fine, blurred)


def ring_faces(rings: int, around: int, *, closed: bool) -> list[tuple[int, int, int, int]]:
    """Quads between successive rings of `around` vertices."""
    span = around if closed else around - 1
    return [
        (r * around + i, r * around + (i + 1) % around,
         (r + 1) * around + (i + 1) % around, (r + 1) * around + i)
        for r in range(rings - 1)
        for i in range(span)
    ]  # fmt: skip


def lathe(
    name: str, profile: Sequence[tuple[float, float]], of: bpy.types.Material, *, steps: int = 48,
    closed: bool = True, smooth: bool = True,
) -> bpy.types.Object:  # fmt: skip
    """Turn a profile of (radius, y) around the y axis; `closed` joins its last point to its first."""
    turns = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    vertices = [(r * np.cos(a), y, r * np.sin(a)) for r, y in profile for a in turns]
    faces = ring_faces(len(profile), steps, closed=True)
    if closed:
        last = (len(profile) - 1) * steps
        faces += [(last + i, last + (i + 1) % steps, (i + 1) % steps, i) for i in range(steps)]
    return make_object(name, vertices, faces, [of], smooth=smooth)


def box(
    name: str, centre: Sequence[float], size: Sequence[float], of: bpy.types.Material,
    *, bevel: float = 0.0, rounded: bool = False,
) -> bpy.types.Object:  # fmt: skip
    """A box, with bevelled edges if `bevel` is given, or as a pebble if `rounded`."""
    corners = [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
    vertices = [
        [c + s * v for c, s, v in zip(centre, size, corner, strict=True)] for corner in corners
    ]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    made = make_object(name, vertices, faces, [of], smooth=rounded or bevel > 0)
    if bevel:
        modifier = made.modifiers.new("bevel", "BEVEL")
        modifier.width, modifier.segments = bevel, 3
    if rounded:
        modifier = made.modifiers.new("round", "SUBSURF")
        modifier.levels = modifier.render_levels = 3
    return made


def surface(thing: bpy.types.Object) -> BVHTree:
    """The faces of an object as something that rays can hit."""
    mesh = thing.data
    return BVHTree.FromPolygons([v.co[:] for v in mesh.vertices],
                                [p.vertices[:] for p in mesh.polygons])  # fmt: skip


def cast(tree: BVHTree, side: str, a: float, b: float) -> tuple[Vector, Vector] | None:
    """Where a ray from `side` ("+x", "-y", "+z" …) meets the surface, and the normal there."""
    sign = 1.0 if side[0] == "+" else -1.0
    start = {"x": (9 * sign, a, b), "y": (a, 9 * sign, b), "z": (a, b, 9 * sign)}[side[1]]
    towards = Vector([-sign if axis == side[1] else 0.0 for axis in "xyz"])
    point, normal, _, _ = tree.ray_cast(Vector(start), towards)
    if point is None:
        return None
    return point, normal if normal.dot(towards) < 0 else -normal


def rounded_outline(corners: np.ndarray, radius: float, step: float = 0.05) -> np.ndarray:
    """A closed polygon with rounded corners and sides cut into pieces of about `step`."""
    points: list[np.ndarray] = []
    for before, corner, after in zip(
        np.roll(corners, 1, 0), corners, np.roll(corners, -1, 0), strict=True
    ):
        reach = min(radius, 0.45 * np.linalg.norm(before - corner),
                    0.45 * np.linalg.norm(after - corner))  # fmt: skip
        start = corner + reach * (before - corner) / np.linalg.norm(before - corner)
        stop = corner + reach * (after - corner) / np.linalg.norm(after - corner)
        for t in np.linspace(0, 1, 5):
            points.append((1 - t) ** 2 * start + 2 * t * (1 - t) * corner + t**2 * stop)
    outline = []
    for first, second in zip(points, points[1:] + points[:1], strict=True):
        pieces = max(1, int(np.linalg.norm(second - first) / step))
        outline += [first + (second - first) * i / pieces for i in range(pieces)]
    return np.array(outline)


def decal(
    name: str, tree: BVHTree, side: str, corners: Sequence[Sequence[float]],
    of: bpy.types.Material, *, lift: float = 0.004, radius: float = 0.04,
) -> bpy.types.Object:  # fmt: skip
    """Lay a rounded polygon on a surface, as seen from `side`, lifted by `lift`.

    Windows, lamps, grilles and shut lines are all made so: they follow the body exactly and leave
    no hole in it. A corner that would miss the surface is drawn in until it hits.
    """
    outline = rounded_outline(np.array(corners, float), radius)
    centre = outline.mean(axis=0)
    scales = np.linspace(1, 0.06, 6)
    vertices = []
    for scale in scales:
        for point in outline:
            hit, shrink = None, float(scale)
            while hit is None and shrink > 0.01:
                hit = cast(tree, side, *(centre + shrink * (point - centre)))
                shrink *= 0.96
            if hit is None:
                raise ValueError(f"{name}: no surface under the polygon seen from {side}")
            vertices.append(hit[0] + lift * hit[1])
    around = len(outline)
    faces: list[tuple[int, ...]] = list(ring_faces(len(scales), around, closed=True))
    faces.append(tuple(range((len(scales) - 1) * around, len(scales) * around)))
    return make_object(name, vertices, faces, [of])
