//! Shuffle: first bytes of all elements, then their second bytes, and so on.

use wide::u8x16;

/// Puts the bytes of each element together again; both slices have the same length. Bytes that
/// make no whole element stay at the end.
pub fn unshuffle(element_size: usize, shuffled: &[u8], out: &mut [u8]) {
    match element_size {
        0 | 1 => out.copy_from_slice(shuffled),
        2 => unshuffle_fixed::<2>(shuffled, out),
        4 => unshuffle_four(shuffled, out),
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

/// Elements of four bytes, sixteen at once: what sparse matrices are made of. The compiler alone
/// makes vectors of four elements, at less than half the speed.
fn unshuffle_four(shuffled: &[u8], out: &mut [u8]) {
    let count = shuffled.len() / 4;
    let vectors = count / 16;
    let planes: [&[[u8; 16]]; 4] =
        std::array::from_fn(|n| shuffled[n * count..(n + 1) * count].as_chunks().0);
    let (elements, rest) = out.split_at_mut(vectors * 64);
    let (places, _) = elements.as_chunks_mut::<64>();
    for (index, place) in places.iter_mut().enumerate() {
        let [a, b, c, d] = planes.map(|plane| u8x16::new(plane[index]));
        let (low, high) = (u8x16::unpack_low, u8x16::unpack_high);
        let (even, odd) = (low(a, c), low(b, d));
        let (more_even, more_odd) = (high(a, c), high(b, d));
        let parts = [
            low(even, odd),
            high(even, odd),
            low(more_even, more_odd),
            high(more_even, more_odd),
        ];
        let (quarters, _) = place.as_chunks_mut::<16>();
        for (quarter, part) in quarters.iter_mut().zip(parts) {
            *quarter = part.to_array();
        }
    }
    let (elements, rest) = rest.split_at_mut((count - vectors * 16) * 4);
    for (index, element) in elements.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        *element = std::array::from_fn(|n| shuffled[n * count + vectors * 16 + index]);
    }
    rest.copy_from_slice(&shuffled[count * 4..]);
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
        for (size, count) in (1..=17).flat_map(|size| [(size, 11), (size, 16), (size, 77)]) {
            let plain: Vec<u8> = (0..size * count + size / 2).map(|n| n as u8).collect();
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
