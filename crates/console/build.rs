//! Puts every file below `web` into a table: its content, the same compressed, and a tag that changes with it.
//!
//! Compressing here instead of when the program starts keeps that quick, and gzip, unlike Brotli, is taken by browsers over
//! plain HTTP too.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};

fn main() -> Result<(), Box<dyn Error>> {
    let web = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=web");
    let mut files = Vec::new();
    collect(&web, &mut files)?;
    files.sort();
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for (number, file) in files.iter().enumerate() {
        let content = fs::read(file)?;
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&content)?;
        let compressed = out.join(format!("{number}.gz"));
        fs::write(&compressed, encoder.finish()?)?;
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let name = file
            .strip_prefix(&web)?
            .to_str()
            .ok_or("a file's name is no UTF-8")?;
        writeln!(
            table,
            "    Asset {{ name: {name:?}, media_type: {:?}, tag: \"\\\"{:016x}\\\"\", plain: include_bytes!({file:?}), gzip: include_bytes!({compressed:?}) }},",
            media_type(file)?,
            hasher.finish(),
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
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
        Some("svg") => Ok("image/svg+xml"),
        Some("txt") => Ok("text/plain; charset=utf-8"),
        Some("toml") => Ok("application/toml"),
        _ => Err(format!("{} has no known type", file.display())),
    }
}
