"""Prints how a variable is stored on a branch, and the first number of each period, of its levels too, as JSON.

read_stored.py REPOSITORY BRANCH VARIABLE
"""

import json
import sys
import warnings

import icechunk
import xarray
import zarr

warnings.filterwarnings("ignore")

path, branch, variable = sys.argv[1:]
repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
store = repository.readonly_session(branch).store
groups = sorted(name for name, _ in zarr.open_group(store, mode="r").groups())


def first(group):
    found = xarray.open_zarr(store, group=group, consolidated=False)[variable]
    return found.values[:, 0, 0].astype("f8").tolist()


data = groups[0] if groups else None
array = zarr.open_group(store, mode="r")[f"{data}/{variable}" if data else variable]
json.dump({"groups": groups, "chunks": list(array.chunks), "values": first(data),
           "levels": {group: first(group) for group in groups}}, sys.stdout)
