"""Compares the cubes of the rainfall example with its input, read by rasterio and summed by numpy.

check_rainfall.py INPUT DAILY MONTHLY   prints what stands in the cubes and what differs, as JSON.
"""

import glob
import json
import os
import sys

import icechunk
import numpy
import pandas
import rasterio
import xarray


def opened(path):
    storage = icechunk.local_filesystem_storage(path)
    session = icechunk.Repository.open(storage).readonly_session("main")
    return xarray.open_zarr(session.store, consolidated=False)


def day(folder, date):
    with rasterio.open(os.path.join(folder, str(date.year), f"rain.{date:%Y.%m.%d}.tif")) as file:
        values = file.read(1)
        bounds = file.bounds
    values[values == numpy.float32(-9999)] = numpy.nan
    return values, bounds


def same(a, b):
    return bool(numpy.array_equal(a, b, equal_nan=True))


def main(folder, daily_path, monthly_path):
    daily = opened(daily_path)
    dates = [pandas.Timestamp(t) for t in daily.time.values]
    wrong_days = []
    for i, date in enumerate(dates):
        values, bounds = day(folder, date)
        if not same(values, daily.precip.isel(time=i).values):
            wrong_days.append(str(date.date()))
    # f64 sums rounded once, all-NaN stays NaN: what a month's sum is.
    wrong_months, months = [], []
    if monthly_path != "-":
        monthly = opened(monthly_path)
        for i, t in enumerate(monthly.time.values):
            start = pandas.Timestamp(t)
            months.append(f"{start:%Y-%m}")
            stack = numpy.stack([
                day(folder, d)[0] for d in pandas.date_range(start, periods=start.days_in_month)
            ]).astype("float64")
            total = numpy.nansum(stack, axis=0)
            total[numpy.isnan(stack).all(axis=0)] = numpy.nan
            if not same(total.astype("float32"), monthly.precip.isel(time=i).values):
                wrong_months.append(months[-1])
    x, y = daily.x.values, daily.y.values
    json.dump({
        "days": len(dates),
        "first": str(dates[0].date()) if dates else None,
        "last": str(dates[-1].date()) if dates else None,
        "ascending": bool(daily.indexes["time"].is_monotonic_increasing and daily.indexes["time"].is_unique),
        "statuses": sorted({int(s) for s in daily.period_status.values}),
        "files": len(glob.glob(os.path.join(folder, "*", "*.tif"))),
        "wrong_days": wrong_days,
        "months": months,
        "wrong_months": wrong_months,
        "units": daily.precip.attrs.get("units"),
        "north_west": [float(x[0]), float(y[0])],
        "grid_mapping": daily.precip.attrs.get("grid_mapping") or daily.precip.encoding.get("grid_mapping"),
    }, sys.stdout)


main(*sys.argv[1:])
