//! From the bytes of a stored chunk to its numbers, by the codecs that its metadata name.

use frazil_engine::data::{DType, Values};
use serde_json::Value;

use super::unpack::Packer;

/// What a bytes codec may add to numbers that do not compress.
const SLACK: usize = 64 << 10;

/// How the numbers of a chunk are stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chain {
    /// Undone in this order.
    packers: Vec<Packer>,
    /// Whether numbers are stored with their highest byte first.
    big: bool,
    /// Which dimension of the chunk stands at each place of what is stored; none where it is as it is.
    order: Option<Vec<usize>>,
    /// The type in which differences of neighbours are stored.
    delta: Option<DType>,
    dtype: DType,
}

/// A codec as both versions of Zarr write it: a name and its configuration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Codec {
    pub(super) name: String,
    pub(super) configuration: Value,
}

impl Codec {
    pub(super) fn new(name: &str, configuration: Value) -> Self {
        Self { name: name.trim_start_matches("numcodecs.").to_owned(), configuration }
    }
}

/// A number type by its name in version 2, such as `<f4`, and whether its highest byte comes first.
pub(super) fn version_2(name: &str) -> Option<(DType, bool)> {
    let (order, kind) = name.split_at_checked(1)?;
    let dtype = match kind {
        "i1" => DType::Int8,
        "u1" | "b1" => DType::UInt8,
        "i2" => DType::Int16,
        "u2" => DType::UInt16,
        "i4" => DType::Int32,
        "u4" => DType::UInt32,
        "i8" => DType::Int64,
        "u8" => DType::UInt64,
        "f4" => DType::Float32,
        "f8" => DType::Float64,
        _ => return None,
    };
    Some((dtype, order == ">"))
}

impl Chain {
    /// The chain of these codecs, in the order in which they were applied, over chunks of `rank` dimensions.
    ///
    /// # Errors
    /// When one is not known; the text fits after the name of the array.
    pub(super) fn new(codecs: &[Codec], dtype: DType, rank: usize) -> Result<Self, String> {
        let mut chain = Self { packers: Vec::new(), big: false, order: None, delta: None, dtype };
        let mut bytes = false;
        for (at, codec) in codecs.iter().enumerate() {
            let given = &codec.configuration;
            match codec.name.as_str() {
                "transpose" if !bytes => {
                    let order = order(&given["order"], rank).ok_or_else(|| {
                        format!("is transposed in an order that is none: {}", given["order"])
                    })?;
                    if chain.order.replace(order).is_some() {
                        return Err("is transposed twice, which frazil does not undo".to_owned());
                    }
                }
                "delta" if at == 0 => {
                    let stored = given["astype"].as_str().or(given["dtype"].as_str());
                    let stored = stored.and_then(version_2);
                    let (stored, big) = stored.ok_or("holds differences of a type that is not known")?;
                    chain.delta = Some(stored);
                    chain.big = big;
                }
                // What they leave out is not to be had back.
                "bitround" if !bytes => {}
                "bytes" | "endian" if !bytes => {
                    bytes = true;
                    chain.big = chain.big || given["endian"] == "big";
                }
                name => {
                    let element = given["elementsize"].as_u64();
                    let packer = Packer::named(name, element, dtype.size()).ok_or_else(|| {
                        format!("is stored with the codec `{name}`, which frazil does not read")
                    })?;
                    bytes = true;
                    chain.packers.insert(0, packer);
                }
            }
        }
        Ok(chain)
    }

    /// The numbers of a chunk of these lengths, in the order of this machine. Blocks.
    ///
    /// # Errors
    /// When they cannot be decoded, or are more or fewer; the text fits after the name of the chunk.
    pub(super) fn decode(&self, stored: Vec<u8>, lengths: &[usize]) -> Result<Vec<u8>, String> {
        let numbers: usize = lengths.iter().product();
        let size = self.delta.unwrap_or(self.dtype).size();
        let expected = numbers * size;
        let mut bytes = stored;
        for packer in &self.packers {
            bytes = packer.unpack(&bytes, expected + expected / 8 + SLACK)?;
        }
        if bytes.len() != expected {
            return Err(format!("it holds {} bytes, not {expected}", bytes.len()));
        }
        if self.big != cfg!(target_endian = "big") {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if let Some(stored) = self.delta {
            bytes = summed(&bytes, stored, self.dtype).ok_or("its differences cannot be summed")?;
        }
        if let Some(order) = &self.order {
            bytes = turned(&bytes, order, lengths, self.dtype.size());
        }
        Ok(bytes)
    }
}

fn order(order: &Value, rank: usize) -> Option<Vec<usize>> {
    let order: Vec<usize> = match order {
        Value::String(order) if order == "C" => (0..rank).collect(),
        Value::String(order) if order == "F" => (0..rank).rev().collect(),
        order => order.as_array()?.iter().map(|n| n.as_u64()?.try_into().ok()).collect::<Option<_>>()?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    sorted.iter().copied().eq(0..rank).then_some(order)
}

/// Sums of differences, one after the other, as `dtype` counts.
fn summed(bytes: &[u8], stored: DType, dtype: DType) -> Option<Vec<u8>> {
    let differences = Values::from_le_bytes(stored, bytes)?;
    if dtype.is_float() {
        let mut sum = 0.0;
        let sums = (0..differences.len()).map(|at| {
            sum += differences.get(at);
            // As an array of singles sums: each step is rounded.
            #[expect(clippy::cast_possible_truncation, reason = "that is the rounding")]
            if dtype == DType::Float32 {
                sum = f64::from(sum as f32);
            }
            sum
        });
        return Some(sums.flat_map(|sum| dtype.le_bytes(sum)).collect());
    }
    if stored.is_float() {
        return None;
    }
    // Whole numbers wrap in the width of their type.
    let (from, to) = (stored.size(), dtype.size());
    let signed = matches!(stored, DType::Int8 | DType::Int16 | DType::Int32 | DType::Int64);
    let mut sum = 0u64;
    let mut sums = Vec::with_capacity(differences.len() * to);
    for number in bytes.chunks_exact(from) {
        let negative = signed && number[from - 1] & 0x80 != 0;
        let mut wide = [if negative { 0xff } else { 0 }; 8];
        wide[..from].copy_from_slice(number);
        sum = sum.wrapping_add(u64::from_le_bytes(wide));
        sums.extend_from_slice(&sum.to_le_bytes()[..to]);
    }
    Some(sums)
}

/// Numbers that stand in another order of dimensions: `order[k]` is the dimension at place k.
fn turned(bytes: &[u8], order: &[usize], lengths: &[usize], size: usize) -> Vec<u8> {
    // How far apart neighbours along each dimension lie in what is stored.
    let mut strides = vec![0; order.len()];
    let mut stride = 1;
    for &dimension in order.iter().rev() {
        strides[dimension] = stride;
        stride *= lengths[dimension];
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = vec![0; lengths.len()];
    let mut from = 0;
    for _ in 0..bytes.len() / size {
        out.extend_from_slice(&bytes[from * size..(from + 1) * size]);
        for dimension in (0..lengths.len()).rev() {
            at[dimension] += 1;
            from += strides[dimension];
            if at[dimension] < lengths[dimension] {
                break;
            }
            from -= strides[dimension] * lengths[dimension];
            at[dimension] = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chain(codecs: &[(&str, Value)], dtype: DType, rank: usize) -> Result<Chain, String> {
        let codecs: Vec<Codec> = codecs.iter().map(|(name, given)| Codec::new(name, given.clone())).collect();
        Chain::new(&codecs, dtype, rank)
    }

    #[test]
    fn numbers_come_back_from_the_order_in_which_they_are_stored() {
        let chain = chain(
            &[("transpose", json!({ "order": [1, 0] })), ("bytes", json!({ "endian": "big" }))],
            DType::Int16,
            2,
        );
        // Two rows of three: 1 2 3, 4 5 6, stored by columns.
        let stored: Vec<u8> = [1i16, 4, 2, 5, 3, 6].iter().flat_map(|n| n.to_be_bytes()).collect();
        let numbers = chain.unwrap().decode(stored, &[2, 3]).unwrap();
        assert_eq!(Values::from_le_bytes(DType::Int16, &numbers), Some(vec![1i16, 2, 3, 4, 5, 6].into()));
    }

    #[test]
    fn differences_are_summed_in_the_type_of_the_array() {
        let delta = chain(
            &[("delta", json!({ "dtype": "<i4", "astype": "<i2" })), ("zstd", json!({}))],
            DType::Int32,
            1,
        )
        .unwrap();
        let stored: Vec<u8> = [30_000i16, 30_000, -1].iter().flat_map(|n| n.to_le_bytes()).collect();
        let numbers = delta.decode(zstd::encode_all(stored.as_slice(), 1).unwrap(), &[3]).unwrap();
        assert_eq!(
            Values::from_le_bytes(DType::Int32, &numbers),
            Some(vec![30_000i32, 60_000, 59_999].into())
        );
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        let error = chain(&[("bytes", json!({})), ("bz2", json!({}))], DType::Int16, 2).unwrap_err();
        assert!(error.contains("`bz2`"), "{error}");
        assert!(chain(&[("transpose", json!({ "order": [0, 0] }))], DType::Int16, 2).is_err());
        let plain = chain(&[("bytes", json!({}))], DType::Int16, 1).unwrap();
        assert!(plain.decode(vec![0; 5], &[3]).unwrap_err().contains("5 bytes, not 6"));
    }
}
