"""Compares every level of a cube with what numpy makes of its data, and copies it out as plain Zarr.

check_levels.py REPOSITORY [FOLDER]

The levels are read with xarray, group by group. Prints what stands where and what is wrong. With FOLDER the keys of the
store are written there byte by byte, and one band of level 1 is read with GDAL.
"""

import asyncio
import json
import math
import pathlib
import sys
import warnings

import icechunk
import numpy
import xarray
import zarr

warnings.filterwarnings("ignore")


def squares(values, side):
    """The cells of each square, last: time, …, y, x, side × side."""
    rows, columns = values.shape[-2] // side, values.shape[-1] // side
    cut = values[..., : rows * side, : columns * side]
    cut = cut.reshape(*values.shape[:-2], rows, side, columns, side)
    return cut.swapaxes(-3, -2).reshape(*values.shape[:-2], rows, columns, side * side)


def most(cells):
    known = cells[~numpy.isnan(cells)]
    if known.size == 0:
        return math.nan
    found, counts = numpy.unique(known, return_counts=True)
    return found[counts == counts.max()].min()


def reduced(values, side, method):
    cells = squares(values.astype("float64"), side)
    if method == "nearest":
        return cells[..., 0]
    if method == "mode":
        return numpy.apply_along_axis(most, -1, cells)
    made = {"mean": numpy.nanmean, "sum": numpy.nansum, "min": numpy.nanmin, "max": numpy.nanmax}[method](cells, axis=-1)
    return numpy.where(numpy.isnan(cells).all(axis=-1), math.nan, made)


def centres(values, side):
    count = len(values) // side
    return values[: count * side].reshape(count, side).mean(axis=1)


def plain(values):
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values]


async def copied(store, folder):
    prototype = zarr.core.buffer.default_buffer_prototype()
    async for key in store.list():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((await store.get(key, prototype)).to_bytes())


def by_gdal(folder, variable):
    """The last band of a level, with its place, as GDAL has them."""
    import rasterio

    with rasterio.open(f'ZARR:"{folder}":/1/{variable}:0') as band:
        return {"first": band.read(1).tolist(), "transform": list(band.transform)[:6], "crs": band.crs.to_epsg()}


def main(path, folder=None):
    store = icechunk.Repository.open(icechunk.local_filesystem_storage(path)).readonly_session("main").store
    root = zarr.open_group(store, mode="r")
    multiscales = root.attrs.get("multiscales")
    whole = xarray.open_zarr(store, consolidated=False)
    wrong, found = [], {"root": sorted(str(name) for name in whole.variables), "attributes": dict(root.attrs), "levels": []}
    if multiscales:
        data = xarray.open_zarr(store, group=multiscales["layout"][0]["asset"], consolidated=False)
    for at, entry in enumerate(multiscales["layout"] if multiscales else []):
        level = xarray.open_zarr(store, group=entry["asset"], consolidated=False)
        side = 2**at
        about = {
            "asset": entry["asset"],
            "time": [str(t)[:10] for t in level["time"].values],
            "status": level["period_status"].values.tolist(),
            "sizes": dict(level.sizes),
            "chunks": {str(name): list(array.encoding["chunks"]) for name, array in level.data_vars.items()},
            "transform": level["spatial_ref"].attrs["GeoTransform"],
            "group": {key: value for key, value in zarr.open_group(store, path=entry["asset"], mode="r").attrs.items()},
        }
        for name in ("y", "x"):
            if not numpy.allclose(level[name].values, centres(data[name].values, side), rtol=0, atol=1e-9):
                wrong.append(f"{entry['asset']}/{name}")
        for name in ("time", "period_status"):
            if not all(numpy.array_equal(other[name].values, data[name].values) for other in (level, whole)):
                wrong.append(f"{entry['asset']}/{name}")
        for name, array in level.data_vars.items():
            if array.encoding.get("grid_mapping", array.attrs.get("grid_mapping")) != "spatial_ref":
                wrong.append(f"{entry['asset']}/{name} has no grid_mapping")
            if at:
                made = reduced(data[name].values, side, array.attrs["resampling_method"])
                same = made.shape == array.shape and numpy.array_equal(
                    made.astype(array.dtype), array.values, equal_nan=True
                )
                if not same:
                    wrong.append(f"{entry['asset']}/{name}")
        found["levels"].append(about)
    found["wrong"] = wrong
    if folder:
        asyncio.run(copied(store, pathlib.Path(folder)))
        found["gdal"] = by_gdal(folder, str(next(iter(data.data_vars))))
        found["gdal"]["first"] = [plain(row) for row in found["gdal"]["first"]]
        found["first"] = [plain(row) for row in xarray.open_zarr(store, group="1", consolidated=False)[
            str(next(iter(data.data_vars)))].values[0].tolist()]
    json.dump(found, sys.stdout)


main(*sys.argv[1:])
