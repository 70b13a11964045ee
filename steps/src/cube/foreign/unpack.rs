//! Decompressors that know how much may come out: what a source sends may be anything.

use std::io::{self, Read};

use zarrs::array::codec::{blosc_decompress_bytes, blosc_validate};

/// One way in which bytes were packed, to be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packer {
    Blosc,
    Zstd,
    Gzip,
    Zlib,
    Lz4,
    /// A checksum behind the bytes.
    Crc32c,
    /// Bytes of numbers of this size, sorted by their place in the number.
    Shuffle(usize),
}

impl Packer {
    /// The packer of a codec by its name in either version of Zarr; `element` is the size of a number.
    pub(super) fn named(name: &str, element: Option<u64>, size: usize) -> Option<Self> {
        Some(match name {
            "blosc" => Self::Blosc,
            "zstd" => Self::Zstd,
            "gzip" => Self::Gzip,
            "zlib" => Self::Zlib,
            "lz4" => Self::Lz4,
            "crc32c" => Self::Crc32c,
            "shuffle" => Self::Shuffle(element.and_then(|n| usize::try_from(n).ok()).unwrap_or(size)),
            _ => return None,
        })
    }

    /// The bytes before they were packed, no more than `most`. Blocks.
    ///
    /// # Errors
    /// When they cannot be unpacked, or are more; the text fits after what is unpacked.
    pub(super) fn unpack(self, bytes: &[u8], most: usize) -> Result<Vec<u8>, String> {
        match self {
            Self::Blosc => {
                let length = blosc_validate(bytes).ok_or("it is no blosc frame")?;
                if length > most {
                    return Err(too_much(most));
                }
                if length == 0 {
                    return Ok(Vec::new());
                }
                let unpacked = blosc_decompress_bytes(bytes, length, 1).map_err(|error| error.to_string())?;
                if unpacked.len() == length { Ok(unpacked) } else { Err("it is cut short".to_owned()) }
            }
            Self::Zstd => zstd::stream::read::Decoder::new(bytes)
                .and_then(|decoder| bounded(decoder, most))
                .map_err(|error| error.to_string()),
            Self::Gzip => {
                bounded(flate2::read::MultiGzDecoder::new(bytes), most).map_err(|error| error.to_string())
            }
            Self::Zlib => {
                bounded(flate2::read::ZlibDecoder::new(bytes), most).map_err(|error| error.to_string())
            }
            Self::Lz4 => lz4(bytes, most),
            Self::Crc32c => checked(bytes).map(<[u8]>::to_vec),
            Self::Shuffle(size) => Ok(unshuffled(bytes, size)),
        }
    }
}

fn too_much(most: usize) -> String {
    format!("it holds more than the {most} bytes that its array says")
}

/// All that a decoder gives, unless it is more than `most` bytes.
fn bounded(decoder: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(most.min(64 << 20));
    decoder.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most { Err(io::Error::other(too_much(most))) } else { Ok(bytes) }
}

/// The bytes in front of their CRC-32C.
pub(super) fn checked(bytes: &[u8]) -> Result<&[u8], String> {
    let (bytes, sum) = bytes.split_last_chunk::<4>().ok_or("it is cut short")?;
    if crc32c::crc32c(bytes) == u32::from_le_bytes(*sum) {
        Ok(bytes)
    } else {
        Err("its checksum is not that of its bytes".to_owned())
    }
}

/// Numbers whose first bytes stand first, then their second ones, and so on: put together again. A
/// remainder that is no whole number stays as it is.
fn unshuffled(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut numbers = bytes.to_vec();
    if size < 2 {
        return numbers;
    }
    let count = bytes.len() / size;
    for place in 0..size {
        for (at, byte) in bytes[place * count..(place + 1) * count].iter().enumerate() {
            numbers[at * size + place] = *byte;
        }
    }
    numbers
}

/// A block of LZ4 behind its length in four bytes, as numcodecs writes it.
fn lz4(bytes: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let (length, mut rest) = bytes.split_first_chunk::<4>().ok_or("it is cut short")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > most {
        return Err(too_much(most));
    }
    let mut out = Vec::with_capacity(length);
    lz4_block(&mut rest, &mut out, length).ok_or("it is no block of LZ4")?;
    if out.len() == length { Ok(out) } else { Err("it is cut short".to_owned()) }
}

/// Sequences of literals and copies of what came before (LZ4 block format).
fn lz4_block(rest: &mut &[u8], out: &mut Vec<u8>, most: usize) -> Option<()> {
    /// A length of 15 goes on in the bytes that follow, as long as they are 255.
    fn long(rest: &mut &[u8], nibble: u8) -> Option<usize> {
        let mut length = usize::from(nibble);
        if nibble == 15 {
            loop {
                let (byte, more) = rest.split_first()?;
                *rest = more;
                length = length.checked_add(usize::from(*byte))?;
                if *byte != 255 {
                    break;
                }
            }
        }
        Some(length)
    }
    while let Some((token, more)) = rest.split_first() {
        *rest = more;
        let literals = long(rest, token >> 4)?;
        let (copied, more) = rest.split_at_checked(literals)?;
        if out.len().checked_add(literals)? > most {
            return None;
        }
        out.extend_from_slice(copied);
        *rest = more;
        // The last sequence is literals alone.
        if rest.is_empty() {
            return Some(());
        }
        let (offset, more) = rest.split_first_chunk::<2>()?;
        *rest = more;
        let offset = usize::from(u16::from_le_bytes(*offset));
        let length = long(rest, token & 15)?.checked_add(4)?;
        let start = out.len().checked_sub(offset).filter(|_| offset > 0)?;
        if out.len().checked_add(length)? > most {
            return None;
        }
        // What is copied may reach into itself.
        for at in start..start + length {
            out.push(out[at]);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn packed(packer: Packer, bytes: &[u8]) -> Vec<u8> {
        match packer {
            Packer::Zstd => zstd::encode_all(bytes, 3).unwrap(),
            Packer::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Packer::Zlib => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Packer::Crc32c => [bytes, &crc32c::crc32c(bytes).to_le_bytes()].concat(),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn what_is_more_than_was_said_is_not_unpacked() {
        let bytes = vec![7u8; 1 << 20];
        for packer in [Packer::Zstd, Packer::Gzip, Packer::Zlib] {
            let packed = packed(packer, &bytes);
            assert_eq!(packer.unpack(&packed, 1 << 20).unwrap(), bytes, "{packer:?}");
            let error = packer.unpack(&packed, (1 << 20) - 1).unwrap_err();
            assert!(error.contains("more than the 1048575 bytes"), "{packer:?}: {error}");
            assert!(packer.unpack(&packed[..packed.len() / 2], 1 << 20).is_err(), "{packer:?}");
        }
        // A length that is only said.
        assert!(Packer::Lz4.unpack(&[255, 255, 255, 255, 0], 1 << 20).unwrap_err().contains("more than"));
        let mut broken = packed(Packer::Crc32c, b"abc");
        assert_eq!(Packer::Crc32c.unpack(&broken, 3).unwrap(), b"abc");
        broken[1] ^= 1;
        assert!(Packer::Crc32c.unpack(&broken, 3).unwrap_err().contains("checksum"));
    }

    #[test]
    fn a_block_of_lz4_is_unpacked_by_its_specification() {
        // Three literals, then ten bytes from three before (reaching into themselves), then one literal.
        let block = [13u8, 0, 0, 0, 0x35, b'a', b'b', b'c', 3, 0, 0x10, b'!'];
        let mut block = block.to_vec();
        block[0] = 13;
        assert_eq!(Packer::Lz4.unpack(&block, 64).unwrap(), b"abcabcabcabc!");
        // A copy from before the beginning, and an end in the middle.
        assert!(Packer::Lz4.unpack(&[5, 0, 0, 0, 0x10, b'a', 9, 0, 0x00], 64).is_err());
        assert!(Packer::Lz4.unpack(&block[..block.len() - 2], 64).is_err());
    }

    proptest! {
        /// Whatever comes is refused or unpacked within the bound; nothing breaks.
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), most in 0usize..500) {
            for packer in [Packer::Blosc, Packer::Zstd, Packer::Gzip, Packer::Zlib, Packer::Lz4, Packer::Crc32c] {
                if let Ok(unpacked) = packer.unpack(&bytes, most) {
                    prop_assert!(unpacked.len() <= most.max(bytes.len()));
                }
            }
        }

        #[test]
        fn shuffled_numbers_come_back(bytes in prop::collection::vec(any::<u8>(), 0..99), size in 1usize..9) {
            let count = bytes.len() / size;
            let mut shuffled = bytes.clone();
            for at in 0..count {
                for place in 0..size {
                    shuffled[place * count + at] = bytes[at * size + place];
                }
            }
            prop_assert_eq!(unshuffled(&shuffled, size), bytes);
        }
    }
}
