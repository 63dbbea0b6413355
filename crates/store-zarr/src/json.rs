//! Metadata documents and attributes.

use std::collections::BTreeMap;

use anndex_store::{Attribute, Attributes};
use anndex_store::{Error, Limits, Remaining, Result};
use serde_json::{Map, Number, Value};

/// Marks the text of a number that JSON has no words for, where Python has written it bare.
const BARE: &str = "\0";

/// How many values an object is counted as, for the index of its names.
const OF_OBJECT: u64 = 16;

/// Parses a document. Python writes `NaN`, `Infinity` and `-Infinity` bare; they are understood.
///
/// # Errors
/// `Corrupt`, naming the file, if this is not a JSON object, or one of more values than `limits` allow.
pub(crate) fn parse(file: &str, text: &[u8], limits: &Limits) -> Result<Map<String, Value>> {
    spend_values(text, &mut limits.values()).map_err(|e| e.with("file", file))?;
    let parsed = serde_json::from_slice(text).or_else(|e| match quote_bare_numbers(text) {
        Some(quoted) => serde_json::from_slice(&quoted),
        None => Err(e),
    });
    match parsed {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::corrupt("this metadata file is not a JSON object").with("file", file)),
        Err(error) => Err(Error::corrupt("this metadata file is not valid JSON")
            .with("file", file)
            .source_error(error)),
    }
}

/// Spends the values that a document holds, before any is made of its text: each takes tens of bytes,
/// of which its text may be one.
pub(crate) fn spend_values(text: &[u8], left: &mut Remaining) -> Result<()> {
    let (mut in_text, mut is_escaped) = (false, false);
    for &byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            // Each but the first value of a list or an object stands behind a comma.
            b',' | b'[' if !in_text => left.spend(1)?,
            b'{' if !in_text => left.spend(OF_OBJECT)?,
            _ => {}
        }
    }
    Ok(())
}

/// Puts bare `NaN` and infinities outside of texts in quotes; `None` if there are none.
fn quote_bare_numbers(text: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
    let mut quoted = Vec::with_capacity(text.len() + 64);
    let (mut rest, mut in_text, mut found) = (text, false, false);
    while let Some((&byte, tail)) = rest.split_first() {
        let word = WORDS.iter().find(|word| !in_text && rest.starts_with(word));
        if let Some(word) = word {
            quoted.extend_from_slice(b"\"\\u0000");
            quoted.extend_from_slice(word);
            quoted.push(b'"');
            rest = &rest[word.len()..];
            found = true;
            continue;
        }
        quoted.push(byte);
        rest = tail;
        match (byte, tail.split_first()) {
            (b'"', _) => in_text = !in_text,
            (b'\\', Some((&escaped, after))) if in_text => {
                quoted.push(escaped);
                rest = after;
            }
            _ => {}
        }
    }
    found.then_some(quoted)
}

/// A fill value as the Zarr specification writes it: NaN and infinities are texts.
pub(crate) fn fill_value(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.trim_start_matches(BARE).to_owned()),
        other => other.clone(),
    }
}

/// The attributes in a JSON object.
pub(crate) fn attributes(object: &Map<String, Value>) -> Attributes {
    let pairs = object.iter();
    pairs
        .map(|(name, value)| (name.clone(), attribute(value)))
        .collect()
}

fn attribute(value: &Value) -> Attribute {
    match value {
        Value::Null => Attribute::Null,
        Value::Bool(value) => Attribute::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Attribute::Int(value),
            (None, Some(value)) => Attribute::UInt(value),
            (None, None) => Attribute::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => match text.strip_prefix(BARE) {
            Some("NaN") => Attribute::Float(f64::NAN),
            Some("Infinity") => Attribute::Float(f64::INFINITY),
            Some("-Infinity") => Attribute::Float(f64::NEG_INFINITY),
            _ => Attribute::String(text.clone()),
        },
        Value::Array(items) => Attribute::List(items.iter().map(attribute).collect()),
        Value::Object(object) => Attribute::Object(attributes(object)),
    }
}

/// The JSON of attributes.
///
/// # Errors
/// `Unsupported` for values that JSON can't hold: NaN, infinities, references.
pub(crate) fn from_attributes(attributes: &BTreeMap<String, Attribute>) -> Result<Value> {
    let pairs = attributes.iter();
    pairs
        .map(|(name, attribute)| Ok((name.clone(), from_attribute(name, attribute)?)))
        .collect::<Result<Map<_, _>>>()
        .map(Value::Object)
}

fn from_attribute(name: &str, attribute: &Attribute) -> Result<Value> {
    Ok(match attribute {
        Attribute::Null => Value::Null,
        Attribute::Bool(value) => Value::Bool(*value),
        Attribute::Int(value) => Value::from(*value),
        Attribute::UInt(value) => Value::from(*value),
        Attribute::Float(value) => match Number::from_f64(*value) {
            Some(number) => Value::Number(number),
            None => return Err(unwritable(name, &value.to_string())),
        },
        Attribute::String(text) => Value::String(text.clone()),
        Attribute::List(items) => {
            let items = items.iter().map(|item| from_attribute(name, item));
            Value::Array(items.collect::<Result<_>>()?)
        }
        Attribute::Object(object) => from_attributes(object)?,
        Attribute::Reference(path) => return Err(unwritable(name, &format!("reference {path}"))),
        Attribute::Other(words) => return Err(unwritable(name, words)),
    })
}

fn unwritable(name: &str, value: &str) -> Error {
    Error::unsupported(format!(
        "Zarr can't hold the value {value} of the attribute {name:?}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_numbers_are_understood_outside_of_texts_only() {
        let text = br#"{"a": NaN, "b": [-Infinity, Infinity], "NaN": "NaN \" NaN"}"#;
        let attributes = attributes(&parse(".zattrs", text, &Limits::DEFAULT).expect("JSON"));
        assert!(matches!(attributes["a"], Attribute::Float(value) if value.is_nan()));
        let expected = Attribute::from(vec![f64::NEG_INFINITY, f64::INFINITY]);
        assert_eq!(attributes["b"], expected);
        assert_eq!(attributes["NaN"], Attribute::from("NaN \" NaN"));
    }

    #[test]
    fn objects_count_as_many_values() {
        let limits = Limits {
            elements: 20,
            ..Limits::DEFAULT
        };
        assert!(parse(".zattrs", br#"{"a": [1, 2, "{"]}"#, &limits).is_ok());
        assert!(parse(".zattrs", br#"{"a": {}}"#, &limits).is_err());
    }
}
