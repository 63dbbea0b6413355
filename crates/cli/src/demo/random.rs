//! Random numbers for the simulation.

/// SplitMix64: small, and the same numbers on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 1.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Counts of events that happen `mean` times on average.
    pub(super) fn poisson(&mut self, mean: f64) -> f32 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as f32;
        }
        let end = (-mean).exp();
        let mut product = self.uniform();
        let mut count = 0.0;
        while product > end {
            product *= self.uniform();
            count += 1.0;
        }
        count
    }

    pub(super) fn barcode(&mut self) -> String {
        let mut bits = self.next();
        let mut barcode = String::with_capacity(18);
        for _ in 0..16 {
            barcode.push(match bits & 3 {
                0 => 'A',
                1 => 'C',
                2 => 'G',
                _ => 'T',
            });
            bits >>= 2;
        }
        barcode.push_str("-1");
        barcode
    }
}
