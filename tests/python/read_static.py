"""Prints what xarray, rioxarray and GDAL see of a dataset without a time axis, as JSON.

read_static.py REPOSITORY
"""

import asyncio
import json
import os
import sys
import tempfile
import warnings

import icechunk
import numpy
import rasterio
import rioxarray  # noqa: F401
import xarray
import zarr
from zarr.core.buffer import default_buffer_prototype

warnings.filterwarnings("ignore")


async def copied(store, folder):
    """The Zarr store of a session as plain files."""
    async for key in store.list():
        path = os.path.join(folder, key)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write((await store.get(key, default_buffer_prototype())).to_bytes())


def by_gdal(store, array, name, values):
    """Whether GDAL reads the same from the same bytes; None of shards, which it does not read."""
    if array.shards:
        return None
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(copied(store, folder))
        with rasterio.open(f'ZARR:"{folder}":/{name}') as file:
            same = file.count == 1 and numpy.array_equal(file.read(1), values, equal_nan=True)
            return {"same": bool(same), "crs": file.crs.to_epsg(), "bounds": [round(v, 6) for v in file.bounds]}


def main(path):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
    session = repository.readonly_session("main")
    cube = xarray.open_zarr(session.store, consolidated=False)
    group = zarr.open_group(session.store, mode="r")
    json.dump({
        "sizes": dict(cube.sizes),
        "coordinates": sorted(str(name) for name in cube.coords),
        "arrays": sorted(name for name, _ in group.arrays()),
        "attributes": sorted(cube.attrs),
        "crs": cube.rio.crs.to_epsg(),
        "transform": list(cube.rio.transform())[:6],
        "variables": {
            str(name): {
                "dims": list(array.dims),
                "dtype": str(array.dtype),
                "chunks": list(group[name].chunks),
                "shards": list(group[name].shards or []),
                "attributes": sorted(array.attrs),
                "gdal": by_gdal(session.store, group[name], name, array.values),
                "values": [None if numpy.isnan(v) else float(v) for v in array.values.ravel()],
            }
            for name, array in cube.data_vars.items()
        },
        "commits": [{"message": s.message, "properties": dict(s.metadata)} for s in repository.ancestry(branch="main")],
    }, sys.stdout)


main(sys.argv[1])
