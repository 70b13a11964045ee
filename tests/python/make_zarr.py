"""Makes a small Zarr store and prints what xarray reads of it.

    make_zarr.py SPEC

SPEC is JSON, or a list of such: path, and optionally
  format     2 or 3                      codec    blosc zlib lz4 zstd gzip none delta shuffle
  shards     steps, rows, columns        chunks   steps, rows, columns
  consolidated, times (hours from 2024-01-01; their number is the length), units of the time axis, calendar
  rows, columns, rising (latitudes from south to north), east (longitudes from 0 to 360)
  packed     int16 with scale and offset  levels  a further dimension
  dtype, order, endian, blank (steps that are left out of the store)
  bbox       of what is printed           out     a file for the numbers: little-endian, in C order,
                                                  time, rows from north, columns from west
  whole      no missing numbers           daily    also prints the maximum of each day
  append     appends the times to the Icechunk repository that is there
  forecast   levels are leads of forecasts: complete, or on its way
  icechunk   an Icechunk repository in place of a store; tag names its first commit, then one step more
"""

import json
import os
import shutil
import sys
import warnings

import numcodecs
import numpy as np
import xarray
import zarr

warnings.simplefilter("ignore")

SPEC = {}


def coordinates():
    rows, columns = SPEC.get("rows", 8), SPEC.get("columns", 12)
    y = 90 - 180 / rows * (np.arange(rows) + 0.5)
    x = 360 / columns * (np.arange(columns) + 0.5)
    if SPEC.get("rising"):
        y = y[::-1]
    if not SPEC.get("east"):
        x = x - 180
    return y, x


def encoding():
    found = {"chunks": None}
    codec, version = SPEC.get("codec", "zstd"), SPEC.get("format", 3)
    if version == 2:
        found["compressors"] = {
            "blosc": numcodecs.Blosc(cname="lz4", shuffle=numcodecs.Blosc.SHUFFLE),
            "zlib": numcodecs.Zlib(level=5), "lz4": numcodecs.LZ4(), "zstd": numcodecs.Zstd(), "gzip": numcodecs.GZip(),
            "delta": numcodecs.Zlib(), "shuffle": numcodecs.Zlib(), "none": None,
        }[codec]
        size = np.dtype(SPEC.get("dtype", "f4")).itemsize
        if codec == "delta":
            found["filters"] = [numcodecs.Delta(dtype=SPEC.get("dtype", "f4"))]
        if codec == "shuffle":
            found["filters"] = [numcodecs.Shuffle(elementsize=size)]
    else:
        from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec
        found["compressors"] = {
            "blosc": [BloscCodec(cname="zstd", shuffle="bitshuffle")], "zstd": [ZstdCodec()], "gzip": [GzipCodec()],
            "none": [], "crc32c": [ZstdCodec(), Crc32cCodec()],
            "lz4": [zarr.codecs.numcodecs.LZ4()], "zlib": [zarr.codecs.numcodecs.Zlib(level=3)],
        }[codec]
        if "shards" in SPEC:
            found["shards"] = SPEC["shards"]
    return found


def dataset():
    y, x = coordinates()
    times, levels = SPEC["times"], SPEC.get("levels")
    random = np.random.default_rng(7)
    shape = (len(times), *([len(levels)] if levels else []), len(y), len(x))
    dtype = np.dtype(SPEC.get("dtype", "f4"))
    if SPEC.get("whole"):
        values = (random.random(shape) * 300).astype(dtype)
    elif dtype.kind == "f":
        values = (random.random(shape) * 300).astype(dtype)
        values[random.random(shape) < 0.1] = np.nan
    else:
        values = random.integers(-90, 90, shape).astype(dtype)
    hours = np.datetime64("2024-01-01T00", "ns") + np.array(times) * np.timedelta64(3_600_000_000_000, "ns")
    dims = ("valid_time", *(["level"] if levels else []), "latitude", "longitude")
    found = xarray.Dataset({"t2m": (dims, values, {"units": "K", "long_name": "temperature"})},
                           {"valid_time": hours, "latitude": y, "longitude": x})
    if levels:
        found = found.assign_coords(level=levels)
    if SPEC.get("forecast"):
        # The newest run is on its way: its last lead is not there yet.
        if SPEC["forecast"] == "on its way":
            values[-1, -1] = np.nan
        found = found.rename(valid_time="init_time", level="lead_time")
        found["lead_time"].attrs = {"units": "hours", "standard_name": "forecast_period"}
        leads = np.array(levels) * np.timedelta64(3_600_000_000_000, "ns")
        found = found.assign_coords(valid_time=(("init_time", "lead_time"), hours[:, None] + leads[None, :]))
    found["latitude"].attrs["units"] = "degrees_north"
    found["longitude"].attrs["units"] = "degrees_east"
    # Helpers that are no axis: a scalar, and one of two dimensions.
    found = found.assign_coords(surface=0.0, number=0, helper=(("latitude", "longitude"), np.zeros((len(y), len(x)))))
    return found


def write(found, store, **more):
    of = encoding()
    chunks = SPEC.get("chunks", [4, 4, 6])
    if SPEC.get("levels"):
        chunks = [chunks[0], 1, *chunks[1:]]
    one = {key: value for key, value in of.items() if key != "chunks"}
    if SPEC.get("packed"):
        one |= {"dtype": "i2", "scale_factor": 0.01, "add_offset": 250.0, "_FillValue": -32768}
    if SPEC.get("endian"):
        one["dtype"] = ">f4"
    one["chunks"] = tuple(min(a, b) for a, b in zip(chunks, found["t2m"].shape)) if "shards" not in SPEC else tuple(chunks)
    time = {"units": SPEC.get("units", "hours since 1900-01-01"), "dtype": "i8"}
    if SPEC.get("fraction"):
        time["dtype"] = "f8"
    found.to_zarr(store, zarr_format=SPEC.get("format", 3), consolidated=SPEC.get("consolidated", True),
                  encoding={"t2m": one, TIME(): time}, **more)


def TIME():
    return "init_time" if SPEC.get("forecast") else "valid_time"


def plain(found):
    """What xarray says, turned to north first and -180 up to 180."""
    array = found["t2m"]
    array = array.assign_coords(longitude=(array["longitude"] + 180) % 360 - 180).sortby("longitude")
    array = array.sortby("latitude", ascending=False)
    if "bbox" in SPEC:
        west, south, east, north = SPEC["bbox"]
        cell_y = abs(float(array["latitude"][1] - array["latitude"][0])) / 2
        cell_x = abs(float(array["longitude"][1] - array["longitude"][0])) / 2
        y, x = array["latitude"].values, array["longitude"].values
        array = array.isel(latitude=np.flatnonzero((y + cell_y > south) & (y - cell_y < north)),
                           longitude=np.flatnonzero((x + cell_x > west) & (x - cell_x < east)))
    if SPEC.get("level") is not None:
        array = array.sel(level=SPEC["level"])
    return array


def icechunk_store():
    import icechunk

    storage, found = icechunk.local_filesystem_storage(SPEC["path"]), dataset()
    if SPEC.get("append"):
        repository = icechunk.Repository.open(storage)
        session = repository.writable_session("main")
        bare = found.drop_vars(["surface", "number", "helper", "latitude", "longitude"])
        bare.to_zarr(session.store, append_dim="valid_time", consolidated=False)
        last = session.commit("still more")
        return xarray.open_zarr(repository.readonly_session("main").store, consolidated=False), {"last": last}
    repository = icechunk.Repository.create(storage)
    session = repository.writable_session("main")
    SPEC["consolidated"] = False
    write(found.isel(valid_time=slice(0, -1)), session.store, mode="w")
    first = session.commit("begin")
    repository.create_tag("begin", first)
    session = repository.writable_session("main")
    found.isel(valid_time=slice(-1, None)).drop_vars(["surface", "number", "helper", "latitude", "longitude"]).to_zarr(
        session.store, append_dim="valid_time", consolidated=False)
    last = session.commit("more")
    return xarray.open_zarr(repository.readonly_session("main").store, consolidated=False), {"first": first, "last": last}


def main():
    path, said = SPEC["path"], {}
    if os.path.exists(path) and not SPEC.get("append"):
        shutil.rmtree(path)
    if SPEC.get("icechunk"):
        found, said = icechunk_store()
    else:
        write(dataset(), path, mode="w")
        if SPEC.get("order"):
            reorder(path)
        if SPEC.get("calendar"):
            group = zarr.open_group(path)
            group["valid_time"].attrs["calendar"] = SPEC["calendar"]
            zarr.consolidate_metadata(path)
        for step in SPEC.get("blank", []):
            blank(path, step)
        found = xarray.open_zarr(path, consolidated=SPEC.get("consolidated", True), decode_times=not SPEC.get("calendar"))
    if SPEC.get("daily"):
        said["daily"] = plain(found).resample(valid_time="1D").max().values.tolist()
    array = plain(found)
    values = np.ascontiguousarray(array.values)
    if "out" in SPEC:
        values.astype(values.dtype.newbyteorder("<")).tofile(SPEC["out"])
    return said | {"dtype": str(values.dtype), "shape": list(values.shape), "y": array["latitude"].values.tolist(),
                      "x": array["longitude"].values.tolist()}


def reorder(path):
    """The same array with its numbers by columns."""
    group = zarr.open_group(path)
    old = group["t2m"]
    values, attributes, chunks = old[...], dict(old.attrs), old.chunks
    names = {} if SPEC.get("format") == 2 else {"dimension_names": old.metadata.dimension_names}
    fill = old.metadata.fill_value
    del group["t2m"]
    new = group.create_array("t2m", shape=values.shape, chunks=chunks, dtype=values.dtype, order="F", fill_value=fill, **names)
    new[...] = values
    new.attrs.update(attributes)
    zarr.consolidate_metadata(path)


def blank(path, step):
    """Takes the chunks of a step away, as a program does that writes no fill."""
    group = zarr.open_group(path)
    array = group["t2m"]
    array[step] = array.fill_value


asked = json.loads(sys.argv[1])
told = []
for SPEC in asked if isinstance(asked, list) else [asked]:
    told.append(main())
json.dump(told if isinstance(asked, list) else told[0], sys.stdout)
