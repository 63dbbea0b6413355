//! What texts stand for, by the rules of `pandas.read_csv`.

use std::str::FromStr;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Booleans, none of which is missing.
    Boolean,
    /// Booleans, some of which are missing.
    Flags,
    Integer,
    Unsigned,
    /// Numbers, of which some may be missing.
    Float,
    Text,
}

/// Which types fit all values that were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds {
    fits: u8,
    has_values: bool,
    has_missing: bool,
}

const BOOLEAN: u8 = 1;
const INTEGER: u8 = 2;
const UNSIGNED: u8 = 4;
const FLOAT: u8 = 8;

impl Kinds {
    /// Nothing was seen.
    pub(super) const NONE: Self = Self {
        fits: BOOLEAN | INTEGER | UNSIGNED | FLOAT,
        has_values: false,
        has_missing: false,
    };

    pub(super) fn booleans(has_values: bool, has_missing: bool) -> Self {
        Self::seen(BOOLEAN, has_values, has_missing)
    }

    pub(super) fn integers(any_negative: bool) -> Self {
        let unsigned = if any_negative { 0 } else { UNSIGNED };
        Self::seen(INTEGER | unsigned | FLOAT, true, false)
    }

    pub(super) fn unsigned(any_large: bool) -> Self {
        let signed = if any_large { 0 } else { INTEGER };
        Self::seen(UNSIGNED | signed | FLOAT, true, false)
    }

    pub(super) fn floats(has_values: bool, has_missing: bool) -> Self {
        Self::seen(FLOAT, has_values, has_missing)
    }

    fn seen(fits: u8, has_values: bool, has_missing: bool) -> Self {
        Self {
            fits: if has_values { fits } else { Self::NONE.fits },
            has_values,
            has_missing,
        }
    }

    /// What was seen of texts.
    pub(super) fn of<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut kinds = Self::NONE;
        for text in texts {
            kinds = kinds.and(Self::of_one(text));
            if kinds.fits == 0 {
                // Nothing that comes can change what this is.
                break;
            }
        }
        kinds
    }

    fn of_one(text: &[u8]) -> Self {
        if let Some(value) = integer(text) {
            return Self::integers(value < 0);
        }
        if is_missing(text) {
            return Self::seen(0, false, true);
        }
        if unsigned(text).is_some() {
            return Self::unsigned(true);
        }
        if float(text).is_some() {
            return Self::floats(true, false);
        }
        Self::seen(
            if boolean(text).is_some() { BOOLEAN } else { 0 },
            true,
            false,
        )
    }

    /// What was seen in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            fits: self.fits & other.fits,
            has_values: self.has_values | other.has_values,
            has_missing: self.has_missing | other.has_missing,
        }
    }

    /// The type of a column of which this was seen.
    pub(super) fn kind(self) -> Kind {
        let has = |kind| self.fits & kind != 0;
        match self.has_missing {
            _ if !self.has_values => Kind::Float,
            true if has(BOOLEAN) => Kind::Flags,
            false if has(BOOLEAN) => Kind::Boolean,
            false if has(INTEGER) => Kind::Integer,
            false if has(UNSIGNED) => Kind::Unsigned,
            _ if has(FLOAT) => Kind::Float,
            _ => Kind::Text,
        }
    }
}

impl Kind {
    /// The type of columns of both, one below the other; `None` if pandas would make objects of
    /// different types.
    pub(super) fn with(self, other: Self) -> Option<Self> {
        use Kind::{Boolean, Flags, Float, Integer, Unsigned};
        match (self, other) {
            _ if self == other => Some(self),
            (Boolean | Flags, Boolean | Flags) => Some(Flags),
            (Integer | Unsigned | Float, Integer | Unsigned | Float) => Some(Float),
            _ => None,
        }
    }
}

pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"True" | b"TRUE" | b"true" => Some(true),
        b"False" | b"FALSE" | b"false" => Some(false),
        _ => None,
    }
}

pub(super) fn integer(text: &[u8]) -> Option<i64> {
    // So many digits can't overflow, and nearly all integers have no more.
    const DIGITS: usize = 18;
    let (is_negative, digits) = signed(text);
    if digits.is_empty() || digits.len() > DIGITS {
        return parsed(text);
    }
    let mut value = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return parsed(text);
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if is_negative { -value } else { value })
}

pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    parsed(text)
}

/// A number. Not a number is a missing one, of which there are only those that pandas knows.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let number = short_decimal(text).or_else(|| parsed::<f64>(text));
    number.filter(|number| !number.is_nan())
}

/// A number without an exponent whose digits are few enough that dividing them by a power of ten,
/// both of which float64 holds exactly, rounds once and therefore as it must.
fn short_decimal(text: &[u8]) -> Option<f64> {
    const POWERS: [f64; 16] = [
        1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ];
    let (is_negative, digits) = signed(text);
    // One of them is the point, if any, so that all others are below 2^53.
    if digits.len() > POWERS.len() {
        return None;
    }
    let (mut value, mut point) = (0, None);
    for (at, byte) in digits.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            value = value * 10 + u64::from(digit);
        } else if *byte == b'.' && point.is_none() {
            point = Some(at);
        } else {
            return None;
        }
    }
    let decimals = digits.len() - point.map_or(digits.len(), |point| point + 1);
    if digits.len() == usize::from(point.is_some()) {
        return None;
    }
    let value = value as f64 / POWERS.get(decimals)?;
    // Not chosen by a branch: which numbers are negative can't be foreseen.
    Some(f64::from_bits(
        value.to_bits() | u64::from(is_negative) << 63,
    ))
}

/// Whether there is a minus, and what follows a sign.
fn signed(text: &[u8]) -> (bool, &[u8]) {
    let sign = text.first().copied().unwrap_or_default();
    let is_negative = sign == b'-';
    let length = usize::from(is_negative | (sign == b'+'));
    (is_negative, &text[length..])
}

/// Any number, between blanks if need be.
#[cold]
fn parsed<T: FromStr>(text: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(text).ok()?;
    text.trim_matches(' ').parse().ok()
}

/// Whether pandas takes a text for a missing value.
pub(super) fn is_missing(text: &[u8]) -> bool {
    matches!(
        text,
        b"" | b"-1.#IND"
            | b"1.#QNAN"
            | b"1.#IND"
            | b"-1.#QNAN"
            | b"#N/A N/A"
            | b"#N/A"
            | b"N/A"
            | b"n/a"
            | b"NA"
            | b"<NA>"
            | b"#NA"
            | b"NULL"
            | b"null"
            | b"NaN"
            | b"-NaN"
            | b"nan"
            | b"-nan"
            | b"None"
    )
}
