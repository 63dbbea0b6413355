//! Shuffle: first bytes of all elements, then their second bytes, and so on.

/// Puts the bytes of each element together again; both slices have the same length. Bytes that
/// make no whole element stay at the end.
pub fn unshuffle(element_size: usize, shuffled: &[u8], out: &mut [u8]) {
    match element_size {
        0 | 1 => out.copy_from_slice(shuffled),
        2 => unshuffle_fixed::<2>(shuffled, out),
        4 => unshuffle_fixed::<4>(shuffled, out),
        8 => unshuffle_fixed::<8>(shuffled, out),
        size => {
            let count = shuffled.len() / size;
            for (index, element) in out.chunks_exact_mut(size).enumerate() {
                for (plane, byte) in element.iter_mut().enumerate() {
                    *byte = shuffled[plane * count + index];
                }
            }
            out[count * size..].copy_from_slice(&shuffled[count * size..]);
        }
    }
}

/// The common sizes, with planes of known number so that the compiler makes vectors of them.
fn unshuffle_fixed<const N: usize>(shuffled: &[u8], out: &mut [u8]) {
    let count = shuffled.len() / N;
    let planes: [&[u8]; N] = std::array::from_fn(|n| &shuffled[n * count..(n + 1) * count]);
    let (elements, rest) = out.as_chunks_mut::<N>();
    for (index, element) in elements.iter_mut().enumerate() {
        *element = std::array::from_fn(|n| planes[n][index]);
    }
    rest.copy_from_slice(&shuffled[count * N..]);
}

#[cfg(test)]
mod tests {
    use super::unshuffle;

    #[test]
    fn undoes_shuffle_for_every_size() {
        for size in 1..=17 {
            let plain: Vec<u8> = (0..size * 11 + size / 2).map(|n| n as u8).collect();
            let count = plain.len() / size;
            let mut shuffled = plain.clone();
            for (n, byte) in plain[..count * size].iter().enumerate() {
                shuffled[(n % size) * count + n / size] = *byte;
            }
            let mut out = vec![0; plain.len()];
            unshuffle(size, &shuffled, &mut out);
            assert_eq!(out, plain, "elements of {size} bytes");
        }
    }
}
