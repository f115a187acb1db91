//! What a build script does: a table of files, compressed.

#![expect(
    clippy::print_stdout,
    reason = "it is how a build script talks to Cargo"
)]

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

/// Writes `assets.rs` into the `OUT_DIR` of a build script: `ASSETS`, an [`Asset`](crate::Asset) for each of these `files`, which lie below
/// `folder` of the package. What it names is to be included. They are packed again when one of them changes.
///
/// # Errors
/// A file cannot be read or written, or has no type that is known here; or this is no build script.
pub fn pack(folder: &str, files: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join(folder);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("static ASSETS: &[assets::Asset] = &[\n");
    for (number, name) in files.iter().enumerate() {
        let file = folder.join(name);
        println!("cargo::rerun-if-changed={}", file.display());
        let content = fs::read(&file)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&content)?;
        let compressed = out.join(format!("{number}.gz"));
        fs::write(&compressed, encoder.finish()?)?;
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        writeln!(
            table,
            "    assets::Asset {{ name: {:?}, media_type: {:?}, tag: \"\\\"{:016x}\\\"\", gzip: include_bytes!({compressed:?}) }},",
            name.to_str().ok_or("a file's name is no UTF-8")?,
            media_type(name)?,
            hasher.finish(),
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// The files below `folder` of the package, by their paths from there, in their order. Whatever is new there is packed, too.
///
/// # Errors
/// A folder cannot be read, or this is no build script.
pub fn below(folder: &str) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let folder = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join(folder);
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    collect(&folder, &mut files)?;
    let relative: Result<Vec<_>, _> = files
        .iter()
        .map(|file| file.strip_prefix(&folder).map(Path::to_owned))
        .collect();
    let mut files = relative?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn media_type(file: &Path) -> Result<&'static str, String> {
    match file.extension().and_then(|it| it.to_str()) {
        Some("html") => Ok("text/html; charset=utf-8"),
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("json") => Ok("application/json"),
        Some("svg") => Ok("image/svg+xml"),
        Some("txt") => Ok("text/plain; charset=utf-8"),
        Some("toml") => Ok("application/toml"),
        _ => Err(format!("{} has no known type", file.display())),
    }
}
