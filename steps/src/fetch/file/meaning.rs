//! What the numbers of a file mean.

use frazil_engine::data::Field;

use super::{
    super::{
        numbers::{self, settle},
        source::Wanted,
        window::Pick,
    },
    block::Block,
    layout::Decode,
    unpack,
};

/// [`Decode`], to be carried to another thread.
pub(super) enum Meaning {
    Cf(unpack::Packing),
    Band { nodata: Option<f64>, packing: Option<numbers::Packing> },
}

impl Meaning {
    pub(super) fn of(decode: &Decode) -> Self {
        match decode {
            Decode::Cf(packing) => Self::Cf(packing.clone()),
            Decode::Band { nodata, scale, offset } => {
                Self::Band { nodata: *nodata, packing: numbers::Packing::new(*scale, *offset) }
            }
        }
    }

    /// One step of a block as it is meant; none when fewer numbers came than were asked for.
    pub(super) fn field(
        &self,
        (block, step): (&Block, usize),
        (rows, columns): (&Pick, &Pick),
        wanted: &Wanted,
        units: Option<String>,
    ) -> Option<Field> {
        let raw = block.field(step, rows, columns)?;
        let (values, fill) = match self {
            Self::Cf(packing) => {
                let unpacked = packing.unpack(raw);
                (unpacked.values, unpacked.fill)
            }
            Self::Band { nodata, packing } => settle(raw, *nodata, *packing, wanted),
        };
        Some(Field { name: wanted.name.clone(), values, fill, units })
    }
}
