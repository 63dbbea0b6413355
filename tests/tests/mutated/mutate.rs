//! Random changes of bytes, the same on every machine.

/// A generator of numbers (splitmix64).
pub(crate) struct Random(u64);

/// What lengths, counts and addresses are replaced by.
const NUMBERS: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    1 << 20,
    (1 << 31) - 1,
    u32::MAX as u64,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];

/// Texts replace as many bytes of a text as they have.
const WORDS: [&str; 8] = [
    "0",
    "-1",
    "999999999999",
    "1e308",
    "null",
    "[[]]",
    "\"|S9999999\"",
    "{}",
];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub(crate) fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// A place among the first `length` bytes: half of them where structure is dense, at the
    /// beginning and at the end.
    fn place(&mut self, length: usize) -> usize {
        match self.below(4) {
            0 => self.below(length.min(16 << 10)),
            1 => length - 1 - self.below(length.min(4 << 10)),
            _ => self.below(length),
        }
    }

    /// Changes some bytes.
    pub(crate) fn change(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..1 + self.below(3) {
            if bytes.is_empty() {
                bytes.push(self.next() as u8);
                return;
            }
            let at = self.place(bytes.len());
            match self.below(10) {
                0..=2 => bytes[at] ^= 1 << self.below(8),
                3 => bytes[at] = self.next() as u8,
                4 | 5 => {
                    let number = self.choose(&NUMBERS).to_le_bytes();
                    let width = *self.choose(&[1, 2, 4, 8]);
                    // Numbers mostly stand at multiples of their widths.
                    let at = at - at % width;
                    overwrite(bytes, at, &number[..width]);
                }
                6 => bytes[at] = *self.choose(b"0123456789-,[]{}\"eN"),
                7 => overwrite(bytes, at, self.choose(&WORDS).as_bytes()),
                8 => {
                    // From elsewhere, as if pages had been written to the wrong place.
                    let from = self.place(bytes.len());
                    let length = 1 + self.below(512);
                    let part = bytes[from..bytes.len().min(from + length)].to_vec();
                    overwrite(bytes, at, &part);
                }
                _ => match self.below(3) {
                    0 => bytes.truncate(at),
                    1 => drop(bytes.drain(at..(at + 1 + self.below(64)).min(bytes.len()))),
                    _ => {
                        let end = (at + 1 + self.below(256)).min(bytes.len());
                        bytes[at..end].fill(0);
                    }
                },
            }
        }
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (byte, new) in bytes.iter_mut().skip(at).zip(with) {
        *byte = *new;
    }
}
