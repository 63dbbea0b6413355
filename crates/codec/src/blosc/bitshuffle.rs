//! Bit shuffle inside Blosc: first bits of all elements, then their second bits, and so on.

/// Puts the bits of each element together again; both slices have the same length.
///
/// Blosc shuffles a block only if it has a multiple of 8 elements; bytes that make no whole
/// element stay at the end.
pub(super) fn unshuffle(element_size: usize, shuffled: &[u8], out: &mut [u8]) {
    let count = shuffled.len() / element_size;
    if !count.is_multiple_of(8) {
        out.copy_from_slice(shuffled);
        return;
    }
    let row_bytes = count / 8;
    let (bits, tail) = shuffled.split_at(count * element_size);
    let (elements, rest) = out.split_at_mut(count * element_size);
    for byte in 0..element_size {
        for group in 0..row_bytes {
            // Eight rows of bits, eight elements: transpose 8 by 8.
            let mut rows = [0; 8];
            for (bit, row) in rows.iter_mut().enumerate() {
                *row = bits[(byte * 8 + bit) * row_bytes + group];
            }
            let columns = transpose(u64::from_le_bytes(rows)).to_le_bytes();
            for (index, column) in columns.into_iter().enumerate() {
                elements[(group * 8 + index) * element_size + byte] = column;
            }
        }
    }
    rest.copy_from_slice(tail);
}

/// Transposes an 8 by 8 matrix of bits: bit `c` of byte `r` becomes bit `r` of byte `c`.
fn transpose(matrix: u64) -> u64 {
    let swap = |matrix: u64, mask: u64, shift: u32| {
        let changed = (matrix ^ (matrix >> shift)) & mask;
        matrix ^ changed ^ (changed << shift)
    };
    let matrix = swap(matrix, 0x00aa_00aa_00aa_00aa, 7);
    let matrix = swap(matrix, 0x0000_cccc_0000_cccc, 14);
    swap(matrix, 0x0000_0000_f0f0_f0f0, 28)
}

#[cfg(test)]
mod tests {
    use super::transpose;

    #[test]
    fn transposes_every_bit() {
        for row in 0..8 {
            for column in 0..8 {
                let matrix = 1u64 << (row * 8 + column);
                assert_eq!(transpose(matrix), 1 << (column * 8 + row));
            }
        }
    }
}
