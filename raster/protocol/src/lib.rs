//! What frazil and frazil-gdal say to each other over pipes.
//!
//! A message is a frame: the length of its head (`u32`), the length of its body (`u64`), both
//! little-endian, then the head (JSON) and the body (raw little-endian numbers, or nothing).
//! frazil asks (with a body where it sends numbers itself), frazil-gdal answers, one at a time; the end of its input ends the program.

mod frame;
mod message;
mod number;

pub use frame::{FrameError, HEADER, Header, MAX_BODY, MAX_HEAD, read_frame, write_frame};
pub use message::{
    Array, Attribute, Band, Column, Content, CrsText, Description, Dimension, Fault, FaultKind, Lattice,
    Method, Part, Raster, Reply, Request, VERSION, Warp, Window,
};
pub use number::{Number, NumberType};
