"""Compares cubes that were brought onto other grids with what rasterio makes of the same files.

warp.py JOBS   a JSON list of { cube, variable, files: [path of each period], method, crs, transform, shape,
               turn: by how many columns the source is rolled, shift: and by how many its west edge moves }
prints for each the largest difference, and how many cells are missing in one of both alone
"""

import json
import sys

import icechunk
import numpy
import rasterio
import xarray
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject


def warped(path, job):
    with rasterio.open(path) as source:
        values = source.read(1).astype("float64")
        # As the dataset declares it: the files carry no tag.
        values[values == -9999] = numpy.nan
        transform, crs = source.transform, source.crs
    if job.get("turn"):
        values = numpy.roll(values, job["turn"], axis=1)
        transform = transform * Affine.translation(job["shift"], 0)
    out = numpy.full(job["shape"], numpy.nan)
    reproject(
        values, out, src_transform=transform, src_crs=crs, src_nodata=numpy.nan,
        dst_transform=Affine(*job["transform"]), dst_crs=job["crs"], dst_nodata=numpy.nan,
        resampling=Resampling[job["method"]], tolerance=0,
    )
    return out


def main(jobs):
    found = []
    for job in json.load(open(jobs)):
        storage = icechunk.local_filesystem_storage(job["cube"])
        session = icechunk.Repository.open(storage).readonly_session("main")
        cube = xarray.open_zarr(session.store, consolidated=False)
        own = cube[job["variable"]].values.astype("float64")
        worst, alone = 0.0, 0
        for at, path in enumerate(job["files"]):
            other = warped(path, job).astype(cube[job["variable"]].dtype).astype("float64")
            alone += int((numpy.isnan(own[at]) != numpy.isnan(other)).sum())
            apart = numpy.abs(own[at] - other) / numpy.maximum(1, numpy.abs(other))
            worst = max(worst, float(numpy.nan_to_num(apart).max()))
        found.append({
            "periods": int(own.shape[0]), "shape": list(own.shape[1:]), "worst": worst, "alone": alone,
            "missing": int(numpy.isnan(own).sum()), "there": int((~numpy.isnan(own)).sum()),
            "dims": list(cube[job["variable"]].dims),
            "crs": cube["spatial_ref"].attrs["crs_wkt"].split('"')[1],
            "edge": [float(cube[cube[job["variable"]].dims[-1]][0]), float(cube[cube[job["variable"]].dims[-2]][0])],
        })
    json.dump(found, sys.stdout)


main(sys.argv[1])
