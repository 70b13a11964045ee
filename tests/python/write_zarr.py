"""Writes a NetCDF file as a Zarr store, packed as it stands. write_zarr.py FILE STORE VERSION"""

import json
import sys
import warnings

import xarray

warnings.filterwarnings("ignore")

source, store, version = sys.argv[1:]
found = xarray.open_dataset(source, engine="netcdf4", decode_cf=False)
for array in found.variables.values():
    array.encoding = {}
# Texts, which no numbers are: `expver` as letters among them is kept, other helpers of lengths none are not.
found.to_zarr(store, mode="w", zarr_format=int(version), consolidated=version == "2")
json.dump({}, sys.stdout)
