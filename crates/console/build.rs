//! Puts every file below `web` into a table.

use std::error::Error;

use assets::pack;

fn main() -> Result<(), Box<dyn Error>> {
    pack::pack("web", &pack::below("web")?)
}
