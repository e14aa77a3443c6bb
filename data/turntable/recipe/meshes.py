"""Small mesh and material helpers that the cars and the studio are built from."""

from __future__ import annotations

from collections.abc import Sequence

import bmesh
import bpy
import numpy as np
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree

# What the pass index of an object says about it: which part of the car it is.
PART = {"body": 1, "glass": 2, "wheels": 3, "lights": 4, "plate": 5, "mirrors": 6}


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
    part: str = "body",
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
    made.pass_index = PART[part]
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
    closed: bool = True, smooth: bool = True, part: str = "body",
) -> bpy.types.Object:  # fmt: skip
    """Turn a profile of (radius, y) around the y axis; `closed` joins its last point to its first."""
    turns = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    vertices = [(r * np.cos(a), y, r * np.sin(a)) for r, y in profile for a in turns]
    faces = ring_faces(len(profile), steps, closed=True)
    if closed:
        last = (len(profile) - 1) * steps
        faces += [(last + i, last + (i + 1) % steps, (i + 1) % steps, i) for i in range(steps)]
    return make_object(name, vertices, faces, [of], smooth=smooth, part=part)


def box(
    name: str, centre: Sequence[float], size: Sequence[float], of: bpy.types.Material,
    *, bevel: float = 0.0, rounded: bool = False, part: str = "body",
) -> bpy.types.Object:  # fmt: skip
    """A box, with bevelled edges if `bevel` is given, or as a pebble if `rounded`."""
    corners = [(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)]
    vertices = [
        [c + s * v for c, s, v in zip(centre, size, corner, strict=True)] for corner in corners
    ]
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    made = make_object(name, vertices, faces, [of], smooth=rounded or bevel > 0, part=part)
    if bevel:
        modifier = made.modifiers.new("bevel", "BEVEL")
        modifier.width, modifier.segments = bevel, 3
    if rounded:
        modifier = made.modifiers.new("round", "SUBSURF")
        modifier.levels = modifier.render_levels = 3
    return made


def surface(thing: bpy.types.Object) -> BVHTree:
    """The faces of an object as something that rays can hit, split into triangles as rendered."""
    mesh = thing.data
    mesh.calc_loop_triangles()
    return BVHTree.FromPolygons([v.co[:] for v in mesh.vertices],
                                [t.vertices[:] for t in mesh.loop_triangles])  # fmt: skip


def across(yaw: float) -> Vector:
    """The horizontal axis of the picture that one sees from `yaw` (degrees, 0 = in front)."""
    turn = np.radians(yaw)
    return Vector((-np.sin(turn), np.cos(turn), 0.0))


def cast(tree: BVHTree, side: str | float, a: float, b: float) -> tuple[Vector, Vector] | None:
    """Where a ray from `side` meets the surface, and the normal there.

    A side is "+x", "-y", "+z" …, then `a` and `b` are the other two coordinates; or it is a yaw in
    degrees, then `a` runs along `across(yaw)` and `b` is the height.
    """
    if isinstance(side, str):
        sign = 1.0 if side[0] == "+" else -1.0
        far = 9 * sign
        start = Vector({"x": (far, a, b), "y": (a, far, b), "z": (a, b, far)}[side[1]])
        towards = Vector([-sign if axis == side[1] else 0.0 for axis in "xyz"])
    else:
        towards = -Vector((np.cos(np.radians(side)), np.sin(np.radians(side)), 0.0))
        start = float(a) * across(side) + Vector((0.0, 0.0, b)) - 9 * towards
    point, normal, _, _ = tree.ray_cast(start, towards)
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
    name: str, tree: BVHTree, side: str | float, corners: Sequence[Sequence[float]],
    of: bpy.types.Material, *, lift: float = 0.004, radius: float = 0.04, dome: float = 0.0,
    part: str = "body",
) -> bpy.types.Object:  # fmt: skip
    """Lay a rounded polygon on a surface, as seen from `side`, lifted by `lift`.

    Windows, lamps, grilles and shut lines are all made so: they follow the body exactly and leave
    no hole in it. A corner that would miss the surface is drawn in until it hits. With a `dome` the
    middle stands so many metres further out than the edge.
    """
    outline = rounded_outline(np.array(corners, float), radius)
    centre = outline.mean(axis=0)
    reach = float(np.ptp(outline, axis=0).max()) / 2
    scales = np.linspace(1, 0.06, max(6, round(reach / 0.03)))
    vertices = []
    for scale in scales:
        for point in outline:
            hit, shrink = None, float(scale)
            while hit is None and shrink > 0.01:
                hit = cast(tree, side, *(centre + shrink * (point - centre)))
                shrink *= 0.96
            if hit is None:
                raise ValueError(f"{name}: no surface under the polygon seen from {side}")
            vertices.append(hit[0] + (lift + dome * (1 - float(scale) ** 4)) * hit[1])
    around = len(outline)
    faces: list[tuple[int, ...]] = list(ring_faces(len(scales), around, closed=True))
    faces.append(tuple(range((len(scales) - 1) * around, len(scales) * around)))
    return make_object(name, vertices, faces, [of], part=part)


def scaled(corners: Sequence[Sequence[float]], share: float | tuple[float, float]) -> np.ndarray:
    """A polygon made larger or smaller around its middle."""
    points = np.array(corners, float)
    return points.mean(axis=0) + (points - points.mean(axis=0)) * share


def disc(a: float, b: float, radius: float, points: int = 14) -> np.ndarray:
    """A circle as the corners of a decal."""
    turns = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([a + radius * np.cos(turns), b + radius * np.sin(turns)])


def rectangle(a: float, b: float, width: float, height: float) -> np.ndarray:
    """An upright rectangle around (a, b) as the corners of a decal."""
    return np.array([(a - width / 2, b - height / 2), (a - width / 2, b + height / 2),
                     (a + width / 2, b + height / 2), (a + width / 2, b - height / 2)])  # fmt: skip


def ribbon(
    name: str, tree: BVHTree, side: str | float, path: Sequence[Sequence[float]], width: float,
    of: bpy.types.Material, *, lift: float = 0.002, part: str = "body",
) -> bpy.types.Object:  # fmt: skip
    """A band along a path on a surface, as seen from `side`: shut lines, bands of light."""
    corners = np.array(path, float)
    run = np.concatenate([[0], np.linalg.norm(np.diff(corners, axis=0), axis=1).cumsum()])
    at = np.union1d(run, np.linspace(0, run[-1], 2 + int(run[-1] / 0.03)))
    points = np.column_stack([np.interp(at, run, column) for column in corners.T])
    along = np.gradient(points, axis=0)
    aside = np.column_stack([-along[:, 1], along[:, 0]])
    aside *= width / 2 / np.linalg.norm(aside, axis=1, keepdims=True)
    rows = []
    for point, step in zip(points, aside, strict=True):
        hits = [cast(tree, side, *(point + share * step)) for share in (-1, 0, 1)]
        if all(hits):
            rows.append([hit[0] + lift * hit[1] for hit in hits])
    vertices = [point for row in rows for point in row]
    return make_object(name, vertices, ring_faces(len(rows), 3, closed=False), [of], part=part)


def tube(
    name: str, path: Sequence[Sequence[float]], radius: float, of: bpy.types.Material,
    *, flat: float = 1.0, steps: int = 10, part: str = "body",
) -> bpy.types.Object:  # fmt: skip
    """A round bar along a path; `flat` is its height as a share of its width."""
    points = np.array(path, float)
    along = np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    upright = abs(along[:, 2]).max() > 0.9
    side = np.cross(along, (0.0, 1.0, 0.0) if upright else (0.0, 0.0, 1.0))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, along)
    turns = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    rings = [p + radius * (np.cos(a) * s + flat * np.sin(a) * u)
             for p, s, u in zip(points, side, up, strict=True) for a in turns]  # fmt: skip
    faces: list[tuple[int, ...]] = list(ring_faces(len(points), steps, closed=True))
    faces += [tuple(range(steps)), tuple(range(len(rings) - steps, len(rings)))]
    return make_object(name, rings, faces, [of], part=part)


def label(
    text: str, tree: BVHTree, side: str | float, a: float, b: float, height: float,
    of: bpy.types.Material, *, lift: float = 0.006, part: str = "body",
) -> bpy.types.Object | None:  # fmt: skip
    """Upright characters on the surface around one point of it; none where the surface ends."""
    hit = cast(tree, side, a, b)
    if hit is None:
        return None
    curve = bpy.data.curves.new("label", "FONT")
    curve.body, curve.size, curve.extrude = text, height, 0.001
    curve.align_x, curve.align_y, curve.resolution_u = "CENTER", "CENTER", 3
    curve.materials.append(of)
    made = bpy.data.objects.new("label", curve)
    made.location = hit[0] + lift * hit[1]
    right = Vector((0.0, 0.0, 1.0)).cross(hit[1]).normalized()
    made.rotation_euler = Matrix((right, hit[1].cross(right), hit[1])).transposed().to_euler()
    made.pass_index = PART[part]
    bpy.context.scene.collection.objects.link(made)
    return made
