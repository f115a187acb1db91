//! Puts what shows the API into a table.

use std::error::Error;

use assets::pack;

fn main() -> Result<(), Box<dyn Error>> {
    let files = [
        "openapi.json",
        "src/docs/page.html",
        "src/docs/page.js",
        "src/docs/page.css",
    ];
    pack::pack("", &files.map(Into::into))
}
