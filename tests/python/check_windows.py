"""Compares a derived cube with the cube that it hangs from, window by window, the slow way.

check_windows.py SOURCE DERIVED METHOD RULE   prints what stands in it and what differs, as JSON.

METHOD is sum, mean, min, max or count; RULE is nested (or overlapping, contained, weighted):
which periods of the source belong to a window, and with which weight.
"""

import json
import os
import sys

import icechunk
import numpy
import pandas
import xarray


def opened(path):
    storage = icechunk.local_filesystem_storage(path)
    session = icechunk.Repository.open(storage).readonly_session("main")
    return xarray.open_zarr(session.store, consolidated=False)


def end(start, step):
    """Where the period ends that begins at `start`, by the step that the attributes name."""
    if step == "dekad":
        return start + pandas.DateOffset(days=10) if start.day < 21 else (start + pandas.offsets.MonthBegin(1))
    if step == "pentad":
        return start + pandas.DateOffset(days=5) if start.day < 26 else (start + pandas.offsets.MonthBegin(1))
    offsets = {"PT1H": {"hours": 1}, "P1D": {"days": 1}, "P1W": {"weeks": 1}, "P1M": {"months": 1},
               "P3M": {"months": 3}, "P1Y": {"years": 1}}
    return start + pandas.DateOffset(**offsets[step])


def step_of(cube):
    """The step, as the attributes say it."""
    said = cube.attrs["time_coverage_resolution"]
    return {"P5D": "pentad", "P10D": "dekad"}.get(said, said)


def share(window, part, rule, method):
    common = min(window[1], part[1]) - max(window[0], part[0])
    overlap = common / (part[1] - part[0])
    if overlap <= 0:
        return 0.0
    if rule == "weighted":
        return common / pandas.Timedelta(minutes=1) if method == "mean" else overlap
    if rule == "contained":
        return 1.0 if overlap >= 1 else 0.0
    return 1.0


def result(values, weights, method):
    """f64, missing numbers left out; all missing stays missing."""
    there = ~numpy.isnan(values)
    weights = numpy.broadcast_to(numpy.array(weights)[:, None, None], values.shape) * there
    none = ~there.any(axis=0)
    if method == "sum":
        made = numpy.nansum(values * weights, axis=0)
    elif method == "mean":
        with numpy.errstate(invalid="ignore"):
            made = numpy.nansum(values * weights, axis=0) / weights.sum(axis=0)
    elif method == "count":
        return there.sum(axis=0).astype("float64")
    else:
        with numpy.errstate(all="ignore"):
            made = {"min": numpy.nanmin, "max": numpy.nanmax}[method](values, axis=0)
    made[none] = numpy.nan
    return made


def main(source_path, derived_path, method, rule):
    source, derived = opened(source_path), opened(derived_path)
    fine, coarse = step_of(source), step_of(derived)
    starts = [pandas.Timestamp(t) for t in source.time.values]
    parts = [(start, end(start, fine)) for start in starts]
    name = next(iter(derived.data_vars))
    wrong, windows, largest = [], [], 0.0
    for i, t in enumerate(derived.time.values):
        start = pandas.Timestamp(t)
        window = (start, end(start, coarse))
        windows.append(str(start.date()))
        weights = [share(window, part, rule, method) for part in parts]
        chosen = [at for at, weight in enumerate(weights) if weight > 0]
        values = source[name].isel(time=chosen).values.astype("float64")
        made = result(values, [weights[at] for at in chosen], method).astype("float32")
        stored = derived[name].isel(time=i).values
        if derived.period_status.values[i] == 3:
            made[:] = numpy.nan
        # Weighted sums may be added up in another order: the last bit of a float32 is not judged.
        close = numpy.allclose(made, stored, rtol=2e-7 if rule == "weighted" else 0, atol=0, equal_nan=True)
        if not close:
            wrong.append(windows[-1])
            largest = max(largest, float(numpy.nanmax(numpy.abs(made - stored))))
    json.dump({
        "windows": windows,
        "wrong": wrong,
        "largest": largest,
        "statuses": [int(s) for s in derived.period_status.values],
        "source": str(source.time.values[-1])[:10],
        "means": [float(numpy.nanmean(derived[name].isel(time=i).values)) if derived.period_status.values[i] != 3 else None
                  for i in range(len(windows))],
    }, sys.stdout)


main(*sys.argv[1:])
# What is said is said: taking the store's threads down has crashed interpreters that were done.
sys.stdout.flush()
os._exit(0)
