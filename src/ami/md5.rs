//! MD5 (RFC 1321), for the answer to AMI's login challenge and for nothing else.
//!
//! Our own because the crates unroll its 64 steps, which took 17 KiB on MIPS where the whole program has 2 MiB; as a
//! loop it is a twentieth of that. Bounds: none needed, it takes what [`LoginKey`](super::action::LoginKey) gives. Not
//! fit for anything that must resist an attacker with time.

/// Bits that each step of a round turns by (RFC 1321, section 3.4).
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The integer part of 2^32 |sin(i)| (ibid.), i from 1 to 64.
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// The digest of the parts, one after the other.
pub fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let mut block = [0_u8; 64];
    let (mut filled, mut length) = (0, 0_u64);
    let bytes = parts.iter().flat_map(|part| part.iter().copied());
    let mut put = |byte: u8| {
        if let Some(place) = block.get_mut(filled) {
            *place = byte;
        }
        filled += 1;
        if filled == block.len() {
            turn(&mut state, &block);
            filled = 0;
        }
        filled
    };
    for byte in bytes {
        put(byte);
        length = length.wrapping_add(8);
    }
    let mut end = put(0x80);
    while end != 56 {
        end = put(0);
    }
    for byte in length.to_le_bytes() {
        put(byte);
    }
    let mut digest = [0; 16];
    for (place, byte) in digest.iter_mut().zip(state.iter().flat_map(|word| word.to_le_bytes())) {
        *place = byte;
    }
    digest
}

/// One block (ibid.): four rounds of sixteen steps.
fn turn(state: &mut [u32; 4], block: &[u8; 64]) {
    let word = |index: usize| -> u32 {
        let bytes = block.chunks_exact(4).nth(index % 16);
        bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
    };
    let [mut a, mut b, mut c, mut d] = *state;
    for (step, sine) in SINES.iter().enumerate() {
        let (mixed, index) = match step / 16 {
            0 => ((b & c) | (!b & d), step),
            1 => ((d & b) | (!d & c), 5 * step + 1),
            2 => (b ^ c ^ d, 3 * step + 5),
            _ => (c ^ (b | !d), 7 * step),
        };
        let turns = TURNS.iter().flat_map(|round| round.iter().cycle().take(16)).nth(step).copied().unwrap_or(0);
        let sum = a.wrapping_add(mixed).wrapping_add(*sine).wrapping_add(word(index));
        (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(turns)));
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::digest;

    fn hex(digest: [u8; 16]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 1321, section A.5.
    #[test]
    fn the_test_suite_of_the_rfc() {
        let digits = "12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        for (text, wanted) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("a", "0cc175b9c0f1b6a831c399e269772661"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
            (digits, "57edf4a22be3c955ac49da2e2107b67a"),
        ] {
            assert_eq!(hex(digest(&[text.as_bytes()])), wanted, "{text}");
        }
    }

    /// Every length around the ends of blocks, in one part and in two, against another implementation.
    #[test]
    fn every_length_as_another_implementation_has_it() {
        let text: Vec<u8> = (0..=255).collect();
        for length in 0..=text.len() {
            let (whole, _) = text.split_at(length);
            let (head, tail) = whole.split_at(length / 3);
            let wanted = md5::compute(whole).0;
            assert_eq!(digest(&[whole]), wanted, "{length} bytes");
            assert_eq!(digest(&[head, tail]), wanted, "{length} bytes in two parts");
        }
    }
}
