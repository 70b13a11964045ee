//! Which of GDAL's number types are known, and how each is read.

use frazil_raster_protocol::NumberType;
use gdal::raster::GdalDataType;

/// GDAL's type by its Zarr name; none for complex numbers and the like.
pub(crate) const fn of(kind: GdalDataType) -> Option<NumberType> {
    Some(match kind {
        GdalDataType::UInt8 => NumberType::UInt8,
        GdalDataType::Int16 => NumberType::Int16,
        GdalDataType::UInt16 => NumberType::UInt16,
        GdalDataType::Int32 => NumberType::Int32,
        GdalDataType::UInt32 => NumberType::UInt32,
        GdalDataType::Int64 => NumberType::Int64,
        GdalDataType::UInt64 => NumberType::UInt64,
        GdalDataType::Float32 => NumberType::Float32,
        GdalDataType::Float64 => NumberType::Float64,
        _ => return None,
    })
}

/// `$read!` with the Rust type of these numbers.
macro_rules! by_type {
    ($dtype:expr, $read:ident) => {
        match $dtype {
            // GDAL before 3.7 has no type of one signed byte: it is never told.
            NumberType::Int8 | NumberType::Int16 => $read!(i16),
            NumberType::UInt8 => $read!(u8),
            NumberType::UInt16 => $read!(u16),
            NumberType::Int32 => $read!(i32),
            NumberType::UInt32 => $read!(u32),
            NumberType::Int64 => $read!(i64),
            NumberType::UInt64 => $read!(u64),
            NumberType::Float32 => $read!(f32),
            NumberType::Float64 => $read!(f64),
        }
    };
}
pub(crate) use by_type;
