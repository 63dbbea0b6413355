//! HDF5 element types: what they are to the store, and how their bytes are laid out.

use anndex_store::{DataType, StructField};
use anndex_store::{Error, Result};
use hdf5_reader::{
    ByteOrder, Datatype, EnumMember, ReferenceType, StringPadding, StringSize, VarLenKind,
};

/// The type of one stored element.
#[derive(Debug, Clone)]
pub(crate) struct ElementType {
    /// The type that the store shows, of one value.
    pub(crate) data_type: DataType,
    pub(crate) encoding: Encoding,
    /// Extents of an array-valued element; empty for one value.
    pub(crate) shape: Vec<u64>,
    /// Stored bytes of one value.
    pub(crate) value_size: usize,
}

/// How one value stands in its bytes.
#[derive(Debug, Clone)]
pub(crate) enum Encoding {
    Number {
        big_endian: bool,
    },
    Bool,
    FixedString(StringPadding),
    /// A reference into a global heap.
    VariableString(StringPadding),
    Struct(Vec<Field>),
    /// A reference into a global heap, to values of this type.
    Sequence(Box<ElementType>),
    ObjectReference,
    Other,
}

/// One field of a compound type.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) offset: usize,
    pub(crate) element: ElementType,
}

impl ElementType {
    /// Stored bytes of one element (a value, or an array of values).
    pub(crate) fn size(&self) -> Result<usize> {
        self.shape
            .iter()
            .try_fold(self.value_size, |size, &n| {
                size.checked_mul(usize::try_from(n).ok()?)
            })
            .ok_or_else(|| Error::corrupt("the elements of the array are impossibly large"))
    }

    /// Reads the type from its description; `offset_size` is the file's size of addresses.
    pub(crate) fn new(datatype: &Datatype, offset_size: u8) -> Result<Self> {
        let heap_reference = 4 + usize::from(offset_size) + 4;
        let value = |data_type, encoding, value_size| Self {
            data_type,
            encoding,
            shape: Vec::new(),
            value_size,
        };
        let other = |name: String, size| value(DataType::Other(name), Encoding::Other, size);
        Ok(match datatype {
            Datatype::FixedPoint {
                size,
                signed,
                byte_order,
            } => match integer(*size, *signed) {
                Some(data_type) => value(data_type, number(*byte_order), usize::from(*size)),
                None => other(format!("integer of {size} bytes"), usize::from(*size)),
            },
            Datatype::FloatingPoint { size, byte_order } => match float(*size) {
                Some(data_type) => value(data_type, number(*byte_order), usize::from(*size)),
                None => other(format!("float of {size} bytes"), usize::from(*size)),
            },
            Datatype::String {
                size: StringSize::Fixed(size),
                padding,
                ..
            } => value(
                DataType::String,
                Encoding::FixedString(*padding),
                *size as usize,
            ),
            Datatype::String {
                size: StringSize::Variable,
                padding,
                ..
            } => value(
                DataType::String,
                Encoding::VariableString(*padding),
                heap_reference,
            ),
            Datatype::VarLen {
                base,
                kind: VarLenKind::String,
                padding,
                ..
            } if base.is_vlen_string_base() => value(
                DataType::String,
                Encoding::VariableString(*padding),
                heap_reference,
            ),
            Datatype::VarLen { base, .. } => {
                let base = Self::new(base, offset_size)?;
                value(
                    DataType::Other(format!("variable-length sequence of {}", base.data_type)),
                    Encoding::Sequence(Box::new(base)),
                    heap_reference,
                )
            }
            Datatype::Enum { base, members } => {
                let mut base = Self::new(base, offset_size)?;
                if base.value_size == 1 && is_boolean(members) {
                    base.data_type = DataType::Bool;
                    base.encoding = Encoding::Bool;
                }
                base
            }
            Datatype::Array { base, dims } => {
                let mut base = Self::new(base, offset_size)?;
                base.shape = dims.iter().copied().chain(base.shape).collect();
                base
            }
            Datatype::Compound { size, fields } => {
                let fields = fields
                    .iter()
                    .map(|field| {
                        let element = Self::new(&field.datatype, offset_size)?;
                        let offset = field.byte_offset as usize;
                        let end = offset.checked_add(element.size()?);
                        if end.is_none_or(|end| end > *size as usize) {
                            return Err(Error::corrupt(format!(
                                "the field `{}` lies outside its compound type",
                                field.name
                            )));
                        }
                        Ok(Field {
                            name: field.name.clone(),
                            offset,
                            element,
                        })
                    })
                    .collect::<Result<Vec<_>>>()?;
                let shown = fields.iter().map(|field| StructField {
                    name: field.name.clone(),
                    data_type: field.element.data_type.clone(),
                    shape: field.element.shape.clone(),
                });
                value(
                    DataType::Struct(shown.collect()),
                    Encoding::Struct(fields),
                    *size as usize,
                )
            }
            Datatype::Reference {
                ref_type: ReferenceType::Object,
                size,
            } => value(
                DataType::Other("object reference".to_owned()),
                Encoding::ObjectReference,
                usize::from(*size),
            ),
            Datatype::Reference { size, .. } => {
                other("region reference".to_owned(), usize::from(*size))
            }
            Datatype::Opaque { size, tag } => other(format!("opaque `{tag}`"), *size as usize),
            Datatype::Bitfield { size, .. } => {
                other(format!("bit field of {size} bytes"), usize::from(*size))
            }
        })
    }
}

/// Checks the stored description of a number for what [`Datatype`] leaves out: padding bits,
/// or exponents of another width than IEEE 754 has (such as bfloat16).
pub(crate) fn is_plain_number(description: &[u8]) -> bool {
    let Some((head, properties)) = description.split_first_chunk::<8>() else {
        return false;
    };
    let bits = u32::from(head[4]) * 8;
    let precision = |properties: &[u8]| {
        let bit_offset = u32::from(properties[0]) | u32::from(properties[1]) << 8;
        let precision = u32::from(properties[2]) | u32::from(properties[3]) << 8;
        bit_offset == 0 && precision == bits
    };
    match (head[0] & 0x0f, properties) {
        (0, properties) if properties.len() >= 4 => precision(properties),
        (1, properties) if properties.len() >= 8 => {
            let layout = match bits {
                16 => [10, 5, 0, 10],
                32 => [23, 8, 0, 23],
                _ => [52, 11, 0, 52],
            };
            precision(properties) && properties[4..8] == layout
        }
        _ => true,
    }
}

fn number(byte_order: ByteOrder) -> Encoding {
    Encoding::Number {
        big_endian: byte_order == ByteOrder::BigEndian,
    }
}

fn integer(size: u8, signed: bool) -> Option<DataType> {
    Some(match (size, signed) {
        (1, true) => DataType::Int8,
        (2, true) => DataType::Int16,
        (4, true) => DataType::Int32,
        (8, true) => DataType::Int64,
        (1, false) => DataType::UInt8,
        (2, false) => DataType::UInt16,
        (4, false) => DataType::UInt32,
        (8, false) => DataType::UInt64,
        _ => return None,
    })
}

fn float(size: u8) -> Option<DataType> {
    Some(match size {
        2 => DataType::Float16,
        4 => DataType::Float32,
        8 => DataType::Float64,
        _ => return None,
    })
}

/// Booleans as h5py writes them: an enum of `FALSE` and `TRUE`.
fn is_boolean(members: &[EnumMember]) -> bool {
    let has = |name, value| {
        members
            .iter()
            .any(|member| member.name == name && member.value == [value])
    };
    members.len() == 2 && has("FALSE", 0) && has("TRUE", 1)
}
