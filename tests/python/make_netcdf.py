"""Makes small NetCDF files, each for one question. make_netcdf.py CASE FILE"""

import json
import sys
import zlib

import h5py
import netCDF4
import numpy as np

NORTH = np.array([3.0, 2.0, 1.0, 0.0])
EAST = np.array([10.0, 11.0, 12.0, 13.0, 14.0])


def numbers(*shape):
    return (np.arange(np.prod(shape)).reshape(shape) % 97).astype("f4")


class Maker:
    def __init__(self, path, format="NETCDF4"):
        self.file = netCDF4.Dataset(path, "w", format=format)

    def axis(self, name, values, dtype="f8", **attributes):
        if name not in self.file.dimensions:
            self.file.createDimension(name, len(values))
        variable = self.file.createVariable(name, dtype, (name,))
        variable.setncatts(attributes)
        variable[:] = values

    def places(self, y=NORTH, x=EAST, dtype="f8"):
        self.axis("lat", y, dtype, units="degrees_north")
        self.axis("lon", x, dtype, units="degrees_east")

    def times(self, values, units="days since 2025-02-01", **attributes):
        self.axis("time", values, units=units, **attributes)

    def variable(self, name, dims, values, dtype="f4", fill=None, **attributes):
        variable = self.file.createVariable(name, dtype, dims, fill_value=fill)
        variable.set_auto_maskandscale(False)
        variable.setncatts(attributes)
        variable[...] = values
        return variable


def days(maker, values, **attributes):
    maker.places()
    maker.times(values, **attributes)
    maker.variable("v", ("time", "lat", "lon"), numbers(len(values), 4, 5))


def noleap(maker):
    days(maker, [0, 1], calendar="noleap")


def three_sixty(maker):
    days(maker, [0, 1], calendar="360_day")


def doubled(maker):
    days(maker, [0, 1, 1.25])


def months(maker):
    days(maker, [0, 1], units="months since 2025-01-01")


def six_utc(maker):
    days(maker, [0, 2, 3], units="days since 2025-02-01 06:00:00")


def month(maker):
    days(maker, range(31))


def bomb(maker):
    """A chunk of 80 bytes that decompresses to 2 GiB."""
    maker.places()
    maker.times([0])
    variable = maker.file.createVariable("v", "f4", ("time", "lat", "lon"), zlib=True, shuffle=False, chunksizes=(1, 4, 5))
    variable[...] = numbers(1, 4, 5)
    path = maker.file.filepath()
    maker.file.close()
    piece, count = 16 << 20, 128
    deflate = zlib.compressobj(9)
    head = deflate.compress(bytes(piece)) + deflate.flush(zlib.Z_FULL_FLUSH)
    # The same piece over and over, and the checksum of as many zeros (RFC 1950).
    end = bytes([3, 0]) + ((piece * count % 65521) << 16 | 1).to_bytes(4, "big")
    with h5py.File(path, "r+") as file:
        file["v"].id.write_direct_chunk((0, 0, 0), head + head[2:] * (count - 1) + end)
    maker.file = netCDF4.Dataset(path)


def zero(maker):
    days(maker, [0.0], units="days since 1970-01-01")


def beside(maker):
    """A scalar and a two-dimensional valid_time beside the time axis."""
    days(maker, [0, 1, 2])
    maker.variable("valid_time", (), 9e8, "f8", units="seconds since 1970-01-01", standard_name="time")
    maker.variable("leads", ("time", "lat"), np.zeros((3, 4)), "f8", units="hours since 2000-01-01")


def turned(maker):
    """Columns before rows, south first, 0 to 360, in single precision."""
    maker.places(np.arange(-2, 2.5, 0.4), np.arange(0.1, 360, 22.5), "f4")
    maker.times([0, 1, 2])
    maker.variable("v", ("lon", "time", "lat"), numbers(16, 3, 12))


def projected(maker):
    maker.axis("Y", np.array([6_600_500.0, 6_601_500.0, 6_602_500.0]), units="m", standard_name="projection_y_coordinate")
    maker.axis("X", np.array([99_500.0, 100_500.0]), units="m", standard_name="projection_x_coordinate")
    maker.times([0], units="days since 2025-02-01 06:00:00")
    maker.variable("lat", ("Y", "X"), np.full((3, 2), 60.0), units="degrees_north")
    maker.variable("lon", ("Y", "X"), np.full((3, 2), 8.0), units="degrees_east")
    crs = maker.variable("UTM_Zone_33", (), 0, "i4")
    crs.setncatts({
        "grid_mapping_name": "transverse_mercator",
        "longitude_of_central_meridian": 15.0, "latitude_of_projection_origin": 0.0,
        "scale_factor_at_central_meridian": 0.9996, "false_easting": 500000.0, "false_northing": 0.0,
        "semi_major_axis": 6378137.0, "inverse_flattening": 298.257223563,
        "spatial_ref": 'PROJCS["WGS 84 / UTM zone 33N",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]],PROJECTION["Transverse_Mercator"],PARAMETER["latitude_of_origin",0],PARAMETER["central_meridian",15],PARAMETER["scale_factor",0.9996],PARAMETER["false_easting",500000],PARAMETER["false_northing",0],UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH],AUTHORITY["EPSG","32633"]]',
    })
    values = numbers(1, 3, 2)
    values[0, 1, 1] = -999.99
    maker.variable("rr", ("time", "Y", "X"), values, fill=np.float32(-999.99), grid_mapping="UTM_Zone_33", units="mm")


def curved(maker):
    maker.file.createDimension("y", 4)
    maker.file.createDimension("x", 5)
    maker.times([0])
    maker.variable("lat", ("y", "x"), np.zeros((4, 5)), units="degrees_north")
    maker.variable("lon", ("y", "x"), np.zeros((4, 5)), units="degrees_east")
    maker.variable("v", ("time", "y", "x"), numbers(1, 4, 5))


def date_line(maker):
    maker.places(x=np.arange(175.5, 185, 1.0))
    maker.times([0])
    maker.variable("v", ("time", "lat", "lon"), numbers(1, 4, 10))


def nowhere(maker):
    """Coordinates that no reference system can be told from."""
    maker.axis("y", NORTH)
    maker.axis("x", EAST)
    maker.times([0])
    maker.variable("v", ("time", "y", "x"), numbers(1, 4, 5))


def two_experiments(maker):
    """As the older data store wrote it: `expver` as a dimension."""
    maker.places()
    maker.axis("expver", np.array([1, 5]), "i4")
    maker.times([0])
    maker.variable("v", ("time", "expver", "lat", "lon"), numbers(1, 2, 4, 5))


def experiments(maker):
    """Final and preliminary steps by number, and a helper dimension of each kind."""
    maker.places()
    maker.times([0, 1, 2])
    for name in ("number", "step", "surface"):
        maker.axis(name, np.array([0.0]))
    maker.variable("expver", ("time",), [1, 1, 5], "i4")
    maker.variable("v", ("number", "time", "step", "surface", "lat", "lon"), numbers(1, 3, 1, 1, 4, 5))


def members(maker):
    """Members and levels on both sides of time."""
    maker.places()
    maker.times([0, 1, 2])
    maker.axis("number", np.array([0, 3, 7]), "i4")
    maker.axis("level", np.array([500.0, 850.0]), units="hPa", positive="down")
    maker.variable("v", ("number", "time", "level", "lat", "lon"), numbers(3, 3, 2, 4, 5))


def packed(maker):
    """Packings as they are found, all readers of which should agree."""
    maker.places()
    maker.times([0])
    dims = ("time", "lat", "lon")
    raw = np.arange(-9, 11).reshape(1, 4, 5)
    maker.variable("single", dims, raw, "i2", np.int16(-9), scale_factor=np.float32(0.1), add_offset=np.float32(273.15))
    maker.variable("double", dims, raw, "i2", np.int16(-9), scale_factor=0.1, add_offset=273.15)
    maker.variable("mixed", dims, raw, "i2", np.int16(-9), scale_factor=np.float32(0.1), add_offset=273.15)
    maker.variable("scaled", dims, raw, "i2", scale_factor=np.float32(-0.3), missing_value=np.int16(10))
    maker.variable("shifted", dims, raw, "i4", add_offset=np.float32(0.7))
    maker.variable("large", dims, raw * 10_000_019, "i4", scale_factor=np.float32(1e-4), add_offset=np.float32(2))
    maker.variable("bare", dims, raw, "i2", np.int16(-9), missing_value=np.int16(-9))
    maker.variable("bytes", dims, raw + 9, "u1", np.uint8(19), scale_factor=0.5)
    maker.variable("floats", dims, raw / 7.0, "f4", np.float32(3 / 7))
    maker.variable("doubles", dims, raw / 7.0, "f8", 3 / 7.0)


def main():
    case, path = sys.argv[1:]
    format = "NETCDF3_64BIT_OFFSET" if case.endswith("_3") else "NETCDF4"
    maker = Maker(path, format)
    globals()[case.removesuffix("_3")](maker)
    maker.file.close()
    print(json.dumps(path))


main()
