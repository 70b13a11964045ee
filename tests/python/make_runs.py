"""Makes files that hold runs of a forecast.

    make_runs.py SPEC

SPEC is JSON, a list of: path, kind, made (hours from 2024-01-01 at which the run was made), leads (hours),
empty (leads without numbers). Kinds:
  netcdf   all leads of a run along `step`, which counts minutes
  valid    one lead, along a time axis that says for which time it holds
  grib     a message for each lead
A number tells its run, lead and cell: 1000 × made / 24 + 10 × lead + cell / 100, in 4 rows and 5 columns.
"""

import datetime
import json
import sys

import netCDF4
import numpy as np

EPOCH = datetime.datetime(2024, 1, 1)
NORTH, EAST = np.array([3.0, 2.0, 1.0, 0.0]), np.array([10.0, 11.0, 12.0, 13.0, 14.0])


def plane(spec, lead):
    if lead in spec.get("empty", []):
        return np.full((4, 5), np.nan, "f4")
    return (1000 * spec["made"] / 24 + 10 * lead + np.arange(20).reshape(4, 5) / 100).astype("f4")


def netcdf(spec):
    file = netCDF4.Dataset(spec["path"], "w")
    for name, values, units in [("lat", NORTH, "degrees_north"), ("lon", EAST, "degrees_east")]:
        file.createDimension(name, len(values))
        file.createVariable(name, "f8", (name,)).units = units
        file[name][:] = values
    if spec["kind"] == "valid":
        file.createDimension("time", 1)
        file.createVariable("time", "i4", ("time",)).setncatts({"units": "hours since 2024-01-01", "standard_name": "time"})
        file["time"][:] = spec["made"] + spec["leads"][0]
        first = "time"
    else:
        file.createDimension("step", len(spec["leads"]))
        file.createVariable("step", "i4", ("step",)).setncatts({"units": "minutes", "standard_name": "forecast_period"})
        file["step"][:] = np.array(spec["leads"]) * 60
        file.createVariable("time", "i4", ()).setncatts(
            {"units": "hours since 2024-01-01", "standard_name": "forecast_reference_time"})
        file["time"][...] = spec["made"]
        file.createVariable("valid_time", "i4", ("step",)).setncatts(
            {"units": "hours since 2024-01-01", "standard_name": "time"})
        file["valid_time"][:] = spec["made"] + np.array(spec["leads"])
        first = "step"
    file.createVariable("t2m", "f4", (first, "lat", "lon"), fill_value=np.float32("nan")).units = "K"
    file["t2m"][:] = np.stack([plane(spec, lead) for lead in spec["leads"]])
    file.close()


def grib(spec):
    import rasterio
    import rasterio.shutil
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin

    made = (EPOCH + datetime.timedelta(hours=spec["made"])).strftime("%Y-%m-%dT%H:%M:%SZ")
    options = {"data_encoding": "IEEE_FLOATING_POINT"}
    for band, lead in enumerate(spec["leads"], start=1):
        options[f"band_{band}_discipline"] = "0"
        options[f"band_{band}_ids"] = f"CENTER=7 SUBCENTER=0 MASTER_TABLE=2 LOCAL_TABLE=0 SIGNF_REF_TIME=1 REF_TIME={made} PROD_STATUS=0 TYPE=1"
        options[f"band_{band}_pds_pdtn"] = "0"
        # Temperature, of a forecast, its lead in hours, two metres above the ground.
        options[f"band_{band}_pds_template_numbers"] = (
            f"0 0 2 0 96 0 0 0 1 0 0 {lead // 256} {lead % 256} 103 0 0 0 0 2 255 255 255 255 255 255")
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", width=5, height=4, count=len(spec["leads"]), dtype="float32", crs="EPSG:4326",
                         transform=from_origin(9.5, 3.5, 1, 1)) as raster:
            for band, lead in enumerate(spec["leads"], start=1):
                # A GRIB driver takes kelvin for what it is, and writes it as such.
                raster.write(plane(spec, lead), band)
        rasterio.shutil.copy(memory.name, spec["path"], driver="GRIB", **options)


for spec in json.loads(sys.argv[1]):
    (grib if spec["kind"] == "grib" else netcdf)(spec)
print("{}")
