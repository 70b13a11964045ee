"""Opens a repository without a catalog and reads one map, with Zarr alone.

python open_zarr.py REPOSITORY VARIABLE   the newest period that holds values
"""

import sys

import icechunk
import numpy
import zarr


def main(path, name):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
    session = repository.readonly_session("main")
    group = zarr.open_group(session.store, mode="r")
    # A dataset with overviews keeps its finest level in a group of its own.
    levels = group.attrs.get("multiscales", {}).get("layout", [])
    group = group[levels[0]["asset"]] if levels else group
    array = group[name]
    print(f"{name}: shape {array.shape}, chunks {array.chunks}, {array.dtype}")
    map_of = array[:]
    if "time" in group:
        # 0 is final, 1 provisional; the others hold no values.
        newest = int(numpy.flatnonzero(group["period_status"][:] <= 1)[-1])
        label = numpy.datetime64("1970-01-01") + numpy.timedelta64(int(group["time"][newest]), "D")
        map_of = array[newest]
        print(f"the newest of {array.shape[0]} periods begins on {label}")
    print(f"mean {numpy.nanmean(map_of):.3f} {array.attrs['units']}, {numpy.isnan(map_of).sum()} cells are missing")


if __name__ == "__main__":
    main(*sys.argv[1:])
