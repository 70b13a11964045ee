//! The parts of a remote file that came so far.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use frazil_engine::step::{ErrorKind, StepError};

use crate::net::{Net, Part, Place};

/// Bytes asked for at first: the header of most files, and all of a small one.
const FIRST: u64 = 32 << 10;

/// Ranges nearer to each other than this are one request.
const NEAR: u64 = 64 << 10;

/// The most that one request brings.
const REQUEST_AT_MOST: u64 = 16 << 20;

/// Parts of a file, each with the place where it begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks(Vec<(u64, Bytes)>);

impl Blocks {
    /// The bytes of `range`, when they came.
    pub(crate) fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        self.0.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            (from <= to && to <= bytes.len()).then(|| bytes.slice(from..to))
        })
    }
}

/// A file that is read by ranges.
#[derive(Debug)]
pub(crate) struct Remote {
    net: Net,
    place: Place,
    size: u64,
    tag: Option<String>,
    blocks: Arc<Blocks>,
}

impl Remote {
    /// The beginning of a TIFF file; `None` when there is no such file.
    pub(crate) async fn open(place: &Place, net: &Net) -> Result<Option<Self>, StepError> {
        let Some(Part { start: _, bytes, size, tag }) = net.part(place, 0..FIRST).await? else {
            return Ok(None);
        };
        let remote = Self {
            net: net.clone(),
            place: place.clone(),
            size,
            tag,
            blocks: Arc::new(Blocks(vec![(0, bytes.clone())])),
        };
        match bytes.get(..4) {
            Some(b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+") => Ok(Some(remote)),
            None => Err(remote.damaged(&format!("truncated: it has {size} bytes"))),
            Some(_) if bytes.trim_ascii_start().starts_with(b"<") => {
                Err(remote.damaged("the server sent a page in place of the file"))
            }
            Some(magic) => Err(StepError::permanent(
                ErrorKind::Data,
                format!("{place} is no TIFF: it begins with {}", magic.escape_ascii()),
            )
            .help("`source: file` reads other formats")),
        }
    }

    /// Where it is.
    pub(crate) const fn place(&self) -> &Place {
        &self.place
    }

    /// Bytes of the whole file.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// What came so far.
    pub(crate) fn blocks(&self) -> Arc<Blocks> {
        Arc::clone(&self.blocks)
    }

    /// Forgets what came.
    pub(crate) fn let_go(&mut self) {
        self.blocks = Arc::default();
    }

    /// Brings what did not come yet of `ranges`, one request after the other.
    pub(crate) async fn bring(&mut self, ranges: &[Range<u64>]) -> Result<(), StepError> {
        let mut lacking: Vec<_> = ranges.iter().filter(|r| self.blocks.get(r).is_none()).cloned().collect();
        if let Some(outside) = lacking.iter().find(|range| range.end > self.size) {
            return Err(self.damaged(&format!(
                "truncated: it has {} bytes, and names some up to {}",
                self.size, outside.end
            )));
        }
        lacking.sort_by_key(|range| range.start);
        for range in joined(lacking) {
            let Some(part) = self.net.part(&self.place, range.clone()).await? else {
                return Err(self.damaged("it went away while it was read"));
            };
            if part.size != self.size || part.tag != self.tag {
                return Err(self.damaged("it changed while it was read"));
            }
            let mut blocks = self.blocks.0.clone();
            blocks.push((part.start, part.bytes));
            self.blocks = Arc::new(Blocks(blocks));
        }
        Ok(())
    }

    /// An error of the file that another try may mend, unless it lies on this machine.
    pub(crate) fn damaged(&self, what: &str) -> StepError {
        let message = format!("{}: {what}", self.place);
        match self.place {
            Place::File(_) => StepError::permanent(ErrorKind::Data, message),
            Place::Http(_) | Place::S3 { .. } => StepError::transient(ErrorKind::Network, message),
        }
    }
}

/// Sorted ranges as few requests.
fn joined(ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last)
                if range.start <= last.end.saturating_add(NEAR)
                    && range.end.max(last.end) - last.start <= REQUEST_AT_MOST =>
            {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_are_one_request() {
        assert_eq!(joined(vec![0..10, 10..20, 5..12, 70_000..70_010]), [0..20, 70_000..70_010]);
        assert_eq!(joined(vec![0..10, 65_000..65_010]).first(), Some(&(0..65_010)));
        let long = [0..9 << 20, 9 << 20..18 << 20];
        assert_eq!(joined(long.to_vec()), long);
    }

    #[test]
    fn what_came_is_found_again() {
        let blocks = Blocks(vec![(0, Bytes::from_static(b"abcd")), (10, Bytes::from_static(b"klmn"))]);
        assert_eq!(blocks.get(&(11..13)).as_deref(), Some(&b"lm"[..]));
        assert_eq!(blocks.get(&(0..4)).as_deref(), Some(&b"abcd"[..]));
        assert_eq!(blocks.get(&(3..5)), None);
        assert_eq!(blocks.get(&(9..11)), None);
    }
}
