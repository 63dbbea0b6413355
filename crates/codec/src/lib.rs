//! Decoders of compressed chunks, which the stores share.
//!
//! Every decoder writes into memory that its caller gives it, and never asks for more on the word
//! of damaged bytes. What one chunk needed is kept for the next one of the same thread, so that
//! decoding takes no memory and no time to clear it.

pub mod blosc;
mod chain;
mod copy;
mod decoders;
mod lz4;
mod lzf;
mod scratch;
mod shuffle;

use anndex_store::Error;

pub use chain::Codec;
pub use decoders::Decoders;
pub use lz4::decode_block as lz4_block;
pub use lzf::decode as lzf;
pub use scratch::{Buffer, Scratch};
pub use shuffle::unshuffle;

fn damaged() -> Error {
    Error::corrupt("a compressed chunk is damaged")
}

fn too_long() -> Error {
    Error::corrupt("a chunk has more bytes than its shape")
}
