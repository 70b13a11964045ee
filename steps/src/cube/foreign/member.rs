//! The metadata of an array, in either version of Zarr.

use frazil_engine::data::DType;
use serde_json::{Map, Value, json};

use super::chain::{Chain, Codec, version_2};

/// Dimensions of an array at most: more is no data of this field.
const RANK: usize = 16;

/// Letters of a text at most: longer ones are no labels.
const LETTERS: u64 = 4_096;

/// An array of a store that was made elsewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    /// Its name in its group.
    pub(crate) name: String,
    /// Names and lengths of its dimensions, slowest first.
    pub(crate) dims: Vec<(String, u64)>,
    /// Its number type; none for text and whatever else.
    pub(crate) dtype: Option<DType>,
    /// Letters of its texts, where it holds texts of one length.
    pub(super) letters: Option<u64>,
    /// Its attributes; where version 2 names a fill value, that is its `_FillValue`, as readers take it.
    pub(crate) attributes: Map<String, Value>,
    /// How it is stored, or why that is not known.
    pub(super) stored: Result<Stored, String>,
}

/// How an array is stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stored {
    /// Lengths of an object: of a shard where there are shards.
    pub(super) unit: Vec<usize>,
    /// Lengths of a chunk.
    pub(super) chunk: Vec<usize>,
    /// How a chunk is stored.
    pub(super) chain: Chain,
    /// Chunks lie in shards, with an index each.
    pub(super) index: Option<Index>,
    /// Little-endian bytes of the number that stands where no chunk is; none where nothing says it.
    pub(super) fill: Option<Vec<u8>>,
    /// The last dimension is that of the letters of texts, which keys do not know.
    letters: bool,
    /// In front of the numbers of a chunk in its key.
    prefix: &'static str,
    /// Between them.
    separator: char,
}

/// The index of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Index {
    /// It stands behind the chunks, not before them.
    pub(super) at_end: bool,
    /// It has a checksum.
    pub(super) checked: bool,
}

impl Member {
    /// An array of version 3, from its `zarr.json`.
    ///
    /// # Errors
    /// When it is no array; the text fits after its name.
    pub(super) fn version_3(name: &str, document: &Value) -> Result<Self, String> {
        let shape = lengths(&document["shape"]).ok_or("says no shape")?;
        let names = document["dimension_names"].as_array();
        let dims = named(&shape, |at| names.and_then(|names| names.get(at)?.as_str()));
        let kind = document["data_type"].as_str().unwrap_or_default();
        let dtype = DType::ALL.iter().copied().find(|dtype| dtype.name() == kind);
        let mut attributes = document["attributes"].as_object().cloned().unwrap_or_default();
        if let Some(fill) = attributes.get("_FillValue").and_then(|fill| packed_fill(fill, dtype)) {
            attributes.insert("_FillValue".to_owned(), fill);
        }
        let given = &document["data_type"];
        let bytes = given["configuration"]["length_bytes"].as_u64();
        let text = match given["name"].as_str() {
            Some("fixed_length_utf32") => bytes.map(|bytes| (DType::UInt32, bytes / 4)),
            Some("null_terminated_bytes") => bytes.map(|bytes| (DType::UInt8, bytes)),
            _ => None,
        };
        let stored = match (dtype, text) {
            (Some(dtype), _) => Stored::version_3(document, dtype, shape.len()),
            (None, Some((dtype, letters))) => {
                let mut document = document.clone();
                lengthen(&mut document["chunk_grid"]["configuration"]["chunk_shape"], letters);
                document["fill_value"] = json!(0);
                Stored::version_3(&document, dtype, shape.len() + 1).map(Stored::of_letters)
            }
            (None, None) => Err(format!("holds {given}, which are no numbers that frazil reads")),
        };
        let letters = text.map(|(_, letters)| letters);
        Ok(Self { name: name.to_owned(), dims, dtype, letters, attributes, stored })
    }

    /// An array of version 2, from its `.zarray` and `.zattrs`.
    ///
    /// # Errors
    /// When it is no array; the text fits after its name.
    pub(super) fn version_2(name: &str, document: &Value, attributes: &Value) -> Result<Self, String> {
        let shape = lengths(&document["shape"]).ok_or("says no shape")?;
        let mut attributes = attributes.as_object().cloned().unwrap_or_default();
        let names = attributes.get("_ARRAY_DIMENSIONS").and_then(Value::as_array);
        let dims = named(&shape, |at| names.and_then(|names| names.get(at)?.as_str()));
        let kind = document["dtype"].as_str().unwrap_or_default();
        let dtype = version_2(kind);
        if !document["fill_value"].is_null() {
            attributes.insert("_FillValue".to_owned(), document["fill_value"].clone());
        }
        let text = text(kind);
        let stored = match (dtype, text) {
            (Some((dtype, big)), _) => Stored::version_2(document, dtype, big, shape.len()),
            (None, Some((dtype, big, letters))) => {
                let mut document = document.clone();
                lengthen(&mut document["chunks"], letters);
                document["fill_value"] = json!(0);
                Stored::version_2(&document, dtype, big, shape.len() + 1).map(Stored::of_letters)
            }
            (None, None) => {
                Err(format!("holds `{}`, which are no numbers that frazil reads", document["dtype"]))
            }
        };
        let (dtype, letters) = (dtype.map(|(dtype, _)| dtype), text.map(|(.., letters)| letters));
        Ok(Self { name: name.to_owned(), dims, dtype, letters, attributes, stored })
    }

    /// Lengths of its dimensions.
    pub(crate) fn shape(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.dims.iter().map(|(_, length)| *length)
    }

    /// The same array by its letters, as numbers along one dimension more.
    pub(super) fn lettered(&self) -> Option<Self> {
        let (letters, stored) = (self.letters?, self.stored.as_ref().ok()?);
        let dtype = if stored.fill.as_ref().is_some_and(|fill| fill.len() == 1) {
            DType::UInt8
        } else {
            DType::UInt32
        };
        let mut dims = self.dims.clone();
        dims.push((String::new(), letters));
        Some(Self { dims, dtype: Some(dtype), ..self.clone() })
    }

    /// Lengths of the chunks in which it is decoded; none where that is not known.
    pub(crate) fn chunk(&self) -> Option<&[usize]> {
        self.stored.as_ref().ok().map(|stored| stored.chunk.as_slice())
    }
}

impl Stored {
    fn version_3(document: &Value, dtype: DType, rank: usize) -> Result<Self, String> {
        let grid = &document["chunk_grid"];
        if grid["name"] != "regular" {
            return Err(format!("has the chunk grid {}, which frazil does not read", grid["name"]));
        }
        let unit = chunk(&grid["configuration"]["chunk_shape"], rank)?;
        let listed = codecs(&document["codecs"]);
        let (chunk, chain, index) = match listed.as_slice() {
            [shards] if shards.name == "sharding_indexed" => {
                let given = &shards.configuration;
                let inner = chunk(&given["chunk_shape"], rank)?;
                if unit.iter().zip(&inner).any(|(unit, inner)| unit % inner != 0) {
                    return Err("has shards that are no whole number of chunks".to_owned());
                }
                let index = Index::new(given)?;
                (inner, Chain::new(&codecs(&given["codecs"]), dtype, rank)?, Some(index))
            }
            listed => (unit.clone(), Chain::new(listed, dtype, rank)?, None),
        };
        let keys = &document["chunk_key_encoding"];
        let (prefix, default) = match keys["name"].as_str() {
            Some("v2") => ("", '.'),
            _ => ("c", '/'),
        };
        let separator = separator(&keys["configuration"]["separator"], default);
        let fill = fill(&document["fill_value"], dtype);
        Ok(Self { unit, chunk, chain, index, fill, letters: false, prefix, separator })
    }

    fn version_2(document: &Value, dtype: DType, big: bool, rank: usize) -> Result<Self, String> {
        let unit = chunk(&document["chunks"], rank)?;
        let all = |value: &Value| -> Vec<Codec> {
            let listed = value.as_array().into_iter().flatten();
            listed.map(|codec| Codec::new(codec["id"].as_str().unwrap_or_default(), codec.clone())).collect()
        };
        let filters = all(&document["filters"]);
        // The filters over numbers come first, those over bytes behind the order of the bytes.
        let (numbers, bytes): (Vec<_>, Vec<_>) =
            filters.into_iter().partition(|codec| matches!(codec.name.as_str(), "delta" | "bitround"));
        let mut listed = numbers;
        let delta = listed.iter().any(|codec| codec.name == "delta");
        if document["order"] == "F" {
            listed.push(Codec::new("transpose", json!({ "order": "F" })));
        }
        let endian = if big && !delta { "big" } else { "little" };
        listed.push(Codec::new("bytes", json!({ "endian": endian })));
        listed.extend(bytes);
        if !document["compressor"].is_null() {
            listed.extend(all(&json!([document["compressor"]])));
        }
        let chain = Chain::new(&listed, dtype, rank)?;
        let separator = separator(&document["dimension_separator"], '.');
        let fill = fill(&document["fill_value"], dtype);
        Ok(Self {
            chunk: unit.clone(),
            unit,
            chain,
            index: None,
            fill,
            letters: false,
            prefix: "",
            separator,
        })
    }

    fn of_letters(self) -> Self {
        Self { letters: true, ..self }
    }

    /// The place of an object as the store knows it.
    pub(super) fn place<'a>(&self, at: &'a [usize]) -> &'a [usize] {
        match at {
            [known @ .., _] if self.letters => known,
            at => at,
        }
    }

    /// The key of an object behind the name of its array.
    pub(super) fn key(&self, at: &[usize]) -> String {
        let mut parts: Vec<String> = self.place(at).iter().map(usize::to_string).collect();
        if !self.prefix.is_empty() {
            parts.insert(0, self.prefix.to_owned());
        } else if parts.is_empty() {
            parts.push("0".to_owned());
        }
        parts.join(&self.separator.to_string())
    }
}

impl Index {
    fn new(sharding: &Value) -> Result<Self, String> {
        let listed = codecs(&sharding["index_codecs"]);
        let little = |codec: &Codec| codec.name == "bytes" && codec.configuration["endian"] != "big";
        let checked = match listed.as_slice() {
            [bytes] if little(bytes) => false,
            [bytes, sum] if little(bytes) && sum.name == "crc32c" => true,
            _ => return Err("has indexes of shards in codecs that frazil does not read".to_owned()),
        };
        Ok(Self { at_end: sharding["index_location"] != "start", checked })
    }
}

fn codecs(value: &Value) -> Vec<Codec> {
    let listed = value.as_array().into_iter().flatten();
    listed
        .map(|codec| match codec.as_str() {
            Some(name) => Codec::new(name, Value::Null),
            None => Codec::new(codec["name"].as_str().unwrap_or_default(), codec["configuration"].clone()),
        })
        .collect()
}

/// Texts of one length by their type in version 2, such as `<U4`: of what kind of letters, whether their highest
/// byte comes first, and how many.
fn text(kind: &str) -> Option<(DType, bool, u64)> {
    let (order, kind) = kind.split_at_checked(1)?;
    let (letter, count) = kind.split_at_checked(1)?;
    let count = count.parse().ok().filter(|count| (1..=LETTERS).contains(count))?;
    match letter {
        "U" => Some((DType::UInt32, order == ">", count)),
        "S" => Some((DType::UInt8, false, count)),
        _ => None,
    }
}

/// Adds the dimension of the letters.
fn lengthen(lengths: &mut Value, letters: u64) {
    if let Some(lengths) = lengths.as_array_mut() {
        lengths.push(json!(letters));
    }
}

fn separator(value: &Value, default: char) -> char {
    value.as_str().and_then(|text| text.chars().next()).unwrap_or(default)
}

fn lengths(value: &Value) -> Option<Vec<u64>> {
    let lengths: Vec<u64> = value.as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?;
    (lengths.len() <= RANK).then_some(lengths)
}

/// Lengths of a chunk, whose numbers can be counted.
fn chunk(value: &Value, rank: usize) -> Result<Vec<usize>, String> {
    let found = lengths(value).filter(|lengths| lengths.len() == rank && !lengths.contains(&0));
    let found: Option<Vec<usize>> = found.into_iter().flatten().map(|n| usize::try_from(n).ok()).collect();
    let found = found.filter(|found| found.len() == rank);
    let counted = |lengths: &Vec<usize>| {
        lengths.iter().try_fold(1usize, |all, n| all.checked_mul(*n)).is_some_and(|all| all < 1 << 40)
    };
    found.filter(counted).ok_or_else(|| format!("has the chunks {value}, which are none"))
}

fn named<'a>(shape: &[u64], name: impl Fn(usize) -> Option<&'a str>) -> Vec<(String, u64)> {
    let one =
        |(at, length): (usize, &u64)| (name(at).map_or_else(|| format!("dim_{at}"), str::to_owned), *length);
    shape.iter().enumerate().map(one).collect()
}

/// What stands where no chunk is.
fn fill(value: &Value, dtype: DType) -> Option<Vec<u8>> {
    let bits = |text: &str| {
        let bits = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
        (text.len() == 2 + 2 * dtype.size()).then(|| bits.to_le_bytes()[..dtype.size()].to_vec())
    };
    match value {
        Value::Bool(on) => Some(dtype.le_bytes(f64::from(u8::from(*on)))),
        // Whole numbers beyond what a double holds.
        Value::Number(n) if !dtype.is_float() && n.as_i64().is_some_and(|n| n.unsigned_abs() > 1 << 53) => {
            n.as_i64().map(|n| n.to_le_bytes()[..dtype.size()].to_vec())
        }
        Value::Number(n) if !dtype.is_float() && n.as_u64().is_some_and(|n| n > 1 << 53) => {
            n.as_u64().map(|n| n.to_le_bytes()[..dtype.size()].to_vec())
        }
        Value::Number(n) => n.as_f64().map(|n| dtype.le_bytes(n)),
        Value::String(text) => bits(text).or_else(|| not_finite(text).map(|n| dtype.le_bytes(n))),
        _ => None,
    }
}

/// A number that JSON has no word for.
pub(super) fn not_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// `_FillValue` as xarray writes it for floats of version 3: the eight bytes of a double in Base64.
pub(in crate::cube) fn packed_fill(value: &Value, dtype: Option<DType>) -> Option<Value> {
    let text = value.as_str().filter(|_| dtype.is_some_and(DType::is_float))?;
    if not_finite(text).is_some() {
        return None;
    }
    let number = f64::from_le_bytes(base64(text)?.try_into().ok()?);
    Some(serde_json::Number::from_f64(number).map_or_else(|| json!(number.to_string()), Value::Number))
}

/// Base64 (RFC 4648, section 4), undone.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
