use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

/// The longest head, in bytes: a description of a file with some hundred thousand messages.
pub const MAX_HEAD: u32 = 256 << 20;

/// The longest body, in bytes: larger reads are asked for in parts.
pub const MAX_BODY: u64 = 1 << 30;

/// Bytes before the head.
pub const HEADER: usize = 12;

/// A message that cannot be passed on.
#[derive(Debug)]
#[non_exhaustive]
pub enum FrameError {
    /// The pipe broke.
    Io(io::Error),
    /// The head is no message of this version.
    Json(serde_json::Error),
    /// It says that it is longer than any message may be.
    TooLong,
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Json(error) => write!(f, "a message that is not understood: {error}"),
            Self::TooLong => f.write_str("a message that is too long"),
        }
    }
}

impl std::error::Error for FrameError {}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The lengths in front of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the head.
    pub head: u32,
    /// Bytes of the body.
    pub body: u64,
}

impl Header {
    /// The lengths of a message about to be written.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] beyond [`MAX_HEAD`] or [`MAX_BODY`].
    pub fn of(head: &[u8], body: &[u8]) -> Result<Self, FrameError> {
        let head = u32::try_from(head.len()).map_err(|_| FrameError::TooLong)?;
        Self { head, body: body.len() as u64 }.checked()
    }

    /// As bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(&self.head.to_le_bytes());
        bytes[4..].copy_from_slice(&self.body.to_le_bytes());
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] beyond [`MAX_HEAD`] or [`MAX_BODY`].
    pub fn from_bytes(bytes: [u8; HEADER]) -> Result<Self, FrameError> {
        let [a, b, c, d, rest @ ..] = bytes;
        Self { head: u32::from_le_bytes([a, b, c, d]), body: u64::from_le_bytes(rest) }.checked()
    }

    const fn checked(self) -> Result<Self, FrameError> {
        if self.head > MAX_HEAD || self.body > MAX_BODY { Err(FrameError::TooLong) } else { Ok(self) }
    }
}

/// Writes one message.
///
/// # Errors
/// When the pipe is broken or the message too long.
pub fn write_frame(out: &mut impl Write, head: &impl Serialize, body: &[u8]) -> Result<(), FrameError> {
    let head = serde_json::to_vec(head).map_err(FrameError::Json)?;
    out.write_all(&Header::of(&head, body)?.to_bytes())?;
    out.write_all(&head)?;
    out.write_all(body)?;
    Ok(out.flush()?)
}

/// Reads one message; none at the end of the input.
///
/// # Errors
/// When the pipe breaks inside a message or the message is not understood.
pub fn read_frame<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<(T, Vec<u8>)>, FrameError> {
    let mut header = [0; HEADER];
    if from.read(&mut header[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut header[1..])?;
    let header = Header::from_bytes(header)?;
    let head = take(from, u64::from(header.head))?;
    let body = take(from, header.body)?;
    Ok(Some((serde_json::from_slice(&head).map_err(FrameError::Json)?, body)))
}

/// `len` bytes; memory grows with what arrives, not with what was announced.
fn take(from: &mut impl Read, len: u64) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::new();
    if from.take(len).read_to_end(&mut bytes)? as u64 == len {
        Ok(bytes)
    } else {
        Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reply, Request};

    #[test]
    fn a_message_comes_back_with_its_body() {
        let mut pipe = Vec::new();
        let ask = Request::Crs { definition: "EPSG:32628".into() };
        write_frame(&mut pipe, &ask, &[1, 2, 3]).unwrap();
        write_frame(&mut pipe, &ask, &[]).unwrap();
        let mut pipe = pipe.as_slice();
        let (first, body) = read_frame::<Request>(&mut pipe).unwrap().unwrap();
        assert_eq!((first, body), (ask.clone(), vec![1, 2, 3]));
        assert_eq!(read_frame::<Request>(&mut pipe).unwrap().unwrap().0, ask);
        assert!(read_frame::<Request>(&mut pipe).unwrap().is_none());
    }

    #[test]
    fn what_is_cut_short_too_long_or_no_message_is_an_error() {
        let mut pipe = Vec::new();
        write_frame(&mut pipe, &Request::Crs { definition: "EPSG:4326".into() }, &[7; 9]).unwrap();
        for cut in 1..pipe.len() {
            assert!(read_frame::<Request>(&mut &pipe[..cut]).is_err(), "{cut}");
        }
        assert!(read_frame::<Reply>(&mut pipe.as_slice()).is_err());
        let long = Header { head: 2, body: MAX_BODY + 1 };
        assert!(read_frame::<Reply>(&mut long.to_bytes().as_slice()).is_err());
    }
}
