//! Tiles decompressed, never to more than their header says that they hold: whoever made a file
//! decides what is in it, not how much memory it takes.

use std::io::Read;

use async_tiff::tags::Compression;
use flate2::{Decompress, FlushDecompress, Status};
use weezl::{BitOrder, LzwStatus, decode::Decoder as Lzw};

/// Whether tiles compressed like this are decompressed here.
pub(super) const fn known(compression: Compression) -> bool {
    use Compression::{Deflate, LZW, None, OldDeflate, ZSTD};
    matches!(compression, None | Deflate | OldDeflate | LZW | ZSTD)
}

/// The bytes of a tile of at most `most` bytes; fewer where fewer are stored.
pub(super) fn unpack(compression: Compression, stored: &[u8], most: usize) -> Result<Vec<u8>, String> {
    match compression {
        // What stands behind an uncompressed tile takes nothing: it is there already.
        Compression::None => Ok(stored[..stored.len().min(most)].to_vec()),
        Compression::Deflate | Compression::OldDeflate => inflate(stored, most),
        Compression::LZW => lzw(stored, most),
        Compression::ZSTD => zstd(stored, most),
        other => Err(format!("it is compressed in a way that is not known ({other:?})")),
    }
}

fn too_much(most: usize) -> String {
    format!("a tile decompresses to more than the {most} bytes that it should hold")
}

fn inflate(stored: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(most);
    let mut decoder = Decompress::new(true);
    loop {
        let rest = usize::try_from(decoder.total_in()).ok().and_then(|read| stored.get(read..));
        let before = (decoder.total_in(), bytes.len());
        // Grows nothing: it stops when the room is used up.
        let status = decoder
            .decompress_vec(rest.unwrap_or_default(), &mut bytes, FlushDecompress::Finish)
            .map_err(|error| format!("a tile cannot be decompressed: {error}"))?;
        if status == Status::StreamEnd {
            return Ok(bytes);
        }
        if bytes.len() == most {
            return inflated_further(&mut decoder, stored).then_some(bytes).ok_or_else(|| too_much(most));
        }
        if before == (decoder.total_in(), bytes.len()) {
            return Err("a tile cannot be decompressed: its end is missing".to_owned());
        }
    }
}

/// Whether what follows is nothing but the end.
fn inflated_further(decoder: &mut Decompress, stored: &[u8]) -> bool {
    let mut one = [0];
    let rest = usize::try_from(decoder.total_in()).ok().and_then(|read| stored.get(read..));
    let before = decoder.total_out();
    let ended = decoder.decompress(rest.unwrap_or_default(), &mut one, FlushDecompress::Finish);
    ended.is_ok_and(|status| status == Status::StreamEnd) && decoder.total_out() == before
}

fn lzw(stored: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; most];
    let mut decoder = Lzw::with_tiff_size_switch(BitOrder::Msb, 8);
    let (mut read, mut written) = (0, 0);
    loop {
        let mut one = [0];
        // When the room is used up, there is one more byte for what must not come.
        let room = if written < most { &mut bytes[written..] } else { &mut one[..] };
        let done = decoder.decode_bytes(&stored[read..], room);
        read += done.consumed_in;
        written += done.consumed_out;
        if written > most {
            return Err(too_much(most));
        }
        match done.status {
            Ok(LzwStatus::Ok) => {}
            // Some writers leave the end out: the size says whether all is there.
            Ok(LzwStatus::Done | LzwStatus::NoProgress) => break,
            Err(error) => return Err(format!("a tile cannot be decompressed: {error}")),
        }
    }
    bytes.truncate(written);
    Ok(bytes)
}

fn zstd(stored: &[u8], most: usize) -> Result<Vec<u8>, String> {
    let broken = |error: std::io::Error| format!("a tile cannot be decompressed: {error}");
    let mut bytes = Vec::with_capacity(most + 1);
    let decoder = zstd::Decoder::with_buffer(stored).map_err(broken)?;
    decoder.take(most as u64 + 1).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() > most { Err(too_much(most)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression as Level, write::ZlibEncoder};
    use weezl::encode::Encoder;

    use super::*;

    const ALL: [Compression; 4] =
        [Compression::None, Compression::Deflate, Compression::LZW, Compression::ZSTD];

    fn pack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Level::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::LZW => Encoder::with_tiff_size_switch(BitOrder::Msb, 8).encode(bytes).unwrap(),
            Compression::ZSTD => zstd::bulk::compress(bytes, 1).unwrap(),
            _ => bytes.to_vec(),
        }
    }

    #[test]
    fn what_fits_comes_back_as_it_was() {
        for len in [0usize, 1, 255, 4_096, 100_000] {
            let bytes: Vec<u8> = (0..len).map(|at| (at * at % 251) as u8).collect();
            for compression in ALL {
                let packed = pack(compression, &bytes);
                for most in [len, len + 1, 2 * len + 7] {
                    let found = unpack(compression, &packed, most);
                    assert_eq!(found.as_deref(), Ok(&bytes[..]), "{compression:?} {len} {most}");
                }
            }
        }
    }

    #[test]
    fn what_decompresses_to_more_than_it_should_is_refused() {
        let bytes = vec![0; 64 << 20];
        for compression in [Compression::Deflate, Compression::LZW, Compression::ZSTD] {
            let bomb = pack(compression, &bytes);
            assert!(bomb.len() < 1 << 20, "{compression:?}: {} bytes", bomb.len());
            for most in [0, 1_024, bytes.len() - 1] {
                let refused = unpack(compression, &bomb, most).unwrap_err();
                assert!(
                    refused.contains(&format!("more than the {most} bytes")),
                    "{compression:?}: {refused}"
                );
            }
        }
    }

    #[test]
    fn what_is_cut_short_is_an_error_or_short() {
        let bytes: Vec<u8> = (0..50_000u32).map(|at| (at * 7 % 253) as u8).collect();
        for compression in ALL {
            let packed = pack(compression, &bytes);
            for end in [0, 1, packed.len() / 2, packed.len() - 4] {
                let found = unpack(compression, &packed[..end], bytes.len());
                assert!(found.is_err() || found.unwrap().len() < bytes.len(), "{compression:?} {end}");
            }
        }
    }
}
