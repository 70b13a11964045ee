use std::fmt;

use opentelemetry::trace::{SpanId, TraceId};
use rand::Rng as _;

/// What the header `traceparent` of W3C Trace Context says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    /// Whether anybody keeps it.
    pub(crate) is_sampled: bool,
}

impl Parent {
    /// Reads the header; none where it is not one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let fits = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
        // A later version may say more; the first never does.
        if !fits || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let is_sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        (trace != TraceId::INVALID && span != SpanId::INVALID).then_some(Self { trace, span, is_sampled })
    }

    /// A new span, in the trace of another or in a new one.
    pub(crate) fn under(other: Option<Self>) -> Self {
        let mut random = rand::rng();
        let trace = other.map_or_else(|| TraceId::from_bytes(random.random()), |other| other.trace);
        Self { trace, span: SpanId::from_bytes(random.random()), is_sampled: true }
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_read_as_the_standard_says() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = Parent::read(text).unwrap();
        assert_eq!((read.to_string().as_str(), read.is_sampled), (text, true));
        assert!(!Parent::read(&text.replace("-01", "-00")).unwrap().is_sampled);
        assert!(Parent::read(&format!("{}-more", text.replacen("00", "01", 1))).is_some(), "a later version");
        for bad in [
            "",
            "00",
            &text[..54],
            &text.to_uppercase(),
            &format!("{text}-more"),
            &text.replacen("00", "ff", 1),
            &text.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &text.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &text.replace('4', "g"),
        ] {
            assert_eq!(Parent::read(bad), None, "{bad}");
        }
        let under = Parent::under(Some(read));
        assert_eq!(under.trace, read.trace);
        assert_ne!(under.span, read.span);
    }
}
