"""Compares a cube of daily rain, in whatever layout and with whatever levels, with its input, as JSON.

check_days.py REPOSITORY INPUT
"""

import json
import os
import sys
import warnings

import icechunk
import numpy
import pandas
import rasterio
import xarray
import zarr

warnings.filterwarnings("ignore")

repository = icechunk.Repository.open(icechunk.local_filesystem_storage(sys.argv[1]))
store = repository.readonly_session("main").store
groups = sorted(name for name, _ in zarr.open_group(store, mode="r").groups())
data = groups[0] if groups else None
cube = xarray.open_zarr(store, group=data, consolidated=False)
levels = {name: xarray.open_zarr(store, group=name, consolidated=False).precip.values for name in groups[1:]}
wrong = []
for at, label in enumerate(cube.time.values):
    date = pandas.Timestamp(label)
    with rasterio.open(os.path.join(sys.argv[2], str(date.year), f"rain.{date:%Y.%m.%d}.tif")) as file:
        above = file.read(1)
    above[above == numpy.float32(-9999)] = numpy.nan
    if not numpy.array_equal(above, cube.precip.values[at], equal_nan=True):
        wrong.append(str(date.date()))
    full = above.astype("f8")
    for number, name in enumerate(groups[1:], start=1):
        side = 2 ** number
        rows, columns = full.shape[0] // side, full.shape[1] // side
        cells = full[: rows * side, : columns * side].reshape(rows, side, columns, side).swapaxes(1, 2)
        mean = numpy.nanmean(cells.reshape(rows, columns, -1), axis=-1)
        if not numpy.allclose(mean, levels[name][at], rtol=1e-6, equal_nan=True):
            wrong.append(f"{date.date()} in level {name}")
array = zarr.open_group(store, mode="r")[f"{data}/precip" if data else "precip"]
json.dump({"days": len(cube.time), "wrong": wrong, "groups": groups, "chunks": list(array.chunks)}, sys.stdout)
