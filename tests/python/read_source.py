"""Reads a source file with libraries that frazil does not use, the way a person would.

    read_source.py SPEC

SPEC is JSON: engine (netcdf4, cfgrib or rasterio), file, variable, out, and
optionally isel, sel, filter (of cfgrib), bbox, nodata, plain (no turning). The numbers go to `out`
as little-endian bytes in C order, north first, west first from -180; what they are is printed.
"""

import json
import os
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")


def by_rasterio(spec):
    os.environ["GRIB_NORMALIZE_UNITS"] = "NO"
    import rasterio

    with rasterio.open(spec["file"]) as source:
        values = source.read(spec.get("band", 1))
        if np.issubdtype(values.dtype, np.floating) and source.nodata is not None:
            values = np.where(values == values.dtype.type(source.nodata), np.nan, values)
        t = source.transform
        x = t.c + (np.arange(source.width) + 0.5) * t.a
        y = t.f + (np.arange(source.height) + 0.5) * t.e
    return values[None], y, x


def by_xarray(spec):
    import xarray

    kwargs = {"indexpath": "", "filter_by_keys": spec.get("filter", {})} if spec["engine"] == "cfgrib" else None
    source = xarray.open_dataset(spec["file"], engine=spec["engine"], backend_kwargs=kwargs, decode_times=False)
    array = source[spec["variable"]].isel(spec.get("isel", {})).sel(spec.get("sel", {}))
    sides = [["latitude", "lat", "Y", "y"], ["longitude", "lon", "X", "x"]]
    y, x = ([name for name in side if name in array.dims][0] for side in sides)
    rest = [dim for dim in array.dims if dim not in (y, x)]
    singles = [dim for dim in rest if array.sizes[dim] == 1]
    array = array.isel({dim: 0 for dim in singles})
    rest = [dim for dim in rest if dim not in singles]
    array = array.transpose(*rest, y, x)
    if y in array.coords and not spec.get("plain"):
        array = array.sortby(y, ascending=False)
        array = array.assign_coords({x: (np.round(array[x].astype("float64"), 9) + 180.0) % 360.0 - 180.0}).sortby(x)
    if "bbox" in spec:
        west, south, east, north = spec["bbox"]
        half_x = abs(float(array[x][1] - array[x][0])) / 2
        half_y = abs(float(array[y][1] - array[y][0])) / 2
        tiny = 1e-6
        array = array.isel({x: np.flatnonzero((array[x] + half_x > west + tiny) & (array[x] - half_x < east - tiny))})
        array = array.isel({y: np.flatnonzero((array[y] + half_y > south + tiny) & (array[y] - half_y < north - tiny))})
    values = array.values if rest else array.values[None]
    sides = [array[side].values if side in array.coords else np.array([]) for side in (y, x)]
    return values, sides[0], sides[1]


def main():
    spec = json.loads(sys.argv[1])
    values, y, x = (by_rasterio if spec["engine"] == "rasterio" else by_xarray)(spec)
    with open(spec["out"], "wb") as out:
        out.write(np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<")).tobytes())
    print(json.dumps({
        "dtype": values.dtype.name,
        "shape": list(values.shape),
        "y": [float(v) for v in y],
        "x": [float(v) for v in x],
    }), flush=True)


main()
# Some builds of ecCodes crash when Python takes them down; the answer is complete by now.
os._exit(0)
