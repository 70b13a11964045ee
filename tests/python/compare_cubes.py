"""Compares Icechunk cubes with a first one: every array, bit for bit, and every attribute.

compare_cubes.py REFERENCE OTHER...   prints a JSON list of what differs; empty when nothing does.
"""

import json
import sys

import icechunk
import numpy
import zarr

# What tells when and by whom a cube was written, not what it holds.
PROVENANCE = {"date_created", "date_modified", "history", "frazil:run"}


def opened(path):
    storage = icechunk.local_filesystem_storage(path)
    session = icechunk.Repository.open(storage).readonly_session("main")
    return zarr.open_group(session.store, mode="r")


def attributes(node):
    return {key: value for key, value in node.attrs.asdict().items() if key not in PROVENANCE}


def differences(reference, other, where):
    found = []
    left, right = dict(reference.members(max_depth=None)), dict(other.members(max_depth=None))
    if left.keys() != right.keys():
        return [f"{where}: members {sorted(left)} and {sorted(right)}"]
    for name, a in [("/", reference), *left.items()]:
        b = other if name == "/" else right[name]
        if attributes(a) != attributes(b):
            found.append(f"{where}: attributes of {name}: {attributes(a)} and {attributes(b)}")
        if isinstance(a, zarr.Array):
            if a.shape != b.shape or a.dtype != b.dtype or a.chunks != b.chunks:
                found.append(f"{where}: {name} is {a.shape} {a.dtype} {a.chunks} and {b.shape} {b.dtype} {b.chunks}")
            else:
                x, y = numpy.asarray(a[...]), numpy.asarray(b[...])
                if x.tobytes() != y.tobytes():
                    at = [int(n) for n in numpy.argwhere(x != y)[0]] if (x != y).any() else []
                    found.append(f"{where}: {name} differs first at {at}")
    return found


def main(paths):
    reference = opened(paths[0])
    found = []
    for path in paths[1:]:
        found += differences(reference, opened(path), path)
    json.dump(found, sys.stdout)


main(sys.argv[1:])
