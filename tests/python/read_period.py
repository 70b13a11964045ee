"""One period of a cube as xarray has it.

read_period.py REPOSITORY VARIABLE PERIOD   prints how many numbers it holds, its status, and how many periods there are.
"""

import json
import sys

import icechunk
import xarray


def main(path, variable, period):
    session = icechunk.Repository.open(icechunk.local_filesystem_storage(path)).readonly_session("main")
    cube = xarray.open_zarr(session.store, consolidated=False)
    one = cube[variable].sel(time=period).squeeze()
    found = {"numbers": int(one.notnull().sum()), "status": int(one.period_status), "periods": int(cube.time.size)}
    json.dump(found, sys.stdout)


main(*sys.argv[1:])
