//! Packs the vocabulary. The tokenizer's crate has it as a text of 3.6 MB; packed it is less than a third of that, and the text
//! does not get into the program.

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufWriter, Write as _},
    path::PathBuf,
};

use flate2::{Compression, write::DeflateEncoder};

/// In the order of their ranks, each token's length in one byte, and its bytes.
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let vocabulary = tiktoken_rs::o200k_base()?;
    let file = PathBuf::from(env::var("OUT_DIR")?).join("vocabulary");
    let packed = DeflateEncoder::new(File::create(file)?, Compression::best());
    let mut packed = BufWriter::new(packed);
    // Special tokens come after a gap.
    for token in (0..).map_while(|rank| vocabulary.decode_bytes(&[rank]).ok()) {
        packed.write_all(&[u8::try_from(token.len())?])?;
        packed.write_all(&token)?;
    }
    packed.into_inner()?.finish()?;
    Ok(())
}
