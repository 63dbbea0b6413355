//! The links of a group as they are stored, whether or not they lead anywhere: so one that doesn't
//! hides none of the others.

use anndex_store::NodeKind;
use anndex_store::{Error, Limits, Result};
use hdf5_reader::btree_v1::collect_btree_v1_leaves_storage;
use hdf5_reader::btree_v2::{BTreeV2Header, BTreeV2Record, collect_btree_v2_records_storage};
use hdf5_reader::error::Result as Hdf5Result;
use hdf5_reader::fractal_heap::{FractalHeap, FractalHeapDirectBlockCache};
use hdf5_reader::io::Cursor;
use hdf5_reader::local_heap::LocalHeap;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::link::{self, LinkTarget};
use hdf5_reader::messages::link_info::LinkInfoMessage;
use hdf5_reader::messages::symbol_table_msg::SymbolTableMessage;
use hdf5_reader::symbol_table::SymbolTableNode;
use hdf5_reader::{Hdf5File, Storage};

use crate::error::from_hdf5;

/// The names of all links of a group, sorted, with what they lead to.
pub(crate) type Links = Vec<(String, LinkTarget)>;

/// What the scratch pad of an entry holds if it is a soft link: the place of its path in the heap.
const SOFT_LINK: u32 = 2;

/// Reads the links of the group whose header is at `address`.
pub(crate) fn links(file: &Hdf5File, address: u64) -> Result<Links> {
    read(file, address).map_err(from_hdf5)
}

/// Whether the object whose header is at `address` is a group or an array.
///
/// # Errors
/// `Unsupported` if it is neither or of a kind that can't be read; `Corrupt` if it is damaged.
pub(crate) fn kind(file: &Hdf5File, address: u64) -> Result<NodeKind> {
    let header = file.get_or_parse_header(address).map_err(from_hdf5)?;
    // As `hdf5-reader` tells them apart.
    let (mut has_values, mut has_attributes) = (false, false);
    for message in &header.messages {
        match message {
            HdfMessage::SymbolTable(_)
            | HdfMessage::Link(_)
            | HdfMessage::LinkInfo(_)
            | HdfMessage::GroupInfo(_) => return Ok(NodeKind::Group),
            HdfMessage::Dataspace(_)
            | HdfMessage::DataLayout(_)
            | HdfMessage::FillValue(_)
            | HdfMessage::FilterPipeline(_) => has_values = true,
            HdfMessage::Attribute(_) | HdfMessage::AttributeInfo(_) => has_attributes = true,
            _ => {}
        }
    }
    match (has_values, has_attributes) {
        (true, _) => Ok(NodeKind::Array),
        (false, true) => Ok(NodeKind::Group),
        (false, false) => Err(neither()),
    }
}

/// The error for an object that has no values: a data type that was given a name.
pub(crate) fn neither() -> Error {
    Error::unsupported("this is neither a group nor an array, but a data type")
}

fn read(file: &Hdf5File, address: u64) -> Hdf5Result<Links> {
    let header = file.get_or_parse_header(address)?;
    let mut links = Links::new();
    let mut dense = None;
    for message in &header.messages {
        match message {
            // Groups of the older structure have nothing else.
            HdfMessage::SymbolTable(table) => {
                links = of_symbol_table(file, table)?;
                dense = None;
                break;
            }
            HdfMessage::Link(link) => links.push((link.name.clone(), link.target.clone())),
            HdfMessage::LinkInfo(info) => dense = Some(info),
            _ => {}
        }
    }
    let is_there = |info: &&LinkInfoMessage| !is_undefined(file, info.fractal_heap_address);
    if let Some(info) = dense.filter(is_there) {
        links.append(&mut of_heap(file, info)?);
    }
    // A name that a damaged group has twice means the first one, as on look-up.
    links.sort_by(|a, b| a.0.cmp(&b.0));
    links.dedup_by(|a, b| a.0 == b.0);
    Ok(links)
}

fn is_undefined(file: &Hdf5File, address: u64) -> bool {
    Cursor::is_undefined_offset(address, file.superblock().offset_size)
}

fn sizes(file: &Hdf5File) -> (&dyn Storage, u8, u8) {
    let superblock = file.superblock();
    (
        file.storage(),
        superblock.offset_size,
        superblock.length_size,
    )
}

fn of_symbol_table(file: &Hdf5File, table: &SymbolTableMessage) -> Hdf5Result<Links> {
    let (storage, offset_size, length_size) = sizes(file);
    let heap = LocalHeap::parse_at_storage(storage, table.heap_address, offset_size, length_size)?;
    let leaves = collect_btree_v1_leaves_storage(
        storage,
        table.btree_address,
        offset_size,
        length_size,
        None,
        &[],
        None,
    )?;
    let mut links = Links::new();
    if leaves.is_empty() {
        return Ok(links);
    }
    let too_large = || invalid("a heap of names is larger than memory");
    let len = usize::try_from(heap.data_segment_size).map_err(|_| too_large())?;
    let names = storage.read_range(heap.data_segment_address, len)?;
    // Leaves may be the same one again and again, and so may the texts of entries.
    let mut entries = Limits::DEFAULT.entries();
    let mut texts = Limits::DEFAULT.text(names.len() as u64);
    for (_, address) in leaves {
        let head_len = 8 + 2 * usize::from(offset_size);
        let head = storage.read_range(address, head_len)?;
        let count = usize::from(u16::from_le_bytes([head[6], head[7]]));
        let entry_len = 2 * usize::from(offset_size) + 24;
        let node = storage.read_range(address, 8 + count * entry_len)?;
        let node = SymbolTableNode::parse(&mut Cursor::new(&node), offset_size, length_size)?;
        for entry in node.entries {
            entries.spend(1).map_err(exceeded)?;
            let name = text(&names, entry.link_name_offset)?;
            texts.spend(name.len() as u64).map_err(exceeded)?;
            let target = if entry.cache_type == SOFT_LINK {
                let [a, b, c, d, ..] = entry.scratch;
                let path = text(&names, u32::from_le_bytes([a, b, c, d]).into())?;
                texts.spend(path.len() as u64).map_err(exceeded)?;
                let path = path.to_owned();
                LinkTarget::Soft { path }
            } else {
                let address = entry.object_header_address;
                LinkTarget::Hard { address }
            };
            links.push((name.to_owned(), target));
        }
    }
    Ok(links)
}

/// The text that begins at `offset` of a heap and ends before a zero.
fn text(heap: &[u8], offset: u64) -> Hdf5Result<&str> {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|start| heap.get(start..));
    let bytes = rest.and_then(|rest| rest.split(|&byte| byte == 0).next());
    let bytes = bytes.ok_or_else(|| invalid("a name lies outside its heap"))?;
    std::str::from_utf8(bytes).map_err(|_| invalid("a name is not UTF-8"))
}

fn invalid(message: &str) -> hdf5_reader::error::Error {
    hdf5_reader::error::Error::InvalidData(message.to_owned())
}

/// The error for a limit that is passed.
fn exceeded(error: Error) -> hdf5_reader::error::Error {
    invalid(error.message())
}

fn of_heap(file: &Hdf5File, info: &LinkInfoMessage) -> Hdf5Result<Links> {
    let (storage, offset_size, length_size) = sizes(file);
    let heap = info.fractal_heap_address;
    let heap = FractalHeap::parse_at_storage(storage, heap, offset_size, length_size)?;
    let index = info.btree_name_index_address;
    let index = BTreeV2Header::parse_at_storage(storage, index, offset_size, length_size)?;
    let records = collect_btree_v2_records_storage(
        storage,
        &index,
        offset_size,
        length_size,
        None,
        &[],
        None,
    )?;
    let mut blocks = FractalHeapDirectBlockCache::default();
    // Records may lead to the same link again and again.
    let mut entries = Limits::DEFAULT.entries();
    let mut texts = Limits::DEFAULT.text(storage.len());
    let mut links = Links::new();
    for record in &records {
        let (BTreeV2Record::LinkNameHash { heap_id, .. }
        | BTreeV2Record::CreationOrder { heap_id, .. }) = record
        else {
            continue;
        };
        entries.spend(1).map_err(exceeded)?;
        let message = heap.get_object_storage_cached(
            heap_id,
            storage,
            offset_size,
            length_size,
            &mut blocks,
        )?;
        texts.spend(message.len() as u64).map_err(exceeded)?;
        let mut cursor = Cursor::new(&message);
        let link = link::parse(&mut cursor, offset_size, length_size, message.len())?;
        links.push((link.name, link.target));
    }
    Ok(links)
}
