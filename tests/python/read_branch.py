"""Prints the first number of each period of a variable on a branch; nothing where it holds nothing.

read_branch.py REPOSITORY BRANCH VARIABLE   prints [1.0, null, …] as JSON.
"""

import json
import math
import sys

import icechunk
import xarray


def main(path, branch, variable):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
    # Nothing but the commit that every repository begins with.
    if len(list(repository.ancestry(branch=branch))) == 1:
        return json.dump([], sys.stdout)
    session = repository.readonly_session(branch)
    data = xarray.open_zarr(session.store, consolidated=False)
    found = data[variable].values[:, 0, 0].tolist() if variable in data else []
    json.dump([None if math.isnan(value) else value for value in found], sys.stdout)


main(*sys.argv[1:])
