//! Whether all of a file is here, as far as it says itself how long it is. The libraries below read
//! zeros behind the end of a NetCDF 3 file, and end a GRIB file at the first message that is cut.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use super::format::Format;

/// The most that is read of a NetCDF 3 header; what is longer is not judged.
const HEADER: u64 = 16 << 20;

/// Bytes looked through at a time for the next GRIB message.
const PIECE: usize = 64 << 10;

/// What is wrong with the length of a file, if anything. Blocks.
pub(super) fn cut_short(format: Format, path: &Path) -> io::Result<Option<String>> {
    // A chunk that is not there holds the fill value.
    if format == Format::Zarr {
        return Ok(None);
    }
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let needed = match format {
        Format::NetCdf3 => {
            let mut header = Vec::new();
            file.take(HEADER).read_to_end(&mut header)?;
            match classic(&header) {
                None if size > HEADER => return Ok(None),
                needed => needed.unwrap_or(u64::MAX),
            }
        }
        Format::Grib => messages(&mut file, size)?,
        // They are told by those who read them.
        Format::Tiff | Format::Hdf5 | Format::Zarr => 0,
    };
    Ok(match needed {
        u64::MAX => Some(format!("truncated: its header is cut short ({size} bytes came)")),
        needed if needed > size => Some(format!("truncated: it has {size} of {needed} bytes")),
        _ => None,
    })
}

/// Big-endian numbers of a NetCDF 3 header (NetCDF classic format specification, and CDF-5).
struct Header<'a> {
    rest: &'a [u8],
    /// Bytes of a count.
    count: usize,
}

impl Header<'_> {
    fn number(&mut self, bytes: usize) -> Option<u64> {
        let (number, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(number.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn counted(&mut self) -> Option<u64> {
        self.number(self.count)
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(bytes.checked_next_multiple_of(4)?).ok()?..)?;
        Some(())
    }

    /// How many things a list holds, behind the tag that says of what kind.
    fn list(&mut self) -> Option<u64> {
        self.number(4)?;
        self.counted()
    }

    fn name(&mut self) -> Option<()> {
        let length = self.counted()?;
        self.skip(length)
    }

    /// Bytes of a number of the type that comes next.
    fn size(&mut self) -> Option<u64> {
        match self.number(4)? {
            1 | 2 | 7 => Some(1),
            3 | 8 => Some(2),
            4 | 5 | 9 => Some(4),
            6 | 10 | 11 => Some(8),
            _ => None,
        }
    }

    fn attributes(&mut self) -> Option<()> {
        for _ in 0..self.list()? {
            self.name()?;
            let (size, count) = (self.size()?, self.counted()?);
            self.skip(size.checked_mul(count)?)?;
        }
        Some(())
    }
}

/// The least length of a NetCDF 3 file with this header; none when it is cut short or broken.
fn classic(bytes: &[u8]) -> Option<u64> {
    let version = *bytes.get(3)?;
    let mut header = Header { rest: bytes.get(4..)?, count: if version == 5 { 8 } else { 4 } };
    let records = header.counted()?;
    // All ones: whoever wrote it did not know.
    let records = if records == u64::MAX >> (64 - 8 * header.count) { 0 } else { records };
    let mut lengths = Vec::new();
    for _ in 0..header.list()? {
        header.name()?;
        lengths.push(header.counted()?);
    }
    header.attributes()?;
    let mut recorded = Vec::new();
    let mut needed = 0;
    for _ in 0..header.list()? {
        header.name()?;
        let (mut cells, mut by_record) = (1u64, false);
        for at in 0..header.counted()? {
            let length = *lengths.get(usize::try_from(header.counted()?).ok()?)?;
            // The dimension without a length, always the first, is that of the records.
            by_record |= at == 0 && length == 0;
            cells = if at == 0 && length == 0 { cells } else { cells.checked_mul(length)? };
        }
        header.attributes()?;
        let bytes = header.size()?.checked_mul(cells)?;
        header.counted()?;
        let begin = header.number(if version == 1 { 4 } else { 8 })?;
        if by_record {
            recorded.push((begin, bytes));
        } else if bytes > 0 {
            needed = needed.max(begin.checked_add(bytes)?);
        }
    }
    // A variable that is alone in its records is not padded.
    let stride = match recorded.as_slice() {
        [(_, bytes)] => *bytes,
        all => all
            .iter()
            .try_fold(0u64, |sum, (_, bytes)| sum.checked_add(bytes.checked_next_multiple_of(4)?))?,
    };
    if let Some(before) = records.checked_sub(1) {
        for (begin, bytes) in recorded {
            needed = needed.max(begin.checked_add(before.checked_mul(stride)?)?.checked_add(bytes)?);
        }
    }
    Some(needed)
}

/// The least length of a file with these GRIB messages.
fn messages(file: &mut File, size: u64) -> io::Result<u64> {
    let (mut at, mut needed) = (0, 0);
    let mut piece = vec![0; PIECE];
    while at < size {
        file.seek(SeekFrom::Start(at))?;
        let length = usize::try_from(size - at).unwrap_or(PIECE).min(PIECE);
        file.read_exact(&mut piece[..length])?;
        let Some(found) = piece[..length].windows(4).position(|four| four == b"GRIB") else {
            // A mark may lie over the end of the piece.
            at += (length.saturating_sub(3)).max(1) as u64;
            continue;
        };
        at += found as u64;
        let Some(head) = piece[..length].get(found..found + 16) else {
            if at + 16 > size {
                return Ok(at + 16);
            }
            continue;
        };
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let length = match head[7] {
            2 => number(&head[8..16]),
            // Above 2^23 its writers count in another unit.
            1 if head[4] < 0x80 => number(&head[4..7]),
            _ => 4,
        };
        needed = at.saturating_add(length);
        at = needed.max(at + 4);
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(format: Format, bytes: &[u8]) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        cut_short(format, file.path()).unwrap()
    }

    fn message(edition: u8, length: usize) -> Vec<u8> {
        let mut bytes = b"GRIB".to_vec();
        if edition == 1 {
            bytes.extend(&u32::try_from(length).unwrap().to_be_bytes()[1..]);
            bytes.push(1);
        } else {
            bytes.extend([0, 0, 0, 2]);
            bytes.extend((length as u64).to_be_bytes());
        }
        bytes.resize(length - 4, b'.');
        bytes.extend(b"7777");
        bytes
    }

    #[test]
    fn a_message_that_is_cut_is_told_wherever_it_is_cut() {
        let first = [b"****0000000020****\n".to_vec(), message(1, 100)].concat();
        for second in [message(2, 70_000), message(1, 90)] {
            let whole = [first.clone(), b"\0\0\0".to_vec(), second].concat();
            assert_eq!(judged(Format::Grib, &whole), None);
            assert_eq!(judged(Format::Grib, &[whole.clone(), vec![0; 70_000]].concat()), None);
            for end in first.len() + 3 + 4..whole.len() {
                if end % 997 < 20 || whole.len() - end < 30 {
                    assert!(judged(Format::Grib, &whole[..end]).unwrap().contains("truncated"), "{end}");
                }
            }
        }
    }

    /// One dimension of records and one of three; an attribute; a fixed variable of three shorts
    /// (begins at 200) and two of records, of three bytes and of one double (begin at 208, 212).
    fn header(records: u32) -> Vec<u8> {
        let mut out = b"CDF\x01".to_vec();
        let mut put = |numbers: &[u32]| out.extend(numbers.iter().flat_map(|n| n.to_be_bytes()));
        put(&[
            records,
            10,
            2,
            1,
            0x7400_0000,
            0,
            1,
            0x7800_0000,
            3,
            12,
            1,
            1,
            0x6100_0000,
            2,
            5,
            0x6865_6c6c,
            0x6f00_0000,
        ]);
        put(&[11, 3]);
        put(&[1, 0x6600_0000, 1, 1, 0, 0, 3, 8, 200]);
        put(&[1, 0x7200_0000, 2, 0, 1, 0, 0, 1, 4, 208]);
        put(&[1, 0x7300_0000, 1, 0, 0, 0, 6, 8, 212]);
        out
    }

    #[test]
    fn a_classic_file_is_as_long_as_its_header_says() {
        for (records, needed) in [(0, 206), (1, 220), (5, 268)] {
            let mut bytes = header(records);
            bytes.resize(needed, 7);
            assert_eq!(judged(Format::NetCdf3, &bytes), None, "{records}");
            bytes.pop();
            let said = judged(Format::NetCdf3, &bytes).unwrap();
            assert!(said.contains(&format!("{} of {needed} bytes", needed - 1)), "{said}");
        }
        assert!(judged(Format::NetCdf3, &header(0)[..90]).unwrap().contains("header is cut short"));
    }
}
