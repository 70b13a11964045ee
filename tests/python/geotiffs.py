"""Writes GeoTIFFs of many kinds with rasterio, and beside each what GDAL reads of a window of it.

Prints a list of cases: the file, the bbox, the band, and the expected numbers as raw bytes.
"""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

folder = Path(sys.argv[1])
random = np.random.default_rng(7)
cases = []


def numbers(dtype, bands, rows, columns):
    if np.issubdtype(dtype, np.floating):
        field = random.normal(10, 40, (bands, rows, columns)).round(2).astype(dtype)
        field[:, ::7, ::5] = -9999
        return field
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max, (bands, rows, columns), dtype=dtype, endpoint=True)


def case(name, dtype, west, north, cell, rows, columns, bbox, band=1, bands=1, tags=None, data=None, crs="EPSG:4326", south_up=False, **options):
    path = folder / f"{name}.tif"
    transform = Affine(cell, 0, west, 0, -cell, north)
    if south_up:
        transform = Affine(cell, 0, west, 0, cell, north - rows * cell)
    data = numbers(np.dtype(dtype), bands, rows, columns) if data is None else data
    with rasterio.open(path, "w", driver="GTiff", dtype=dtype, count=bands, height=rows, width=columns, crs=crs, transform=transform, **options) as file:
        if data is not False:
            file.write(data)
        if tags:
            file.update_tags(**tags)
    with rasterio.open(path) as file:
        read = file.read(band)
        west, north = file.transform.c, file.transform.f
        dx, dy = file.transform.a, file.transform.e
        nodata = file.nodata
    lon = west + (np.arange(columns) + 0.5) * dx
    lat = north + (np.arange(rows) + 0.5) * dy
    if crs == "EPSG:4326":
        turned = (lon + 180) % 360 - 180
    else:
        turned = lon
    keep_x, keep_y = np.ones(columns, bool), np.ones(rows, bool)
    if bbox:
        w, s, e, n = bbox
        tiny = abs(dx) * 1e-6
        keep_x = (turned - abs(dx) / 2 < e - tiny) & (turned + abs(dx) / 2 > w + tiny)
        keep_y = (lat - abs(dy) / 2 < n - tiny) & (lat + abs(dy) / 2 > s + tiny)
    order_x = np.flatnonzero(keep_x)[np.argsort(turned[keep_x])]
    order_y = np.flatnonzero(keep_y)[np.argsort(-lat[keep_y])]
    window = np.ascontiguousarray(read[np.ix_(order_y, order_x)])
    if np.issubdtype(window.dtype, np.floating):
        window[window == np.asarray(-9999, window.dtype)] = np.nan
        if nodata is not None:
            window[window == np.asarray(nodata, window.dtype)] = np.nan
    raw = folder / f"{name}.raw"
    window.astype(window.dtype.newbyteorder("<")).tofile(raw)
    cases.append(
        {
            "name": name, "file": path.name, "raw": raw.name, "bbox": bbox, "band": band, "dtype": str(window.dtype),
            "shape": window.shape, "x": turned[order_x].tolist(), "y": lat[order_y].tolist(),
        }
    )


small = dict(west=-14, north=11, cell=0.05, rows=150, columns=170, bbox=[-13.5, 6.8, -10.1, 10.1])
tiled = dict(tiled=True, blockxsize=64, blockysize=64)
for compress, predictor in itertools.product(["none", "deflate", "lzw", "zstd"], [1, 2, 3]):
    if compress == "none" and predictor > 1:
        continue
    more = {} if compress == "none" else dict(predictor=predictor)
    case(f"float32-{compress}-{predictor}", "float32", compress=compress, **small, **tiled, **more)
for dtype in ["uint8", "int16", "uint16", "int32", "uint32", "float64"]:
    case(f"{dtype}-lzw", dtype, compress="lzw", predictor=2, **small, **tiled)
case("float64-3", "float64", compress="deflate", predictor=3, **small, **tiled)
for interleave in ["pixel", "band"]:
    for predictor in [2, 3]:
        case(f"bands-{interleave}-{predictor}", "float32", band=2, bands=3, interleave=interleave, compress="deflate", predictor=predictor, **small, **tiled)
for endian in ["big", "little"]:
    for predictor in [1, 2, 3]:
        case(f"{endian}-{predictor}", "float32", endianness=endian, compress="deflate", predictor=predictor, **small, **tiled)
    case(f"{endian}-int16", "int16", endianness=endian, compress="deflate", predictor=2, **small, **tiled)
case("bigtiff", "float32", bigtiff="yes", compress="deflate", **small, **tiled)
case("strips", "float32", compress="deflate", predictor=3, blockysize=16, **small)
case("one-strip", "float32", **small)
case("point", "float32", tags={"AREA_OR_POINT": "Point"}, compress="deflate", **small, **tiled)
case("tag", "float32", nodata=-99999, compress="deflate", data=np.where(numbers(np.dtype("float32"), 1, 150, 170) > 20, np.float32(-99999), np.float32(1)), **small, **tiled)
case("sparse", "float32", data=False, sparse_ok=True, nodata=-9999, **small, **tiled)
case("south-up", "float32", south_up=True, compress="deflate", **small, **tiled)
globe = dict(cell=0.5, rows=360, columns=720, north=90)
case("greenwich", "float32", west=0, bbox=[-13.5, 6.8, 10.1, 10.1], compress="deflate", **globe, **tiled)
case("all-of-0-360", "int16", west=0, bbox=None, compress="deflate", **globe, **tiled)
case("west-of-0-360", "int16", west=0, bbox=[-180, -90, -170.2, -80], compress="deflate", **globe, **tiled)
case("half-cell", "int16", west=-0.25, bbox=[-1, -1, 1, 1], compress="deflate", **globe, **tiled)
case("one-cell", "int16", west=-180, bbox=[10.1, 5.1, 10.2, 5.2], compress="deflate", **globe, **tiled)
case("smaller-than-bbox", "float32", compress="deflate", **{**small, "bbox": [-20, 0, 0, 20]}, **tiled)
case("utm", "float32", west=500000, north=900000, cell=100, rows=90, columns=100, bbox=None, crs="EPSG:32629", compress="deflate", **tiled)
print(json.dumps(cases))
