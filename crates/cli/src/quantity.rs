//! Numbers as people read them.

/// Bytes in decimal units, with three digits: `1.23 MB`.
pub(crate) fn bytes(bytes: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes.max(0.0);
    let mut unit = units[0];
    for larger in &units[1..] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    match value {
        _ if unit == "B" => format!("{value:.0} B"),
        _ if value < 9.995 => format!("{value:.2} {unit}"),
        _ if value < 99.95 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// A number of bytes as people write it: `800MB`, `2 GiB`, or just digits.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a number of bytes; write it like 800MB or 2GiB");
    let digits = |c: char| c.is_ascii_digit() || c == '.';
    let unit = text.trim_start_matches(digits);
    let number: f64 = text[..text.len() - unit.len()]
        .parse()
        .map_err(|_| wrong())?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024f64.powi(2),
        "gib" => 1024f64.powi(3),
        "tib" => 1024f64.powi(4),
        _ => return Err(wrong()),
    };
    let bytes = number * factor;
    match bytes >= 1.0 && bytes < u64::MAX as f64 {
        true => Ok(bytes as u64),
        false => Err(wrong()),
    }
}

/// A count with its digits in groups of three: `1,234,567`.
pub(crate) fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count that is not whole.
pub(crate) fn rounded(value: f64) -> String {
    count(value.max(0.0).round() as u64)
}

/// Extents: `700 × 765`.
pub(crate) fn shape(shape: &[u64]) -> String {
    let extents: Vec<String> = shape.iter().map(u64::to_string).collect();
    extents.join(" × ")
}

/// A noun in the number of its count: `1 gene`, `2 genes`.
pub(crate) fn nouns(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(999.0), "999 B");
        assert_eq!(bytes(1500.0), "1.50 kB");
        assert_eq!(bytes(999_600.0), "1.00 MB");
        assert_eq!(bytes(12_345_678.0), "12.3 MB");
        assert_eq!(count(0), "0");
        assert_eq!(count(123), "123");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(rounded(f64::NAN), "0");
    }

    #[test]
    fn bytes_are_read_as_people_write_them() {
        let cases = [
            ("1", 1),
            ("512B", 512),
            ("800MB", 800_000_000),
            ("2GiB", 2 << 30),
            ("2 gib", 2 << 30),
            ("1.5KiB", 1536),
            ("1TB", 1_000_000_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_bytes(text), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "MB",
            "-1",
            "0",
            "1 XB",
            "1e3",
            "1..2",
            "99999999999TiB",
            "1g",
        ] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
