"""Prints what xarray and zarr see of a cube, as JSON.

read_cube.py REPOSITORY   the head of main
"""

import json
import math
import sys
import warnings

import icechunk
import numpy
import xarray
import zarr

warnings.filterwarnings("ignore")


def plain(value):
    if isinstance(value, numpy.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, numpy.generic):
        return plain(value.item())
    if isinstance(value, float) and math.isnan(value):
        return None
    return value


def attributes(node):
    return {key: plain(value) for key, value in node.attrs.items()}


def variable(array):
    return {
        "dims": list(array.dims),
        "dtype": str(array.dtype),
        "attributes": attributes(array),
        "encoding": {k: plain(v) for k, v in array.encoding.items() if k in ("dtype", "scale_factor", "add_offset", "_FillValue", "chunks", "shards", "grid_mapping")
                     and not isinstance(v, numpy.dtype)},
        "values": plain(array.values),
    }


def main(path):
    storage = icechunk.local_filesystem_storage(path)
    repository = icechunk.Repository.open(storage)
    session = repository.readonly_session("main")
    dataset = xarray.open_zarr(session.store, consolidated=False)
    group = zarr.open_group(session.store, mode="r")
    json.dump({
        "attributes": attributes(dataset),
        "sizes": dict(dataset.sizes),
        "coordinates": sorted(str(name) for name in dataset.coords),
        "time": [str(t)[:19] for t in dataset["time"].values],
        "status": plain(dataset["period_status"].values),
        "variables": {str(name): variable(array) for name, array in dataset.data_vars.items()},
        "labels": {str(name): plain(dataset[name].values.tolist()) for name in dataset.sizes if name in dataset.coords and name != "time"},
        "y": plain(dataset[group.attrs["spatial:dimensions"][0]].values),
        "x": plain(dataset[group.attrs["spatial:dimensions"][1]].values),
        "spatial_ref": attributes(dataset["spatial_ref"]),
        "mean_has_status": "period_status" in dataset.mean("time").variables,
        "raw": {name: {"dtype": str(array.dtype), "fill": plain(array.fill_value), "chunks": list(array.chunks),
                       "attributes": sorted(array.attrs.keys())}
                for name, array in group.arrays()},
        "commits": [{"message": s.message, "properties": dict(s.metadata)} for s in repository.ancestry(branch="main")],
    }, sys.stdout)


main(sys.argv[1])
