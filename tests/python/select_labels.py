"""Prints what xarray selects of a cube by labels, as JSON.

select_labels.py REPOSITORY VARIABLE LABELS…   each LABELS is a map of dimensions to labels, as JSON
"""

import json
import sys
import warnings

import icechunk
import numpy
import xarray

warnings.filterwarnings("ignore")


def main(path, name, *selections):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(path))
    session = repository.readonly_session("main")
    dataset = xarray.open_zarr(session.store, consolidated=False)
    array = dataset[name]

    def values(labels):
        found = numpy.asarray(array.sel(**labels).values)
        return numpy.where(numpy.isnan(found), None, found).tolist()

    json.dump({
        "dims": list(array.dims),
        "shape": list(array.shape),
        "time": [str(t)[:10] for t in dataset["time"].values],
        "status": dataset["period_status"].values.tolist(),
        "labels": {d: dataset[d].values.tolist() for d in array.dims if d not in ("time", "y", "x")},
        "selected": [values(json.loads(labels)) for labels in selections],
    }, sys.stdout)


main(*sys.argv[1:])
