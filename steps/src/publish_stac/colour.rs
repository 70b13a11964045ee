//! Colour maps by name: anchors with straight lines between them.

/// A colour: red, green, blue.
pub(super) type Rgb = [u8; 3];

/// Maps by name, five anchors each, from the lowest value to the highest.
const MAPS: &[(&str, [u32; 5])] = &[
    ("viridis", [0x44_01_54, 0x3b_52_8b, 0x21_91_8c, 0x5e_c9_62, 0xfd_e7_25]),
    ("magma", [0x00_00_04, 0x51_12_7c, 0xb7_37_79, 0xfc_89_61, 0xfc_fd_bf]),
    ("inferno", [0x00_00_04, 0x57_10_6e, 0xbc_37_54, 0xf9_8e_09, 0xfc_ff_a4]),
    ("greys", [0xff_ff_ff, 0xd9_d9_d9, 0x96_96_96, 0x52_52_52, 0x00_00_00]),
    ("blues", [0xf7_fb_ff, 0xc6_db_ef, 0x6b_ae_d6, 0x21_71_b5, 0x08_30_6b]),
    ("greens", [0xf7_fc_f5, 0xc7_e9_c0, 0x74_c4_76, 0x23_8b_45, 0x00_44_1b]),
    ("reds", [0xff_f5_f0, 0xfc_bb_a1, 0xfb_6a_4a, 0xcb_18_1d, 0x67_00_0d]),
    ("oranges", [0xff_f5_eb, 0xfd_d0_a2, 0xfd_8d_3c, 0xd9_48_01, 0x7f_27_04]),
    ("purples", [0xfc_fb_fd, 0xda_da_eb, 0x9e_9a_c8, 0x6a_51_a3, 0x3f_00_7d]),
    ("ylorrd", [0xff_ff_cc, 0xfe_d9_76, 0xfd_8d_3c, 0xe3_1a_1c, 0x80_00_26]),
    ("ylgnbu", [0xff_ff_d9, 0xc7_e9_b4, 0x41_b6_c4, 0x22_5e_a8, 0x08_1d_58]),
    ("rdbu", [0x67_00_1f, 0xf4_a5_82, 0xf7_f7_f7, 0x92_c5_de, 0x05_30_61]),
    ("brbg", [0x54_30_05, 0xdf_c2_7d, 0xf5_f5_f5, 0x80_cd_c1, 0x00_3c_30]),
];

/// A colour map: colours for numbers from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColourMap([u32; 5]);

impl ColourMap {
    /// The map of this name, in any case; `_r` at its end turns it round.
    pub(super) fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let (plain, is_turned) = name.strip_suffix("_r").map_or((name.as_str(), false), |n| (n, true));
        let (_, mut anchors) = *MAPS.iter().find(|(n, _)| *n == plain)?;
        if is_turned {
            anchors.reverse();
        }
        Some(Self(anchors))
    }

    /// The map where none is named.
    pub(super) fn usual() -> Self {
        Self(MAPS[0].1)
    }

    /// The colour at `part` of the way, from 0 to 1; what lies beyond has the colour of the end.
    pub(super) fn at(self, part: f64) -> Rgb {
        let place = part.clamp(0.0, 1.0) * 4.0;
        let (before, between) = (place.floor().min(3.0), place - place.floor().min(3.0));
        let at = before as usize;
        let (low, high) = (rgb(self.0[at]), rgb(self.0[at + 1]));
        std::array::from_fn(|i| {
            let (low, high) = (f64::from(low[i]), f64::from(high[i]));
            (low + between * (high - low)).round() as u8
        })
    }
}

/// `#0a1b2c` as a colour.
pub(super) fn hex(text: &str) -> Option<Rgb> {
    let digits = text.strip_prefix('#').filter(|d| d.len() == 6)?;
    u32::from_str_radix(digits, 16).ok().map(rgb)
}

const fn rgb(colour: u32) -> Rgb {
    let [_, red, green, blue] = colour.to_be_bytes();
    [red, green, blue]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_anchors_are_exact_and_the_rest_lies_between() {
        let greys = ColourMap::named("Greys").unwrap();
        assert_eq!((greys.at(-1.0), greys.at(1.0), greys.at(9.0)), ([255; 3], [0; 3], [0; 3]));
        assert_eq!((greys.at(0.25), greys.at(0.125)), ([0xd9; 3], [0xec; 3]));
        assert_eq!(ColourMap::named("greys_r").unwrap().at(0.0), [0; 3]);
        assert_eq!(ColourMap::named("jetset"), None);
        assert_eq!((hex("#0000fF"), hex("blue"), hex("#12345")), (Some([0, 0, 255]), None, None));
    }
}
