"""Prints what xarray sees of a cube of forecasts, as JSON, in each of the groups that hold it.

read_runs.py REPOSITORY …
"""

import json
import sys
import warnings

import icechunk
import numpy as np
import xarray
import zarr

warnings.filterwarnings("ignore")


def times(array):
    return np.datetime_as_string(array.values.astype("datetime64[s]"), unit="h").tolist()


def of(path):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
    store = repository.readonly_session("main").store
    return {name: seen(store, name) for name in ["", *sorted(name for name, _ in zarr.open_group(store, mode="r").groups())]}


def seen(store, group):
    found = xarray.open_zarr(store, group=group or None, consolidated=False)
    variable = found.get("t2m")
    return {
        "made": times(found["time"]),
        "made_as": found["time"].attrs["standard_name"],
        "leads": found["lead_time"].values.tolist(),
        "leads_as": [found["lead_time"].attrs["standard_name"], found["lead_time"].attrs.get("units")],
        "valid": [times(run) for run in found["valid_time"]],
        "valid_as": found["valid_time"].attrs["standard_name"],
        "valid_dims": list(found["valid_time"].dims),
        "coordinate": "valid_time" in found.coords,
        "of_variable": None if variable is None else "valid_time" in variable.coords,
        "values": None if variable is None else variable.astype("f8").values.tolist(),
        "dims": None if variable is None else list(variable.dims),
    }


json.dump([of(path) for path in sys.argv[1:]], sys.stdout)
