"""Prints a variable of each level of a multiscale dataset, as JSON. read_levels.py REPOSITORY VARIABLE"""

import json
import sys
import warnings

import icechunk
import numpy
import xarray
import zarr

warnings.filterwarnings("ignore")

repository = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1]))
store = repository.readonly_session("main").store


def plain(value):
    return [plain(v) for v in value] if isinstance(value, list) else None if numpy.isnan(value) else value


groups = {}
for name, _ in sorted(zarr.open_group(store, mode="r").groups()):
    found = xarray.open_zarr(store, group=name, consolidated=False)[sys.argv[2]]
    groups[name] = {"dims": list(found.dims), "values": plain(found.values.astype("f8").tolist())}
json.dump({"groups": groups}, sys.stdout)
